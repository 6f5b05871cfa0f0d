"""Predict aperture, ISO and exposure time from pixels: the recipe; its targets are in `exif_targets`.

Torch and polars are imported by the functions, so that reading the recipe does not load them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation import SETTINGS
from training.fit.recipe import Config, Edges, Recipe

if TYPE_CHECKING:
    import polars as pl

    from training.evaluation.metrics import Ints
    from training.models.networks import HeadsNetwork

DEFAULT = Config(
    epochs=16, batch_size=32, learning_rate=2e-3, weight_decay=0.05, dropout=0.2, patience=5,
    thumbnail_px=96, patch_px=64, bank=8, patches=4, width=16, features=64,
)  # fmt: skip
SMOKE = Config(
    epochs=7, batch_size=16, learning_rate=3e-3, weight_decay=0.05, dropout=0.1, patience=8,
    thumbnail_px=64, patch_px=64, bank=6, patches=2, width=12, features=48,
)  # fmt: skip


def targets(index: pl.DataFrame, edges: Edges) -> Ints:
    """Return the fine bin of each setting, shape (N, 3), MISSING where there is no label."""
    from training.recipes.exif_targets import fine_targets

    return fine_targets(index, edges)


def classes(index: pl.DataFrame, edges: Edges) -> Ints:
    """Return the class of each setting, shape (N, 3): 0 low, 1 medium, 2 high, or MISSING."""
    from training.recipes.exif_targets import coarse_targets

    return coarse_targets(index, edges)


def build(config: Config) -> HeadsNetwork:
    """Build the network with one ordinal head a setting."""
    from training.models.networks import HeadsNetwork
    from training.recipes.exif_targets import merging

    return HeadsNetwork(
        heads=len(SETTINGS), merging=merging(), width=config.width,
        features=config.features, dropout=config.dropout,
    )  # fmt: skip


EXIF = Recipe(
    name="exif",
    version=1,
    summary="aperture, ISO and exposure time from pixels, three classes each",
    heads=SETTINGS,
    presets={"default": DEFAULT, "smoke": SMOKE},
    targets=targets,
    classes=classes,
    build=build,
)
