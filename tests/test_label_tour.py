"""The README's list of addresses with a column of labels, typed word by word: from the crawl to a release."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog import SafelightError, Workspace, find_release
from catalog.lake.permission import of_index
from safelight import cli
from tests.curation.small_catalog import jpeg, scene
from tests.fakes.fault_site import FaultSite

BREEDS = ("beagle", "husky", "pug")
ADVICE = re.compile(r"to change that: safelight (crawl basis .*)$", re.MULTILINE)


@pytest.fixture
def typed(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[[str], tuple[int, str]]:
    """Run one line as a shell would and give its exit code and what it printed."""
    monkeypatch.setenv("SAFELIGHT_CONTACT", "tests@example.org")
    monkeypatch.setenv("SAFELIGHT_HOME", str(workspace.home))

    def run(line: str) -> tuple[int, str]:
        with pytest.raises((SystemExit, SafelightError)) as ended:
            cli(shlex.split(line), prog_name="safelight")
        said = capfd.readouterr()
        if isinstance(ended.value, SafelightError):  # what the program prints, with exit code 1
            return 1, str(ended.value)
        return int(str(ended.value.code or 0)), said.out + said.err

    return run


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_list_with_labels_becomes_a_release_that_may_be_trained_on(
    workspace: Workspace,
    typed: Callable[[str], tuple[int, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    pictures = {f"{n}.jpg": jpeg(scene(n)) for n in range(24)}
    with FaultSite(pictures) as site:
        rows = [
            {"url": f"{site.url}/images/{n}.jpg", "breed": BREEDS[n % 3], "note": f"picture {n}"}
            for n in range(24)
        ]
        pq.write_table(pa.Table.from_pylist(rows), "addresses.parquet")
        command = (
            "crawl run urls addresses.parquet --label-col breed --label-col note --allow-private"
        )
        assert "0 of 24 may be trained on, because no_basis_recorded (24)" in typed(command)[1]
        asked = site.images.total()
        curated = typed("curate run --runner threads")[1]
        assert "breed: 24 pictures, 3 classes" in curated
        assert re.search(r"^breed +pug +\d", curated, re.MULTILINE)
        assert "f_number" not in curated
        published = typed("dataset publish dogs")[1]
        assert "0 of 24 may be trained on" in published
        code, refused = typed("train run exif --dataset dogs --preset smoke")
        assert code == 1
        assert ADVICE.search(published)
        advised = ADVICE.search(published)
        assert advised
        assert advised.group(1) in refused
        line = advised.group(1).replace("WHY YOU MAY", "by contract of 2 May")
        assert "recorded for 24 of 24 photos" in typed(line)[1]
        typed("curate run --runner threads")
        assert "24 of 24 may be trained on" in typed("dataset publish dogs")[1]
        assert site.images.total() == asked, "nobody was asked again"
    first, second = (find_release(workspace, f"dogs@{v}") for v in ("1.0.0", "1.1.0"))
    assert of_index(second.index()).allowed == 24
    assert set(second.index()["breed"].to_pylist()) == set(BREEDS)
    assert set(second.index()["training_basis"].to_pylist()) == {"by contract of 2 May"}
    assert first.index()["split"].to_pylist() == second.index()["split"].to_pylist()
    assert set(second.manifest["class_counts"]) >= {"breed"}
    assert "note" not in second.manifest["class_counts"]
    code, said = typed("train run exif --dataset dogs --preset smoke --epochs 1")
    assert code == 1
    assert "it has the labels breed, note" in said
