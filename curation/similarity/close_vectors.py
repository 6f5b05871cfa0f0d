"""Find all pairs of compact vectors whose product reaches a limit: exactly, with a quarter of the multiplications.

Vectors are rotated to their principal axes (without a mean), so that their first 64 numbers hold as much as any 64 can.
The remaining numbers add at most the product of their norms (Cauchy-Schwarz). With that norm as a 65th number the
product of two prefixes is an upper bound. Only pairs whose bound reaches the limit are multiplied in full. Where more
than one pair in a hundred passes, as among faces, comparing all pairs is faster: then `PrefixSearch.of` gives None.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

PREFIX_DIM: Final = 64
SAMPLES: Final = 2048  # vectors from which the axes and the share of passing pairs are estimated
MAX_SHARE: Final = 0.01  # of pairs that may pass the bound
STEP, BLOCK = 1024, 16_384  # vectors multiplied at once: 67 MB of products
THREADS: Final = 2
PAIRS_AT_ONCE: Final = 65_536  # pairs that are multiplied in full at once
_ROUNDING: Final = 1e-3  # of a product: tolerance for rounding to 32 bits

Compact = NDArray[np.int8]
Places = NDArray[np.int64]
Reals = NDArray[np.float32]
PairBatch = tuple[Places, Places, NDArray[np.int32]]
"""Pairs as two columns of places, and their products."""


@dataclass(frozen=True)
class PrefixSearch:
    """An exact search that prunes by prefixes: the axes of the prefixes, and the smallest product of a match."""

    axes: Reals
    min_product: int

    @classmethod
    def of(cls, vectors: Compact, min_product: int) -> "PrefixSearch | None":
        """Estimate the axes for vectors (N, 256) from a sample; None where too many pairs would pass."""
        rng = np.random.default_rng(0)
        rows = np.sort(rng.permutation(len(vectors))[: 2 * SAMPLES])
        sample = vectors[rows].astype(np.float32)
        axes = np.linalg.eigh(sample.T @ sample)[1][:, ::-1]
        search = cls(np.ascontiguousarray(axes, np.float32), min_product)
        prefixes = search.prefixes(vectors[rows])
        bounds = prefixes[::2] @ prefixes[1::2].T
        return search if (bounds >= search.min_bound).mean() <= MAX_SHARE else None

    @property
    def min_bound(self) -> float:
        """The smallest bound at which a pair is multiplied in full."""
        return self.min_product - _ROUNDING * abs(self.min_product)

    def prefixes(self, vectors: Compact) -> Reals:
        """Give the first 64 numbers along the axes and the norm of the rest, (N, 65)."""
        rotated = vectors.astype(np.float32) @ self.axes
        rest = np.linalg.norm(rotated[:, PREFIX_DIM:], axis=1, keepdims=True)
        return np.concatenate([rotated[:, :PREFIX_DIM], rest], axis=1)

    def pairs(self, vectors: Compact, rows: Places, others: Places) -> Iterator[PairBatch]:
        """Give the pairs of one of `rows` and one of `others` (both sorted): places and products.

        Where both places are in `rows` and in `others`, the pair is given once, the smaller place first.
        """
        if not len(rows) or not len(others):
            return
        queries = np.concatenate(
            [
                self.prefixes(vectors[rows[start : start + BLOCK]])
                for start in range(0, len(rows), BLOCK)
            ]
        )
        is_row = np.zeros(len(vectors), np.bool_)
        is_row[rows] = True
        # One BLAS thread: more would wait while the products of a step are filtered.
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(THREADS) as pool:
            for start in range(0, len(others), BLOCK):
                block = others[start : start + BLOCK]
                base = self.prefixes(vectors[block]).T
                last = len(rows)
                if is_row[block].all():  # pairs with larger rows are given with the later blocks
                    last = int(np.searchsorted(rows, block[-1]))
                parts = [slice(first, min(first + STEP, last)) for first in range(0, last, STEP)]
                products = partial(self._bounded, queries, base)
                for part, (left, right) in zip(parts, pool.map(products, parts), strict=True):
                    yield from self._exact(vectors, rows[part][left], block[right], is_row)

    def _bounded(self, queries: Reals, base: Reals, part: slice) -> tuple[Places, Places]:
        """Give the pairs whose bound reaches the limit."""
        is_near = queries[part] @ base >= np.float32(self.min_bound)
        left, right = np.divmod(np.flatnonzero(is_near), is_near.shape[1])
        return left, right

    def _exact(
        self, vectors: Compact, rows: Places, others: Places, is_row: NDArray[np.bool_]
    ) -> Iterator[PairBatch]:
        is_first = (rows < others) | ((rows > others) & ~is_row[others])
        rows, others = rows[is_first], others[is_first]
        for start in range(0, len(rows), PAIRS_AT_ONCE):
            left, right = rows[start : start + PAIRS_AT_ONCE], others[start : start + PAIRS_AT_ONCE]
            one, two = (vectors[each].astype(np.int32) for each in (left, right))
            product = np.einsum("ij,ij->i", one, two, dtype=np.int32)
            is_match = product >= self.min_product
            yield left[is_match], right[is_match], product[is_match]
