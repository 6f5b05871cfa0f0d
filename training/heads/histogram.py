"""A head for the votes of many people on a scale, such as 1 to 10: it learns their histogram, not their mean alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from training.data.labels import label_values
from training.heads.base import Calibration, Head, interval_of

if TYPE_CHECKING:
    import polars as pl
    import torch
    from numpy.typing import NDArray
    from torch import nn

    from training.data.arrays import Floats


@dataclass(frozen=True, kw_only=True)
class HistogramHead(Head):
    """Shares of votes on `bins` scores from `first` on; `column` holds the votes of each picture as a JSON list.

    The loss is the earth mover's distance with r = 2 (Talebi and Milanfar 2018, NIMA): the root of the mean squared
    difference of the two cumulative histograms.
    """

    kind: ClassVar[str] = "histogram"
    family: ClassVar[str] = "values"
    metric: ClassVar[str] = "spearman"
    baselines: ClassVar[tuple[str, ...]] = ("median", "metadata", "tiny_features")

    column: str
    bins: int = 10
    first: int = 1
    unit: str = ""

    @property
    def scores(self) -> Floats:
        """The scores, (B,)."""
        return np.arange(self.first, self.first + self.bins, dtype=np.float64)

    def votes(self, index: pl.DataFrame) -> Floats:
        """Return the votes of each row, (N, B); NaN without as many counts as there are scores, or without a vote."""
        rows = [_parsed(text, self.bins) for text in label_values(index, self.column).to_list()]
        return np.array(rows, np.float64).reshape(-1, self.bins)

    def targets(self, index: pl.DataFrame) -> Floats:
        """Return the share of each score, (N, B), NaN without votes."""
        votes = self.votes(index)
        return np.asarray(votes / votes.sum(1, keepdims=True))

    def truth(self, index: pl.DataFrame) -> Floats:
        """Return the share of each score, (N, B), NaN without votes."""
        return self.targets(index)

    def module(self, features: int) -> nn.Module:
        """Build a linear layer with log-softmax: (N, features) to log-probabilities (N, B)."""
        from training.models.head_layers import softmax_layer

        return softmax_layer(features, self.bins)

    def loss(self, output: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the earth mover's distance of each row with r = 2, in shares of the scale."""
        is_labelled = ~target.isnan().any(1)
        wanted = target.nan_to_num(1 / self.bins).to(output.dtype)
        gap = (output.exp() - wanted).cumsum(1)
        return (gap.square().mean(1) + 1e-12).sqrt(), is_labelled

    def raw(self, output: torch.Tensor) -> torch.Tensor:
        """Return natural log-probabilities of the scores, (N, B)."""
        return output

    def selection_loss(self, raw: Floats, truth: NDArray[Any]) -> tuple[Floats, NDArray[Any]]:
        """Return the earth mover's distance of each row with r = 2."""
        is_labelled = ~np.isnan(truth).any(1)
        gap = (np.exp(raw) - np.where(is_labelled[:, None], truth, 0.0)).cumsum(1)
        return np.sqrt((gap**2).mean(1)), is_labelled

    def stated(self, calibration: Calibration) -> nn.Module:  # noqa: ARG002 - the contract
        """Map log-probabilities to the share of each score, (N, B)."""
        from training.models.head_layers import Exponential

        return Exponential()

    def answer(self, stated: NDArray[Any], calibration: Calibration) -> dict[str, Any]:
        """Return the mean score with its interval, and from a histogram (B,) also its spread and shares."""
        shares = np.asarray(stated, np.float64)
        has_shares = bool(shares.ndim)
        if has_shares:
            shares = shares / shares.sum()
        value = float(shares @ self.scores) if has_shares else float(shares)
        half = calibration.get("half_width_90")
        low, high = interval_of(value, half, (float(self.scores[0]), float(self.scores[-1])))
        answer: dict[str, Any] = {"value": value, "low": low, "high": high, "unit": self.unit}
        if has_shares:
            spread = float(np.sqrt(np.maximum(shares @ (self.scores - value) ** 2, 0.0)))
            answer |= {"standard_deviation": spread, "histogram": shares.tolist()}
        return answer


def _parsed(text: object, bins: int) -> list[float]:
    """Read the votes of one picture; NaN where they are no list of that many counts with a vote among them."""
    unknown = [float("nan")] * bins
    try:
        votes = [float(each) for each in json.loads(str(text))]
    except (ValueError, TypeError):
        return unknown
    usable = len(votes) == bins and all(0 <= each < float("inf") for each in votes) and any(votes)
    return votes if usable else unknown
