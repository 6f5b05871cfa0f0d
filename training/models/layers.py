"""Layers of the networks. They take uint8 pictures (N, ..., 3, H, W) and normalise them themselves."""

import torch
from torch import nn

LAYOUT = 4  # tiles a side


def block(inputs: int, outputs: int, stride: int = 2) -> nn.Sequential:
    """Build a 3x3 convolution, batch norm and ReLU; stride 2 halves the sides."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class MomentPool(nn.Module):
    """Pool a feature map to the mean and the log spread of each channel.

    The spread measures noise directly; a network with mean pooling has to learn it from rectified pairs.

    >>> MomentPool()(torch.zeros(2, 5, 7, 9)).shape
    torch.Size([2, 10])
    """

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to (N, 2 C)."""
        mean = features.mean(dim=(2, 3))
        spread = features.square().mean(dim=(2, 3)) - mean.square()  # faster than var() here
        return torch.cat([mean, torch.log(spread.clamp_min(0.0) + 1e-3)], dim=1)


class PatchEncoder(nn.Module):
    """Encode native patches together with their high-pass residual, which contains noise and sharpness.

    Moments are pooled from the pixels, the first and the last stage: the strength of noise is nearly
    visible in the pixels; the texture below it needs the later stages.

    >>> PatchEncoder(8, 32)(torch.zeros(4, 3, 64, 64, dtype=torch.uint8)).shape
    torch.Size([4, 32])
    """

    high_pass: torch.Tensor

    def __init__(self, width: int, features: int) -> None:
        super().__init__()
        kernel = torch.full((3, 1, 3, 3), -1 / 9)
        kernel[:, :, 1, 1] += 1.0  # a pixel minus the mean around it
        self.register_buffer("high_pass", 16.0 * kernel)  # 1 = 8 levels: strong noise
        self.first = block(6, width)
        self.stages = nn.Sequential(
            block(width, 2 * width),
            block(2 * width, 3 * width),
            block(3 * width, 4 * width),
        )
        self.pool = MomentPool()
        self.project = nn.Linear(2 * (6 + 5 * width), features)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Map uint8 patches (N, 3, H, W) to (N, features)."""
        pixels = patches.float() / 127.5 - 1.0
        bordered = nn.functional.pad(pixels, (1, 1, 1, 1), mode="reflect")
        residual = nn.functional.conv2d(bordered, self.high_pass, groups=3).clamp(-3.0, 3.0)
        inputs = torch.cat([pixels, residual], 1)
        early = self.first(inputs)
        levels = [self.pool(level) for level in (inputs, early, self.stages(early))]
        projected: torch.Tensor = self.project(torch.cat(levels, 1))
        return projected


class ThumbnailEncoder(nn.Module):
    """Encode the whole scene from a small square picture.

    The layout (mean colour of 4 x 4 tiles) is a direct input, because the light at the top and bottom is informative.

    >>> ThumbnailEncoder(8, 32)(torch.zeros(4, 3, 96, 96, dtype=torch.uint8)).shape
    torch.Size([4, 32])
    """

    def __init__(self, width: int, features: int) -> None:
        super().__init__()
        self.first = nn.Sequential(block(3, width), block(width, 2 * width))
        self.stages = nn.Sequential(
            block(2 * width, 4 * width),
            block(4 * width, 6 * width),
            block(6 * width, 6 * width, stride=1),
        )
        self.pool = MomentPool()
        self.project = nn.Linear(2 * (3 + 8 * width) + 3 * LAYOUT**2, features)

    def forward(self, thumbnails: torch.Tensor) -> torch.Tensor:
        """Map uint8 thumbnails (N, 3, S, S), S divisible by 4, to (N, features)."""
        pixels = thumbnails.float() / 127.5 - 1.0
        early = self.first(pixels)
        levels = [self.pool(level) for level in (pixels, early, self.stages(early))]
        layout = nn.functional.adaptive_avg_pool2d(pixels, LAYOUT).flatten(1)
        projected: torch.Tensor = self.project(torch.cat([*levels, layout], 1))
        return projected


class AttentionPool(nn.Module):
    """Average patches with learned weights (attention), so that an informative patch counts more.

    >>> AttentionPool(16)(torch.zeros(2, 5, 16)).shape
    torch.Size([2, 16])
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(features, 32), nn.Tanh(), nn.Linear(32, 1))

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Map (N, P, features) to (N, features)."""
        weights = self.score(patches).softmax(dim=1)  # (N, P, 1)
        pooled: torch.Tensor = (weights * patches).sum(dim=1)
        return pooled


def count_parameters(network: nn.Module) -> int:
    """Count trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


class SumPool2d(nn.Module):
    """Sum the values in windows, as sums count how often something is there, where a mean or maximum forgets it.

    With `fit` the borders below and to the right are padded with zeros until windows of `size` at distances of `stride`
    cover every pixel; without it the rest is left out, as in `torch.nn.AvgPool2d`.

    >>> SumPool2d(2)(torch.ones(1, 1, 5, 4))[0, 0].tolist()
    [[4.0, 4.0], [4.0, 4.0], [2.0, 2.0]]
    """

    def __init__(self, size: int, stride: int = 0, *, fit: bool = True) -> None:
        super().__init__()
        self.size, self.stride, self.fit = size, stride or size, fit

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to (N, C, h, w); h = ceil((H - size) / stride) + 1 with `fit`, else the floor."""
        if self.fit:
            down, right = (_missing(n, self.size, self.stride) for n in features.shape[-2:])
            features = nn.functional.pad(features, (0, right, 0, down))
        return nn.functional.avg_pool2d(features, self.size, self.stride, divisor_override=1)


def _missing(length: int, size: int, stride: int) -> int:
    """Return how many pixels a side lacks until windows cover it wholly.

    >>> _missing(5, 2, 2), _missing(4, 2, 2), _missing(1, 3, 2)
    (1, 0, 2)
    """
    return max(0, size - length) if length <= size else -(length - size) % stride
