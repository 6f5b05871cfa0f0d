import json
from collections.abc import Callable

import pytest

from catalog import Workspace
from catalog.errors import SandboxError
from catalog.sandbox import (
    ExportJob,
    Job,
    Limits,
    PageJob,
    QueryJob,
    SummaryJob,
    ThumbnailJob,
)
from catalog.sandbox.sql.jobs import ChildRequest, ProbeJob
from tests.catalog.sandbox.running import SMALL, sandbox_of

JOBS: list[Job] = [
    QueryJob("SELECT $a", {"a": [1, None, "x"]}, ("landlock", "user")),
    PageJob(10, 20, "f_number", descending=True),
    ExportJob("csv", exact=True),
    SummaryJob(),
    ThumbnailJob(160),
    ProbeJob("/etc/passwd", "/home"),
]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: type(job).__name__)
def test_a_request_comes_back_as_it_was(job: Job) -> None:
    request = ChildRequest(job, Limits(timeout_s=2), True, ("/a", "/b"), ("s3://c",), "ATTACH 'x'")
    assert ChildRequest.from_json(request.to_json()) == request


Change = Callable[[dict[str, dict[str, object]]], object]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda values: values.update(kind={"a": 1}), "unknown kind"),
        (lambda values: values.pop("kind"), "unknown kind"),
        (lambda values: values["job"].update(offset="10"), "'offset' is not of PageJob"),
        (lambda values: values["job"].update(offset=True), "'offset' is not of PageJob"),
        (lambda values: values["job"].update(sql="SELECT 1"), "'sql' is not of PageJob"),
        (lambda values: values["job"].pop("limit"), "incomplete.*limit"),
        (lambda values: values["limits"].update(threads=1.5), "'threads' is not of Limits"),
        (lambda values: values.update(limits={"patience": 1}), "'patience' is not of Limits"),
        (lambda values: values.pop("limits"), "no fields of Limits"),
        (lambda values: values.update(readable=["/a", 1]), "'readable' is not of ChildRequest"),
        (lambda values: values.update(network=None), "'network' is not of ChildRequest"),
    ],
)
def test_a_request_of_another_shape_is_refused(change: Change, said: str) -> None:
    values = json.loads(ChildRequest(PageJob(10, 20), SMALL).to_json())
    change(values)
    with pytest.raises(SandboxError, match=said):
        ChildRequest.from_json(json.dumps(values).encode())


def test_a_child_does_no_job_that_it_does_not_understand(workspace: Workspace) -> None:
    with sandbox_of(workspace) as sandbox:
        job = ThumbnailJob("wide")  # type: ignore[arg-type]  # as from code of another version
        outcome = sandbox.runner.run(sandbox.pool.run(job, SMALL, None))
    assert (outcome.state, outcome.kind) == ("failed", "failed")
    assert "'side' is not of ThumbnailJob" in str(outcome.error)
