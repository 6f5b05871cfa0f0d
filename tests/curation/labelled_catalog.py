"""A small workspace of labelled pictures without EXIF, for tests of plans that name labels."""

import hashlib
from collections.abc import Mapping, Sequence

from PIL import Image

from catalog import Workspace, rows, write_segment
from tests.curation.small_catalog import CRAWLED, Shot, fill, jpeg, scene


def tinted(seed: int, kind: str) -> Image.Image:
    """Draw a scene that is mostly red (day) or blue (night)."""
    colour = (230, 60, 40) if kind == "day" else (30, 60, 220)
    return Image.blend(scene(seed), Image.new("RGB", (200, 150), colour), 0.5)


def kinds(n: int, start: int = 0) -> list[tuple[Shot, dict[str, str]]]:
    """Make `n` pictures of alternating kind, with their label."""
    shots = []
    for seed in range(start, start + n):
        kind = ("day", "night")[seed % 2]
        shots.append((Shot(f"{seed}.jpg", jpeg(tinted(seed, kind)), None), {"kind": kind}))
    return shots


def bring(workspace: Workspace, labelled: Sequence[tuple[Shot, Mapping[str, str]]]) -> None:
    """Put pictures and their labels into the spool as a crawl would."""
    fill(workspace, [shot for shot, _ in labelled])
    records = [
        {
            "label_id": hashlib.sha256(f"{shot.name} {task}".encode()).hexdigest()[:32],
            "subject_kind": "photo",
            "subject_id": hashlib.sha256(shot.name.encode()).hexdigest()[:32],
            "task": task,
            "value": value,
            "label_source": "filename",
            "created_at": CRAWLED,
        }
        for shot, labels in labelled
        for task, value in labels.items()
    ]
    write_segment(workspace, {"labels": rows("labels", records)}, job="crawl:labels")
