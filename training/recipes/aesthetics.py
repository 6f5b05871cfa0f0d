"""How people rate a photograph: the histogram of their votes from 1 to 10 (NIMA, Talebi and Milanfar 2018).

Votes come from the source `ava` together with the user's own copies of the pictures; pictures that are missing have no
row, and the others keep their ids. A picture counts by its number of votes. A model of this recipe is a beginning for
`defects` (`--set start=MODEL_ID`). Libraries are imported by the functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.fit.encoded import QualityConfig, standardise, two_branches, whole_and_native
from training.fit.recipe import Labels, Recipe

if TYPE_CHECKING:
    import polars as pl

    from training.heads import Head, HistogramHead

COLUMN = "votes"
SCORES = 10

DEFAULT = QualityConfig(
    epochs=20, batch_size=128, learning_rate=1.5e-3, weight_decay=0.05, patience=20, schedule="one_cycle",
    encoder="lite0_tones", side=160, hidden=192, patch_hidden=512, patch_features=256, direct=True, select="last",
    balance="weights",
)  # fmt: skip
SMOKE = QualityConfig(
    epochs=6, batch_size=16, learning_rate=1.5e-3, weight_decay=0.05, patience=6, schedule="one_cycle",
    encoder="lite0_tones", side=64, hidden=32, patch_hidden=64, patch_features=32, direct=True, balance="weights",
)  # fmt: skip


def histogram_head() -> HistogramHead:
    """Make the one head, of the column with the votes."""
    from training.heads import HistogramHead

    return HistogramHead(name="score", title="Score", column=COLUMN, bins=SCORES, first=1)


def heads(labels: Labels, _config: QualityConfig) -> tuple[Head, ...]:
    """Make the one head; raises MissingColumnsError for a release without votes."""
    from catalog import label_columns
    from training.errors import MissingColumnsError

    if COLUMN not in labels.index.columns:
        existing = label_columns(labels.manifest.get("plan", {}))
        raise MissingColumnsError((COLUMN,), existing, "ava AVA.txt")
    return (histogram_head(),)


def rows(index: pl.DataFrame, _config: QualityConfig) -> pl.DataFrame:
    """Weigh each picture by its number of votes, relative to the mean; pictures without votes count as one."""
    import numpy as np
    import polars as pl

    if COLUMN not in index.columns:
        return index
    votes = histogram_head().votes(index).sum(1)
    mean = float(np.nanmean(votes)) if not np.isnan(votes).all() else 1.0
    return index.with_columns(weight=pl.Series(np.nan_to_num(votes / mean, nan=1.0)))


RECIPE = Recipe(
    name="aesthetics",
    version=3,
    summary="how people rate a photograph: the histogram of their votes (source ava)",
    presets={"default": DEFAULT, "smoke": SMOKE},
    view=whole_and_native,
    heads=heads,
    network=two_branches,
    encoder=lambda config: config.encoder,
    initialise=standardise,
    rows=rows,
)
