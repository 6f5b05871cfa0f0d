"""Find all pairs of hashes that differ in few bits in the best of 8 orientations: exactly, without comparing all.

Mirroring a picture flips the bits of its odd frequencies (`pdq.turned`). Sorted by whether row and column are odd, the
256 bits are four words of 64, and a mirrored picture has two of the last three words complemented: four bit counts
tell the distance of all four ways. Only the transposed picture is a second hash.

Two hashes within 31 bits agree in one of 16 parts of 16 bits but for at most one bit. Parts lie within a word, so the
part of a mirrored hash is the same or its complement, and both get one name. Hashes whose parts
have the same name, for one of 17 ways to flip at most one bit, are counted whole; no others are.
"""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from curation.similarity.pdq import grids

PARTS: Final = 16
MOST: Final = 31  # bits up to which the search is exact
FIRST, QUERIES = 64, 4096  # hashes asked for at once, to begin with and at most
CLOSE: Final = 1_000_000  # pairs above which fewer hashes are asked for at once
COUNTED: Final = 500_000  # pairs that are counted at once: some 30 MB
LAID: Final = 65_536  # hashes whose bits are sorted at once
THREADS: Final = 2
_FLIPS: Final = np.array([0, *(1 << bit for bit in range(16))], np.uint16)

Hashes = NDArray[np.uint8]
Places = NDArray[np.int64]
Words = NDArray[np.uint64]


def close_hashes(
    queries: Hashes, base: Hashes, limit: int
) -> Iterator[tuple[Places, Places, NDArray[np.int32]]]:
    """Give all pairs within `limit` (0 to 31) bits: rows of queries (Q, 32), rows of the base (N, 32), bits.

    Each triple has all that is close to some of the queries, every pair once. A collection that is mostly one
    placeholder comes in smaller steps.

    >>> one = np.zeros((1, 32), np.uint8)
    >>> [[each.tolist() for each in found] for found in close_hashes(one, one, 31)]
    [[[0], [0], [0]]]
    """
    if not 0 <= limit <= MOST:
        raise ValueError(f"pairs are found within 0 to {MOST} bits, not {limit}")
    if not len(queries) or not len(base):
        return
    index, start, step = _Parts(base), 0, FIRST
    while start < len(queries):
        asked = queries[start : start + step]
        rows, others, bits = index.close(asked, limit)
        yield rows + start, others, bits
        start += len(asked)
        step = min(2 * step, QUERIES) if len(rows) < CLOSE else max(1, step // 4)


class _Parts:
    """The base, and for each part its rows sorted by the name of that part."""

    def __init__(self, base: Hashes) -> None:
        some = (base[start : start + LAID] for start in range(0, len(base), LAID))
        self._words = np.concatenate([_sorted_bits(grids(each)) for each in some], axis=1)
        names = _names(_parts(self._words), np.arange(PARTS))
        # Stable sorting of 16 bits is a radix sort.
        self._rows = [np.argsort(column, kind="stable").astype(np.int32) for column in names.T]
        counts = [np.bincount(column, minlength=2**16) for column in names.T]
        self._starts = [np.concatenate([[0], np.cumsum(count)]) for count in counts]

    def close(self, queries: Hashes, limit: int) -> tuple[Places, Places, NDArray[np.int32]]:
        """Give all pairs, every one once, sorted by query and row."""
        asked = itertools.product(_words(queries), range(PARTS))
        with ThreadPoolExecutor(THREADS) as pool:
            found = list(pool.map(lambda each: self._alike(each[0], each[1], limit), asked))
        rows, others, bits = (np.concatenate(each) for each in zip(*found, strict=True))
        order = np.lexsort((bits, others, rows))
        rows, others, bits = rows[order], others[order], bits[order]
        is_first = np.ones(len(order), np.bool_)
        is_first[1:] = (rows[1:] != rows[:-1]) | (others[1:] != others[:-1])
        return rows[is_first], others[is_first], bits[is_first]

    def _alike(
        self, words: Words, part: int, limit: int
    ) -> tuple[Places, Places, NDArray[np.int32]]:
        """Give the pairs that agree in one part but for one bit; up to 15 bits leave one part untouched."""
        flips = _FLIPS if limit >= PARTS else _FLIPS[:1]
        names = _names(_parts(words)[:, part, None] ^ flips, np.array(part)).ravel()
        starts = self._starts[part][names]
        counts = self._starts[part][names + np.int64(1)] - starts
        ends = np.cumsum(counts)
        found = []
        for first, last in _slices(ends):
            some = counts[first:last]
            which = np.repeat(np.arange(first, last), some)
            nth = np.arange(len(which)) - np.repeat(
                ends[first:last] - some - _before(ends, first), some
            )
            others = self._rows[part][starts[which] + nth].astype(np.int64)
            found.append(_within(words, which // len(flips), self._words, others, limit))
        rows, others, bits = (np.concatenate(each) for each in zip(*found, strict=True))
        return rows, others, bits


def _before(ends: Places, first: int) -> int:
    return int(ends[first - 1]) if first else 0


def _slices(ends: Places) -> Iterator[tuple[int, int]]:
    """Cut entries, of which the running sum is given, into runs of about `COUNTED`; one entry is never cut."""
    first = 0
    while first < len(ends):
        last = int(np.searchsorted(ends, _before(ends, first) + COUNTED, side="right"))
        last = max(last, first + 1)
        yield first, last
        first = last


def _within(
    queries: Words, rows: Places, base: Words, others: Places, limit: int
) -> tuple[Places, Places, NDArray[np.int32]]:
    """Count bits word by word, and go on with the pairs that may still be close."""
    least = np.zeros(len(rows), np.uint8)
    counts: list[NDArray[np.uint8]] = []
    for word in range(4):
        count = np.bitwise_count(queries[word][rows] ^ base[word][others])
        least = least + (np.minimum(count, 64 - count) if word else count)
        is_near = least <= limit
        rows, others, least = rows[is_near], others[is_near], least[is_near]
        counts = [each[is_near] for each in (*counts, count)]
    a, b, c, d = (each.astype(np.int32) for each in counts)
    ways = (b + c + d, 128 - b + c - d, 128 + b - c - d, 128 - b - c + d)
    bits = (a + np.minimum.reduce(ways)).astype(np.int32)
    is_close = bits <= limit
    return rows[is_close], others[is_close], bits[is_close]


def _words(hashes: Hashes) -> tuple[Words, Words]:
    """Sort the bits into 4 words a hash, (4, N): upright and transposed; the first word survives mirroring."""
    upright = grids(hashes)
    return _sorted_bits(upright), _sorted_bits(upright.swapaxes(-1, -2))


def _sorted_bits(grid: NDArray[np.bool_]) -> Words:
    words = [
        np.packbits(grid[:, row::2, column::2].reshape(len(grid), 64), axis=1)
        for row in (1, 0)
        for column in (1, 0)
    ]
    return np.stack(words).view(np.uint64)[..., 0]


def _parts(words: Words) -> NDArray[np.uint16]:
    """Cut the words into 16 parts a hash, (N, 16)."""
    return np.ascontiguousarray(words.T).view(np.uint16)


def _names(parts: NDArray[np.uint16], number: NDArray[np.integer]) -> NDArray[np.uint16]:
    """Give a part and its complement one name, but in the first word, which mirroring leaves alone."""
    is_other = (parts & 0x8000 > 0) & (number >= PARTS // 4)
    return np.where(is_other, ~parts, parts)
