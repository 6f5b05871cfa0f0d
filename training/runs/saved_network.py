"""Load the torch network of a saved model, of this and of the earlier format of its weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from training.fit.task import Task
from training.predict.saved_model import heads_of, recipe_of

CALIBRATION = ("temperature", "prior")


def saved_task(folder: Path, facts: Mapping[str, Any]) -> Task:
    """Make the task of a saved model again."""
    recipe = recipe_of(folder, facts)
    return Task(recipe, recipe.config_from(facts["config"]), heads_of(facts), folder.parent)


def load_network(folder: Path, facts: Mapping[str, Any]) -> nn.Module:
    """Build the network of a saved model and load its weights."""
    task = saved_task(folder, facts)
    network = task.build()
    state = load_file(folder / "weights.safetensors")
    network.load_state_dict(_weights(state, [head.name for head in task.heads]))
    return network.eval()


def _weights(state: Mapping[str, torch.Tensor], heads: list[str]) -> dict[str, torch.Tensor]:
    """Select the network's own weights and give them their present names.

    Models of format 1 had heads by number beside the layers of the backbone, and the matrix that merged fine bins.
    Embedders of that time had no prefix.
    """
    own = {
        name.removeprefix("network."): value
        for name, value in state.items()
        if name not in CALIBRATION and not name.startswith("stated.")
    }
    if "merging" not in own:
        return own
    return {_present_name(name, heads): value for name, value in own.items() if name != "merging"}


def _present_name(name: str, heads: list[str]) -> str:
    first, _, rest = name.partition(".")
    if first != "heads":
        return f"backbone.{name}"
    number, _, layer = rest.partition(".")
    return f"heads.{heads[int(number)]}.{layer}"
