"""A backbone with heads on top, and the contract of a backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import nn

Inputs = Mapping[str, torch.Tensor]


class Backbone(Protocol):
    """A module that maps the arrays of a view to features (N, `features`).

    `parts` names what can be looked at alone, such as one of two views; `forward(inputs, part=...)` then hides the
    rest, and evaluation measures each part. `input_names` are the arrays that it reads, in the order of the exported
    file.
    """

    features: int
    parts: tuple[str, ...]
    input_names: tuple[str, ...]

    def __call__(self, inputs: Inputs, part: str = "") -> torch.Tensor:
        """Map inputs to features (N, features)."""
        ...


class HeadLike(Protocol):
    """The part of a head that a network needs."""

    @property
    def name(self) -> str:
        """The key of the output."""
        ...

    def module(self, features: int) -> nn.Module:
        """Build the layer from (N, features) to the output."""
        ...


class HeadedNetwork(nn.Module):
    """Several heads over the features of one backbone.

    The order of construction decides the random weights of a seed: the backbone first, then the heads in order.
    """

    def __init__(self, backbone: nn.Module, heads: Sequence[HeadLike]) -> None:
        super().__init__()
        self.backbone = backbone
        # A backbone without them is refused here, not by the export after the training.
        self.input_names: tuple[str, ...] = tuple(backbone.input_names)  # type: ignore[arg-type]  # see Backbone
        features = int(backbone.features)  # type: ignore[arg-type]  # as above
        self.heads = nn.ModuleDict({head.name: head.module(features) for head in heads})

    @property
    def backbones(self) -> list[nn.Module]:
        """The one backbone, as a list: networks with several have more."""
        return [self.backbone]

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the inputs that can be looked at alone."""
        return tuple(getattr(self.backbone, "parts", ()))

    def forward(self, inputs: Inputs, part: str = "") -> dict[str, torch.Tensor]:
        """Map named inputs to the output of each head by its name."""
        features = self.backbone(inputs, part) if part else self.backbone(inputs)
        return {name: head(features) for name, head in self.heads.items()}


class ExportedNetwork(nn.Module):
    """A network with its calibration built in, inputs and outputs in a fixed order; it is exported and evaluated.

    `outputs` maps the name of an output to the module that makes it from the head's output.
    """

    def __init__(
        self, network: nn.Module, input_names: Sequence[str], stated: Mapping[str, nn.Module]
    ) -> None:
        super().__init__()
        self.network = network
        self.input_names = tuple(input_names)
        self.stated = nn.ModuleDict(stated)

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Map input arrays to what each head states, in the order of the heads."""
        outputs = self.network(dict(zip(self.input_names, inputs, strict=True)))
        return tuple(module(outputs[name]) for name, module in self.stated.items())


def parameter_groups(network: nn.Module, config: Any) -> list[dict[str, Any]]:
    """Group the parameters that are trained for the optimizer.

    A network may bring its own `parameter_groups(config)`. By default weight decay is on matrices and kernels only;
    with `backbone_rate` other than 1 the backbone has groups of its own, whose learning rate is multiplied by
    `share`.
    """
    own = getattr(network, "parameter_groups", None)
    if own is not None:
        groups: list[dict[str, Any]] = own(config)
        return groups
    if config.backbone_rate == 1 or not hasattr(network, "backbone"):
        return _by_decay(list(network.parameters()), 1.0)
    inside = {id(p) for p in network.backbone.parameters()}  # type: ignore[union-attr]  # a module
    parts = [p for p in network.parameters() if id(p) in inside]
    others = [p for p in network.parameters() if id(p) not in inside]
    return [*_by_decay(parts, config.backbone_rate), *_by_decay(others, 1.0)]


def _by_decay(parameters: Sequence[nn.Parameter], share: float) -> list[dict[str, Any]]:
    trained = [p for p in parameters if p.requires_grad]
    decayed = [p for p in trained if p.ndim > 1]
    others = [p for p in trained if p.ndim <= 1]
    return [
        {"params": decayed, "share": share},
        {"params": others, "weight_decay": 0.0, "share": share},
    ]
