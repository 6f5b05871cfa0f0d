"""The network of each recipe with inputs of its size, and one training step: torch and numpy alone, on any device.

Heads of recipes are made from the labels of a release; in their place stands one linear layer.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from training.fit.config import Config
from training.fit.optimizers import make_optimizer

ROOT = Path(__file__).resolve().parents[1]
CLASSES = 8
Batch = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Case:
    """The network of a recipe's preset: `recipe` is the name of its file, `make` builds it."""

    name: str
    recipe: str
    config: Any
    make: Callable[[], nn.Module]

    def inputs(self, network: nn.Module, n: int, seed: int) -> Batch:
        """Make a batch of what the network reads, at the sizes of the preset."""
        return inputs_of(self.recipe, self.config, network, n, seed)


@dataclass(frozen=True)
class LinearHead:
    """A head of eight classes, in place of a recipe's own, which need the labels of a release."""

    name: str = "label"

    def module(self, features: int) -> nn.Module:
        """Map features (N, features) to logits (N, 8)."""
        return nn.Linear(features, CLASSES)


def pictures(n: int, side: int, rng: np.random.Generator, *, views: int = 0) -> torch.Tensor:
    """Draw uint8 pictures (N, 3, S, S), or (N, V, 3, S, S), with structure at a coarse scale."""
    shape = (n, max(1, views), 3, side // 8 + 1, side // 8 + 1)
    coarse = rng.integers(0, 256, shape, dtype=np.uint8).repeat(8, 3).repeat(8, 4)
    drawn = torch.from_numpy(np.ascontiguousarray(coarse[..., :side, :side]))
    return drawn if views else drawn[:, 0]


def inputs_of(name: str, config: Any, network: nn.Module, n: int, seed: int) -> Batch:
    """Make a batch of what a recipe's network reads, at the sizes of its default preset."""
    rng = np.random.default_rng(seed)
    reads = network.input_names
    if reads == ("vectors",):
        dim = max(
            each.shape[0] for key, each in network.state_dict().items() if key.endswith("mean")
        )
        dim += sum(
            s.shape[0] for k, s in network.state_dict().items() if k.endswith("patches.mean")
        )
        return {"vectors": torch.from_numpy(rng.standard_normal((n, dim), np.float32))}
    if reads == ("mels",):
        mels = rng.standard_normal((n, 3, config.bands, 63)).astype(np.float32)
        return {"mels": torch.from_numpy(mels)}
    if "thumbnails" in reads:
        patches = pictures(n, config.patch_px, rng, views=config.patches)
        return {"thumbnails": pictures(n, config.thumbnail_px, rng), "patches": patches}
    if "mask" in reads:
        side = config.width_px
        whole = pictures(n, side, rng)[:, :, : side * 3 // 4]
        return {"pictures": whole.contiguous(), "mask": torch.ones(n, 1, *whole.shape[2:])}
    if name == "copy_detection":
        square = pictures(n, config.input_px, rng).permute(0, 2, 3, 1)
        return {"pictures": square.contiguous()}
    return {"pictures": pictures(n, config.side, rng)}


def cases() -> Iterator[Case]:
    """List the network of each recipe with its default preset; `exif` also with the preset without an encoder."""
    for path in sorted((ROOT / "training" / "recipes").glob("[a-z]*.py")):
        recipe = importlib.import_module(f"training.recipes.{path.stem}").RECIPE
        for preset in sorted({"default", "cnn"} & set(recipe.presets), reverse=True):
            config = recipe.presets[preset]
            name = path.stem if preset == "default" else f"{path.stem} ({preset})"
            make = partial(recipe.network, config, (LinearHead(),))
            yield Case(name, path.stem, config, make)


def without_dropout(network: nn.Module) -> nn.Module:
    """Switch dropout off: its draws differ between devices."""
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return network


def move(batch: Mapping[str, torch.Tensor], device: torch.device) -> Batch:
    """Copy a batch to a device."""
    return {name: each.to(device, non_blocking=True) for name, each in batch.items()}


def wait_for(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


@dataclass
class Step:
    """One training step: forward, loss, backward, clipping and the recipe's optimizer."""

    network: nn.Module
    config: Config
    device: torch.device
    half: bool

    def __post_init__(self) -> None:
        """Move the network and build the optimizer."""
        self.network.to(self.device).train()
        self.optimizer = make_optimizer(self.network, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate / 10

    def __call__(self, batch: Mapping[str, torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        """Train on a batch and return its loss."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            output = next(iter(self.network(batch).values()))
        loss = nn.functional.cross_entropy(output[:, :CLASSES].float(), labels)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        self.optimizer.step()
        return loss.detach()
