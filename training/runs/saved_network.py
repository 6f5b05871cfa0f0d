"""Load the torch network of a saved model, of this and of the earlier format of its weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from training.errors import OptionError
from training.fit.task import Task
from training.predict.saved_model import heads_of, read_facts, recipe_of

CALIBRATION = ("temperature", "prior")


def saved_task(folder: Path, facts: Mapping[str, Any]) -> Task:
    """Make the task of a saved model again."""
    recipe = recipe_of(folder, facts)
    return Task(recipe, recipe.config_from(facts["config"]), heads_of(facts), folder.parent)


def start_from(network: nn.Module, task: Task) -> None:
    """Give a new network the backbone of the finished model that `start` of its configuration names.

    Heads keep their random weights. Raises OptionError for a model of another encoder, or without a layer in common.
    """
    if not task.config.start or task.models is None:
        return
    folder = task.models / task.config.start
    facts = read_facts(folder)
    if facts.get("encoder") != task.encoder_id:
        raise OptionError(
            f"start={folder.name} (its encoder is {facts.get('encoder')})",
            [f"models on {task.encoder_id}"],
        )
    own = network.state_dict()
    saved = {
        name.removeprefix("network."): value
        for name, value in load_file(folder / "weights.safetensors").items()
    }
    shared = {
        name: value
        for name, value in saved.items()
        if name.startswith("backbone.") and name in own and own[name].shape == value.shape
    }
    if not shared or shared.keys() != {name for name in own if name.startswith("backbone.")}:
        raise OptionError(f"start={folder.name}", ["models whose backbone has the same layers"])
    network.load_state_dict(own | shared)


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
