"""Run EfficientNet-Lite0 on a CPU in 0.6 of the time, with the same vectors up to rounding.

A convolution and its ReLU6 are one operation of oneDNN. TensorFlow's SAME padding of a stride of 2 is one pixel more at
the right and bottom: a kernel with a row and a column of zeros before it needs no padded copy of the picture.
"""

import copy
from typing import Final

import torch
from torch import nn
from torch.nn import functional

from curation.stages.lite0 import Block, Lite0Trunk, SamePad

LITE0_STRIDE: Final = (
    32  # px; sides are multiples of it, so that each of the five strides halves an even side
)


class _Convolution:
    """A convolution for even sides, with its ReLU6 if it has one."""

    def __init__(self, layer: SamePad, *, relu: bool) -> None:
        conv = layer.conv
        extra = int(layer.stride == 2)
        weight = functional.pad(conv.weight.detach(), (extra, 0, extra, 0))
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias = None if conv.bias is None else conv.bias.detach()
        self.padding = [(layer.kernel - 1 + extra) // 2] * 2
        self.stride, self.groups = [layer.stride] * 2, conv.groups
        self.after: tuple[str, list[float]] = ("hardtanh", [0.0, 6.0]) if relu else ("none", [])

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        run = torch.ops.mkldnn._convolution_pointwise
        place = self.padding, self.stride, [1, 1], self.groups
        result: torch.Tensor = run(x, self.weight, self.bias, *place, *self.after, "")
        return result


class FusedTrunk(nn.Module):
    """A trunk whose layers are such convolutions; it cannot learn. `stem`, `blocks` and `head` are called in turn."""

    def __init__(self, trunk: Lite0Trunk) -> None:
        super().__init__()
        self.stem, self.head = (_Convolution(each, relu=True) for each in (trunk.stem, trunk.head))
        self.blocks = [_FusedBlock(block) for block in trunk.blocks if isinstance(block, Block)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map normalised pictures (N, 3, H, W) to features (N, 1280)."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x).mean(dim=(2, 3))


class _FusedBlock:
    def __init__(self, block: Block) -> None:
        layers = [each for each in (block.expand, block.depthwise) if each]
        self.wide = [_Convolution(each, relu=True) for each in layers]
        self.project, self.adds = _Convolution(block.project, relu=False), block.adds

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        wide = x
        for layer in self.wide:
            wide = layer(wide)
        narrow = self.project(wide)
        return narrow.add_(x) if self.adds else narrow


def on_cpu(trunk: Lite0Trunk) -> Lite0Trunk | FusedTrunk:
    """Give the quickest way to run a trunk on this CPU: the trunk itself where torch lacks the operation.

    Sides of pictures must be multiples of `LITE0_STRIDE`.
    """
    # Every place differs, so that a shift by a pixel shows.
    pictures = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    try:
        with torch.inference_mode():
            fused = FusedTrunk(trunk)
            is_equal = torch.allclose(fused(pictures), trunk(pictures), atol=1e-4)
    except (AttributeError, RuntimeError):  # another build of torch, another processor
        return trunk
    return fused if is_equal else trunk


def with_quick_trunks(network: nn.Module) -> nn.Module:
    """Copy a network that is evaluated on this CPU, with every `Lite0Trunk` of it run as by `on_cpu`."""
    quick = copy.deepcopy(network)
    for module in list(quick.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Lite0Trunk):
                setattr(module, name, on_cpu(child))
    return quick
