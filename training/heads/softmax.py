"""A head for unordered classes: softmax and cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from training.heads.classes import ClassHead

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class SoftmaxHead(ClassHead):
    """Unordered classes, two or more."""

    kind: ClassVar[str] = "softmax"

    def module(self, features: int) -> nn.Module:
        """Build a linear layer with log-softmax: (N, features) to log-probabilities (N, C)."""
        from training.models.head_layers import softmax_layer

        return softmax_layer(features, len(self.classes))
