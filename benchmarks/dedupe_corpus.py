"""The corpus of bench_dedupe.py: photographs, planted copies, collages, bursts; in two halves that share no source.

The lists of files that show the same photograph were made by eye. Without them, a true copy in the source archives
would count as a wrong pair.
"""

import csv
import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from tarfile import open as open_tar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmarks.photo_edits import EDITS, Picture, make_collage
from crawler.exif.values import moment
from curation.splits.connected_groups import component_ids

COPIES_EACH, N_COLLAGES, SEED = 4, 25, 5
MIN_SIDE = 64  # px: curation drops smaller pictures before the search for copies
# Bursts whose files show one photograph twice (exported again, cropped or toned).
REPEATED = {1, 3, 4, 9, 11, 15, 21, 22, 25, 27, 31, 37, 38, 39, 48, 49}
REPEATED_PAIRS = [("burst041_0", "burst041_1"), ("burst041_2", "burst041_3")]
UNCLEAR = {16, 17}  # ambiguous: left out
# Photographs that are in the archives twice, cropped or toned, by the ends of their names.
TWICE = [
    ("18e5c5866f", "47c44daa02"),
    ("92d641bb81", "eacb80ccb0"),
    ("0c2e3f01ec", "a9ccab9320"),
    ("2bb6bcab2b", "32d27325bc"),
    ("e649f20585", "f77b3da47d"),
    ("cd9e8393bb", "eeab262f26"),
    ("99f4696f1c", "9e2410e7f1"),
    ("9c15350cfb", "b2285e0681"),
    ("25267a33b7", "b3ad19ef9f"),
    ("09a9ac953a", "ded0a7d8fb"),
    ("45d756f3e1", "56b60c8f8c"),
    ("0c2e3f01ec", "e94189473b"),
    ("357394a8cc", "e5d8c37279"),
    ("3e863c1f7a", "c04e057994"),
]
SAME_PIXELS = 0.996  # 48 x 48 px versions that correlate like this are one photograph


@dataclass(frozen=True)
class CorpusFile:
    """A file of the corpus: its name, the photograph that it shows, its edit."""

    name: str
    photograph: str
    edit: str  # a name of EDITS, or original, collage or burst
    strength: int = 0


@dataclass(frozen=True)
class Corpus:
    """Files in a folder, all PNG, and the truth: the photograph of each file name; equal photographs are merged.

    `shots` has camera and time of the unedited photographs whose EXIF contains both.
    """

    folder: Path
    items: list[CorpusFile]
    truth: dict[str, str]
    shots: dict[str, tuple[str, datetime]]

    def read(self, name: str) -> Picture:
        """Return the RGB pixels of a file."""
        pixels = cv2.imread(str(self.path(name)))
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)

    def path(self, name: str) -> Path:
        """Return the path of a file."""
        return self.folder / f"{name}.png"


def half_of(repository: str) -> int:
    """Put a source repository into half 0 or 1."""
    return hashlib.sha256(repository.encode()).digest()[0] % 2


def make(data: Path, folder: Path, half: int, n_copied: int) -> Corpus:
    """Write one half of the corpus into `folder`: its photographs, copies of `n_copied` of them, bursts, collages."""
    rng = random.Random(SEED + half)
    folder.mkdir(parents=True, exist_ok=True)
    items: list[CorpusFile] = []

    def add(name: str, photograph: str, edit: str, picture: Picture) -> None:
        if min(picture.shape[:2]) < MIN_SIDE:
            return
        # The file name does not contain the edit.
        items.append(CorpusFile(name, photograph, edit))
        bgr = np.ascontiguousarray(picture[..., ::-1])
        cv2.imwrite(str(folder / f"{name}.png"), bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])

    photos = list(photographs(data, half))
    copied = set(rng.sample(range(len(photos)), min(n_copied, len(photos))))
    wheel: list[str] = []
    for place, (name, picture) in enumerate(photos):
        add(name, name, "original", picture)
        for number in range(COPIES_EACH if place in copied else 0):
            wheel = wheel or rng.sample(sorted(EDITS), len(EDITS))  # each edit equally often
            edit = wheel.pop()
            copy = np.ascontiguousarray(EDITS[edit](picture, rng))
            add(f"{name}-{number}", name, edit, copy)
    for number in range(N_COLLAGES):
        parts = rng.sample(photos, 2 + 2 * (number % 2))
        add(f"collage{number}", f"collage{number}", "collage", make_collage([p for _, p in parts]))
    for item, picture in burst_shots(data, half):
        add(item.name, item.photograph, item.edit, picture)
    return Corpus(folder, items, truth_of(items, folder), shots_by_name(data))


def photographs(data: Path, half: int) -> Iterator[tuple[str, Picture]]:
    """Give name and pixels of the photographs of one half."""
    repositories = repository_by_name(data)
    for archive in ("photos-1.tar", "photos-2.tar"):
        for name, body in _members(data / "photos" / archive):
            short = Path(name).stem[-10:]
            if half_of(repositories[short]) == half:
                yield short, _decode(body)


def repository_by_name(data: Path) -> dict[str, str]:
    """Give the source repository of each photograph."""
    with (data / "photos/truth.csv").open(encoding="utf-8") as lines:
        rows = csv.DictReader(lines)
        return {Path(row["file"]).stem[-10:]: row["source_repo"] for row in rows}


def shots_by_name(data: Path) -> dict[str, tuple[str, datetime]]:
    """Give camera and time of the photographs whose EXIF contains both."""
    with (data / "photos/truth.csv").open(encoding="utf-8") as lines:
        exif_by_name = {
            Path(row["file"]).stem[-10:]: (row["Model"], moment(row["DateTimeOriginal"]))
            for row in csv.DictReader(lines)
        }
    return {name: (camera, at) for name, (camera, at) in exif_by_name.items() if camera and at}


def burst_shots(data: Path, half: int) -> Iterator[tuple[CorpusFile, Picture]]:
    """Give the burst shots of one half; a burst that repeats one photograph counts as that photograph."""
    for name, body in _members(data / "neardup/neardup.tar"):
        match = re.match(r"burst(\d+)_", name)
        if match and int(match[1]) not in UNCLEAR and int(match[1]) % 2 == half:
            stem, number = Path(name).stem, int(match[1])
            photograph = f"burst{number}" if number in REPEATED else stem
            yield CorpusFile(stem, photograph, "burst"), _decode(body)


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    with open_tar(archive) as tar:
        for entry in sorted(tar, key=lambda each: each.name):
            stream = tar.extractfile(entry)
            if stream is not None:
                yield Path(entry.name).name, stream.read()


def _decode(body: bytes) -> Picture:
    return np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(body))).convert("RGB"))


def truth_of(items: list[CorpusFile], folder: Path) -> dict[str, str]:
    """Return the photograph of each file; equal photographs under two names in the archives are merged."""
    unedited = [item.name for item in items if item.edit in {"original", "burst"}]
    small = np.stack([_shrink_to_vector(folder / f"{name}.png") for name in unedited])
    rows, columns = np.nonzero(np.triu(small @ small.T > SAME_PIXELS, 1))
    same = [(unedited[i], unedited[j]) for i, j in zip(rows, columns, strict=True)]
    keys = [(item.name, ("photograph", item.photograph)) for item in items]
    return component_ids([item.name for item in items], keys, [*same, *REPEATED_PAIRS, *TWICE])


def _shrink_to_vector(path: Path) -> NDArray[np.float32]:
    grey = cv2.resize(cv2.imread(str(path), 0), (48, 48), interpolation=cv2.INTER_AREA)
    small = grey.astype(np.float32).ravel()
    small -= small.mean()
    return small / (np.linalg.norm(small) + 1e-6)
