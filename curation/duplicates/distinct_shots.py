"""Tell two shots of one camera apart by their EXIF time, where the pixels cannot.

Shots of a burst from a tripod differ less than a copy from its original. But pictures of one camera whose EXIF times
are some seconds apart are two photographs, however similar. A corrected camera clock shifts times by a quarter of an
hour or more, so only times up to ten minutes apart count.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import polars as pl

MIN_GAP, MAX_GAP = timedelta(seconds=1), timedelta(minutes=10)
Shot = tuple[str, datetime]
"""A camera (with its serial number where EXIF has it) and the EXIF time."""


def shots_of(pictures: pl.DataFrame) -> dict[str, Shot]:
    """Give the shot of each picture whose camera and time are known.

    `pictures` has asset_sha256, camera, serial_sha256 and taken_at; without these columns the result is empty.
    """
    if not {"camera", "serial_sha256", "taken_at"} <= set(pictures.columns):
        return {}
    dated = pictures.filter(pl.col("camera").is_not_null() & pl.col("taken_at").is_not_null())
    body = pl.concat_str("camera", pl.col("serial_sha256").fill_null(""), separator="\n")
    return {
        sha: (str(camera), taken_at)
        for sha, camera, taken_at in dated.select("asset_sha256", body, "taken_at").iter_rows()
    }


def are_distinct_shots(one: Shot | None, other: Shot | None) -> bool:
    """Say whether these are two shots of one camera within ten minutes.

    >>> noon = datetime(2026, 1, 2, 12)
    >>> are_distinct_shots(("nikon", noon), ("nikon", noon + timedelta(seconds=2)))
    True
    >>> are_distinct_shots(("nikon", noon), ("nikon", noon + timedelta(hours=1)))
    False
    """
    if one is None or other is None or one[0] != other[0]:
        return False
    return MIN_GAP <= abs(one[1] - other[1]) <= MAX_GAP


class ShotGroups:
    """Groups of pictures as a union-find; two groups that contain different shots are never merged."""

    def __init__(self, shots: Mapping[str, Shot]) -> None:
        self._parent: dict[str, str] = {}
        self._shots: dict[str, set[Shot]] = {}
        self._shot_of = shots

    def join(self, left: str, right: str) -> bool:
        """Merge the groups of two pictures; return whether they are one group now."""
        one, two = sorted((self._root(left), self._root(right)))
        if one == two:
            return True
        shots_one, shots_two = self._of(one), self._of(two)
        if any(are_distinct_shots(a, b) for a in shots_one for b in shots_two):
            return False
        self._parent[two] = one
        self._shots[one] = shots_one | shots_two
        return True

    def _root(self, name: str) -> str:
        while (parent := self._parent.get(name, name)) != name:
            self._parent[name] = self._parent.get(parent, parent)
            name = parent
        return name

    def _of(self, root: str) -> set[Shot]:
        if root not in self._shots:
            self._shots[root] = {self._shot_of[root]} if root in self._shot_of else set()
        return self._shots[root]


def separate_shots(
    copies: Iterable[tuple[float, str, str]], shots: Mapping[str, Shot]
) -> list[tuple[str, str]]:
    """Drop the weakest pairs until no group contains two shots; the result does not depend on the order of the pairs.

    `copies` has the drift of each pair (px, less is stronger) and its two pictures. A copy without EXIF is therefore
    grouped with the shot that it fits best.
    """
    groups = ShotGroups(shots)
    return [(left, right) for _, left, right in sorted(copies) if groups.join(left, right)]
