"""A head that makes features forget a label: what it learns is subtracted from the features by gradient reversal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from training.heads.softmax import SoftmaxHead

if TYPE_CHECKING:
    import polars as pl
    from torch import nn

    from training.heads.base import Head

FEWEST = 5  # rows of a class


@dataclass(frozen=True, kw_only=True)
class AdversaryHead(SoftmaxHead):
    """Classes that the features should not tell, such as cameras (Ganin and Lempitsky 2015, arXiv 1409.7495).

    The layer learns the classes as `SoftmaxHead` does; the features get its gradient times -`strength`.
    """

    kind: ClassVar[str] = "adversary"
    is_auxiliary: ClassVar[bool] = True

    strength: float = 1.0

    @classmethod
    def of_column(cls, index: pl.DataFrame, column: str, strength: float) -> list[Head]:
        """Make a head of the values that at least five rows have; none with fewer than two, or without strength."""
        if not strength or column not in index.columns:
            return []
        counts = index[column].drop_nulls().value_counts()
        common = counts.filter(counts["count"] >= FEWEST)[column].cast(str).sort().to_list()
        if len(common) < 2:
            return []
        return [cls(name=column, column=column, classes=tuple(common), strength=strength)]

    def module(self, features: int) -> nn.Module:
        """Build the reversal and a linear layer: (N, features) to log-probabilities (N, C)."""
        from torch import nn

        from training.models.head_layers import GradientReversal, softmax_layer

        return nn.Sequential(
            GradientReversal(self.strength), softmax_layer(features, len(self.classes))
        )
