"""The backbone over vectors of a frozen encoder, and the network that joins both for export."""

from collections.abc import Mapping
from typing import cast

import torch
from torch import nn

from training.models.headed import Inputs

DIRECT = 0.3  # of the standard deviation of numbers that go to the heads as they are
LIMIT = 6.0  # standard deviations; a rare feature far outside would dominate


class VectorBackbone(nn.Module):
    """Standardise the first `dim` numbers of vectors, then one hidden layer; mean and spread are set from training.

    >>> VectorBackbone(dim=8, hidden=4)({"vectors": torch.zeros(3, 8)}).shape
    torch.Size([3, 4])
    """

    parts = ()
    input_names = ("vectors",)
    mean: torch.Tensor
    spread: torch.Tensor

    def __init__(
        self, *, dim: int, hidden: int, input_dropout: float = 0.2, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.features = hidden
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("spread", torch.ones(dim))
        self.layers = nn.Sequential(
            nn.Dropout(input_dropout), nn.Linear(dim, hidden), nn.BatchNorm1d(hidden),
            nn.ReLU(), nn.Dropout(dropout),
        )  # fmt: skip

    def standardise(self, vectors: torch.Tensor) -> None:
        """Set mean and spread from vectors (N, dim or more) of training."""
        vectors = vectors[:, : len(self.mean)]
        self.mean.copy_(vectors.mean(dim=0))
        self.spread.copy_(vectors.std(dim=0).clamp_min(1e-3))

    def forward(self, inputs: Inputs, part: str = "") -> torch.Tensor:  # noqa: ARG002 - the contract
        """Map `vectors` (N, dim or more) to features (N, hidden)."""
        scaled = (inputs["vectors"][:, : len(self.mean)] - self.mean) / self.spread
        features: torch.Tensor = self.layers(scaled.clamp(-LIMIT, LIMIT))
        return features


class StatisticsBackbone(VectorBackbone):
    """Two hidden layers on standardised numbers, none of which is hidden: each of them says something exactly.

    With `direct` the numbers themselves are features, too, scaled down: much of what a logarithm of light says of an
    exposure or of a cast is linear.

    >>> StatisticsBackbone(8, 6, 4)({"vectors": torch.zeros(3, 8)}).shape
    torch.Size([3, 4])
    >>> StatisticsBackbone(8, 6, 4, direct=True)({"vectors": torch.zeros(3, 8)}).shape
    torch.Size([3, 12])
    """

    def __init__(
        self, dim: int, hidden: int, features: int, dropout: float = 0.2, *, direct: bool = False
    ) -> None:
        super().__init__(dim=dim, hidden=features)
        self.layers = nn.Sequential(
            nn.Linear(dim, hidden), nn.SiLU(), nn.Dropout(dropout),
            nn.Linear(hidden, features), nn.SiLU(), nn.Dropout(dropout),
        )  # fmt: skip
        self.direct = direct
        self.features = features + dim * direct

    def forward(self, inputs: Inputs, part: str = "") -> torch.Tensor:  # noqa: ARG002 - the contract
        """Map `vectors` (N, dim or more) to features (N, features)."""
        scaled = (inputs["vectors"][:, : len(self.mean)] - self.mean) / self.spread
        scaled = scaled.clamp(-LIMIT, LIMIT)
        features: torch.Tensor = self.layers(scaled)
        return torch.cat([features, DIRECT * scaled], 1) if self.direct else features


class StatisticsBranches(nn.Module):
    """A `StatisticsBackbone` for each of several groups of numbers: few of them are not lost among many others.

    >>> StatisticsBranches((8, 3), hidden=6, features=4)({"vectors": torch.zeros(3, 11)}).shape
    torch.Size([3, 8])
    """

    parts = ()
    input_names = ("vectors",)

    def __init__(
        self, dims: tuple[int, ...], *, hidden: int, features: int, dropout: float = 0.2
    ) -> None:
        super().__init__()
        self.dims = list(dims)
        self.features = features * len(dims)
        self.branches = nn.ModuleList(
            StatisticsBackbone(dim, hidden, features, dropout) for dim in dims
        )

    def standardise(self, vectors: torch.Tensor) -> None:
        """Set mean and spread of each group from vectors (N, sum of `dims`) of training."""
        for branch, group in zip(self.branches, torch.split(vectors, self.dims, 1), strict=True):
            branch.standardise(group)  # type: ignore[operator]  # of every branch

    def forward(self, inputs: Inputs, part: str = "") -> torch.Tensor:  # noqa: ARG002 - the contract
        """Map `vectors` (N, sum of `dims`) to features (N, features of all groups)."""
        groups = zip(self.branches, torch.split(inputs["vectors"], self.dims, 1), strict=True)
        return torch.cat([branch({"vectors": group}) for branch, group in groups], 1)


class EncodedNetwork(nn.Module):
    """An encoder with the network that was trained on its vectors: from pictures to the heads' outputs."""

    parts = ()

    def __init__(self, encoder: nn.Module, trained: nn.Module) -> None:
        super().__init__()
        self.encoder, self.trained = encoder, trained
        self.input_names: tuple[str, ...] = tuple(encoder.input_names)  # type: ignore[arg-type]  # of every encoder

    def forward(self, inputs: Inputs) -> dict[str, torch.Tensor]:
        """Map what the encoder reads, such as uint8 `pictures` (N, V, 3, S, S), to the output of each head."""
        vectors: Mapping[str, torch.Tensor] = {"vectors": self.encoder(inputs).mean(dim=1)}
        return cast("dict[str, torch.Tensor]", self.trained(vectors))
