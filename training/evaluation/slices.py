"""Parts of the test pictures that are scored by themselves, made from the columns that a release has.

A slice shows where a model is worse than its mean: one camera, small files, compressed ones, an age, a single group.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

import numpy as np
import polars as pl

from training.data.arrays import Ints

FEWEST = 10  # test pictures; a smaller slice gets no row
MOST = 12  # slices of one column, the largest ones
SIDES = (0, 256, 512, 1024, 2048, 4096)  # px, of the longer side
QUALITIES = (0, 60, 75, 85, 95)  # of JPEG, as its tables state it
AGES = (0, 4, 13, 20, 30, 40, 50, 60, 70)  # years


def slices(index: pl.DataFrame, rows: Ints) -> Iterator[tuple[str, Ints]]:
    """Yield slices with enough of the test pictures `rows` (positions in `index`): name such as camera=big, positions.

    A value that all of them have is no slice.
    """
    for column, values_of in SLICES.items():
        if column in index.columns:
            values = np.array(values_of(index), dtype=object)[rows]
            yield from _largest(column, values, rows)


def _largest(
    column: str, values: np.ndarray[tuple[int], np.dtype[np.object_]], rows: Ints
) -> Iterator[tuple[str, Ints]]:
    names, counts = np.unique(values[values != None].astype(str), return_counts=True)  # noqa: E711  # by element
    chosen = sorted(np.argsort(-counts, kind="stable")[:MOST])
    for place in chosen:
        if FEWEST <= counts[place] < len(rows):
            yield f"{_TITLES.get(column, column)}={names[place]}", rows[values == names[place]]


def _named(column: str) -> Callable[[pl.DataFrame], list[str | None]]:
    def values(index: pl.DataFrame) -> list[str | None]:
        texts = index[column].cast(pl.String).str.to_lowercase().to_list()
        return [None if text in {None, "", "none"} else text for text in texts]

    return values


def band(value: float | None, edges: tuple[int, ...]) -> str | None:
    """Return the name of the band of a whole number; None for none.

    >>> band(255, SIDES), band(900, SIDES), band(5000, SIDES), band(None, SIDES)
    ('0 to 255', '512 to 1023', '4096 and more', None)
    """
    if value is None or value < edges[0]:
        return None
    for low, high in pairwise(edges):
        if value < high:
            return f"{low} to {high - 1}"
    return f"{edges[-1]} and more"


def _banded(column: str, edges: tuple[int, ...]) -> Callable[[pl.DataFrame], list[str | None]]:
    def values(index: pl.DataFrame) -> list[str | None]:
        numbers = index[column].cast(pl.Float64, strict=False).to_list()
        return [band(number, edges) for number in numbers]

    return values


def _longer_side(index: pl.DataFrame) -> list[str | None]:
    sides = index.select(pl.max_horizontal("width", "height")).to_series()
    return [band(side, SIDES) for side in sides.to_list()]


SLICES: Mapping[str, Callable[[pl.DataFrame], list[str | None]]] = {
    "camera": _named("camera"),
    "native_resolution": _named("native_resolution"),
    "source": _named("source"),
    "width": _longer_side,
    "jpeg_quality": _banded("jpeg_quality", QUALITIES),
    "age": _banded("age", AGES),
    "group_id": _named("group_id"),
}
"""Columns of a release, and what a value of them is called."""

_TITLES = {"width": "longer_side", "group_id": "group"}
