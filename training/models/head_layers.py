"""The layers of the heads: from features to outputs, and from outputs to what a model states."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional


class CumulativeLinkLayer(nn.Module):
    """Cumulative link: one score, one scale and ordered thresholds give ordered classes.

    >>> layer = CumulativeLinkLayer(8, classes=12)
    >>> layer(torch.zeros(3, 8)).exp().sum(dim=1).allclose(torch.ones(3))
    True
    """

    def __init__(self, features: int, classes: int, span: float = 0.0) -> None:
        super().__init__()
        # Thresholds begin 0.44 apart (softplus of -0.6), or together over `span`.
        step = math.log(math.expm1(span / (classes - 2))) if span else -0.6
        self.score = nn.Linear(features, 2)  # place on the axis, log of its sharpness
        self.first = nn.Parameter(torch.tensor(-span / 2 if span else -2.5))
        self.steps = nn.Parameter(torch.full((classes - 2,), step))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map (N, features) to log-probabilities (N, classes)."""
        place, sharpness = self.score(features).unbind(dim=1)
        steps = nn.functional.softplus(self.steps)
        thresholds = torch.cat([self.first[None], self.first + steps.cumsum(0)])
        scale = torch.exp(sharpness.clamp(-2.0, 2.0))[:, None]
        below = torch.sigmoid((thresholds[None] - place[:, None]) * scale)  # P(class <= k)
        pad = nn.functional.pad
        mass = pad(below, (0, 1), value=1.0) - pad(below, (1, 0), value=0.0)
        floored = mass.clamp_min(1e-6)
        return torch.log(floored / floored.sum(1, keepdim=True))


def softmax_layer(features: int, classes: int) -> nn.Module:
    """Build a linear layer with log-softmax: (N, features) to log-probabilities (N, classes)."""
    return nn.Sequential(nn.Linear(features, classes), nn.LogSoftmax(dim=1))


def value_layer(features: int) -> nn.Module:
    """Build a linear layer from (N, features) to one number a row, (N,)."""
    return nn.Sequential(nn.Linear(features, 1), nn.Flatten(0))


class GradientReversal(nn.Module):
    """The identity, whose gradient is multiplied by -`strength`.

    >>> x = torch.ones(2, requires_grad=True)
    >>> GradientReversal(0.5)(x).sum().backward()
    >>> x.grad
    tensor([-0.5000, -0.5000])
    """

    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the features; x (1 + s) - s x has the value x, and with s x alone followed the gradient -s."""
        return (1 + self.strength) * features.detach() - self.strength * features


class UnitVectorLayer(nn.Module):
    """A linear layer whose rows have length one.

    >>> UnitVectorLayer(8, 4)(torch.ones(2, 8)).norm(dim=1).allclose(torch.ones(2))
    True
    """

    def __init__(self, features: int, dim: int) -> None:
        super().__init__()
        self.project = nn.Linear(features, dim)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map (N, features) to unit vectors (N, dim)."""
        return functional.normalize(self.project(features))


class BalancedProbabilities(nn.Module):
    """Calibrate log-probabilities by a temperature and divide by the class shares of training.

    >>> even = BalancedProbabilities(lambda output: output, 1.0, [0.5, 0.5])
    >>> even(torch.tensor([[0.25, 0.75]]).log())
    tensor([[0.2500, 0.7500]])
    """

    temperature: torch.Tensor
    prior: torch.Tensor

    def __init__(
        self,
        raw: Callable[[torch.Tensor], torch.Tensor],
        temperature: float,
        prior: Sequence[float],
    ) -> None:
        super().__init__()
        self._raw = raw
        self.register_buffer("temperature", torch.tensor(temperature).float())
        self.register_buffer("prior", torch.tensor(prior).float())

    def forward(self, output: torch.Tensor) -> torch.Tensor:
        """Map an output of the head to probabilities (N, C) that give every class the same weight."""
        return (self._raw(output) / self.temperature - self.prior.log()).softmax(dim=1)


class ValueInUnit(nn.Module):
    """Undo the standardisation of a value, which does not go below `least`."""

    def __init__(self, centre: float, scale: float, least: float | None = None) -> None:
        super().__init__()
        self.centre, self.scale, self.least = centre, scale, least

    def forward(self, output: torch.Tensor) -> torch.Tensor:
        """Map standardised values (N,) to values in their unit."""
        value = output * self.scale + self.centre
        return value if self.least is None else value.clamp_min(self.least)


class MeanOfBins(nn.Module):
    """The expected value of a distribution over values at equal distances.

    >>> MeanOfBins(-1.0, 0.5, 5)(torch.tensor([[0.0, 0.0, 0.5, 0.5, 0.0]]).log())
    tensor([0.2500])
    """

    def __init__(self, low: float, step: float, bins: int) -> None:
        super().__init__()
        self.low, self.step, self.bins = low, step, bins

    def forward(self, output: torch.Tensor) -> torch.Tensor:
        """Map log-probabilities (N, B) to expected values (N,)."""
        numbers = torch.arange(self.bins, device=output.device, dtype=output.dtype)
        return (output.exp() * (self.low + self.step * numbers)).sum(1)


class Exponential(nn.Module):
    """Log-probabilities as probabilities."""

    def forward(self, output: torch.Tensor) -> torch.Tensor:
        """Map log-probabilities (N, B) to probabilities (N, B)."""
        return output.exp()


class MeanOfDistribution(nn.Module):
    """The expected value of a distribution over whole values.

    >>> MeanOfDistribution(10, 3)(torch.tensor([[0.25, 0.5, 0.25]]).log())
    tensor([11.])
    """

    def __init__(self, low: int, n_values: int) -> None:
        super().__init__()
        self.low, self.n_values = low, n_values

    def forward(self, output: torch.Tensor) -> torch.Tensor:
        """Map log-probabilities (N, V) to expected values (N,)."""
        values = torch.arange(self.n_values, device=output.device, dtype=output.dtype)
        return (output.exp() * (self.low + values)).sum(1)


class MedianOfDistribution(nn.Module):
    """The median of a distribution over whole values, between two of them by linear interpolation.

    >>> MedianOfDistribution(10, 3)(torch.tensor([[0.25, 0.5, 0.25]]).log())
    tensor([11.])
    """

    def __init__(self, low: int, n_values: int) -> None:
        super().__init__()
        self.low, self.n_values = low, n_values

    def forward(self, output: torch.Tensor) -> torch.Tensor:
        """Map log-probabilities (N, V) to medians (N,); value v stands for the interval from v - 0.5 to v + 0.5."""
        shares = output.exp()
        below = shares.cumsum(1)
        numbers = torch.arange(self.n_values, device=output.device, dtype=output.dtype)
        first = (below < 0.5).to(output.dtype).sum(1).clamp_max(self.n_values - 1)
        is_first = (numbers[None] == first[:, None]).to(output.dtype)
        share, reached = (shares * is_first).sum(1), (below * is_first).sum(1)
        inside = 1 - (reached - 0.5) / share.clamp_min(1e-9)
        return self.low + first - 0.5 + inside.clamp(0, 1)
