"""Several networks for different heads, trained side by side on the same inputs."""

from collections.abc import Sequence

import torch
from torch import nn

from training.models.headed import HeadedNetwork, Inputs


class SplitNetwork(nn.Module):
    """Networks that share nothing but their inputs; the outputs are those of all."""

    def __init__(self, networks: Sequence[HeadedNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    @property
    def backbones(self) -> list[nn.Module]:
        """The backbones of the networks."""
        return [each.backbone for each in self.networks]  # type: ignore[misc]  # of a HeadedNetwork

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the inputs that can be looked at alone."""
        return self.networks[0].parts  # type: ignore[return-value]  # of a HeadedNetwork

    @property
    def input_names(self) -> tuple[str, ...]:
        """The arrays of a batch that the networks read."""
        return self.networks[0].input_names  # type: ignore[return-value]  # of a HeadedNetwork

    def forward(self, inputs: Inputs, part: str = "") -> dict[str, torch.Tensor]:
        """Map named inputs to the output of each head by its name."""
        outputs: dict[str, torch.Tensor] = {}
        for network in self.networks:
            outputs |= network(inputs, part)
        return outputs
