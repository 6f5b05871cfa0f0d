"""A curated workspace with something for every queue of the review. Made in a second."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from catalog import Workspace, open_catalog, rows, write_segment
from tests.catalog.web.made_home import MOMENT
from tests.factories import jpeg

Row = dict[str, object]
Tables = dict[str, list[Row]]
RUN = "run1"
_MADE = [jpeg(seed=n, size=(96, 64)) for n in range(12)]
BODIES = {hashlib.sha256(body).hexdigest(): body for body in _MADE}
SHAS = sorted(BODIES)
WEAK, MIDDLE, STRONG = SHAS[0], SHAS[3], SHAS[5]
"""Names of the three groups, the weakest evidence first; each is named by its keeper."""
GROUPS = {WEAK: SHAS[0:3], MIDDLE: SHAS[3:5], STRONG: SHAS[5:7]}
BRIDGE, BROKEN, BLURRED, WORST, DOUBTED = SHAS[7:12]
"""A picture between two groups, one with a void setting, two that are blurred, one with contradicting labels."""


def make_review(home: Path) -> Workspace:
    """Fill a workspace."""
    workspace = Workspace.at(home)
    _write(workspace, pictures(), images=list(BODIES.items()))
    _write(workspace, run(RUN, GROUPS))
    return workspace


def _write(workspace: Workspace, tables: Tables, images: Sequence[tuple[str, bytes]] = ()) -> None:
    made = {name: rows(name, listed) for name, listed in tables.items()}
    write_segment(workspace, made, job="test", images=images)
    with open_catalog(workspace) as catalog:
        catalog.commit()


def pictures() -> Tables:
    return {
        "assets": [
            {"sha256": sha, "bytes": len(BODIES[sha]), "mime": "image/jpeg", "format": "JPEG"}
            | {"width": 96, "height": 64, "first_seen": MOMENT}
            for sha in SHAS
        ],
        "photos": [
            {
                "photo_id": f"p{n}",
                "source": "urls",
                "source_photo_id": f"s{n}",
                "fetched_at": MOMENT,
            }
            | {"asset_sha256": sha, "title": f"<b>Picture {n}</b>"}
            for n, sha in enumerate(SHAS)
        ],
        "exif": [
            {"asset_sha256": sha, "exif_source": "file", "f_number": 2.8, "f_number_raw": "14/5"}
            | {"exposure_time_raw": "1/0" if sha == BROKEN else "1/250"}
            for sha in SHAS
        ],
        "labels": [
            {"label_id": value, "subject_kind": "photo", "subject_id": "p11", "task": "age"}
            | {"value": value, "label_source": source, "created_at": MOMENT}
            for value, source in (("31", "filename"), ("54", "folder_name"))
        ],
    }


def run(run_id: str, groups: dict[str, list[str]]) -> Tables:
    """Make the rows of a curation run with these groups."""
    return {
        "curation_runs": [
            {"run_id": run_id, "plan_json": "{}", "finished_at": MOMENT, "n_input": len(SHAS)}
        ],
        "duplicate_groups": [
            {"run_id": run_id, "group_id": name, "asset_sha256": sha, "is_keeper": sha == name}
            | {"method": "embedding", "similarity": 0.9}
            for name, members in groups.items()
            for sha in members
        ],
        "duplicate_edges": [
            _edge(run_id, (SHAS[0], SHAS[1]), 0.95, 80),
            _edge(run_id, (SHAS[0], SHAS[2]), 0.62, 12),
            _edge(run_id, (SHAS[3], SHAS[4]), 0.9, 50),
            _edge(run_id, (SHAS[5], SHAS[6]), 0.99, 90),
            _edge(run_id, (SHAS[3], SHAS[5]), 0.31, 40, is_copy=False),
        ],
        "decisions": [
            _decision(
                run_id, BROKEN, "void", "exposure_time_not_finite", {"exposure_time_raw": "1/0"}
            ),
            _decision(run_id, BROKEN, "flag", "brightness_contradicts", {"brightness_value": 9.0}),
            _decision(run_id, BLURRED, "flag", "brightness_contradicts", {"brightness_value": 9.0}),
            # What is so needs nobody: neither counts.
            _decision(run_id, WEAK, "flag", "was_resized", {"exif_width": 280}),
            _decision(run_id, MIDDLE, "flag", "quality_grayscale", {"grayscale": 1.0}),
            _decision(run_id, STRONG, "flag", "split_changed", {"from": "test", "to": "train"}),
            _decision(run_id, BLURRED, "flag", "quality_blur", {"blur": 0.61}),
            _decision(run_id, WORST, "flag", "quality_blur", {"blur": 0.83}),
            _decision(run_id, SHAS[1], "drop", "near_duplicate", None),
        ],
        "issues": [
            _issue(BRIDGE, "bridged_groups", 0.5, {"pieces": [MIDDLE, STRONG]}, run_id),
            _issue(DOUBTED, "label_conflict", 0.9, {"values": ["31", "54"]}, run_id),
        ],
    }


def _edge(
    run_id: str, pair: tuple[str, str], ncc: float, inliers: int, is_copy: bool = True
) -> Row:
    verdict = "duplicate" if is_copy else "same_scene"
    shared = {"run_id": run_id, "found_by": "embedding", "cosine": 0.8}
    evidence = {"ncc": ncc, "inliers": inliers, "verdict": verdict}
    return {**shared, **evidence, "asset_a": pair[0], "asset_b": pair[1]}


def _decision(run_id: str, sha: str, decision: str, reason: str, detail: object) -> Row:
    evidence = json.dumps(detail) if detail else None
    return {"run_id": run_id, "asset_sha256": sha, "decision": decision, "rule": reason} | {
        "reason": reason,
        "evidence": evidence,
    }


def _issue(sha: str, kind: str, severity: float, detail: object, run_id: str) -> Row:
    return {"issue_id": f"{kind}-1", "asset_sha256": sha, "kind": kind, "severity": severity} | {
        "detail": json.dumps(detail),
        "detector": "test@1",
        "run_id": run_id,
        "created_at": MOMENT,
    }
