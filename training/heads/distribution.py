"""A head for a number that is learnt as a distribution over whole values, such as an age."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from training.heads.base import Bounds, Calibration
from training.heads.regression import RegressionHead

if TYPE_CHECKING:
    import torch
    from torch import nn

    from training.data.arrays import Floats


LINK_SPAN = 6.0  # of the thresholds of a cumulative layer at first


@dataclass(frozen=True, kw_only=True)
class DistributionHead(RegressionHead):
    """A number from `low` to `high` as a distribution over the whole values between.

    The target of a value y is a normal distribution around y whose spread is `spread` + `spread_share` * |y|: a label
    is less exact the larger it is. To its cross-entropy is added `error_share` times the absolute error of the
    expected value (label distribution learning, Gao et al. 2017, arXiv 1611.01731). Decoded by its median or `mean`:
    without spread and error that is DEX (Rothe et al. 2015). With the `layer` cumulative one score and ordered
    thresholds give the distribution, else a softmax.
    """

    kind: ClassVar[str] = "distribution"

    low: int
    high: int
    spread: float = 1.0
    spread_share: float = 0.06
    error_share: float = 0.08
    decoding: str = "median"
    layer: str = "softmax"

    @property
    def n_values(self) -> int:
        """Number of whole values."""
        return self.high - self.low + 1

    @property
    def bounds(self) -> Bounds:
        """The smallest and the largest value."""
        return self.low, self.high

    def targets(self, index: Any) -> Floats:
        """Return the value of each row in its unit, (N,), NaN without a label."""
        return self.truth(index)

    def module(self, features: int) -> nn.Module:
        """Build the layer: (N, features) to log-probabilities of the values (N, V)."""
        from training.models.head_layers import CumulativeLinkLayer, softmax_layer

        if self.layer == "cumulative":
            return CumulativeLinkLayer(features, self.n_values, span=LINK_SPAN)
        return softmax_layer(features, self.n_values)

    def loss(self, output: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return cross-entropy with the target's distribution, and the error of the expected value, by row."""
        import torch

        is_labelled = ~target.isnan()
        y = target.nan_to_num(self.low).to(output.dtype)[:, None]
        values = torch.arange(self.low, self.high + 1, device=output.device, dtype=output.dtype)
        wanted = torch.softmax(
            -0.5 * ((values - y) / (self.spread + self.spread_share * y.abs())) ** 2, 1
        )
        expected = (output.exp() * values).sum(1)
        cross_entropy = -(wanted * output).sum(1)
        return cross_entropy + self.error_share * (expected - y[:, 0]).abs(), is_labelled

    def raw(self, output: torch.Tensor) -> torch.Tensor:
        """Return the median of the distribution, (N,), between two values by linear interpolation, or its mean."""
        return self.stated({})(output)  # type: ignore[no-any-return]  # a module gives a tensor

    def stated(self, calibration: Calibration) -> nn.Module:  # noqa: ARG002 - the contract
        """Map log-probabilities to the median or mean of the distribution, (N,)."""
        from training.models.head_layers import MeanOfDistribution, MedianOfDistribution

        if self.decoding == "mean":
            return MeanOfDistribution(self.low, self.n_values)
        return MedianOfDistribution(self.low, self.n_values)
