"""The samples of a batch as they lie in memory: rows of arrays, which are stacked in one copy, or one by one."""

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from training.data.arrays import Arrays, Ints


class ArrayRows(Sequence[Arrays]):
    """Rows of arrays that begin with the number of samples; a sample is made of views when it is asked for.

    >>> samples = ArrayRows({"numbers": np.arange(10).reshape(5, 2)}, np.array([3, 0]))
    >>> samples[0]["numbers"].tolist(), len(samples)
    ([6, 7], 2)
    """

    def __init__(self, arrays: Arrays, rows: Ints) -> None:
        self._arrays, self._rows = arrays, rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: int) -> Arrays: ...
    @overload
    def __getitem__(self, place: slice) -> "ArrayRows": ...
    def __getitem__(self, place: int | slice) -> "Arrays | ArrayRows":
        """Return one sample, or those of a slice."""
        if isinstance(place, slice):
            return ArrayRows(self._arrays, self._rows[place])
        row = self._rows[place]
        return {name: array[row] for name, array in self._arrays.items()}

    def stacked(self, name: str) -> NDArray[Any]:
        """Copy one array of all samples, (N, ...)."""
        return self._arrays[name].take(self._rows, axis=0)


def stacked(samples: Sequence[Arrays], name: str) -> NDArray[Any]:
    """Stack one array of all samples into (N, ...), in one copy where they are rows of arrays.

    >>> stacked([{"numbers": np.array([6, 7])}, {"numbers": np.array([0, 1])}], "numbers").tolist()
    [[6, 7], [0, 1]]
    """
    if isinstance(samples, ArrayRows):
        return samples.stacked(name)
    return np.stack([sample[name] for sample in samples])
