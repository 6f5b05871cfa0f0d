"""Targets of the recipe `exif`: each setting in stops, as twelve fine ordered bins.

The three reported classes are sums of fine bins; their edges are edges of fine bins. The recipe itself is in `exif`,
which does not import torch and polars.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from curation import SETTINGS
from training.evaluation.metrics import CLASSES, Ints
from training.fit.recipe import Edges
from training.models.losses import MISSING

PER_CLASS = 3  # fine bins between the two edges of the middle class
OUTER = 5  # fine bins below the lower edge; 12 - 3 - 5 = 4 above the upper one
FINE = 12


def fine_edges(low: float, high: float) -> NDArray[np.float64]:
    """Return the 11 edges of 12 fine bins, in stops; the two coarse edges are among them.

    >>> fine_edges(1.0, 4.0).tolist()
    [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    """
    step = (high - low) / PER_CLASS
    return np.asarray(low + step * np.arange(1 - OUTER, FINE - OUTER))


def fine_targets(index: pl.DataFrame, edges: Edges) -> Ints:
    """Return the fine bin of each setting, shape (N, 3), MISSING where there is no label.

    Bins are half-open, [low, high). A value at a coarse edge gets a fine bin of its class.
    """
    coarse = coarse_targets(index, edges)
    columns = [
        _fine_column(index, head, edges[head], coarse[:, i]) for i, head in enumerate(SETTINGS)
    ]
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
        index[f"{head}_stops"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        for head in SETTINGS
    ]
    classes = [
        np.searchsorted(edges[h], c, side="right") for h, c in zip(SETTINGS, columns, strict=True)
    ]
    stops = np.stack(columns, axis=1)
    return np.where(np.isnan(stops), MISSING, np.stack(classes, axis=1)).astype(np.int64)


def merging() -> torch.Tensor:
    """Return the matrix (12, 3) that sums fine bins into classes."""
    matrix = torch.zeros(FINE, CLASSES)
    matrix[:OUTER, 0] = matrix[OUTER : OUTER + PER_CLASS, 1] = matrix[OUTER + PER_CLASS :, 2] = 1.0
    return matrix
