"""A head for a number that is learnt as a distribution over whole values, such as an age."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from training.heads.base import Calibration
from training.heads.regression import RegressionHead

if TYPE_CHECKING:
    import torch
    from torch import nn

    from training.data.arrays import Floats


@dataclass(frozen=True, kw_only=True)
class DistributionHead(RegressionHead):
    """A number from `low` to `high` as a distribution over the whole values between, decoded by its median.

    The target of a value y is a normal distribution around y whose spread is `spread` + `spread_share` * |y|: a label
    is less exact the larger it is. To its cross-entropy is added `error_share` times the absolute error of the
    expected value (label distribution learning, Gao et al. 2017, arXiv 1611.01731).
    """

    kind: ClassVar[str] = "distribution"

    low: int
    high: int
    spread: float = 1.0
    spread_share: float = 0.06
    error_share: float = 0.08

    @property
    def n_values(self) -> int:
        """Number of whole values."""
        return self.high - self.low + 1

    def targets(self, index: Any) -> Floats:
        """Return the value of each row in its unit, (N,), NaN without a label."""
        return self.truth(index)

    def module(self, features: int) -> nn.Module:
        """Build a linear layer with log-softmax: (N, features) to log-probabilities of the values (N, V)."""
        from training.models.head_layers import softmax_layer

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
        """Return the median of the distribution, (N,), between two values by linear interpolation."""
        return self.stated({})(output)  # type: ignore[no-any-return]  # a module gives a tensor

    def stated(self, calibration: Calibration) -> nn.Module:  # noqa: ARG002 - the contract
        """Map log-probabilities to the median of the distribution, (N,)."""
        from training.models.head_layers import MedianOfDistribution

        return MedianOfDistribution(self.low, self.n_values)
