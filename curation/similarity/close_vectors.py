"""Find all pairs of compact vectors with at least some product: exactly, by a quarter of the multiplications.

Vectors are turned so that their first 64 numbers hold as much as any 64 can (principal axes, without a mean). What the
others can add to a product is at most that of their lengths (Cauchy-Schwarz), so the length of the rest as a 65th
number makes the product an upper bound. Only pairs whose bound is large enough are multiplied whole. Where that is
more than one in a hundred, as among faces, comparing all is faster: then `Heads.of` gives None.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

HEAD: Final = 64
SAMPLE: Final = 2048  # vectors that axes and the share of close pairs are told from
SHARE: Final = 0.01  # of pairs that may pass the bound
STEP, BLOCK = 1024, 16_384  # vectors multiplied at once: 67 MB of products
THREADS: Final = 2
WHOLE: Final = 65_536  # pairs that are multiplied whole at once
_SLACK: Final = 1e-3  # of a product: room for the rounding of 32 bits

Compact = NDArray[np.int8]
Places = NDArray[np.int64]
Reals = NDArray[np.float32]
Found = tuple[Places, Places, NDArray[np.int32]]


@dataclass(frozen=True)
class Heads:
    """The axes by which vectors are shortened, and the least product that is looked for."""

    axes: Reals
    least: int

    @classmethod
    def of(cls, vectors: Compact, least: int) -> "Heads | None":
        """Choose axes for vectors (N, 256) by a sample; None where too many pairs would pass."""
        rng = np.random.default_rng(0)
        rows = np.sort(rng.permutation(len(vectors))[: 2 * SAMPLE])
        some = vectors[rows].astype(np.float32)
        axes = np.linalg.eigh(some.T @ some)[1][:, ::-1]
        found = cls(np.ascontiguousarray(axes, np.float32), least)
        short = found.shortened(vectors[rows])
        bounds = short[::2] @ short[1::2].T
        return found if (bounds >= found.bound).mean() <= SHARE else None

    @property
    def bound(self) -> float:
        """The least bound that a pair needs."""
        return self.least - _SLACK * abs(self.least)

    def shortened(self, vectors: Compact) -> Reals:
        """Give the first numbers along the axes and the length of the rest, (N, 65)."""
        turned = vectors.astype(np.float32) @ self.axes
        rest = np.linalg.norm(turned[:, HEAD:], axis=1, keepdims=True)
        return np.concatenate([turned[:, :HEAD], rest], axis=1)

    def close(self, vectors: Compact, rows: Places, others: Places) -> Iterator[Found]:
        """Give the pairs of one of `rows` and one of `others` (both sorted): places and products.

        Of two that are both in `rows` and in `others`, only the pair with the smaller one first is given.
        """
        if not len(rows) or not len(others):
            return
        asked = np.concatenate(
            [
                self.shortened(vectors[rows[start : start + BLOCK]])
                for start in range(0, len(rows), BLOCK)
            ]
        )
        is_asked = np.zeros(len(vectors), np.bool_)
        is_asked[rows] = True
        # BLAS threads would wait while the products of a step are looked through.
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(THREADS) as pool:
            for start in range(0, len(others), BLOCK):
                block = others[start : start + BLOCK]
                short = self.shortened(vectors[block]).T
                last = len(rows)
                if is_asked[block].all():  # pairs with larger rows come with the blocks of those
                    last = int(np.searchsorted(rows, block[-1]))
                parts = [slice(first, min(first + STEP, last)) for first in range(0, last, STEP)]
                products = partial(self._bounded, asked, short)
                for part, (left, right) in zip(parts, pool.map(products, parts), strict=True):
                    yield from self._whole(vectors, rows[part][left], block[right], is_asked)

    def _bounded(self, asked: Reals, short: Reals, part: slice) -> tuple[Places, Places]:
        """Give the pairs whose bound is large enough."""
        is_near = asked[part] @ short >= np.float32(self.bound)
        left, right = np.divmod(np.flatnonzero(is_near), is_near.shape[1])
        return left, right

    def _whole(
        self, vectors: Compact, rows: Places, others: Places, is_asked: NDArray[np.bool_]
    ) -> Iterator[Found]:
        wanted = (rows < others) | ((rows > others) & ~is_asked[others])
        rows, others = rows[wanted], others[wanted]
        for start in range(0, len(rows), WHOLE):
            left, right = rows[start : start + WHOLE], others[start : start + WHOLE]
            one, two = (vectors[each].astype(np.int32) for each in (left, right))
            product = np.einsum("ij,ij->i", one, two, dtype=np.int32)
            close = product >= self.least
            yield left[close], right[close], product[close]
