"""The network of `copy_detection`: EfficientNet-Lite0, generalised-mean pooling (GeM), one linear layer.

Early blocks keep their ImageNet weights: edges and textures are the same in copies, and training these blocks would
take most of the time. Batch normalisation is folded into the convolutions, so small batches do no harm.
"""

import torch
from torch import nn
from torch.nn import functional

from curation import LITE0_DIM, Lite0Trunk, packaged_trunk

POWER = 3.0  # of the pooling: 1 is the mean, larger values approach the maximum
MEAN, STD = 127.0, 128.0  # grey levels, as the published weights want them


class CopyNetwork(nn.Module):
    """Map pictures to unit vectors; a higher cosine means that two pictures are more likely copies.

    >>> CopyNetwork(Lite0Trunk(), dim=128)(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 128])
    """

    def __init__(self, trunk: Lite0Trunk, dim: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.power = nn.Parameter(torch.tensor(POWER))
        self.project = nn.Linear(LITE0_DIM, dim)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Map pictures normalised by (x - 127) / 128, shape (N, 3, S, S), to unit vectors (N, dim)."""
        return functional.normalize(self.project(self.pooled(pictures)))

    def pooled(self, pictures: torch.Tensor) -> torch.Tensor:
        """Map normalised pictures (N, 3, S, S) to generalised means of the last features (N, 1280)."""
        maps = self.trunk.maps(pictures).clamp_min(1e-4)  # (N, 1280, S / 32, S / 32)
        return maps.pow(self.power).mean(dim=(2, 3)).pow(1 / self.power)


def build(dim: int, frozen_blocks: int) -> CopyNetwork:
    """Build the network on the packaged weights; stem and the first blocks are not trained."""
    network = CopyNetwork(packaged_trunk(), dim)
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
