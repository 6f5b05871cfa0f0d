"""Pictures below 64 px: kept by a run for labels, where only exact copies are dropped, and no others."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from catalog import Workspace, open_catalog
from catalog.releases.from_run import publish_run
from crawler.session.crawl import crawl
from crawler.sources import FolderSource, IdxSource
from curation.report.report import write_report
from curation.review.label_audit import audit_labels
from curation.run.plan import CurationPlan
from curation.run.run import curate
from curation.run.summary import CurationSummary
from curation.settings import CurateSettings
from tests.curation.broken_files import encoded
from tests.curation.labelled_catalog import bring, kinds
from tests.curation.small_catalog import Shot, SmallEmbedder, exif, fill, jpeg, scene
from tests.real_data import REAL, needs

QUIET = CurateSettings(runner="threads", workers=1, faces="off")
SIDE = 28
N = 40
TWIN = 7  # of the first picture, byte for byte
SETTINGS_RUN = CurationPlan(find_labels=False)


def run(workspace: Workspace, plan: CurationPlan | None = None) -> CurationSummary:
    return curate(workspace, plan or CurationPlan(), QUIET, embedder=SmallEmbedder())


def glyphs() -> np.ndarray:
    """Draw bars whose number is the class; all are alike for a hash of 288 px."""
    pictures = np.zeros((N, SIDE, SIDE), np.uint8)
    for number, picture in enumerate(pictures):
        for bar in range(number % 4 + 1):
            picture[4:24, 3 + 6 * bar : 6 + 6 * bar] = 150 + number
    pictures[TWIN] = pictures[3]
    return pictures


def write_idx(folder: Path, pictures: np.ndarray, labels: list[int]) -> IdxSource:
    images, classes = folder / "made-images.idx", folder / "made-labels.idx"
    images.write_bytes(
        bytes([0, 0, 8, 3]) + struct.pack(">3I", *pictures.shape) + pictures.tobytes()
    )
    classes.write_bytes(bytes([0, 0, 8, 1]) + struct.pack(">I", len(labels)) + bytes(labels))
    return IdxSource(str(images), str(classes))


@pytest.mark.long
def test_digits_of_28_px_become_a_release(workspace: Workspace, tmp_path: Path) -> None:
    crawl(workspace, write_idx(tmp_path, glyphs(), [number % 4 for number in range(N)]))
    before = run(workspace, SETTINGS_RUN)
    assert (before.n_kept, before.dropped) == (0, {"too_small": N - 1}), "for settings as before"
    summary = run(workspace)
    assert summary.n_input == N - 1, "equal bytes are one file"
    assert (summary.n_kept, summary.dropped) == (N - 1, {})
    assert summary.plan["labels"] == ["digit"]
    assert run(workspace, SETTINGS_RUN).run_id == before.run_id
    assert not run(workspace).is_new
    assert set(publish_run(workspace, "digits").index()["digit"].to_pylist()) == {0, 1, 2, 3}
    assert audit_labels(workspace).issues == ()
    assert "data:image/jpeg" not in write_report(workspace).read_text("utf-8"), "nothing to show"


def test_equal_pixels_in_another_file_are_an_exact_copy(
    workspace: Workspace, tmp_path: Path
) -> None:
    for number, pixels in enumerate(glyphs()[:12]):
        folder = tmp_path / "pictures" / ("odd", "even")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        kind = "GIF" if number == TWIN else "PNG"
        picture = Image.fromarray(pixels).convert("RGB" if kind == "PNG" else "L")
        (folder / f"{number}.{kind.lower()}").write_bytes(encoded(picture, kind))
    crawl(workspace, FolderSource(str(tmp_path / "pictures"), class_level=1))
    summary = run(workspace)
    assert (summary.n_kept, summary.dropped) == (11, {"exact_duplicate": 1})


def test_below_8_px_and_damage_are_dropped_with_their_reason(
    workspace: Workspace, tmp_path: Path
) -> None:
    crawl(workspace, write_idx(tmp_path, glyphs()[:, :7, :7].copy(), [n % 4 for n in range(N)]))
    summary = run(workspace)
    assert (summary.n_kept, set(summary.dropped)) == (0, {"too_small"})
    with open_catalog(workspace) as catalog:
        [row] = catalog.records(
            "SELECT DISTINCT evidence FROM decisions WHERE run_id = ?", [summary.run_id]
        )
    assert row["evidence"] == "7 x 7 px, smallest side is 8 px"


@pytest.mark.long
def test_a_run_for_settings_drops_small_pictures_and_a_run_for_labels_adds_no_stage_without_any(
    workspace: Workspace,
) -> None:
    shots = [Shot(f"{n}.jpg", jpeg(scene(n)), exif(n)) for n in range(6)]
    small = Shot("small.jpg", jpeg(scene(9).resize((60, 60))), exif(9))
    fill(workspace, [*shots, small])
    summary = run(workspace)
    assert summary.dropped == {"too_small": 1}
    bring(workspace, kinds(4, start=20))
    labelled = run(workspace, CurationPlan(labels=("kind",)))
    assert not any(str(each).startswith("decode_small") for each in labelled.plan["stages"])  # type: ignore[attr-defined]  # a list


@pytest.mark.slow
@needs("digits/mnist-images-idx3-ubyte.gz")
def test_a_thousand_real_digits_are_kept(workspace: Workspace) -> None:
    names = (f"mnist-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1"))
    crawl(workspace, IdxSource(*(str(REAL / "digits" / name) for name in names), limit=1000))
    summary = run(workspace)
    assert (summary.n_input, summary.n_kept, summary.dropped) == (1000, 1000, {})
    assert summary.plan["labels"] == ["digit"]
    release = publish_run(workspace, "digits")
    assert min(release.manifest["class_counts"]["digit"]["test"].values()) >= 0
    assert 120 <= summary.splits["test"] <= 180
