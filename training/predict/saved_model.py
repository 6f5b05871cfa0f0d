"""Find the folders of finished models and read what they say about themselves, without torch."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from catalog import Workspace
from training.data.photo_settings import CLASSES
from training.data.views import View, view_from
from training.errors import ModelNotFoundError
from training.fit.recipe import Labels, Recipe
from training.heads import Head, heads_from
from training.recipes import find_recipe, load_recipe

FINISHED = "config.json"  # written last: a folder without it is an unfinished training
RECIPE_FILE = "recipe.py"
NETWORK = "model.onnx"
QUANTISED_NETWORK = "model.int8.onnx"  # of `models export --quantise`
QUANTISED = "quantised.json"  # its measured loss
LIMITS = "limits.json"  # of the study of limits, if it was made
EMBEDDER_CARD = "model.json"  # of embedders; old ones have no config.json
EXPORTED = (
    NETWORK,
    "parity.json",
    QUANTISED_NETWORK,
    QUANTISED,
    FINISHED,
    EMBEDDER_CARD,
    "README.md",
)
"""What other programs need of a model folder, as far as it is there."""


def is_finished(folder: Path) -> bool:
    """Whether the training of this model folder has ended."""
    return (folder / FINISHED).exists() or (folder / EMBEDDER_CARD).exists()


def model_ids(workspace: Workspace) -> list[str]:
    """List the finished models of a workspace."""
    folders = workspace.models.iterdir() if workspace.models.is_dir() else ()
    return sorted(folder.name for folder in folders if is_finished(folder))


def find_model(workspace: Workspace, model_id: str) -> Path:
    """Return the folder of a finished model by its id or the unique beginning of it; raises ModelNotFoundError."""
    finished = model_ids(workspace)
    matches = [name for name in finished if name.startswith(model_id)] if model_id else []
    if len(matches) != 1:
        raise ModelNotFoundError(model_id, matches or finished)
    return workspace.models / matches[0]


def read_facts(folder: Path) -> dict[str, Any]:
    """Read config.json of a model folder, or the card of an embedder that has none."""
    path = folder / FINISHED
    if path.exists():
        facts: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return facts
    about: dict[str, Any] = json.loads((folder / EMBEDDER_CARD).read_text("utf-8"))["about"]
    return about


def recipe_of(folder: Path, facts: Mapping[str, Any]) -> Recipe:
    """Return the recipe of a saved model; that of a user is beside its weights, as recipe.py."""
    own = folder / RECIPE_FILE
    return load_recipe(own) if own.exists() else find_recipe(facts["recipe"])


def view_of(folder: Path, facts: Mapping[str, Any]) -> View:
    """Return how a saved model looks at pictures."""
    view = view_from(facts["view"]) if "view" in facts else None
    if view is not None:
        return view
    recipe = recipe_of(folder, facts)
    return recipe.view(recipe.config_from(facts["config"]))


def heads_of(facts: Mapping[str, Any]) -> tuple[Head, ...]:
    """Make the heads of a saved model; those of models before `heads` come from its class edges."""
    if "heads" in facts:
        return heads_from(facts["heads"])
    import polars as pl

    recipe = find_recipe(facts["recipe"])
    labels = Labels(pl.DataFrame(), {"bins": facts.get("bins", {})})
    return recipe.heads(labels, recipe.config_from(facts["config"]))


def calibrations_of(facts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the calibration of each head by name."""
    if "calibration" in facts:
        calibration: dict[str, dict[str, Any]] = facts["calibration"]
        return calibration
    uniform = [1 / len(CLASSES)] * len(CLASSES)
    return {
        name: {
            "temperature": facts.get("temperature", {}).get(name, 1.0),
            "prior": facts.get("prior", {}).get(name, uniform),
        }
        for name in facts.get("tasks", ())
    }


def embedder_of(folder: Path) -> str:
    """Return the value of `[curate] embedder` for the folder of an embedder, an empty text for other models."""
    if not (folder / EMBEDDER_CARD).exists():
        return ""
    from training.export.embedder import embedder_name

    return embedder_name(folder)
