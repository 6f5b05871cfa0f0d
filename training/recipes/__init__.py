"""The recipes by name. A new one is a file here, a line below and a test."""

from training.fit.embedder_recipe import EmbedderRecipe
from training.fit.recipe import Recipe
from training.recipes.copy_detection import COPY_DETECTION
from training.recipes.exif import EXIF

RECIPES: dict[str, Recipe] = {"exif": EXIF}

EMBEDDERS: dict[str, EmbedderRecipe] = {"copy_detection": COPY_DETECTION}
"""Recipes whose models do not answer but embed."""

__all__ = ["EMBEDDERS", "RECIPES"]
