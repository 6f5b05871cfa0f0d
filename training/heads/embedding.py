"""A head whose output is a unit vector: it is judged by what it retrieves, and other programs compare its cosines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from training.heads.base import Calibration, Head

if TYPE_CHECKING:
    import polars as pl
    import torch
    from numpy.typing import NDArray
    from torch import nn

    from training.data.arrays import Floats


@dataclass(frozen=True, kw_only=True)
class EmbeddingHead(Head):
    """A unit vector of `dim` numbers; it needs no label, so a recipe with it brings its own objective."""

    kind: ClassVar[str] = "embedding"
    family: ClassVar[str] = "retrieval"
    metric: ClassVar[str] = "recall_at_precision_0.9"
    baselines: ClassVar[tuple[str, ...]] = ("efficientnet_lite0", "pdq")

    dim: int

    def targets(self, index: pl.DataFrame) -> Floats:
        """Return zeros, (N,): every picture is used."""
        return np.zeros(len(index))

    def truth(self, index: pl.DataFrame) -> Floats:
        """Return zeros, (N,): every picture is used."""
        return np.zeros(len(index))

    def module(self, features: int) -> nn.Module:
        """Build a linear layer with normalisation: (N, features) to unit vectors (N, dim)."""
        from training.models.head_layers import UnitVectorLayer

        return UnitVectorLayer(features, self.dim)

    def loss(self, output: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Raise NotImplementedError: a vector has no label; the recipe's objective compares vectors."""
        raise NotImplementedError

    def raw(self, output: torch.Tensor) -> torch.Tensor:
        """Return the vectors, (N, dim)."""
        return output

    def selection_loss(self, raw: Floats, truth: NDArray[Any]) -> tuple[Floats, NDArray[Any]]:
        """Raise NotImplementedError, as `loss` does."""
        raise NotImplementedError

    def stated(self, calibration: Calibration) -> nn.Module:  # noqa: ARG002 - the contract
        """Return the vectors as they are."""
        from torch import nn

        return nn.Identity()

    def answer(self, stated: NDArray[Any], calibration: Calibration) -> dict[str, Any]:  # noqa: ARG002 - the contract
        """Return the vector."""
        return {"vector": np.asarray(stated, np.float64).tolist()}
