"""The trunk of EfficientNet-Lite0 in torch: convolutions, ReLU6 and additions only."""

import torch
from torch import nn
from torch.nn import functional

from curation.stages.lite0_weights import LITE0_DIM, packaged_weights

NORM_EPSILON = 1e-3

# One row per stage of blocks: repeats, kernel, stride of the first, expansion, output channels.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM = 32


class SamePad(nn.Module):
    """A convolution padded as TensorFlow's SAME does: the odd pixel goes to the right and bottom.

    >>> SamePad(3, 8, kernel=3, stride=2)(torch.zeros(1, 3, 9, 12)).shape
    torch.Size([1, 8, 5, 6])
    """

    def __init__(self, inside: int, outside: int, *, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, kernel, stride, groups=groups)
        self.kernel, self.stride = kernel, stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to (N, C', ceil(H / stride), ceil(W / stride))."""
        height, width = (self._missing(length) for length in x.shape[2:])
        before, after = (height // 2, width // 2), (height - height // 2, width - width // 2)
        if before == after:
            return functional.conv2d(
                x, self.conv.weight, self.conv.bias, self.stride, before, 1, self.conv.groups
            )
        padded: torch.Tensor = self.conv(
            functional.pad(x, (before[1], after[1], before[0], after[0]))
        )
        return padded

    def _missing(self, length: int) -> int:
        return max((-(-length // self.stride) - 1) * self.stride + self.kernel - length, 0)


class Block(nn.Module):
    """Expand the channels, filter each by itself, project back; add the input where shapes agree."""

    def __init__(self, inside: int, outside: int, *, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = inside * expansion
        self.expand = SamePad(inside, wide, kernel=1) if expansion > 1 else None
        self.depthwise = SamePad(wide, wide, kernel=kernel, stride=stride, groups=wide)
        self.project = SamePad(wide, outside, kernel=1)
        self.adds = stride == 1 and inside == outside

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to (N, C', H / stride, W / stride)."""
        wide = x if self.expand is None else functional.relu6(self.expand(x), inplace=True)
        narrow: torch.Tensor = self.project(functional.relu6(self.depthwise(wide), inplace=True))
        return narrow.add_(x) if self.adds else narrow


class Lite0Trunk(nn.Module):
    """EfficientNet-Lite0 without its classifier.

    >>> Lite0Trunk()(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 1280])
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = SamePad(3, STEM, kernel=3, stride=2)
        blocks, inside = [], STEM
        for repeats, kernel, stride, expansion, outside in STAGES:
            for step in (stride, *[1] * (repeats - 1)):
                block = Block(inside, outside, kernel=kernel, stride=step, expansion=expansion)
                blocks.append(block)
                inside = outside
        self.blocks = nn.Sequential(*blocks)
        self.head = SamePad(inside, LITE0_DIM, kernel=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map pictures normalised by (x - 127) / 128, shape (N, 3, H, W), to features (N, 1280)."""
        return self.maps(x).mean(dim=(2, 3))

    def maps(self, x: torch.Tensor) -> torch.Tensor:
        """Map normalised pictures (N, 3, H, W) to features that are not pooled (N, 1280, H / 32, W / 32)."""
        x = self.blocks(functional.relu6(self.stem(x), inplace=True))
        return functional.relu6(self.head(x), inplace=True)


def packaged_trunk() -> Lite0Trunk:
    """Give a `Lite0Trunk` with the ImageNet weights of the package."""
    trunk = Lite0Trunk()
    state = torch.load(packaged_weights(), map_location="cpu", weights_only=True)
    trunk.load_state_dict(folded(state))
    return trunk


def folded(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Fold each batch normalisation of the published weights into its convolution.

    Each convolution then has a bias, and a `Lite0Trunk` can load the result.
    """
    layers = [("_conv_stem", "_bn0", "stem"), ("_conv_head", "_bn1", "head")]
    parts = {
        "expand": ("_expand_conv", "_bn0"),
        "depthwise": ("_depthwise_conv", "_bn1"),
        "project": ("_project_conv", "_bn2"),
    }
    for index in range(sum(repeats for repeats, *_ in STAGES)):
        old, new = f"_blocks.{index}", f"blocks.{index}"
        layers += [(f"{old}.{c}", f"{old}.{n}", f"{new}.{part}") for part, (c, n) in parts.items()]
    ready: dict[str, torch.Tensor] = {}
    for conv, norm, name in layers:
        if f"{conv}.weight" not in state:  # the first block expands nothing
            continue
        variance = state[f"{norm}.running_var"]
        scale = state[f"{norm}.weight"] / torch.sqrt(variance + NORM_EPSILON)
        ready[f"{name}.conv.weight"] = state[f"{conv}.weight"] * scale[:, None, None, None]
        ready[f"{name}.conv.bias"] = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
    return ready


def inputs(pictures: torch.Tensor, side_px: int, device: str | None) -> torch.Tensor:
    """Scale pictures (N, H, W, 3) to a size and to the value range of the trained weights: (N, 3, side, side)."""
    planes = pictures.permute(0, 3, 1, 2).to(device).contiguous(memory_format=torch.channels_last)
    size = (side_px, side_px)
    small = functional.interpolate(planes.float(), size, mode="bilinear", antialias=True)
    return (small - 127) / 128
