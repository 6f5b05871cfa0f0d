"""Samples in memory by row. While all have the same shapes they lie in one array a name: a batch is then one copy."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.arrays import Arrays, Ints
from training.data.samples import ArrayRows

_Shapes = dict[str, tuple[tuple[int, ...], np.dtype[Any], bool]]


class SampleCache:
    """Samples of some of `n_rows` rows; threads may add to it at once.

    The arrays take memory only for rows that are there. From the first sample of another shape, or of an array whose
    axes lie in another order, each sample has memory of its own; so it has where arrays of all rows would be larger
    than `most_bytes`.
    """

    def __init__(self, n_rows: int, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._is_held = np.zeros(n_rows, np.bool_)
        self._together: dict[str, NDArray[Any]] = {}  # arrays of all rows
        self._shapes: _Shapes = {}
        self._alone: dict[int, Arrays] | None = None
        self._lock = threading.Lock()

    def missing(self, rows: Ints) -> Ints:
        """Return those of `rows` that have no sample here."""
        held = self._is_held[rows]
        return rows[:0] if held.all() else rows[~held]

    def samples(self, rows: Ints) -> Sequence[Arrays]:
        """Return the samples of rows that are all there."""
        together, alone = self._together, self._alone  # in this order: see _part
        if alone is None:
            return ArrayRows(together, rows)
        return [alone[row] for row in rows.tolist()]

    def get(self, row: int) -> Arrays | None:
        """Return the sample of a row, if there is one."""
        return self.samples(np.array([row]))[0] if self._is_held[row] else None

    def add(self, samples: Mapping[int, Arrays]) -> None:
        """Keep samples by their rows."""
        with self._lock:
            if self._alone is None and not self._has_room_for([*samples.values()]):
                self._part()
            rows = list(samples)
            if self._alone is None:
                for name, array in self._together.items():
                    array[rows] = [sample[name] for sample in samples.values()]
            else:
                self._alone |= samples
            self._is_held[rows] = True

    def _has_room_for(self, samples: Sequence[Arrays]) -> bool:
        """Whether all samples have the shapes of the arrays, which the first ones decide."""
        first = samples[0]
        shapes = self._shapes or {k: (v.shape, v.dtype, True) for k, v in first.items()}
        if not all(_shapes(sample) == shapes for sample in samples):
            return False
        n, self._shapes = len(self._is_held), shapes
        if (
            not self._together
            and n * sum(each.nbytes for each in first.values()) <= self._most_bytes
        ):
            self._together = {k: np.empty((n, *v.shape), v.dtype) for k, v in first.items()}
        return bool(self._together)

    def _part(self) -> None:
        """Copy each sample out of the arrays; whoever still reads the arrays keeps them."""
        rows, together = np.flatnonzero(self._is_held).tolist(), self._together
        self._alone = {
            row: {name: array[row].copy() for name, array in together.items()} for row in rows
        }
        self._together = {}


def _shapes(sample: Arrays) -> _Shapes:
    """Return shape, type, and whether its axes lie in memory in their order, of each array."""
    return {name: (each.shape, each.dtype, _is_in_order(each)) for name, each in sample.items()}


def _is_in_order(array: NDArray[Any]) -> bool:
    """Whether stacking the array puts it into memory as it is indexed; so it does a piece cut out of another array."""
    strides = array.strides
    return array.flags.c_contiguous or [*strides] == sorted(strides, reverse=True)
