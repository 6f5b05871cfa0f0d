"""Read votes on pictures: `AVA.txt`, the JSON of image-quality-assessment, or a CSV of `image_id,n1..n10`.

Votes are the numbers of people who gave 1, 2 ... 10 points; some JSON files have shares that sum to 1 instead.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from crawler.errors import InputRefusedError
from crawler.readers.csv_files import Cells, open_csv

POINTS = range(1, 11)
_COUNTS = [f"n{points}" for points in POINTS]
_NAME = re.compile(r"[\w-][\w. -]*")  # used as a file name


@dataclass(frozen=True)
class Votes:
    """The votes on one picture; tags and challenge are the numbers that AVA gives them."""

    image_id: str
    votes: tuple[float, ...]
    tags: tuple[str, ...] = ()
    challenge: str | None = None

    @property
    def mean(self) -> float:
        """The mean number of points, 1 to 10.

        >>> Votes("a", (0, 0, 0, 0, 1, 1, 0, 0, 0, 0)).mean
        5.5
        """
        weighed = sum(points * n for points, n in zip(POINTS, self.votes, strict=True))
        return weighed / sum(self.votes)


def read_votes(path: Path) -> Iterator[Votes | None]:
    """Read a file by its extension; null for each unusable entry.

    Raises `InputRefusedError` for a file of another kind.
    """
    readers = {".txt": _text, ".json": _json, ".csv": _csv}
    if path.suffix.lower() not in readers:
        raise InputRefusedError(path, "votes are read from .txt, .json or .csv")
    return readers[path.suffix.lower()](path)


def _text(path: Path) -> Iterator[Votes | None]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for cells in map(str.split, file):
            if len(cells) == 15:  # index, picture, ten counts, two tags (0: none), challenge
                tags = [tag for tag in cells[12:14] if tag != "0"]
                yield _votes(cells[1], cells[2:12], tags, cells[14])
            elif cells:
                yield None


def _csv(path: Path) -> Iterator[Votes | None]:
    with open_csv(path) as (names, lines):
        if lost := {"image_id", *_COUNTS} - {*names}:
            raise InputRefusedError(path, f"no column {', '.join(sorted(lost))}")
        for cells in lines:
            yield _of_cells(cells) if cells else None


def _of_cells(cells: Cells) -> Votes | None:
    return _votes(cells["image_id"], [cells[name] for name in _COUNTS])


def _json(path: Path) -> Iterator[Votes | None]:
    try:
        entries = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputRefusedError(path, f"no JSON ({error})") from error
    if not isinstance(entries, list):
        raise InputRefusedError(path, "it holds no list")
    for entry in entries:
        values = entry if isinstance(entry, dict) else {}
        label = values.get("label")
        yield _votes(str(values.get("image_id", "")), label if isinstance(label, list) else [])


def _votes(
    image_id: str, numbers: Sequence[object], tags: Sequence[str] = (), challenge: str | None = None
) -> Votes | None:
    """Return votes, or null unless they are finite, not negative and not all zero, and the id is a valid file name."""
    try:
        votes = tuple(float(str(n)) for n in numbers)
    except ValueError:
        return None
    good = len(votes) == len(POINTS) and all(math.isfinite(n) and n >= 0 for n in votes)
    if not good or not sum(votes) or not _NAME.fullmatch(image_id):
        return None
    return Votes(image_id, votes, tuple(tags), challenge)
