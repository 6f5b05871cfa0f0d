"""Find all pairs of hashes that differ in few bits in the best of 8 orientations: exact multi-index hashing.

Mirroring a picture flips the bits of its odd frequencies (`pdq.turned`). Sorted by whether row and column are odd, the
256 bits are four words of 64, and a mirrored picture has two of the last three words complemented. Four bit counts
therefore give the distances of all four mirrored forms. Only the transposed picture needs a second hash.

Two hashes that differ in at most 31 bits differ in at most one bit of at least one of the 16 parts of 16 bits. A part
lies within a word, so the part of a mirrored hash is the same or its complement, and both have the same key. Only
hashes that have a part with the same key, after flipping at most one of its bits, are compared whole.

The same look-up also meets most pairs that differ in more bits, such as copies under letters: of those with 56 bits
five sixths, by chance, and more where the bits lie together. Up to a second limit they are given, too, but only if the
pictures lie the same way or mirrored: whether parts of a transposed picture meet depends on which of the two is
transposed.
"""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from curation.similarity.pdq import grids

PARTS: Final = 16
MAX_BITS: Final = 31  # bits: the largest distance for which the search is exact
FIRST_BATCH, MAX_BATCH = 64, 4096  # queries searched at once, at first and at most
MANY_PAIRS: Final = 1_000_000  # pairs of one batch above which the next batch is smaller
PAIRS_AT_ONCE: Final = 500_000  # pairs whose bits are counted at once: about 30 MB
HASHES_AT_ONCE: Final = 65_536  # hashes whose bits are sorted at once
THREADS: Final = 2
_FLIPS: Final = np.array([0, *(1 << bit for bit in range(16))], np.uint16)

Hashes = NDArray[np.uint8]
Places = NDArray[np.int64]
Words = NDArray[np.uint64]


def close_hashes(
    queries: Hashes, base: Hashes, limit: int, far: int = 0
) -> Iterator[tuple[Places, Places, NDArray[np.int32]]]:
    """Give all pairs within `limit` (0 to 31) bits: rows of queries (Q, 32), rows of the base (N, 32), bits.

    Of the pairs within `far` bits that are not transposed, most are given, too: those of which a part differs in at
    most one bit.
    Each triple has all the pairs of one batch of queries, every pair once. Batches become smaller where queries have
    very many pairs, as in a collection of mostly one placeholder.

    >>> one = np.zeros((1, 32), np.uint8)
    >>> [[each.tolist() for each in batch] for batch in close_hashes(one, one, 31)]
    [[[0], [0], [0]]]
    """
    if not 0 <= limit <= MAX_BITS:
        raise ValueError(f"pairs are found within 0 to {MAX_BITS} bits, not {limit}")
    if not len(queries) or not len(base):
        return
    index, start, step = _MultiIndex(base), 0, FIRST_BATCH
    while start < len(queries):
        batch = queries[start : start + step]
        rows, others, bits = index.pairs(batch, limit, max(limit, far))
        yield rows + start, others, bits
        start += len(batch)
        step = min(2 * step, MAX_BATCH) if len(rows) < MANY_PAIRS else max(1, step // 4)


class _MultiIndex:
    """The words of the base, and for each part the rows of the base sorted by the key of that part."""

    def __init__(self, base: Hashes) -> None:
        blocks = (
            base[start : start + HASHES_AT_ONCE] for start in range(0, len(base), HASHES_AT_ONCE)
        )
        self._words = np.concatenate([_sorted_bits(grids(each)) for each in blocks], axis=1)
        keys = _part_keys(_parts_of(self._words), np.arange(PARTS))
        # Stable sorting of 16 bits is a radix sort.
        self._rows = [np.argsort(column, kind="stable").astype(np.int32) for column in keys.T]
        counts = [np.bincount(column, minlength=2**16) for column in keys.T]
        self._starts = [np.concatenate([[0], np.cumsum(count)]) for count in counts]

    def pairs(
        self, queries: Hashes, limit: int, far: int
    ) -> tuple[Places, Places, NDArray[np.int32]]:
        """Give the pairs within `limit` bits, upright ones within `far`, every pair once, sorted by query and row."""
        ways = zip(_words(queries), (far, limit), strict=True)
        tasks = [(*way, part) for way, part in itertools.product(ways, range(PARTS))]
        with ThreadPoolExecutor(THREADS) as pool:
            parts = list(pool.map(lambda task: self._candidates_of_part(*task), tasks))
        rows, others, bits = (np.concatenate(each) for each in zip(*parts, strict=True))
        order = np.lexsort((bits, others, rows))
        rows, others, bits = rows[order], others[order], bits[order]
        is_first = np.ones(len(order), np.bool_)
        is_first[1:] = (rows[1:] != rows[:-1]) | (others[1:] != others[:-1])
        return rows[is_first], others[is_first], bits[is_first]

    def _candidates_of_part(
        self, words: Words, limit: int, part: int
    ) -> tuple[Places, Places, NDArray[np.int32]]:
        """Give the pairs within `limit` bits of which a part differs in at most one bit, in none up to 15 bits."""
        flips = _FLIPS if limit >= PARTS else _FLIPS[:1]
        keys = _part_keys(_parts_of(words)[:, part, None] ^ flips, np.array(part)).ravel()
        starts = self._starts[part][keys]
        counts = self._starts[part][keys + np.int64(1)] - starts
        ends = np.cumsum(counts)
        batches = []
        for first, last in _slices(ends):
            sizes = counts[first:last]
            which = np.repeat(np.arange(first, last), sizes)
            nth = np.arange(len(which)) - np.repeat(
                ends[first:last] - sizes - _before(ends, first), sizes
            )
            others = self._rows[part][starts[which] + nth].astype(np.int64)
            batches.append(_within(words, which // len(flips), self._words, others, limit))
        rows, others, bits = (np.concatenate(each) for each in zip(*batches, strict=True))
        return rows, others, bits


def _before(ends: Places, first: int) -> int:
    return int(ends[first - 1]) if first else 0


def _slices(ends: Places) -> Iterator[tuple[int, int]]:
    """Cut entries, given by the running sum of their sizes, into slices of about `PAIRS_AT_ONCE`; no entry is cut."""
    first = 0
    while first < len(ends):
        last = int(np.searchsorted(ends, _before(ends, first) + PAIRS_AT_ONCE, side="right"))
        last = max(last, first + 1)
        yield first, last
        first = last


def _within(
    queries: Words, rows: Places, base: Words, others: Places, limit: int
) -> tuple[Places, Places, NDArray[np.int32]]:
    """Count bits word by word, and leave out the pairs that can no longer be within the limit."""
    lower_bound = np.zeros(len(rows), np.uint8)
    counts: list[NDArray[np.uint8]] = []
    for word in range(4):
        count = np.bitwise_count(queries[word][rows] ^ base[word][others])
        lower_bound = lower_bound + (np.minimum(count, 64 - count) if word else count)
        is_near = lower_bound <= limit
        rows, others, lower_bound = rows[is_near], others[is_near], lower_bound[is_near]
        counts = [each[is_near] for each in (*counts, count)]
    a, b, c, d = (each.astype(np.int32) for each in counts)
    ways = (b + c + d, 128 - b + c - d, 128 + b - c - d, 128 - b - c + d)
    bits = (a + np.minimum.reduce(ways)).astype(np.int32)
    is_close = bits <= limit
    return rows[is_close], others[is_close], bits[is_close]


def _words(hashes: Hashes) -> tuple[Words, Words]:
    """Sort the bits into 4 words a hash, (4, N): upright and transposed; mirroring does not change the first word."""
    upright = grids(hashes)
    return _sorted_bits(upright), _sorted_bits(upright.swapaxes(-1, -2))


def _sorted_bits(grid: NDArray[np.bool_]) -> Words:
    words = [
        np.packbits(grid[:, row::2, column::2].reshape(len(grid), 64), axis=1)
        for row in (1, 0)
        for column in (1, 0)
    ]
    return np.stack(words).view(np.uint64)[..., 0]


def _parts_of(words: Words) -> NDArray[np.uint16]:
    """Cut the words into 16 parts a hash, (N, 16)."""
    return np.ascontiguousarray(words.T).view(np.uint16)


def _part_keys(parts: NDArray[np.uint16], part: NDArray[np.integer]) -> NDArray[np.uint16]:
    """Give a part and its complement the same key, except in the first word, which mirroring does not change."""
    is_complement = (parts & 0x8000 > 0) & (part >= PARTS // 4)
    return np.where(is_complement, ~parts, parts)
