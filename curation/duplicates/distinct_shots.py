"""Tell two presses of the shutter apart by what EXIF says of the moment, where pixels cannot.

Shots of a burst from a tripod differ less than a copy from its original. But one camera does not take one photograph
twice: pictures of one camera whose EXIF is some seconds apart are two photographs, however alike. Clocks
that were set right afterwards differ by quarters of an hour and more, so only moments up to ten minutes apart count.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import polars as pl

APART = timedelta(seconds=1), timedelta(minutes=10)
Shot = tuple[str, datetime]
"""A camera (with its serial number where it is known) and the moment of taking."""


def shots(pictures: pl.DataFrame) -> dict[str, Shot]:
    """Give the shot of each picture whose camera and moment are known.

    `pictures` has asset_sha256, camera, serial_sha256 and taken_at; without these columns nothing is known.
    """
    if not {"camera", "serial_sha256", "taken_at"} <= set(pictures.columns):
        return {}
    known = pictures.filter(pl.col("camera").is_not_null() & pl.col("taken_at").is_not_null())
    body = pl.concat_str("camera", pl.col("serial_sha256").fill_null(""), separator="\n")
    return {
        sha: (str(of), at)
        for sha, of, at in known.select("asset_sha256", body, "taken_at").iter_rows()
    }


def are_apart(one: Shot | None, other: Shot | None) -> bool:
    """Say whether these are two presses of the shutter of one camera, with little time between them.

    >>> noon = datetime(2026, 1, 2, 12)
    >>> are_apart(("nikon", noon), ("nikon", noon + timedelta(seconds=2)))
    True
    >>> are_apart(("nikon", noon), ("nikon", noon + timedelta(hours=1)))
    False
    """
    if one is None or other is None or one[0] != other[0]:
        return False
    return APART[0] <= abs(one[1] - other[1]) <= APART[1]


class ShotGroups:
    """Which pictures are joined so far (union-find); groups of two shots are never joined."""

    def __init__(self, known: Mapping[str, Shot]) -> None:
        self._parent: dict[str, str] = {}
        self._shots: dict[str, set[Shot]] = {}
        self._known = known

    def join(self, left: str, right: str) -> bool:
        """Join the groups of two pictures; say whether they are one now."""
        one, two = sorted((self._root(left), self._root(right)))
        if one == two:
            return True
        mine, theirs = self._of(one), self._of(two)
        if any(are_apart(a, b) for a in mine for b in theirs):
            return False
        self._parent[two] = one
        self._shots[one] = mine | theirs
        return True

    def _root(self, name: str) -> str:
        while (above := self._parent.get(name, name)) != name:
            self._parent[name] = self._parent.get(above, above)
            name = above
        return name

    def _of(self, root: str) -> set[Shot]:
        if root not in self._shots:
            self._shots[root] = {self._known[root]} if root in self._known else set()
        return self._shots[root]


def keep_apart(
    copies: Iterable[tuple[float, str, str]], known: Mapping[str, Shot]
) -> list[tuple[str, str]]:
    """Drop the weakest pairs until no group holds two shots; the outcome does not depend on their order.

    `copies` has the drift of each pair (px, less is stronger) and its pictures. A copy without EXIF so goes with the
    shot that it fits best.
    """
    groups = ShotGroups(known)
    return [(left, right) for _, left, right in sorted(copies) if groups.join(left, right)]
