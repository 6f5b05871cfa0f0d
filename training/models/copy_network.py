"""The network of copy detection: EfficientNet-Lite0, generalised-mean pooling (GeM), one linear layer.

Early blocks keep their ImageNet weights: edges and textures are the same in copies, and training these blocks would
take most of the time. Batch normalisation is folded into the convolutions, so small batches do no harm.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn import functional

from curation import LITE0_DIM, Lite0Trunk, packaged_trunk

POWER = 3.0  # of the pooling: 1 is the mean, larger values approach the maximum
MEAN, STD = 127.0, 128.0  # grey levels, as the published weights want them


class TrunkRates(Protocol):
    """The part of a configuration that sets the learning rate of the pretrained blocks."""

    trunk_share: float


class CopyNetwork(nn.Module):
    """Map pictures to unit vectors; a higher cosine means that two pictures are more likely copies.

    >>> network = CopyNetwork(Lite0Trunk(), dim=128, name="copies")
    >>> network({"pictures": torch.zeros(2, 64, 64, 3, dtype=torch.uint8)})["copies"].shape
    torch.Size([2, 128])
    """

    parts = ()
    input_names = ("pictures",)

    def __init__(self, trunk: Lite0Trunk, dim: int, name: str) -> None:
        super().__init__()
        self.head_name = name
        self.trunk = trunk
        self.power = nn.Parameter(torch.tensor(POWER))
        self.project = nn.Linear(LITE0_DIM, dim)

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Map uint8 pictures (N, S, S, 3) to unit vectors (N, dim)."""
        return {self.head_name: self.vectors(normalise_pictures(inputs["pictures"]))}

    def vectors(self, pictures: torch.Tensor) -> torch.Tensor:
        """Map pictures normalised by (x - 127) / 128, shape (N, 3, S, S), to unit vectors (N, dim)."""
        return functional.normalize(self.project(self.pooled(pictures)))

    def pooled(self, pictures: torch.Tensor) -> torch.Tensor:
        """Map normalised pictures (N, 3, S, S) to generalised means of the last features (N, 1280)."""
        maps = self.trunk.maps(pictures).clamp_min(1e-4)  # (N, 1280, S / 32, S / 32)
        return maps.pow(self.power).mean(dim=(2, 3)).pow(1 / self.power)

    def parameter_groups(self, config: TrunkRates) -> list[dict[str, Any]]:
        """Group the parameters that are not frozen; `share` of a group multiplies the learning rate."""
        trunk = [p for p in self.trunk.parameters() if p.requires_grad]
        return [
            {"params": trunk, "share": config.trunk_share},
            {"params": [*self.project.parameters(), self.power], "share": 1.0},
        ]


def build_copy_network(dim: int, frozen_blocks: int, name: str) -> CopyNetwork:
    """Build the network on the packaged weights; stem and the first blocks are not trained."""
    network = CopyNetwork(packaged_trunk(), dim, name)
    for part in (network.trunk.stem, *list(network.trunk.blocks)[:frozen_blocks]):
        part.requires_grad_(requires_grad=False)
    return network


@torch.no_grad()
def initialise_projection(network: CopyNetwork, pooled: torch.Tensor) -> None:
    """Set the linear layer to the principal axes of pooled features (N, 1280), centred on their mean (PCA).

    Training then starts from the ImageNet features, along the directions in which these pictures differ. Axes beyond
    the span of N pictures keep their random initialisation, scaled down.
    """
    centre = pooled.mean(dim=0)
    _, spread, axes = torch.linalg.svd(pooled - centre, full_matrices=False)
    spanned = min(len(axes), network.project.out_features, int((spread > 1e-4 * spread[0]).sum()))
    weight = 0.1 * functional.normalize(network.project.weight)
    weight[:spanned] = axes[:spanned] * torch.sign(axes[:spanned].sum(dim=1, keepdim=True))
    network.project.weight.copy_(weight)
    network.project.bias.copy_(-weight @ centre)


def normalise_pictures(pictures: torch.Tensor) -> torch.Tensor:
    """Convert uint8 pictures (N, S, S, 3) to network input (N, 3, S, S), (x - 127) / 128."""
    planes = pictures.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    return (planes.float() - MEAN) / STD
