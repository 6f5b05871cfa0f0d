"""The line of the UTKFace chips: import, near copies, splits by group and session, and an audit that says what leaks."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from catalog import Workspace, open_catalog
from catalog.publishing import publish_run
from crawler.crawling import crawl
from crawler.sources import UtkFaceSource
from curation.label_audit import audit_labels
from curation.plan import CurationPlan
from curation.run import curate
from curation.settings import CurateSettings
from tests.curation.small_catalog import SmallEmbedder
from tests.real_data import members, needs

TASKS = ("age", "gender", "ethnicity")
COPIES = 12
THREADS = CurateSettings(runner="threads", workers=1, faces="off")


def smaller(body: bytes) -> bytes:
    pixels = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    small = cv2.resize(pixels, (160, 160), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 60])[1].tobytes()


def lay_out(folder: Path, every: int) -> dict[str, str]:
    """Write chips, and of some a smaller copy that another person calls older; say which copies which."""
    folder.mkdir()
    copies = {}
    for place, (name, body) in enumerate(members("faces/utkface.tar", every=every)):
        (folder / name).write_bytes(body)
        if place < COPIES:
            age, rest = name.split("_", maxsplit=1)
            copies[f"{int(age) + 30}_{rest}"] = name
    for copy, original in copies.items():
        (folder / copy).write_bytes(smaller((folder / original).read_bytes()))
    return copies


@pytest.mark.slow
@needs("faces/utkface.tar")
def test_faces_are_grouped_split_by_session_and_audited(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies = lay_out(tmp_path / "faces", every=8)
    crawl(workspace, UtkFaceSource(str(tmp_path / "faces"), training_basis="a test"))
    summary = curate(workspace, CurationPlan(labels=TASKS), THREADS, embedder=SmallEmbedder())
    assert summary.n_input == 499 + COPIES
    with open_catalog(workspace) as catalog:
        found = catalog.records(
            "SELECT p.source_photo_id AS name, g.group_id FROM duplicate_groups g JOIN photos p USING (asset_sha256)"
        )
    group = {str(row["name"]): row["group_id"] for row in found}
    grouped = [
        copy for copy, original in copies.items() if group.get(copy, 1) == group.get(original)
    ]
    assert len(grouped) >= 11
    ours, naive = summary.audits
    assert ours.shared_values["session"] == ours.shared_values["scene_id"] == 0
    assert naive.shared_values["session"] > 20
    assert min(ours.n.values()) > 40
    by_time = {guess.task: guess for guess in ours.guesses if guess.check == "timestamp_knn"}
    assert set(by_time) == set(TASKS)
    # UTKFace was gathered class by class: where the time still tells a label, the audit says why.
    assert all(guess.detail for guess in by_time.values() if guess.leaks)
    with capsys.disabled():
        for audit in summary.audits:
            print(f"\n{audit.policy}", *audit.sentences(), sep="\n  ")
    torn = [d for d in audit_labels(workspace).doubts if d.kind == "label_conflict"]
    assert len(torn) >= len(grouped)
    index = publish_run(workspace, "faces").index()
    assert {"age", "gender", "ethnicity"} <= set(index.column_names)
    assert index["age"].null_count == 0
    sides = {(row["session"], row["split"]) for row in sessions(workspace)}
    assert len({session for session, _ in sides}) == len(sides) > 60


def sessions(workspace: Workspace) -> list[dict[str, object]]:
    with open_catalog(workspace) as catalog:
        return list(
            catalog.records(
                "SELECT DISTINCT l.value AS session, i.split FROM curated_labels l JOIN curated_items i "
                "USING (run_id, asset_sha256) WHERE l.task = 'session'"
            )
        )
