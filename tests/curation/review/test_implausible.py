import json

import pytest

from catalog import Workspace, open_catalog, rows, write_segment
from curation.report.report import write_report
from curation.review.implausible import KIND, MAX_PROBABILITY, record_implausible
from curation.run.run import curate
from curation.settings import CurateSettings
from tests.curation.small_catalog import SmallEmbedder, fill, sound_shots

QUIET = CurateSettings(runner="threads", workers=1, faces="off")


def prediction(
    sha: str, probability: float, target: int, model: str, split: str
) -> dict[str, object]:
    rest = [(1 - probability) / 2] * 3
    rest[target] = probability
    return {
        "model_id": model,
        "asset_sha256": sha,
        "task": "iso",
        "split": split,
        "probabilities": rest,
        "predicted": 0,
        "target": target,
        "nll": 1.0,
    }


def issues(workspace: Workspace) -> list[dict[str, object]]:
    with open_catalog(workspace) as catalog:
        return list(catalog.records("SELECT * FROM issues ORDER BY asset_sha256"))


@pytest.mark.slow
def test_settings_that_held_out_models_do_not_believe_become_issues_with_a_panel(
    workspace: Workspace,
) -> None:
    shots = sound_shots(8)  # ISO 100, 100, 100, 400, 400, 400, 3200 ...: bins 0, 1, 2
    fill(workspace, shots)
    run = curate(workspace, None, QUIET, embedder=SmallEmbedder())
    assert issues(workspace) == []
    records = [
        prediction(shots[0].sha256, 0.001, 0, "m1", "test"),  # believed by nobody
        prediction(shots[1].sha256, 0.001, 0, "m1", "train"),  # the model learned from it
        prediction(shots[2].sha256, 0.001, 0, "m1", "test"),  # the second model believes it
        prediction(shots[2].sha256, 0.9, 0, "m2", "test"),
        prediction(shots[6].sha256, 0.001, 1, "m1", "test"),  # the label has changed since
        prediction(shots[7].sha256, 0.6, 2, "m1", "test"),
    ]
    write_segment(workspace, {"predictions": rows("predictions", records)}, job="train:test")
    again = curate(workspace, None, QUIET, embedder=SmallEmbedder())
    with open_catalog(workspace) as catalog:
        assert record_implausible(catalog, run.run_id) == 1  # a third time changes nothing
    assert (run.is_new, again.is_new) == (True, False)
    (issue,) = issues(workspace)
    assert (issue["asset_sha256"], issue["kind"]) == (shots[0].sha256, KIND)
    assert float(str(issue["severity"])) >= 1 - MAX_PROBABILITY
    detail = json.loads(str(issue["detail"]))
    assert (detail["setting"], detail["value"]) == ("iso", 100.0)
    assert "Implausible settings" in write_report(workspace).read_text()
