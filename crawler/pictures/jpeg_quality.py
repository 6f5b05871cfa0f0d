"""Estimate the quality setting of a JPEG from its quantisation tables.

It is exact for encoders that scale the tables of ITU-T T.81 Annex K as libjpeg does. For others (Adobe, many cameras)
it is the libjpeg quality with the most similar quantisation.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import cache

# ITU-T T.81 tables K.1 and K.2 in natural order; only sums are used, so the order does not matter.
_LUMA = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)


@cache
def _sums() -> tuple[int, ...]:
    """Sum the luma table for quality 100, 99 ... 1; the sums rise."""
    return tuple(sum(_scaled(base, quality) for base in _LUMA) for quality in range(100, 0, -1))


def _scaled(base: int, quality: int) -> int:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return min(255, max(1, (base * scale + 50) // 100))


def jpeg_quality(tables: Mapping[int, Sequence[int]]) -> int | None:
    """Return the nearest libjpeg quality, 1-100, of tables by id (0 is luma); None without tables.

    >>> jpeg_quality({0: [1] * 64})
    100
    """
    if not tables:
        return None
    total, sums = sum(tables[min(tables)]), _sums()
    above = min(bisect_left(sums, total), 99)
    below = max(above - 1, 0)
    return 100 - min((above, below), key=lambda index: abs(sums[index] - total))
