"""Infer aperture, ISO and exposure time from pixels alone.

Each setting is learned on stops, in about twelve fine ordered bins; the three classes that are
reported are sums of fine bins, whose edges are part of the fine grid.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from training.evaluation.metrics import CLASSES, Ints
from training.fit.recipe import Config, Edges, Recipe
from training.models.losses import MISSING
from training.models.networks import HeadsNetwork

HEADS = ("f_number", "iso", "exposure_time")
PER_CLASS = 3  # fine bins between the two edges of the middle class
OUTER = 5  # fine bins below the lower edge; 12 - 3 - 5 = 4 above the upper one
FINE = 12

DEFAULT = Config(
    epochs=16, batch_size=32, learning_rate=2e-3, weight_decay=0.05, dropout=0.2, patience=5,
    thumbnail_px=96, patch_px=64, bank=8, patches=4, width=16, features=64,
)  # fmt: skip
SMOKE = Config(
    epochs=7, batch_size=16, learning_rate=3e-3, weight_decay=0.05, dropout=0.1, patience=8,
    thumbnail_px=64, patch_px=64, bank=6, patches=2, width=12, features=48,
)  # fmt: skip


def fine_edges(low: float, high: float) -> NDArray[np.float64]:
    """Return the 11 edges of 12 fine bins, in stops; the two coarse edges are among them.

    >>> fine_edges(1.0, 4.0).tolist()
    [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    """
    step = (high - low) / PER_CLASS
    return np.asarray(low + step * np.arange(1 - OUTER, FINE - OUTER))


def fine_targets(index: pl.DataFrame, edges: Edges) -> Ints:
    """Return the fine bin of each setting, shape (N, 3), MISSING where there is no label.

    Bins are half-open, [low, high); a coarse edge is met exactly, because the class decides it.
    """
    coarse = coarse_targets(index, edges)
    columns = [_fine_column(index, head, edges[head], coarse[:, i]) for i, head in enumerate(HEADS)]
    return np.stack(columns, axis=1)


def _fine_column(index: pl.DataFrame, head: str, edges: Sequence[float], coarse: Ints) -> Ints:
    stops = index[f"{head}_stops"].cast(pl.Float64).fill_null(0.0).to_numpy()
    fine = np.searchsorted(fine_edges(*edges), stops, side="right")
    first, last = (
        np.array([0, OUTER, OUTER + PER_CLASS]),
        np.array([OUTER, OUTER + PER_CLASS, FINE]),
    )
    clipped = np.clip(fine, first[coarse], last[coarse] - 1)
    return np.asarray(np.where(coarse == MISSING, MISSING, clipped), dtype=np.int64)


def coarse_targets(index: pl.DataFrame, edges: Edges) -> Ints:
    """Return the class of each setting, shape (N, 3): 0 low, 1 medium, 2 high, or MISSING."""
    columns = [
        index[f"{head}_stops"].cast(pl.Float64).fill_null(float("nan")).to_numpy() for head in HEADS
    ]
    found = [
        np.searchsorted(edges[h], c, side="right") for h, c in zip(HEADS, columns, strict=True)
    ]
    stops = np.stack(columns, axis=1)
    return np.where(np.isnan(stops), MISSING, np.stack(found, axis=1)).astype(np.int64)


def merging() -> torch.Tensor:
    """Return the matrix (12, 3) that sums fine bins into classes."""
    matrix = torch.zeros(FINE, CLASSES)
    matrix[:OUTER, 0] = matrix[OUTER : OUTER + PER_CLASS, 1] = matrix[OUTER + PER_CLASS :, 2] = 1.0
    return matrix


def build(config: Config) -> HeadsNetwork:
    """Build the network with one ordinal head a setting."""
    return HeadsNetwork(
        heads=len(HEADS), merging=merging(), width=config.width,
        features=config.features, dropout=config.dropout,
    )  # fmt: skip


EXIF = Recipe(
    name="exif",
    version=1,
    summary="aperture, ISO and exposure time from pixels, three classes each",
    heads=HEADS,
    presets={"default": DEFAULT, "smoke": SMOKE},
    targets=fine_targets,
    classes=coarse_targets,
    build=build,
)
