"""Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391) on the last feature maps of a finished model, by captum.

A heat map is the sum of the channels of a map, each weighted by the mean gradient of what is explained, without its
negative part. For a class that is its log-probability, for a value the value: the map shows what raises it.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from catalog import MissingPartError
from training.data.arrays import Arrays, Floats
from training.errors import NoFeatureMapsError
from training.fit.task import Task
from training.models.encoders import Encoder
from training.models.headed import ExportedNetwork
from training.models.vector_mlp import EncodedNetwork
from training.predict.predict_files import Model
from training.predict.saved_model import calibrations_of
from training.runs.saved_network import load_network, saved_task

PICTURES = (
    "pictures",
    "thumbnails",
    "mels",
)  # arrays that people can look at, the first one that a network reads
_LAYERS = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish)
SMALLEST_MAP = 3  # positions a side; of fewer nothing can be drawn


@dataclass(frozen=True)
class HeatMap:
    """What one head says about one picture, and where it comes from: `heat` (h, w) in [0, 1], 0 where there is none."""

    head: str
    stated: Floats
    heat: NDArray[np.float32]


def require_captum() -> None:
    """Raise MissingPartError where captum is not installed."""
    if find_spec("captum") is None:
        raise MissingPartError("captum", "explain")


class Explainer:
    """A finished model from its pictures to its answers, with gradients; one explains many pictures.

    Raises NoFeatureMapsError where nothing between picture and answer has positions.
    """

    def __init__(self, model: Model) -> None:
        require_captum()
        self._model = model
        self._network = whole_network(model)
        example = model.view.plain([model.view.example(np.random.default_rng(0))])
        self.picture = seen_array(self._network.input_names, model.folder.name)
        self._layer = last_maps(self._network, self._tensors(example), self.picture)
        if self._layer is None:
            raise NoFeatureMapsError(model.folder.name)

    def explain(self, sample: Arrays) -> tuple[NDArray[Any], list[HeatMap]]:
        """Return what the network sees of a sample (its plain arrays' first variant), and a map for each head."""
        arrays = self._model.view.plain([sample])
        tensors = self._tensors(arrays)
        with torch.no_grad():
            stated = dict(zip(self._network.stated, self._network(*tensors), strict=True))
        maps = [self._map(name, value[0].numpy(), tensors) for name, value in stated.items()]
        return first_variant(self.picture, arrays[self.picture]), maps

    def _map(self, head: str, stated: Floats, tensors: tuple[torch.Tensor, ...]) -> HeatMap:
        from captum.attr import LayerGradCam

        position = list(self._network.stated).index(head)
        family = next(each.family for each in self._model.heads if each.name == head)

        def score(*inputs: torch.Tensor) -> torch.Tensor:
            output: torch.Tensor = self._network(*inputs)[position]
            if output.ndim == 1:
                return output
            if family == "values":  # a histogram: its mean
                return (output * torch.arange(output.shape[1])).sum(1)
            return output[:, int(stated.argmax())].clamp_min(1e-12).log()

        maps = LayerGradCam(score, self._layer).attribute(tensors, relu_attributions=True)
        heat = maps.detach()[0, 0].numpy().astype(np.float32)  # of the first variant
        return HeatMap(head, stated, heat / heat.max() if heat.max() > 0 else heat)

    def _tensors(self, arrays: Arrays) -> tuple[torch.Tensor, ...]:
        names = self._network.input_names
        return tuple(torch.from_numpy(np.ascontiguousarray(arrays[name])) for name in names)


def whole_network(model: Model) -> ExportedNetwork:
    """Build a model from the arrays of its view to what its heads state, its frozen encoder in front."""
    task = saved_task(model.folder, model.facts)
    network = _with_encoder(load_network(model.folder, model.facts), task, model.folder.name)
    calibrations = calibrations_of(model.facts)
    stated = {head.name: head.stated(calibrations.get(head.name, {})) for head in task.heads}
    names: tuple[str, ...] = network.input_names  # type: ignore[assignment]  # of every network
    # Gradients reach a map only through weights that ask for them.
    return ExportedNetwork(network, names, stated).eval().requires_grad_(requires_grad=True)


def _with_encoder(network: nn.Module, task: Task, name: str) -> nn.Module:
    match task.encoders:
        case ():
            return network
        case (Encoder() as encoder,):
            return EncodedNetwork(deepcopy(encoder.network).cpu(), network)
    raise NoFeatureMapsError(name)  # graphs of a user have no torch module


def seen_array(names: tuple[str, ...], model: str) -> str:
    """Return the input of a network that shows a picture or a spectrogram; raises NoFeatureMapsError without one."""
    for name in PICTURES:
        if name in names:
            return name
    raise NoFeatureMapsError(model)


def has_variants(name: str, ndim: int) -> bool:
    """Whether an input has an axis of variants: pictures (N, V, 3, H, W), spectrograms (N, V, bands, frames)."""
    return ndim == (4 if name == "mels" else 5)


def first_variant(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return the first variant of the first row: a picture (H, W, 3), or a spectrogram (bands, frames)."""
    one = array[0, 0] if has_variants(name, array.ndim) else array[0]
    return one if name == "mels" else np.moveaxis(one, 0, -1)


def last_maps(
    network: ExportedNetwork, tensors: tuple[torch.Tensor, ...], picture: str
) -> nn.Module | None:
    """Return the last layer whose maps see the whole picture and have positions; None without a convolution."""
    found: list[nn.Module] = []
    seen = dict(zip(network.input_names, tensors, strict=True))[picture]
    n_variants = seen.shape[1] if has_variants(picture, seen.ndim) else 1

    def look(module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        is_large = output.ndim == 4 and min(output.shape[2:]) >= SMALLEST_MAP
        if is_large and output.shape[0] == n_variants:
            found.append(module)

    layers = [module for module in network.modules() if isinstance(module, _LAYERS)]
    hooks = [layer.register_forward_hook(look) for layer in layers]
    try:
        with torch.no_grad():
            network(*tensors)
    finally:
        for hook in hooks:
            hook.remove()
    return found[-1] if any(isinstance(layer, nn.Conv2d) for layer in found) else None


def explained_text(answer: Mapping[str, Any], heat: NDArray[np.float32]) -> str:
    """Say what a map explains, from the answer of its head: a class with its probability, or a value."""
    nothing = "" if heat.any() else " (no place raises it)"
    if answer.get("class") is not None:
        shares: Mapping[str, float] = answer.get("probabilities") or {}
        name = max(shares, key=lambda each: shares[each])
        return f"{name} {shares[name]:.0%}{nothing}"
    value, unit = answer.get("value"), answer.get("unit") or ""
    return "" if value is None else f"{value:.3g} {unit}".rstrip() + nothing
