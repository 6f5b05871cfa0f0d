"""The file of a user's own recipe beside the weights: what was trained, and whether it has changed since."""

import ast
import logging
from pathlib import Path

from training.fit.recipe import Recipe
from training.predict.saved_model import RECIPE_FILE

log = logging.getLogger(__name__)


def save_source(folder: Path, recipe: Recipe) -> None:
    """Write the recipe as it was loaded into a model folder; a recipe of Safelight has no file."""
    if recipe.source:
        (folder / RECIPE_FILE).write_bytes(recipe.source)


def warn_if_changed(folder: Path, recipe: Recipe) -> None:
    """Warn where a model folder has another recipe of the same version; comments and line breaks are no change."""
    path = folder / RECIPE_FILE
    if not recipe.source or not path.is_file() or _same_code(path.read_bytes(), recipe.source):
        return
    log.warning(
        "%s has changed since the training of model %s, but its version is %d as before: "
        "raise `version` for a new model, or replace this one with --fresh",
        Path(recipe.file).name, folder.name, recipe.version,
    )  # fmt: skip


def _same_code(one: bytes, other: bytes) -> bool:
    return one == other or ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))
