"""A small network for whole pictures of any size in padded batches."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from training.models.patch_statistics import StepSizes
from training.models.picture_statistics import MaskedColours

PLANES = 8
STATISTICS = 2 * (8 + 5 + 5 + 3 + 4 * 6)
LIGHT = (0.05, 0.15, 0.27, 0.4, 0.55, 0.7, 0.83, 0.95)  # edges of histograms, of values from 0 to 1
BLACK = (0.02, 0.06, 0.12, 0.2, 0.3)
WHITE = (0.6, 0.75, 0.87, 0.95, 0.99)
SIZES = (-1.0, -0.2, 0.5, 1.2, 2.0)  # of the logarithms of residuals
CLIP = 6.0  # standard deviations
SLOWEST = 0.01  # share of a batch in the running statistics


class WholePictureBackbone(nn.Module):
    """Four convolutions of stride 2; the mean and the log spread of every level are pooled over the picture alone.

    Beside the colours it sees what a small network does not learn from few pictures: the residual (a pixel minus the
    mean around it: sharpness and noise), its size, and the saturation; beside the convolutions stand `statistics`, and
    in a branch of their own, of `colours` features, the numbers of `MaskedColours`. A padded picture gives the same
    features as one that is not padded: what lies outside is 0 at each level, and the means do not count it.

    >>> backbone = WholePictureBackbone((8, 16, 16, 16), features=12).eval()
    >>> pictures = torch.zeros(2, 3, 97, 130, dtype=torch.uint8)
    >>> backbone({"pictures": pictures, "mask": torch.ones(2, 1, 97, 130, dtype=torch.uint8)}).shape
    torch.Size([2, 12])
    >>> WholePictureBackbone((8, 16, 16, 16), features=12, colours=6).features
    18
    """

    parts = ()
    input_names = ("pictures", "mask")

    def __init__(
        self,
        widths: tuple[int, ...],
        *,
        features: int = 32,
        dropout: float = 0.0,
        colours: int = 0,
    ) -> None:
        super().__init__()
        self.features = features + colours
        channels = (PLANES, *widths)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, 2, padding=1, bias=False)
            for inputs, outputs in zip(channels, widths, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        pooled = 2 * sum(channels) + STATISTICS
        self.standardise = RunningStandardise(pooled)
        self.mix = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(pooled, features), nn.ReLU(), nn.Dropout(dropout)
        )
        self.colours = ColourBranch(colours, dropout) if colours else None

    def forward(self, inputs: Mapping[str, torch.Tensor], part: str = "") -> torch.Tensor:  # noqa: ARG002 - the contract
        """Map uint8 pictures (N, 3, H, W) and their mask (N, 1, H, W) to features (N, features)."""
        mask = inputs["mask"].float()
        sizes = halvings(inputs["pictures"].float().contiguous() / 255.0, mask)
        level = planes(sizes[0]).contiguous(memory_format=torch.channels_last)
        pooled = [statistics(sizes), masked_moments(level, mask)]
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            mask = mask[:, :, ::2, ::2].contiguous()
            level = functional.relu(norm(convolution(level))) * mask
            pooled.append(masked_moments(level, mask))
        mixed: torch.Tensor = self.mix(self.standardise(torch.cat(pooled, 1)))
        if self.colours is None:
            return mixed
        return torch.cat([mixed, self.colours(sizes)], 1)


class WholeAndMiddleBackbone(nn.Module):
    """`WholePictureBackbone` on the native middle of a picture, and the branch of tones and hues on the whole of it.

    Noise and blur are seen where pixels are native, light and casts in the whole picture.

    >>> backbone = WholeAndMiddleBackbone((8, 16, 16, 16), features=12, colours=6).eval()
    >>> backbone({"pictures": torch.zeros(2, 2, 3, 96, 96, dtype=torch.uint8)}).shape
    torch.Size([2, 18])
    """

    parts = ()
    input_names = ("pictures",)

    def __init__(
        self, widths: tuple[int, ...], *, features: int, colours: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.features = features + colours
        self.middle = WholePictureBackbone(widths, features=features, dropout=dropout)
        self.colours = ColourBranch(colours, dropout)

    def forward(self, inputs: Mapping[str, torch.Tensor], part: str = "") -> torch.Tensor:  # noqa: ARG002 - the contract
        """Map uint8 `pictures` (N, 2, 3, S, S), the whole one and its middle, to features (N, features + colours)."""
        pictures = inputs["pictures"]
        everywhere = torch.ones_like(pictures[:, 0, :1])
        middle = self.middle({"pictures": pictures[:, 1], "mask": everywhere})
        whole = self.colours(halvings(pictures[:, 0].float() / 255.0, everywhere.float()))
        return torch.cat([middle, whole], 1)


class ColourBranch(nn.Module):
    """Two layers on the numbers of `MaskedColours`: exposure and casts, which convolutions of few pictures miss."""

    def __init__(self, features: int, dropout: float) -> None:
        super().__init__()
        self.numbers = MaskedColours()
        self.standardise = RunningStandardise(MaskedColours.dim)
        self.layers = nn.Sequential(
            nn.Linear(MaskedColours.dim, 2 * features), nn.SiLU(), nn.Dropout(2 * dropout),
            nn.Linear(2 * features, features), nn.SiLU(), nn.Dropout(2 * dropout),
        )  # fmt: skip

    def forward(self, sizes: "Sequence[PictureSize]") -> torch.Tensor:
        """Map pictures at three sizes to (N, features)."""
        numbers = colour_numbers(self.numbers, sizes)
        features: torch.Tensor = self.layers(self.standardise(numbers))
        return features


class PictureSize(NamedTuple):
    """Pictures at one size: pixels (N, 3, H, W) from 0 to 1, 0 outside of the mask (N, 1, H, W).

    `fine` (N, 3, H, W) are the pixels minus the mean of the 3 x 3 pixels around them that are inside the picture.
    """

    pixels: torch.Tensor
    mask: torch.Tensor
    fine: torch.Tensor


def halvings(pixels: torch.Tensor, mask: torch.Tensor) -> tuple[PictureSize, ...]:
    """Return pictures (N, 3, H, W) from 0 to 1 as they are, at half of their size, and at a fourth of it.

    Means of 3 x 3 pixels are both what is taken from the pixels and what the next size consists of.
    """
    sizes = []
    for _ in range(3):
        means = _box(pixels) / _box(mask).clamp_min(1e-6)
        sizes.append(PictureSize(pixels, mask, pixels - means))
        mask = mask[:, :, ::2, ::2].contiguous()
        pixels = means[:, :, ::2, ::2] * mask
    return tuple(sizes)


def colour_numbers(numbers: MaskedColours, sizes: Sequence[PictureSize]) -> torch.Tensor:
    """Return the numbers of pictures: of every other pixel, and of the pictures at a fourth of their size."""
    some, quarter = sizes[0].pixels[:, :, ::2, ::2], sizes[2]
    result: torch.Tensor = numbers(some, sizes[1].mask, quarter.pixels, quarter.mask)
    return result


class PixelStatistics(nn.Module):
    """An encoder without weights: edges and detail of the native middle, tones and hues of the whole picture.

    The numbers of `StepSizes`, `statistics` and `MaskedColours`.

    >>> PixelStatistics()({"pictures": torch.zeros(1, 2, 3, 64, 64, dtype=torch.uint8)}).shape
    torch.Size([1, 1, 329])
    """

    input_names = ("pictures",)
    patch_dim = 0
    dims = (StepSizes.dim, STATISTICS, MaskedColours.dim)
    dim = sum(dims)

    def __init__(self) -> None:
        super().__init__()
        self.steps, self.colours = StepSizes(), MaskedColours()

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Map uint8 `pictures` (N, 2, 3, S, S), the whole one and its middle, to vectors (N, 1, dim)."""
        light = inputs["pictures"].float() / 255.0
        whole, middle = light[:, 0], light[:, 1]
        everywhere = torch.ones_like(middle[:, :1])
        detail = statistics(halvings(middle, everywhere))
        colours = colour_numbers(self.colours, halvings(whole, everywhere))
        return torch.cat([self.steps(middle), detail, colours], 1)[:, None]


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


def planes(picture: PictureSize) -> torch.Tensor:
    """Return colours, fine residuals, their size and saturation, (N, 8, H, W); 0 outside of the mask."""
    pixels, fine = picture.pixels, picture.fine
    saturation = pixels.amax(1, keepdim=True) - pixels.amin(1, keepdim=True)
    size = _log_size(fine.mean(1, keepdim=True))
    joined = [2 * pixels - 1, (16 * fine).clamp(-3, 3), 2 * saturation - 0.5, 0.5 * size]
    return torch.cat(joined, 1) * picture.mask


def statistics(sizes: Sequence[PictureSize]) -> torch.Tensor:
    """Return moments that say how light, colour and detail are distributed, (N, STATISTICS).

    Soft histograms of light (black and white points), of the residual at three scales (a blurred picture has none at
    the finest, a noisy one has it in flat areas too) and of the difference of the residuals of colours (noise), and the
    tint of pixels with little colour. Every other pixel counts.
    """
    whole, half, quarter = sizes
    some, detail = (each[:, :, ::2, ::2].contiguous() for each in (whole.pixels, whole.fine))
    darkest, lightest = some.amin(1, keepdim=True), some.amax(1, keepdim=True)
    neutral = torch.exp(-8 * (lightest - darkest))
    red, green, blue = (some[:, place : place + 1] for place in range(3))
    parts = [
        _histogram(some.mean(1, keepdim=True), LIGHT),
        _histogram(darkest, BLACK),
        _histogram(lightest, WHITE),
        torch.cat([neutral, neutral * (red - blue), neutral * (red - green)], 1),
        *_sizes(detail[:, :1] - detail[:, 1:2]),
        *_sizes(detail.mean(1, keepdim=True)),
    ]
    pooled = [
        _moments_of_parts(_sizes(each.fine.mean(1, keepdim=True)), each.mask)
        for each in (half, quarter)
    ]
    return torch.cat([_moments_of_parts(parts, half.mask), *pooled], 1)


def _sizes(residual: torch.Tensor) -> list[torch.Tensor]:
    """Return the logarithm of the size of a residual, (N, 1, H, W), and its histogram, (N, 5, H, W)."""
    size = _log_size(residual)
    return [size, _histogram(size, SIZES, 2.0)]


def _histogram(
    values: torch.Tensor, edges: tuple[float, ...], steepness: float = 24.0
) -> torch.Tensor:
    """Return how far values (N, 1, H, W) are above each edge, from 0 to 1, (N, edges, H, W)."""
    start = steepness * torch.tensor(edges, dtype=values.dtype, device=values.device)
    return torch.sigmoid(steepness * values - start[:, None, None])


def _log_size(residual: torch.Tensor) -> torch.Tensor:
    """Return the logarithm of the size of a residual, about -2.3 for none and 2.3 for a tenth of the range."""
    return torch.log(residual.abs() + 1e-3) + 4.6


def _box(pixels: torch.Tensor) -> torch.Tensor:
    """Return the sum of 3 x 3 pixels, 0 beyond the border; faster than pooling."""
    padded = functional.pad(pixels, (1, 1, 1, 1))
    rows = padded[:, :, :-2] + padded[:, :, 1:-1] + padded[:, :, 2:]
    return rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]


def masked_moments(level: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return mean and log spread of each channel over the mask, (N, 2 C); `level` is 0 outside of it."""
    return _moments(level.sum((2, 3)), level.square().sum((2, 3)), mask)


def _moments_of_parts(parts: Sequence[torch.Tensor], mask: torch.Tensor) -> torch.Tensor:
    """Return the moments of parts (N, C, H, W) as if they were joined, which would only copy them."""
    inside = [part * mask for part in parts]
    sums = torch.cat([each.sum((2, 3)) for each in inside], 1)
    squares = torch.cat([each.square().sum((2, 3)) for each in inside], 1)
    return _moments(sums, squares, mask)


def _moments(sums: torch.Tensor, squares: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return mean and log spread from the sums of values and of their squares (N, C)."""
    count = mask.sum((2, 3)).clamp_min(1.0)
    mean = sums / count
    spread = squares / count - mean.square()
    return torch.cat([mean, torch.log(spread.clamp_min(0.0) + 1e-3)], 1)
