"""Tell two photographs apart by the camera and the time in their EXIF, where the pixels cannot.

Shots of a burst from a tripod, and shots of a flat target by two cameras, differ less than a copy from its original.
But pictures of two camera models are two photographs, and so are pictures of one camera at two times. A clock that was
set to another time zone, before or after a copy was made, shifts times by whole quarters of an hour: these say nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import polars as pl

MIN_GAP = timedelta(seconds=1)
ZONE_STEP, LARGEST_SHIFT = timedelta(minutes=15), timedelta(hours=26)
Shot = tuple[str, datetime]
"""A camera (with its serial number where EXIF has it) and the EXIF time."""


def shots_of(pictures: pl.DataFrame) -> dict[str, Shot]:
    """Give the shot of each picture whose camera and time are known, or are known of a picture with equal pixels.

    `pictures` has asset_sha256, camera, serial_sha256 and taken_at; without these columns the result is empty. With
    `pixel_sha256`, a picture without a shot has that of the smallest name that has the same pixels.
    """
    if not {"camera", "serial_sha256", "taken_at"} <= set(pictures.columns):
        return {}
    body = pl.concat_str("camera", pl.col("serial_sha256").fill_null(""), separator="\n")
    shot = pl.struct(body.alias("body"), "taken_at")
    is_known = pl.col("camera").is_not_null() & pl.col("taken_at").is_not_null()
    listed = pictures.sort("asset_sha256").with_columns(shot=pl.when(is_known).then(shot))
    if "pixel_sha256" in pictures.columns:
        pixels = pl.coalesce("pixel_sha256", "asset_sha256")
        lent = pl.col("shot").drop_nulls().first().over(pixels)
        listed = listed.with_columns(shot=pl.coalesce("shot", lent))
    dated = listed.filter(pl.col("shot").is_not_null())
    return {
        sha: (str(each["body"]), each["taken_at"])
        for sha, each in dated.select("asset_sha256", "shot").iter_rows()
    }


def are_distinct_shots(one: Shot | None, other: Shot | None) -> bool:
    """Say whether these are shots of two cameras, or of one camera at two times.

    >>> noon = datetime(2026, 1, 2, 12)
    >>> are_distinct_shots(("nikon", noon), ("nikon", noon + timedelta(seconds=2)))
    True
    >>> are_distinct_shots(("nikon", noon), ("nikon", noon + timedelta(hours=1)))
    False
    >>> are_distinct_shots(("nikon d90", noon), ("canon eos 5d", noon))
    True
    """
    if one is None or other is None:
        return False
    return _are_two_cameras(one[0], other[0]) or _are_two_moments(abs(one[1] - other[1]))


def _are_two_cameras(one: str, other: str) -> bool:
    """Compare model and serial number; a name that is a part of the other, or a missing number, says nothing."""
    if one == other:
        return False
    (model, _, serial), (other_model, _, other_serial) = one.partition("\n"), other.partition("\n")
    words, other_words = set(model.split()), set(other_model.split())
    if not (words <= other_words or other_words <= words):
        return True
    return bool(serial and other_serial and serial != other_serial)


def _are_two_moments(gap: timedelta) -> bool:
    if gap < MIN_GAP:
        return False
    rest = gap % ZONE_STEP
    is_shifted = min(rest, ZONE_STEP - rest) < MIN_GAP and gap <= LARGEST_SHIFT
    return not is_shifted


class ShotGroups:
    """Groups of pictures as a union-find; two groups that contain different shots are never merged.

    Different by EXIF, or by pixels: `apart` has the pairs of pictures that are clearly two shots of one scene.
    """

    def __init__(
        self, shots: Mapping[str, Shot], apart: Iterable[tuple[str, str]] = frozenset()
    ) -> None:
        self._parent: dict[str, str] = {}
        self._shots: dict[str, set[Shot]] = {}
        self._shot_of = shots
        self._members: dict[str, set[str]] = {}
        self._apart: dict[str, set[str]] = defaultdict(set)  # what must stay out of a group
        for left, right in apart:
            self._apart[left].add(right)
            self._apart[right].add(left)

    def join(self, left: str, right: str) -> bool:
        """Merge the groups of two pictures; return whether they are one group now."""
        one, two = sorted((self._root(left), self._root(right)))
        if one == two:
            return True
        shots_one, shots_two = self._of(one), self._of(two)
        if any(are_distinct_shots(a, b) for a in shots_one for b in shots_two):
            return False
        members = self._members.get(one, {one}), self._members.get(two, {two})
        if not self._apart[one].isdisjoint(members[1]):
            return False
        self._parent[two] = one
        self._shots[one] = shots_one | shots_two
        self._members[one] = members[0] | members[1]
        self._apart[one] |= self._apart[two]
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
    copies: Iterable[tuple[float, str, str]],
    shots: Mapping[str, Shot],
    apart: Iterable[tuple[str, str]] = frozenset(),
) -> list[tuple[str, str]]:
    """Drop the weakest pairs until no group contains two shots; the result does not depend on the order of the pairs.

    `copies` has the drift of each pair (px, less is stronger) and its two pictures. A copy without EXIF is therefore
    grouped with the shot that it fits best. `apart` are pairs whose pixels show that they are two shots: a crop in
    which nothing moved may be a copy of both.
    """
    groups = ShotGroups(shots, apart)
    return [(left, right) for _, left, right in sorted(copies) if groups.join(left, right)]
