"""Numbers about native patches, computed in torch so that an exported model computes them, too.

An encoder trained on objects sees pictures reduced to a few hundred pixels, where noise and fine sharpness are gone.
"""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

_LUMA = (0.299, 0.587, 0.114)
_EPSILON = 1e-3
BANDS = (0, 1, 3, 6, 12, 22, 38)  # the first frequency of each, of 64
REACHES = (2, 4, 8)  # pixels
POWERS = (1, 2, 6)  # of the means of steps
FAINTEST = 1e-3  # step, a fourth of a level of 255


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
        squares = fine.square()
        size, power = fine.abs().mean((2, 3)), squares.mean((2, 3))
        peaked = torch.log(power.square() * 3 + _EPSILON**4) - torch.log(
            squares.square().mean((2, 3)) + _EPSILON**4
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


class PatchSpectrum(nn.Module):
    """Energy of native patches in bands of the discrete cosine transform, and how steep their edges are.

    A blurred picture has no energy in the highest bands, and its edges take several pixels; noise has the same in all
    of them; haze takes from all of them alike. Blur by motion is seen in one direction alone.

    >>> PatchSpectrum()(torch.zeros(2, 6, 3, 64, 64, dtype=torch.uint8)).shape
    torch.Size([2, 264])
    """

    dim = 4 * (len(BANDS) ** 2 - 1 + len(BANDS) - 1 + 4 * len(REACHES))
    luma: torch.Tensor
    transform: torch.Tensor
    bands: torch.Tensor

    def __init__(self, side: int = 64) -> None:
        super().__init__()
        self.register_buffer("luma", torch.tensor(_LUMA))
        self.register_buffer("transform", _cosines(side))
        edges = [round(edge * side / 64) for edge in (*BANDS, 64)]
        bands = torch.zeros(len(BANDS), side)
        for number, (first, end) in enumerate(pairwise(edges)):
            bands[number, first:end] = 1 / (end - first)
        self.register_buffer("bands", bands)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Map uint8 patches (N, P, 3, s, s), flat ones first, to (N, 264)."""
        n, count = patches.shape[0], patches.shape[1]
        pixels = patches.flatten(0, 1).float() / 255
        luma = (pixels * self.luma[:, None, None]).sum(1).contiguous()  # (M, s, s)
        energy = self._energy(luma).flatten(1)[:, 1:]
        chroma = torch.diagonal(self._energy(pixels[:, 0] - luma), dim1=1, dim2=2)[:, 1:]
        each = torch.cat([energy, chroma, _steepness(luma)], 1).reshape(n, count, -1)
        half = count - count // 2
        return torch.cat(
            [each[:, :half].mean(1), each[:, half:].mean(1), each.amax(1), each.amin(1)], 1
        )

    def _energy(self, planes: torch.Tensor) -> torch.Tensor:
        """Return the logarithm of the energy of planes (M, s, s) by vertical and horizontal band, (M, B, B)."""
        centred = planes - planes.mean((1, 2), keepdim=True)
        waves = self.transform @ centred @ self.transform.T
        return torch.log(self.bands @ waves.square() @ self.bands.T + 1e-6)


class StepSizes(nn.Module):
    """How large the steps of luma over 1, 2, 4 and 8 pixels are, across, down and along both diagonals.

    Means of power 1, 2 and 6, of which the highest is that of the steepest edges. Steps over one pixel are compared
    with those over more of them: how an edge rises does not depend on its contrast. A blurred picture has the smallest
    ratios, one that was moved has them in one direction alone, noise has ratios near 1. Every other line counts.

    >>> StepSizes()(torch.rand(2, 3, 32, 32)).shape
    torch.Size([2, 66])
    """

    dim = len(POWERS) * (4 * (len(REACHES) + 1) + 2 * len(REACHES))
    luma: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("luma", torch.tensor(_LUMA))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Map pictures (N, 3, H, W) from 0 to 1 to (N, 66)."""
        luma = (pixels * self.luma[:, None, None]).sum(1)
        near, *far = (_step_sizes(luma, reach) for reach in (1, *REACHES))
        ratios = torch.stack([near - each for each in far], 1)  # (N, reaches, 4, powers)
        parts = [far[-1], ratios, ratios.amax(2), ratios.amin(2)]
        return torch.cat([part.flatten(1) for part in parts], 1)


def _step_sizes(luma: torch.Tensor, reach: int) -> torch.Tensor:
    """Return logarithms of the power means of steps of planes (N, H, W) in four directions, (N, 4, powers)."""
    here, there = slice(None, -reach), slice(reach, None)
    far, every = slice(reach, None, 2), slice(None, None, 2)
    near = slice(None, -reach, 2)
    directions = (
        luma[:, every, there] - luma[:, every, here],
        luma[:, there, every] - luma[:, here, every],
        luma[:, far, there] - luma[:, near, here],
        luma[:, far, here] - luma[:, near, there],
    )
    sizes = []
    for steps in directions:
        squares = steps.square()
        means = (steps.abs(), squares, squares * squares * squares)
        sizes += [
            (each.mean((1, 2)) + FAINTEST**power).log() / power
            for each, power in zip(means, POWERS, strict=True)
        ]
    return torch.stack(sizes, 1).reshape(-1, 4, len(POWERS))


def _cosines(side: int) -> torch.Tensor:
    """Return the matrix of the orthonormal discrete cosine transform, (side, side)."""
    numbers = torch.arange(side, dtype=torch.float64)
    angles = (numbers[None] + 0.5) * numbers[:, None] * torch.pi / side
    matrix: torch.Tensor = torch.cos(angles) * (2 / side) ** 0.5
    matrix[0] /= 2**0.5
    return matrix.float()


def _steepness(luma: torch.Tensor) -> torch.Tensor:
    """Compare the largest steps between neighbours of planes (M, s, s) with those over 2, 4 and 8 pixels, (M, 12).

    Across, down, the larger and the smaller of both.
    """
    across, down = (
        torch.stack(
            [torch.log(_largest(luma, 1, axis) / _largest(luma, reach, axis)) for reach in REACHES],
            1,
        )
        for axis in (2, 1)
    )
    return torch.cat([across, down, torch.maximum(across, down), torch.minimum(across, down)], 1)


def _largest(luma: torch.Tensor, reach: int, axis: int) -> torch.Tensor:
    """Return the sixth power mean of the steps over some pixels, which the largest ones dominate, (M,)."""
    length = luma.shape[axis] - reach
    squares = (luma.narrow(axis, reach, length) - luma.narrow(axis, 0, length)).square()
    mean = (squares * squares * squares).mean((1, 2)) + 1e-18
    return torch.exp(mean.log() / 6)


def _residual(planes: torch.Tensor) -> torch.Tensor:
    """Return planes (M, C, H, W) minus the mean of 3 x 3 pixels, without the border; faster than pooling."""
    rows = planes[..., :-2, :] + planes[..., 1:-1, :] + planes[..., 2:, :]
    sums = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    return planes[..., 1:-1, 1:-1] - sums / 9
