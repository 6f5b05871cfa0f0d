"""Numbers about native patches, computed in torch so that an exported model computes them, too.

An encoder trained on objects sees pictures reduced to a few hundred pixels, where noise and fine sharpness are gone.
"""

import torch
from torch import nn
from torch.nn import functional

_LUMA = (0.299, 0.587, 0.114)
_EPSILON = 1e-3


class PatchStatistics(nn.Module):
    """Noise, sharpness, compression and light of native patches: 20 numbers each, summarised over the patches.

    The first half of the patches are flat ones (`training.data.views.patches_and_thumbnail`), where noise is visible;
    the others are textured ones, where sharpness is.

    >>> PatchStatistics()(torch.zeros(2, 6, 3, 64, 64, dtype=torch.uint8)).shape
    torch.Size([2, 100])
    """

    dim = 100
    planes: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        luma = torch.tensor(_LUMA)
        self.register_buffer("planes", torch.stack([luma, *(torch.eye(3)[[0, 2]] - luma)]))

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Map uint8 patches (N, P, 3, s, s), flat ones first, to (N, 100)."""
        n, count = patches.shape[0], patches.shape[1]
        each = self._numbers(patches.flatten(0, 1).float() / 255).reshape(n, count, -1)
        half = count - count // 2
        parts = [each[:, :half].mean(1), each[:, half:].mean(1), each.amin(1), each.amax(1)]
        spread = (each.square().mean(1) - each.mean(1).square()).clamp_min(0).sqrt()
        return torch.cat([*parts, spread], 1)

    def _numbers(self, pixels: torch.Tensor) -> torch.Tensor:
        """Map patches (M, 3, s, s) from 0 to 1 to (M, 20)."""
        planes = torch.einsum("pc,mchw->mphw", self.planes, pixels)  # luma and two of chroma
        fine, coarse = _residual(planes), _residual(functional.avg_pool2d(planes, 2))
        size, power = fine.abs().mean((2, 3)), fine.square().mean((2, 3))
        peaked = torch.log(power.square() * 3 + _EPSILON**4) - torch.log(
            fine.pow(4).mean((2, 3)) + _EPSILON**4
        )
        luma, first = planes[:, :1], fine[:, :1]
        neighbours = [
            (first[..., :, 1:] * first[..., :, :-1]).mean((2, 3)),
            (first[..., 1:, :] * first[..., :-1, :]).mean((2, 3)),
        ]
        whiteness = [each / (power[:, :1] + _EPSILON**2) for each in neighbours]
        steps = (luma[..., :, 1:] - luma[..., :, :-1]).abs().mean((1, 2))  # (M, s - 1)
        at_blocks = steps[:, 7::8].mean(1, keepdim=True)
        blocks = torch.log((at_blocks + _EPSILON) / (steps.mean(1, keepdim=True) + _EPSILON))
        half = _residual(functional.avg_pool2d(luma, 4)).abs().mean((2, 3))
        level = luma.mean((2, 3))
        deviation = (luma.square().mean((2, 3)) - level.square()).clamp_min(0).sqrt()
        clipped = [(luma > 0.97).float().mean((2, 3)), (luma < 0.03).float().mean((2, 3))]
        logs = [torch.log(part + _EPSILON) for part in (size, coarse.abs().mean((2, 3)), half)]
        return torch.cat(
            [*logs, peaked, *whiteness, blocks, level, torch.log(deviation + _EPSILON), *clipped,
             torch.log(steps.amax(1, keepdim=True) + _EPSILON), torch.log(power[:, :1] + _EPSILON**2),
             planes[:, 1:].abs().mean((1, 2, 3))[:, None]], 1,
        )  # fmt: skip


def _residual(planes: torch.Tensor) -> torch.Tensor:
    """Return planes (M, C, H, W) minus the mean of 3 x 3 pixels, without the border."""
    return (planes - functional.avg_pool2d(planes, 3, 1, 1))[..., 1:-1, 1:-1]
