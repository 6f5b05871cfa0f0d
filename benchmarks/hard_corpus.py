"""The corpus of bench_hard_copies.py: edits in three strengths, and families of pictures that only resemble each other.

Photographs come from two halves that share no source repository. Made families (charts, documents, drawings, products,
skies, nights) differ by seed. The tuning half has the kinds of `hard_edits.py` only; the judged half also has those of
`unseen_edits.py`.
"""

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import cv2
import numpy as np

from benchmarks import hard_negatives
from benchmarks.dedupe_corpus import (
    MIN_SIDE,
    Corpus,
    CorpusFile,
    burst_shots,
    photographs,
    repository_by_name,
    shots_by_name,
    truth_of,
)
from benchmarks.edit_tools import Edit
from benchmarks.hard_edits import TUNED
from benchmarks.photo_edits import Picture, make_collage
from benchmarks.unseen_edits import UNSEEN

SEED = 11
TUNING, JUDGED = 0, 1
KINDS: dict[str, Edit] = TUNED | UNSEEN
FLAT = ("chart", "target")
FAMILIES: dict[str, tuple[Callable[[random.Random, int], list[Picture]], int]] = {
    "chart": (hard_negatives.charts, 24),
    "target": (hard_negatives.resolution_targets, 16),
    "document": (hard_negatives.documents, 16),
    "drawing": (hard_negatives.line_drawings, 16),
    "product": (hard_negatives.products, 16),
    "sky": (hard_negatives.skies, 12),
    "night": (hard_negatives.nights, 12),
}
PER_REPOSITORY = 24  # photographs of one source at most
COPIED_OF_A_FAMILY = 3  # pictures of each made family that also have copies
N_COLLAGES, N_SECOND_SHOTS = 30, 3  # collages; further shots of each photograph that has any
START = datetime(2021, 5, 1, 12)  # noqa: DTZ001 - EXIF times have no zone


def make_hard(
    data: Path, folder: Path, half: int, *, copied: int, shaken: int, copies_each: int
) -> Corpus:
    """Write one half into `folder`: `copied` photographs with copies, second shots of `shaken` photographs."""
    rng = random.Random(SEED + half)
    folder.mkdir(parents=True, exist_ok=True)
    items: list[CorpusFile] = []

    def add(name: str, photograph: str, edit: str, picture: Picture, strength: int = 0) -> None:
        if min(picture.shape[:2]) < MIN_SIDE:
            return
        items.append(CorpusFile(name, photograph, edit, strength))
        bgr = np.ascontiguousarray(picture[..., ::-1])
        cv2.imwrite(str(folder / f"{name}.png"), bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])

    wheel = _wheel(TUNED if half == TUNING else KINDS, rng)
    photos = _sample(data, half, rng)
    for place, (name, picture) in enumerate(photos):
        add(name, name, "original", picture)
        for number in range(copies_each if place < copied else 0):
            edit, strength = next(wheel)
            copy = KINDS[edit](picture, rng, strength)
            add(f"{name}-{number}", name, edit, np.ascontiguousarray(copy), strength)
        # Half of the photographs with second shots also have copies.
        if copied - shaken // 2 <= place < copied + shaken // 2:
            for number in range(N_SECOND_SHOTS):
                shot = f"{name}s{number}"
                add(shot, shot, "second shot", hard_negatives.second_shot(picture, rng))
    shots = shots_by_name(data)
    for family, (make, n) in FAMILIES.items():
        for number, picture in enumerate(make(rng, n)):
            name = f"{family}{number:02d}"
            add(name, name, family, picture)
            shots[name] = (
                f"camera {number % 12}",
                START + timedelta(days=number, seconds=7 * number),
            )
            for copy_number in range(2 if number < COPIED_OF_A_FAMILY else 0):
                edit, strength = next(wheel)
                copy = KINDS[edit](picture, rng, strength)
                add(f"{name}-{copy_number}", name, edit, np.ascontiguousarray(copy), strength)
    for number in range(N_COLLAGES):
        parts = rng.sample(photos, 2 + 2 * (number % 2))
        name = f"collage{number}"
        add(name, name, "collage", make_collage([picture for _, picture in parts]))
    for item, picture in burst_shots(data, half):
        add(item.name, item.photograph, item.edit, picture)
    return Corpus(folder, items, truth_of(items, folder), shots)


def _sample(data: Path, half: int, rng: random.Random) -> list[tuple[str, Picture]]:
    """Shuffle the photographs of a half; a source gives at most `PER_REPOSITORY`."""
    repositories, count = repository_by_name(data), Counter[str]()
    photos = list(photographs(data, half))
    rng.shuffle(photos)
    chosen = []
    for name, picture in photos:
        count[repositories[name]] += 1
        if count[repositories[name]] <= PER_REPOSITORY:
            chosen.append((name, picture))
    return chosen


def _wheel(kinds: dict[str, Edit], rng: random.Random) -> Iterator[tuple[str, int]]:
    """Deal out kinds and strengths, each equally often."""
    for turn in itertools.count():
        for place, kind in enumerate(rng.sample(sorted(kinds), len(kinds))):
            yield kind, (turn + place) % 3
