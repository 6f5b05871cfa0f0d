"""Sounds are curated for their labels: bad ones have a reason, and a speaker is never on both sides."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import safelight
from catalog import Workspace, open_catalog
from catalog.releases.from_run import publish_run
from crawler.session.crawl import crawl
from crawler.sources import SoundsSource
from curation.commands.curate import curate as command
from curation.errors import BadPlanError, NothingToCurateError
from curation.report.report import write_report
from curation.review.label_audit import audit_labels
from curation.run.plan import CurationPlan
from curation.run.run import curate
from curation.run.summary import CurationSummary
from curation.settings import CurateSettings
from tests.curation.labelled_catalog import bring, kinds
from tests.curation.small_catalog import SmallEmbedder
from tests.made_sounds import float_wav, tone, wav, word, write_words
from tests.real_data import REAL, needs

QUIET = CurateSettings(runner="threads", workers=1, faces="off")


def run(workspace: Workspace, plan: CurationPlan | None = None) -> CurationSummary:
    return curate(workspace, plan or CurationPlan(), QUIET, embedder=SmallEmbedder())


def splits_of_speakers(workspace: Workspace, run_id: str) -> dict[str, set[str]]:
    with open_catalog(workspace) as catalog:
        rows = catalog.records(
            "SELECT source_photo_id, split FROM curated_items WHERE run_id = ?", [run_id]
        )
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(str(row["source_photo_id"]).split("_")[1], set()).add(str(row["split"]))
    return found


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, CurationSummary]:
    folder = tmp_path_factory.mktemp("sounds")
    write_words(folder / "wav", takes=3)
    bad = {
        "0_ann_90.wav": wav(np.zeros(4000)),
        "0_ann_91.wav": wav(tone(440, 0.04)),
        "0_ann_92.wav": word(0, "ann", 0)[:-200],
        "0_ann_93.wav": float_wav(np.full(4000, np.inf)),
        "0_ann_94.wav": wav(np.round(tone(500) * 100) / 128, width=1),
        "0_ann_95.wav": float_wav(np.round(np.round(tone(500) * 100) / 128 * 127) / 128),
    }  # the last two have equal samples
    for name, body in bad.items():
        (folder / "wav" / name).write_bytes(body)
    workspace = Workspace.at(folder / "home")
    crawl(workspace, SoundsSource(str(folder / "wav")))
    return workspace, run(workspace)


def test_bad_sounds_are_dropped_with_their_reason(
    curated: tuple[Workspace, CurationSummary],
) -> None:
    _, summary = curated
    assert summary.dropped == {
        "silent": 1, "too_short": 1, "truncated": 1, "undecodable": 1, "exact_duplicate": 1,
    }  # fmt: skip
    assert summary.n_input == 42
    assert summary.n_kept == 37
    assert (summary.media, summary.plan["stages"]) == ("sounds", ["decode_sound@1"])


def test_no_split_separates_a_speaker_and_labels_are_columns(
    curated: tuple[Workspace, CurationSummary],
) -> None:
    workspace, summary = curated
    sides = splits_of_speakers(workspace, summary.run_id)
    assert len(sides) == 4
    assert all(len(splits) == 1 for splits in sides.values())
    assert set.union(*sides.values()) == {"train", "validation", "test"}
    assert summary.audits[0].shared_values["person"] == 0
    assert "digit" in {each.label for each in summary.labels}
    assert not run(workspace).is_new


def test_a_release_has_the_bytes_of_the_sounds(curated: tuple[Workspace, CurationSummary]) -> None:
    workspace, _ = curated
    release = publish_run(workspace, "words")
    assert set(release.index()["digit"].to_pylist()) == {0, 1, 2}
    card = (release.path / "README.md").read_text("utf-8")
    assert "sounds labelled by digit" in card
    assert "audio-classification" in card
    assert "sc:AudioObject" in (release.path / "croissant.json").read_text("utf-8")
    shard = release.path / release.manifest["shards"][0]["path"]
    table = pq.read_table(shard)
    image = table["image"][0].as_py()
    assert image["bytes"][:4] == b"RIFF"
    assert image["path"].endswith(".wav")
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["image"] == {"_type": "Audio"}


def test_report_audit_and_command_speak_of_sounds(
    curated: tuple[Workspace, CurationSummary],
) -> None:
    workspace, summary = curated
    [issue] = audit_labels(workspace).issues
    assert issue.kind == "label_conflict", "equal samples were called take 94 and take 95"
    html = write_report(workspace).read_text("utf-8")
    assert "silent: all samples are equal" in html
    assert html.count("data:image/jpeg") >= 1, "the copy is drawn as a waveform"
    output = CliRunner().invoke(command, ["run", "--home", str(workspace.home)]).output
    assert "sounds in" in output
    assert f"{summary.n_kept}" in output
    words = ["dataset", "publish", "spoken", "--home", str(workspace.home)]
    assert (
        f"spoken@1.0.0: {summary.n_kept} sounds ("
        in CliRunner().invoke(safelight.cli, words).output
    )


@pytest.mark.long
def test_a_mixed_catalog_gives_its_pictures_and_says_how_to_take_the_sounds(
    workspace: Workspace, tmp_path: Path
) -> None:
    write_words(tmp_path / "wav", takes=1)
    crawl(workspace, SoundsSource(str(tmp_path / "wav")))
    bring(workspace, kinds(8))
    summary = run(workspace)
    assert (summary.media, summary.n_input) == ("pictures", 8)
    assert "12 sounds left out" in summary.notes[0]
    assert "curate run --media sounds" in summary.notes[0]
    sounds = run(workspace, CurationPlan(media="sounds"))
    assert (sounds.n_input, sounds.n_kept) == (12, 12)
    assert run(workspace).run_id == summary.run_id


def test_wrong_media_are_refused(workspace: Workspace) -> None:
    with pytest.raises(BadPlanError, match="auto, pictures, sounds"):
        CurationPlan(media="films")
    bring(workspace, kinds(2))
    with pytest.raises(NothingToCurateError):
        run(workspace, CurationPlan(media="sounds"))


@pytest.mark.slow
@needs("sounds/fsdd.tar")
def test_real_spoken_digits_are_kept(workspace: Workspace, tmp_path: Path) -> None:
    with tarfile.open(REAL / "sounds/fsdd.tar") as tar:
        tar.extractall(tmp_path / "fsdd", filter="data")
    crawl(workspace, SoundsSource(str(tmp_path / "fsdd")))
    summary = run(workspace)
    assert (summary.n_input, summary.n_kept) == (1000, 1000)
    assert sorted(summary.splits.values()) == [250, 250, 500]
    sides = splits_of_speakers(workspace, summary.run_id)
    assert all(len(splits) == 1 for splits in sides.values())
    assert set(publish_run(workspace, "spoken").index()["digit"].to_pylist()) == set(range(10))
    assert safelight.load("spoken", home=str(workspace.home)) is not None
