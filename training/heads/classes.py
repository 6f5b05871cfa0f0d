"""What all heads with classes share: natural log-probabilities, calibrated as in `evaluation.calibration`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from training.data.arrays import MISSING
from training.data.labels import label_values
from training.heads.base import Calibration, Head

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import nn

    from training.data.arrays import Floats, Ints


@dataclass(frozen=True, kw_only=True)
class ClassHead(Head):
    """A head with `classes` in order, whose label is one of them; `column` is the label's column in the release.

    In place of a column an SQL expression over the columns may stand (`training.data.labels`).
    """

    family: ClassVar[str] = "classes"
    metric: ClassVar[str] = "balanced_accuracy"
    baselines: ClassVar[tuple[str, ...]] = ("majority", "prior", "metadata", "tiny_features")

    column: str
    classes: tuple[str, ...]
    descriptions: tuple[str, ...] = ()

    def targets(self, index: pl.DataFrame) -> NDArray[Any]:
        """Return the class of each row, (N,), or MISSING."""
        return self.truth(index)

    def truth(self, index: pl.DataFrame) -> Ints:
        """Return the class of each row, (N,), or MISSING where the column is null or names no class."""
        numbers = {name: number for number, name in enumerate(self.classes)}
        values = label_values(index, self.column).cast(pl.String, strict=False).to_list()
        return np.array([numbers.get(value, MISSING) for value in values], np.int64)

    def numbers(self, index: pl.DataFrame) -> Floats | None:  # noqa: ARG002 - of ordered classes
        """Return the number behind the class of each row, (N,), NaN without one; None for classes without an order."""
        return None

    def loss(self, output: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the negative log-likelihood of each row, in nats; outputs are log-probabilities (N, F)."""
        from torch.nn import functional

        loss = functional.nll_loss(output, target, ignore_index=MISSING, reduction="none")
        return loss, target != MISSING

    def raw(self, output: torch.Tensor) -> torch.Tensor:
        """Return natural log-probabilities of the classes, (N, C)."""
        return output

    def selection_loss(self, raw: Floats, truth: NDArray[Any]) -> tuple[Floats, NDArray[Any]]:
        """Return the negative log-likelihood of the true class of each row."""
        return -raw[np.arange(len(raw)), np.maximum(truth, 0)], truth != MISSING

    def stated(self, calibration: Calibration) -> nn.Module:
        """Map an output to balanced probabilities (N, C) by the temperature and class shares of the calibration."""
        from training.models.head_layers import BalancedProbabilities

        return BalancedProbabilities(self.raw, calibration["temperature"], calibration["prior"])

    def decide(self, stated: NDArray[Any], calibration: Calibration) -> Ints:  # noqa: ARG002 - the contract
        """Return the class of each row of probabilities (N, C): the most probable one."""
        return np.asarray(np.asarray(stated).argmax(-1), np.int64)

    def answer(self, stated: NDArray[Any], calibration: Calibration) -> dict[str, Any]:  # noqa: ARG002 - the contract
        """Return the most probable class and the probability of each."""
        shares = np.asarray(stated, np.float64)
        shares = shares / shares.sum()
        probabilities = dict(zip(self.classes, shares.tolist(), strict=True))
        return {"class": self.classes[int(shares.argmax())], "probabilities": probabilities}
