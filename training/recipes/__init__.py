"""The recipes by name. A new one is a file here, a line below and a test.

This module does not import torch, so names and presets are checked before heavy imports.
"""

from collections.abc import Mapping
from typing import TypeVar

from training.errors import RecipeNotFoundError
from training.fit.embedder_recipe import EmbedderRecipe
from training.fit.recipe import Recipe
from training.recipes.copy_detection import COPY_DETECTION
from training.recipes.exif import EXIF

RECIPES: dict[str, Recipe] = {"exif": EXIF}

EMBEDDERS: dict[str, EmbedderRecipe] = {"copy_detection": COPY_DETECTION}
"""Recipes whose models are embedders."""

__all__ = ["EMBEDDERS", "RECIPES", "find_preset", "find_recipe"]

Preset = TypeVar("Preset")


def find_recipe(name: str) -> Recipe | EmbedderRecipe:
    """Return the recipe of this name; raises `RecipeNotFoundError`, which suggests a similar name."""
    every: dict[str, Recipe | EmbedderRecipe] = {**RECIPES, **EMBEDDERS}
    if name not in every:
        raise RecipeNotFoundError("recipe", name, list(every))
    return every[name]


def find_preset(presets: Mapping[str, Preset], name: str) -> Preset:
    """Return the preset of this name; raises `RecipeNotFoundError`, which suggests a similar name."""
    if name not in presets:
        raise RecipeNotFoundError("preset", name, list(presets))
    return presets[name]
