"""A head for unordered classes: softmax and cross-entropy."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import polars as pl

from training.data.labels import label_values
from training.heads.classes import ClassHead

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class SoftmaxHead(ClassHead):
    """Unordered classes, two or more."""

    kind: ClassVar[str] = "softmax"

    def other_values(self, index: pl.DataFrame) -> dict[str, int]:
        """Count the values of the label that are none of its classes, the commonest first."""
        values = label_values(index, self.column).cast(pl.String, strict=False).drop_nulls()
        others = values.filter(~values.is_in(self.classes)).to_list()
        return dict(Counter(others).most_common())

    def module(self, features: int) -> nn.Module:
        """Build a linear layer with log-softmax: (N, features) to log-probabilities (N, C)."""
        from training.models.head_layers import softmax_layer

        return softmax_layer(features, len(self.classes))
