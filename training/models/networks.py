"""The networks. All take uint8 pictures (N, ..., 3, H, W) and normalise them, so callers cannot do it wrong."""

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


class OrdinalHead(nn.Module):
    """Cumulative-link head: one score, one scale and ordered thresholds give ordered classes.

    >>> head = OrdinalHead(8, classes=12)
    >>> head(torch.zeros(3, 8)).exp().sum(dim=1).allclose(torch.ones(3))
    True
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.score = nn.Linear(features, 2)  # place on the axis, log of its sharpness
        self.first = nn.Parameter(torch.tensor(-2.5))
        self.steps = nn.Parameter(torch.full((classes - 2,), -0.6))  # softplus: about 0.44 apart

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


class HeadsNetwork(nn.Module):
    """Several ordinal heads over native patches and a thumbnail of the same picture.

    In training one of the two views is hidden for some pictures, so that the network also predicts from
    one view. The report uses this to find out which view contains the information.

    >>> network = HeadsNetwork(heads=3, merging=torch.eye(12)[:, :3], width=8, features=32)
    >>> thumbnails = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    >>> patches = torch.zeros(2, 4, 3, 64, 64, dtype=torch.uint8)
    >>> network(thumbnails, patches).shape
    torch.Size([2, 3, 12])
    """

    merging: torch.Tensor

    def __init__(
        self, *, heads: int, merging: torch.Tensor, width: int, features: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.register_buffer("merging", merging)
        self.thumbnail = nn.Sequential(ThumbnailEncoder(width, features), nn.LayerNorm(features))
        self.patch = PatchEncoder(width, features)
        self.attention = nn.Sequential(AttentionPool(features), nn.LayerNorm(features))
        self.mix = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(2 * features, features), nn.ReLU(), nn.Dropout(dropout),
        )  # fmt: skip
        self.heads = nn.ModuleList([OrdinalHead(features, len(merging)) for _ in range(heads)])

    def forward(
        self, thumbnails: torch.Tensor, patches: torch.Tensor, visible: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Map uint8 (N, 3, S, S) and (N, P, 3, s, s) to fine log-probabilities (N, heads, F).

        `visible` (N, 2) is 1 where the network gets thumbnail and patches, and 0 where not.
        """
        encoded = self.patch(patches.flatten(0, 1))  # (N P, features)
        pooled = self.attention(encoded.unflatten(0, (patches.shape[0], patches.shape[1])))
        views = torch.stack([self.thumbnail(thumbnails), pooled], dim=1)  # (N, 2, features)
        if visible is not None:
            views = views * visible[:, :, None]
        mixed = self.mix(views.flatten(1))
        return torch.stack([head(mixed) for head in self.heads], dim=1)

    def coarse(self, fine: torch.Tensor) -> torch.Tensor:
        """Sum fine log-probabilities (N, heads, F) into those of the classes (N, heads, 3)."""
        return torch.log(fine.exp() @ self.merging)


class StatedProbabilities(nn.Module):
    """The network with its calibration built in; it is exported and used for predictions."""

    temperature: torch.Tensor
    prior: torch.Tensor

    def __init__(
        self, network: HeadsNetwork, temperature: torch.Tensor, prior: torch.Tensor
    ) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("temperature", temperature.float()[:, None])
        self.register_buffer("prior", prior.float())

    def forward(self, thumbnails: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
        """Map uint8 pictures to balanced probabilities (N, heads, 3); rows sum to 1."""
        natural = self.network.coarse(self.network(thumbnails, patches))
        return (natural / self.temperature - self.prior.log()).softmax(dim=2)


def count_parameters(network: nn.Module) -> int:
    """Count trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
