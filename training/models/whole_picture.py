"""A small network for whole pictures of any size in padded batches."""

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

PLANES = 8
CLIP = 6.0  # standard deviations
SLOWEST = 0.01  # share of a batch in the running statistics


class WholePictureBackbone(nn.Module):
    """Four convolutions of stride 2; the mean and the log spread of every level are pooled over the picture alone.

    Beside the colours it sees what a small network does not learn from few pictures: the fine and the coarse residual
    (a pixel minus the mean around it: sharpness and noise) and the saturation. A padded picture gives the same
    features as one that is not padded: what lies outside is 0 at each level, and the means do not count it.

    >>> backbone = WholePictureBackbone((8, 16, 16, 16), features=12).eval()
    >>> pictures = torch.zeros(2, 3, 97, 130, dtype=torch.uint8)
    >>> backbone({"pictures": pictures, "mask": torch.ones(2, 1, 97, 130, dtype=torch.uint8)}).shape
    torch.Size([2, 12])
    """

    parts = ()
    input_names = ("pictures", "mask")

    def __init__(
        self, widths: tuple[int, ...], *, features: int = 32, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.features = features
        channels = (PLANES, *widths)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, 2, padding=1, bias=False)
            for inputs, outputs in zip(channels, widths, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        pooled = 2 * sum(channels)
        self.standardise = RunningStandardise(pooled)
        self.mix = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(pooled, features), nn.ReLU(), nn.Dropout(dropout)
        )

    def forward(self, inputs: Mapping[str, torch.Tensor], part: str = "") -> torch.Tensor:  # noqa: ARG002 - the contract
        """Map uint8 pictures (N, 3, H, W) and their mask (N, 1, H, W) to features (N, features)."""
        mask = inputs["mask"].float()
        level = planes(inputs["pictures"], mask)
        pooled = [masked_moments(level, mask)]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            mask = mask[:, :, ::2, ::2]
            level = functional.relu(norm(convolution(level))) * mask
            pooled.append(masked_moments(level, mask))
        mixed: torch.Tensor = self.mix(self.standardise(torch.cat(pooled, 1)))
        return mixed


class RunningStandardise(nn.Module):
    """Standardise numbers (N, C) by their running mean and variance, in training too: batches are of four pictures."""

    mean: torch.Tensor
    variance: torch.Tensor
    batches: torch.Tensor

    def __init__(self, length: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(length))
        self.register_buffer("variance", torch.ones(length))
        self.register_buffer("batches", torch.zeros(()))

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        """Map (N, C) to (N, C), clipped to six standard deviations."""
        if self.training:
            self._update(numbers.detach().float())
        scaled = (numbers - self.mean) / (self.variance + 1e-4).sqrt()
        return scaled.clamp(-CLIP, CLIP)

    @torch.no_grad()
    def _update(self, numbers: torch.Tensor) -> None:
        self.batches += 1
        share = (1 / self.batches).clamp_min(SLOWEST)
        gap = numbers - self.mean
        self.mean += share * gap.mean(0)
        self.variance += share * (gap.square().mean(0) - self.variance)


def planes(pictures: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return colours, fine residuals, saturation and coarse residual, (N, 8, H, W); 0 outside of the mask."""
    pixels = pictures.float() / 255.0
    fine = _residual(pixels, mask, 3)
    saturation = pixels.amax(1, keepdim=True) - pixels.amin(1, keepdim=True)
    luma = pixels.mean(1, keepdim=True)
    coarse = _residual(luma, mask, 9)
    joined = [
        2 * pixels - 1,
        (16 * fine).clamp(-3, 3),
        2 * saturation - 0.5,
        (6 * coarse).clamp(-3, 3),
    ]
    return torch.cat(joined, 1) * mask


def _residual(pixels: torch.Tensor, mask: torch.Tensor, side: int) -> torch.Tensor:
    """Return pixels minus the mean of the side x side pixels around them that are inside the picture."""
    around = functional.avg_pool2d(pixels * mask, side, 1, side // 2)
    inside = functional.avg_pool2d(mask, side, 1, side // 2)
    return pixels - around / inside.clamp_min(1e-6)


def masked_moments(level: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return mean and log spread of each channel over the mask, (N, 2 C); `level` is 0 outside of it."""
    count = mask.sum((2, 3)).clamp_min(1.0)
    mean = level.sum((2, 3)) / count
    spread = level.square().sum((2, 3)) / count - mean.square()
    return torch.cat([mean, torch.log(spread.clamp_min(0.0) + 1e-3)], 1)
