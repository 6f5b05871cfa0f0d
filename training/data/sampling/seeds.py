"""Seeds of everything random: the order of training pictures, and the generator that augments each of them.

Both are pure functions of their arguments, so a resumed run gets the same batches as an uninterrupted one.
"""

import hashlib
from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray


def derive_seed(*parts: str | int) -> int:
    """Hash names and numbers into a 64-bit seed, the same on every machine."""
    text = "\n".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def epoch_order(digest: str, policy: str, seed: int, epoch: int, n: int) -> NDArray[np.int64]:
    """Return a permutation of `n` rows: a pure function of release, split policy, seed and epoch.

    >>> sorted(epoch_order("d1", "split", 0, 3, 5).tolist())
    [0, 1, 2, 3, 4]
    """
    rng = np.random.default_rng(derive_seed("order", digest, policy, seed, epoch))
    return rng.permutation(n)


def row_rng(seed: int, epoch: int, asset_sha256: str) -> np.random.Generator:
    """Return the generator that augments one picture in one epoch, independent of batch and thread."""
    return np.random.default_rng(derive_seed("augment", seed, epoch, asset_sha256))


class RowRngs(Sequence[np.random.Generator]):
    """The generators of some rows of `shas`, each made when it is asked for: many views ask for none.

    >>> RowRngs(0, 1, ["a", "b", "c"], np.array([2, 1]))[1].random() == row_rng(0, 1, "b").random()
    True
    """

    def __init__(self, seed: int, epoch: int, shas: Sequence[str], rows: NDArray[np.int64]) -> None:
        self._seed, self._epoch, self._shas, self._rows = seed, epoch, shas, rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> np.random.Generator: ...
    @overload
    def __getitem__(self, place: slice) -> "RowRngs": ...
    def __getitem__(self, place: int | slice) -> "np.random.Generator | RowRngs":
        """Return a new generator in its first state, or those of a slice."""
        if isinstance(place, slice):
            return RowRngs(self._seed, self._epoch, self._shas, self._rows[place])
        return row_rng(self._seed, self._epoch, self._shas[self._rows[place]])


def cut_batches(order: NDArray[np.int64], batch_size: int) -> list[NDArray[np.int64]]:
    """Cut an order into batches; the last one may be smaller."""
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
