"""A head for how strong something is, such as a defect of a photograph: a number in a fixed range, in ordered bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from training.heads.base import Bounds, Calibration
from training.heads.regression import RegressionHead

if TYPE_CHECKING:
    import polars as pl
    import torch
    from torch import nn

    from training.data.arrays import Floats

MOST_WEIGHT = 10.0  # of a rare bin, relative to the commonest one
LINK_SPAN = 6.0  # of the thresholds of the cumulative layer at first


@dataclass(frozen=True, kw_only=True)
class SeverityHead(RegressionHead):
    """A number from `low` to `high` as a distribution over `bins` values at equal distances, decoded by its mean.

    The target of a value lies on the two bins around it (linear interpolation), whose loss counts by `bin_weights`;
    `error_share` times the absolute error of the mean is added. With `is_histogram` the bins are not ordered, and the
    loss is the earth mover's distance with r = 2 to those two bins, as in NIMA. Rows without a label have the value
    `fill` in training, where there is one, and are not evaluated.
    """

    kind: ClassVar[str] = "severity"
    metric: ClassVar[str] = "spearman"
    higher_is_better: ClassVar[bool] = True

    low: float
    high: float
    bins: int
    fill: float | None = None
    bin_weights: tuple[float, ...] = ()
    error_share: float = 1.0
    is_histogram: bool = False

    @property
    def step(self) -> float:
        """Distance of two bins."""
        return (self.high - self.low) / (self.bins - 1)

    @property
    def bounds(self) -> Bounds:
        """The smallest and the largest value."""
        return self.low, self.high

    def targets(self, index: pl.DataFrame) -> Floats:
        """Return the value of each row in range, (N,), NaN without a label."""
        values = np.clip(self.truth(index), self.low, self.high)
        return values if self.fill is None else np.where(np.isnan(values), self.fill, values)

    def weighed_on(self, index: pl.DataFrame, most: float = MOST_WEIGHT) -> SeverityHead:
        """Return this head with weights that make all bins count alike on these rows, a rare one at most `most` times.

        Where a ladder is learnt, bin 0 has the rows of all other defects. With a low `most` it outweighs the strengths,
        and a picture that may have the defect is called a weak case of it.
        """
        import dataclasses

        values = self.targets(index)
        numbers = np.rint((values[~np.isnan(values)] - self.low) / self.step).astype(int)
        counts = np.bincount(numbers, minlength=self.bins)
        weights = np.minimum(counts.max(initial=1) / np.maximum(counts, 1), most)
        mean = float((weights * counts).sum() / max(counts.sum(), 1)) or 1.0
        return dataclasses.replace(self, bin_weights=tuple((weights / mean).tolist()))

    def module(self, features: int) -> nn.Module:
        """Build the cumulative-link or the softmax layer: (N, features) to log-probabilities of the bins (N, B)."""
        from training.models.head_layers import CumulativeLinkLayer, softmax_layer

        if self.is_histogram:
            return softmax_layer(features, self.bins)
        return CumulativeLinkLayer(features, self.bins, span=LINK_SPAN)

    def loss(self, output: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the weighed cross-entropy with the two bins of the target, and the error of the mean, by row."""
        import torch

        is_labelled = ~target.isnan()
        value = target.nan_to_num(self.low).to(output.dtype)
        place = (value - self.low) / self.step
        numbers = torch.arange(self.bins, device=output.device, dtype=output.dtype)
        wanted = (1 - (place[:, None] - numbers).abs()).clamp_min(0)  # (N, B), two of them above 0
        weights = torch.tensor(self.bin_weights or (1.0,) * self.bins).to(output)
        if self.is_histogram:
            gap = (output.exp() - wanted).cumsum(1)
            return (wanted @ weights) * (gap.square().mean(1) + 1e-8).sqrt(), is_labelled
        error = (self.raw(output) - value).abs() / (self.high - self.low)
        cross_entropy = -(wanted * output).sum(1)
        return (wanted @ weights) * (cross_entropy + self.error_share * error), is_labelled

    def raw(self, output: torch.Tensor) -> torch.Tensor:
        """Return the mean of the distribution, (N,), from `low` to `high`."""
        return self.stated({})(output)  # type: ignore[no-any-return]  # a module gives a tensor

    def selection_loss(self, raw: Floats, truth: Any) -> tuple[Floats, Any]:
        """Return the absolute error of each row as a share of the range."""
        is_labelled = ~np.isnan(truth)
        error = np.abs(raw - np.where(is_labelled, truth, 0.0))
        return error / (self.high - self.low), is_labelled

    def stated(self, calibration: Calibration) -> nn.Module:  # noqa: ARG002 - the contract
        """Map log-probabilities to the mean of the distribution, (N,)."""
        from training.models.head_layers import MeanOfBins

        return MeanOfBins(self.low, self.step, self.bins)
