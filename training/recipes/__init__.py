"""The recipes by name. A new one is a file here, a line below and a test."""

from training.recipe import Recipe
from training.recipes.exif import EXIF

RECIPES: dict[str, Recipe] = {"exif": EXIF}

__all__ = ["RECIPES"]
