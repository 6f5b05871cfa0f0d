"""A head for ordered classes: a number on an axis in fine bins, reported in coarse classes that are sums of bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import polars as pl

from training.data.arrays import MISSING
from training.data.labels import label_values
from training.heads.classes import ClassHead

if TYPE_CHECKING:
    import torch
    from torch import nn

    from training.data.arrays import Floats, Ints


@dataclass(frozen=True, kw_only=True)
class OrdinalHead(ClassHead):
    """A number whose classes lie between `edges` (C - 1,), learnt in the finer bins between `fine_edges` (F - 1,).

    `first_fine` (C,) is the first fine bin of each class. Bins are half-open, [low, high).
    """

    kind: ClassVar[str] = "ordinal"

    edges: tuple[float, ...]
    fine_edges: tuple[float, ...]
    first_fine: tuple[int, ...]

    @property
    def fine(self) -> int:
        """Number of fine bins."""
        return len(self.fine_edges) + 1

    def truth(self, index: pl.DataFrame) -> Ints:
        """Return the class of each row, (N,), or MISSING where the column is null."""
        values = self.numbers(index)
        classes = np.searchsorted(self.edges, values, side="right")
        return np.where(np.isnan(values), MISSING, classes).astype(np.int64)

    def numbers(self, index: pl.DataFrame) -> Floats:
        """Return the number of each row, (N,), NaN where the column is null."""
        column = label_values(index, self.column).cast(pl.Float64)
        return np.asarray(column.fill_null(float("nan")).to_numpy(), np.float64)

    def targets(self, index: pl.DataFrame) -> Ints:
        """Return the fine bin of each row, (N,), or MISSING; a value at a coarse edge gets a fine bin of its class."""
        coarse = self.truth(index)
        values = label_values(index, self.column).cast(pl.Float64).fill_null(0.0).to_numpy()
        fine = np.searchsorted(self.fine_edges, values, side="right")
        first = np.array(self.first_fine)
        last = np.array([*self.first_fine[1:], self.fine]) - 1
        clipped = np.clip(fine, first[coarse], last[coarse])
        return np.asarray(np.where(coarse == MISSING, MISSING, clipped), dtype=np.int64)

    def module(self, features: int) -> nn.Module:
        """Build the cumulative-link layer: (N, features) to fine log-probabilities (N, F)."""
        from training.models.head_layers import CumulativeLinkLayer

        return CumulativeLinkLayer(features, self.fine)

    def merging(self) -> Floats:
        """Return the matrix (F, C) that sums fine bins into classes."""
        number = np.searchsorted(self.first_fine, np.arange(self.fine), side="right") - 1
        return np.eye(len(self.classes))[number]

    def raw(self, output: torch.Tensor) -> torch.Tensor:
        """Sum fine log-probabilities (N, F) into those of the classes (N, C)."""
        import torch

        matrix = torch.from_numpy(self.merging()).to(output)
        return torch.log(output.exp() @ matrix)
