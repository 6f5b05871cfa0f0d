"""The line of the UTKFace chips: import, near copies, splits by group and session, and an audit of leaks."""

from pathlib import Path
from tarfile import open as open_tar

import cv2
import numpy as np
import polars as pl
import pytest

from catalog import Workspace, open_catalog
from catalog.releases.from_run import publish_run
from crawler.session.crawl import crawl
from crawler.sources import UtkFaceSource
from crawler.sources.utkface import read_name
from curation.commands.curate import print_summary as show
from curation.review.label_audit import audit_labels
from curation.rules.sessions import with_sessions
from curation.run.plan import CurationPlan
from curation.run.run import curate
from curation.settings import CurateSettings
from curation.splits.groups import group_split, random_split
from curation.splits.metadata_leaks import metadata_baselines
from curation.splits.strata import with_label_classes
from tests.real_data import REAL, members, needs

TASKS = ("age", "gender", "ethnicity")
COPIES = 12
THREADS = CurateSettings(runner="threads", workers=1, faces="off")


def smaller(body: bytes) -> bytes:
    pixels = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    small = cv2.resize(pixels, (160, 160), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 60])[1].tobytes()


def lay_out(folder: Path) -> dict[str, str]:
    """Write the chips of some hours, and of some a smaller copy that is called older; say which copies which."""
    folder.mkdir()
    copies = {}
    chips = members("faces/utkface.tar")
    chosen = [(name, body) for name, body in chips if hour_of(name) % 24 == 12]
    for place, (name, body) in enumerate(chosen):
        (folder / name).write_bytes(body)
        if place < COPIES:
            age, rest = name.split("_", maxsplit=1)
            copies[f"{int(age) + 30}_{rest}"] = name
    for copy, original in copies.items():
        (folder / copy).write_bytes(smaller((folder / original).read_bytes()))
    return copies


def hour_of(name: str) -> int:
    """Number the hours in which chips were gathered: day of the month and hour, as digits."""
    return int(name.split("_")[3][6:10])


def listed() -> pl.DataFrame:
    """Give what a run knows of every chip before it looks at any."""
    with open_tar(REAL / "faces/utkface.tar") as tar:
        names = tar.getnames()
    faces = [(name, face) for name in names if (face := read_name(name))]
    columns: dict[str, list[object]] = {"asset_sha256": [name for name, _ in faces]}
    columns |= {f"label:{task}": [str(getattr(face, task)) for _, face in faces] for task in TASKS}
    columns["collected_at"] = [face.collected_at for _, face in faces]
    nothing = ("folder", "photographer", "camera", "serial_sha256")
    return pl.DataFrame(columns).with_columns(
        pl.lit("utkface").alias("source"),
        pl.col("asset_sha256").alias("scene_id"),
        *(pl.lit(None, pl.String).alias(name) for name in nothing),
        pl.lit(None, pl.Datetime("us")).alias("taken_at"),
    )


@needs("faces/utkface.tar")
def test_all_names_split_by_session_and_the_audit_says_what_times_still_tell() -> None:
    items, strata = with_label_classes(with_sessions(listed()), TASKS)
    result = group_split(items, (0.7, 0.15, 0.15), 0, strata=strata)
    assert result.grouped_by == ("photographer", "camera", "session", "person")
    assert result.warnings == []
    groups = pl.DataFrame({"asset_sha256": result.split.keys(), "group_id": result.group.values()})
    placed = items.join(groups, on="asset_sha256").with_columns(
        split=pl.col("asset_sha256").replace_strict(result.split),
        naive=pl.Series(random_split(items["asset_sha256"].to_list(), (0.7, 0.15, 0.15), 0)),
    )
    by_session = placed.group_by("session").agg(pl.col("split").n_unique())
    assert by_session.height == 140
    assert by_session["split"].max() == 1
    ours, naive = (
        {g.task: g for g in metadata_baselines(placed, strata, p)} for p in ("split", "naive")
    )
    for task in TASKS:
        assert naive[task].detail.endswith("this split cuts groups")
        # UTKFace was gathered class by class, for hours: where the time still tells a label, the audit says why.
        assert bool(ours[task].detail) == ours[task].leaks


@pytest.mark.slow
@pytest.mark.timeout(400)
@needs("faces/utkface.tar")
def test_faces_are_grouped_split_by_session_and_audited(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies = lay_out(tmp_path / "faces")
    crawl(workspace, UtkFaceSource(str(tmp_path / "faces"), training_basis="a test"))
    summary = curate(workspace, CurationPlan(labels=TASKS), THREADS)
    assert summary.n_input == 188 + COPIES
    with open_catalog(workspace) as catalog:
        result = catalog.records(
            "SELECT p.source_photo_id AS name, g.group_id FROM duplicate_groups g JOIN photos p USING (asset_sha256)"
        )
    group = {str(row["name"]): row["group_id"] for row in result}
    grouped = [
        copy for copy, original in copies.items() if group.get(copy, 1) == group.get(original)
    ]
    assert len(grouped) >= 11
    ours, naive = summary.audits
    assert ours.shared_values["session"] == ours.shared_values["scene_id"] == 0
    assert naive.shared_values["session"] > 5
    assert min(ours.n.values()) > 15
    by_time = {
        baseline.task: baseline for baseline in ours.baselines if baseline.check == "timestamp_knn"
    }
    assert set(by_time) == set(TASKS)
    # UTKFace was gathered class by class: where the time still tells a label, the audit says why.
    assert all(baseline.detail for baseline in by_time.values() if baseline.leaks)
    show(summary)
    printed = capsys.readouterr().out
    for baseline in by_time.values():
        verdict = "tells" if baseline.leaks else "does not tell"
        decided = f"the time alone {verdict} {baseline.task}"
        undecided = f"whether the time alone tells {baseline.task}: too few groups"
        assert (decided if baseline.is_decided else undecided) in printed
    torn = [d for d in audit_labels(workspace).issues if d.kind == "label_conflict"]
    assert len(torn) >= len(grouped)
    index = publish_run(workspace, "faces").index()
    assert {"age", "gender", "ethnicity"} <= set(index.column_names)
    assert index["age"].null_count == 0
    sides = {(row["session"], row["split"]) for row in sessions(workspace)}
    assert len({session for session, _ in sides}) == len(sides) >= 8


def sessions(workspace: Workspace) -> list[dict[str, object]]:
    with open_catalog(workspace) as catalog:
        return list(
            catalog.records(
                "SELECT DISTINCT l.value AS session, i.split FROM curated_labels l JOIN curated_items i "
                "USING (run_id, asset_sha256) WHERE l.task = 'session'"
            )
        )
