"""The recipes by name: every file of this folder with a `RECIPE`. Nothing else in training names one.

This module does not import torch, so names and presets are checked before heavy imports.
"""

import dataclasses
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from training.errors import NoRecipeError, RecipeNotFoundError
from training.fit.config import Config
from training.fit.recipe import Recipe

__all__ = ["RECIPES", "find_preset", "find_recipe", "load_recipe", "recipe_with_study"]


def _recipes(names: Sequence[str]) -> dict[str, Recipe]:
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return {module.RECIPE.name: module.RECIPE for module in modules if hasattr(module, "RECIPE")}


RECIPES: dict[str, Recipe] = _recipes(sorted(each.name for each in pkgutil.iter_modules(__path__)))


def find_recipe(name: str) -> Recipe:
    """Return the recipe of this name, of a Python file, or the default one for an empty name.

    Raises `RecipeNotFoundError`.
    """
    if name.endswith(".py"):
        return load_recipe(Path(name))
    if not name:
        return next(recipe for recipe in RECIPES.values() if recipe.is_default)
    if name not in RECIPES:
        raise RecipeNotFoundError("recipe", name, list(RECIPES))
    return RECIPES[name]


def load_recipe(path: Path) -> Recipe:
    """Run a Python file of the user and return its `RECIPE`; raises `RecipeNotFoundError` or `NoRecipeError`."""
    spec = importlib.util.spec_from_file_location(f"safelight_recipe_{path.stem}", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise RecipeNotFoundError("recipe file", str(path), list(RECIPES))
    source = path.read_bytes()
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    recipe = getattr(module, "RECIPE", None)
    if not isinstance(recipe, Recipe):
        raise NoRecipeError(str(path))
    return dataclasses.replace(recipe, file=str(path.resolve()), source=source)


def recipe_with_study(study: str) -> Recipe:
    """Return the first recipe with which a study can be made."""
    return next(recipe for recipe in RECIPES.values() if study in recipe.studies)


def find_preset(presets: Mapping[str, Config], name: str) -> Config:
    """Return the preset of this name; raises `RecipeNotFoundError`, which suggests a similar name."""
    if name not in presets:
        raise RecipeNotFoundError("preset", name, list(presets))
    return presets[name]
