"""Give training pictures sampling weights so that rare classes are seen more often; copy nothing.

Three settings are balanced at once by raking (iterative proportional fitting): only their marginal class
shares get targets, because most of the 27 cells are nearly empty. Classes count by scenes, not by pictures, so a
burst does not make its class common. Validation and test keep their natural distribution.
"""

from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.bins import BIN_NAMES, SETTINGS
from curation.errors import BadPlanError
from curation.splits import SPLITS

Rebalance = Literal["none", "sqrt", "inverse"]
MAX_WEIGHT: Final = 10.0
FEW_SCENES: Final = 5  # a class with fewer cannot be learned, whatever its weight
RAKING_ROUNDS: Final = 100

_POWERS = {"none": 1.0, "sqrt": 0.5, "inverse": 0.0}  # target share of a class ~ scenes ** power

Reals = npt.NDArray[np.float64]


def weigh(items: pl.DataFrame, rebalance: str) -> Reals:
    """Give one weight per row: mean 1 over train and at most `MAX_WEIGHT` there, 1 elsewhere.

    `items` has split, scene_id and <setting>_bin (null where unknown: such rows take the weight that
    their other settings ask for). Raises `BadPlanError` for an unknown `rebalance`.
    """
    if rebalance not in _POWERS:
        raise BadPlanError(
            f"rebalance is one of {', '.join(get_args(Rebalance))}, not {rebalance!r}"
        )
    weights = np.ones(items.height)
    is_train = (items["split"] == "train").to_numpy()
    if rebalance != "none" and is_train.any():
        weights[is_train] = _raked(items.filter(pl.col("split") == "train"), _POWERS[rebalance])
    return weights


def _raked(train: pl.DataFrame, power: float) -> Reals:
    """Scale the classes of each setting to their targets in turn, then cap; repeat until it rests."""
    bins = [train[f"{setting}_bin"].fill_null(-1).to_numpy() for setting in SETTINGS]
    targets = [_targets(train, setting, power) for setting in SETTINGS]
    weights = np.ones(train.height)
    for _ in range(RAKING_ROUNDS):
        before = weights.copy()
        for number, target in zip(bins, targets, strict=True):
            _scale(weights, number, target)
        weights = _capped(weights)
        if np.abs(weights - before).max() < 1e-9:
            break
    return weights


def _targets(train: pl.DataFrame, setting: str, power: float) -> Reals:
    """Give the wanted share of each class among the rows that know the setting, shape (3,)."""
    name = f"{setting}_bin"
    known = train.filter(pl.col(name).is_not_null())
    scenes = known.group_by(name).agg(pl.col("scene_id").n_unique()).rows()
    counts = np.zeros(len(BIN_NAMES))
    for number, n_scenes in scenes:
        counts[number] = n_scenes
    wanted: Reals = np.where(counts > 0, np.power(np.maximum(counts, 1), power), 0.0)
    wanted /= max(wanted.sum(), 1e-12)
    return wanted


def _scale(weights: Reals, bins: npt.NDArray[np.int32], target: Reals) -> None:
    """Bring the shares of one setting's classes to `target`; their total stays what it was."""
    total = weights[bins >= 0].sum()
    for number, share in enumerate(target):
        rows = bins == number
        if rows.any():
            weights[rows] *= share * total / weights[rows].sum()


def _capped(weights: Reals) -> Reals:
    """Bring the mean to 1 and the largest to at most `MAX_WEIGHT`."""
    for _ in range(20):
        weights = np.minimum(weights / weights.mean(), MAX_WEIGHT)
        if abs(weights.mean() - 1) < 1e-12:
            break
    return weights / weights.mean() if weights.max() < MAX_WEIGHT else weights


def class_table(items: pl.DataFrame) -> pl.DataFrame:
    """Count the classes of every split before and after weighting, from low to high.

    Columns: split, setting, class (low, medium, high or missing), n, scenes, share (by pictures), weight_share
    (what a weighted sampler draws) and effective_n (how many unweighted pictures the weighted ones are worth).
    """
    found = pl.concat([_class_counts(items, setting) for setting in SETTINGS])
    orders = {"split": SPLITS, "setting": SETTINGS, "class": (*BIN_NAMES, "missing")}
    ranks = [
        pl.col(name).replace_strict(list(order), list(range(len(order))), default=len(order))
        for name, order in orders.items()
    ]
    return found.sort(*ranks)


def _class_counts(items: pl.DataFrame, setting: str) -> pl.DataFrame:
    names = dict(enumerate(BIN_NAMES))
    number = pl.col(f"{setting}_bin").cast(pl.Int64)
    label = number.replace_strict(names, default="missing", return_dtype=pl.String)
    weight, total = pl.col("weight"), pl.col("weight").sum().over("split")
    counted = items.with_columns(label.alias("class"), total=total, size=pl.len().over("split"))
    return counted.group_by("split", "class").agg(
        pl.lit(setting).first().alias("setting"),
        n=pl.len(),
        scenes=pl.col("scene_id").n_unique(),
        share=pl.len() / pl.col("size").first(),
        weight_share=weight.sum() / pl.col("total").first(),
        effective_n=weight.sum() ** 2 / (weight**2).sum(),
    )


def thin_classes(table: pl.DataFrame) -> list[str]:
    """Name the training classes that too few scenes support."""
    train = table.filter((pl.col("split") == "train") & (pl.col("class") != "missing"))
    return [
        f"{row['setting']} {row['class']} rests on {row['scenes']} scenes in train"
        for row in train.filter(pl.col("scenes") < FEW_SCENES).iter_rows(named=True)
    ]
