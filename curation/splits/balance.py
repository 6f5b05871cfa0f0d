"""Sampling weights for training pictures, so that rare classes are drawn more often; nothing is copied.

Several attributes are balanced at once by raking (iterative proportional fitting): only the marginal class shares have
targets, because most cells of their product are nearly empty. Classes are counted by scenes (groups of similar
pictures), not by pictures, so a burst does not make its class common. Validation and test keep their natural
distribution; a slice of each is marked in which the classes are as even as its pictures allow.
"""

import hashlib
import heapq
from collections.abc import Sequence
from typing import Final, get_args

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.errors import BadPlanError, ThinClassError
from curation.rules.bin_edges import SETTINGS
from curation.splits.groups import SPLITS
from curation.splits.rebalance import Rebalance
from curation.splits.strata import SETTING_STRATA, Stratum

MAX_WEIGHT: Final = 10.0
FEW_SCENES: Final = 5  # a class with fewer scenes cannot be learned, whatever its weight
RAKING_ROUNDS: Final = 100
LIFTING: Final = ("inverse", "effective")
EFFECTIVE_BETA: Final = 0.999
"""Share of new information in a picture after n others: beta ** n (Cui et al. 2019, who use 0.9 to 0.9999)."""

BIN_COLUMNS = tuple(f"{setting}_bin" for setting in SETTINGS)
Reals = npt.NDArray[np.float64]


def target_shares(counts: Reals, rebalance: str) -> Reals:
    """Compute from the number of groups in each class the share of the draws that each class should have.

    `none` leaves shares as they are, `sqrt` takes roots, `inverse` makes them even. `effective` weighs a class
    by 1 / E with its effective number E = (1 - beta ** n) / (1 - beta), so that its share goes with n / E: even among
    classes of far fewer than 1 / (1 - beta) groups, as they are among those of far more.

    >>> target_shares(np.array([100.0, 0.0, 25.0]), "sqrt").round(3).tolist()
    [0.667, 0.0, 0.333]
    """
    n_scenes = np.maximum(counts, 1.0)
    weights = {
        "none": n_scenes,
        "sqrt": np.sqrt(n_scenes),
        "inverse": np.ones_like(n_scenes),
        "effective": n_scenes * (1 - EFFECTIVE_BETA) / (1 - EFFECTIVE_BETA**n_scenes),
    }
    if rebalance not in weights:
        names = ", ".join(get_args(Rebalance))
        raise BadPlanError(f"rebalance is one of {names}, not {rebalance!r}")
    shares: Reals = np.where(counts > 0, weights[rebalance], 0.0)
    return shares / max(float(shares.sum()), 1e-12)


def weigh(items: pl.DataFrame, rebalance: str, columns: Sequence[str] = BIN_COLUMNS) -> Reals:
    """Give one weight per row: mean 1 over train and at most `MAX_WEIGHT` there, 1 elsewhere.

    `items` has split, scene_id and the columns to balance over (null where unknown: the weight of such a row follows
    from its other columns). Raises `BadPlanError` for an unknown `rebalance`.
    """
    target_shares(np.ones(1), rebalance)  # raises on an unknown name
    weights = np.ones(items.height)
    is_train = (items["split"] == "train").to_numpy()
    if rebalance != "none" and is_train.any():
        weights[is_train] = _raked(items.filter(pl.col("split") == "train"), rebalance, columns)
    return weights


def _raked(train: pl.DataFrame, rebalance: str, columns: Sequence[str]) -> Reals:
    """Scale the classes of each column to their targets in turn, then cap; repeat until the weights converge."""
    margins = [_margin(train, name, rebalance) for name in columns]
    weights = np.ones(train.height)
    for _ in range(RAKING_ROUNDS):
        before = weights.copy()
        for codes, target in margins:
            _scale(weights, codes, target)
        weights = _with_mean_1(weights)
        if np.abs(weights - before).max() < 1e-9:
            break
    return weights


def _margin(train: pl.DataFrame, name: str, rebalance: str) -> tuple[npt.NDArray[np.int64], Reals]:
    """Give the number of each row's class (-1 where unknown) and the target share of each class."""
    classes = train[name].drop_nulls().unique().sort().to_list()
    numbers = {each: number for number, each in enumerate(classes)}
    codes = np.array([numbers.get(each, -1) for each in train[name]], dtype=np.int64)
    labelled = train.filter(pl.col(name).is_not_null())
    scenes = dict(labelled.group_by(name).agg(pl.col("scene_id").n_unique()).rows())
    counts = np.array([scenes[each] for each in classes], dtype=np.float64)
    return codes, target_shares(counts, rebalance) if classes else counts


def _scale(weights: Reals, codes: npt.NDArray[np.int64], target: Reals) -> None:
    """Scale the shares of one column's classes to `target`; their total does not change."""
    is_known = codes >= 0
    shares = np.bincount(codes[is_known], weights[is_known], minlength=len(target))
    factor = target * shares.sum() / np.maximum(shares, 1e-300)
    weights[is_known] *= factor[codes[is_known]]


def _with_mean_1(weights: Reals) -> Reals:
    """Scale the weights to mean 1 and cap them at `MAX_WEIGHT`."""
    for _ in range(20):
        weights = np.minimum(weights / weights.mean(), MAX_WEIGHT)
        if abs(weights.mean() - 1) < 1e-12:
            break
    return weights / weights.mean() if weights.max() < MAX_WEIGHT else weights


def balanced_slice(
    items: pl.DataFrame, seed: int, columns: Sequence[str] = BIN_COLUMNS
) -> npt.NDArray[np.bool_]:
    """Mark the pictures of validation and test that form the balanced slice of their split.

    In the slice no class of a column has more pictures than the rarest class of that column in the whole split, as far
    as values are known. Of pictures with the same classes, one of each scene comes first; ties are broken by a hash of
    `seed` and the picture. Train has no slice. `items` has asset_sha256, split, scene_id and the columns.
    """
    is_chosen = np.zeros(items.height, dtype=np.bool_)
    for name in SPLITS[1:]:
        rows = np.flatnonzero((items["split"] == name).to_numpy())
        if len(rows):
            is_chosen[rows[_balanced_rows(items[rows.tolist()], seed, columns)]] = True
    return is_chosen


def _balanced_rows(part: pl.DataFrame, seed: int, columns: Sequence[str]) -> list[int]:
    """Choose pictures one by one, each of the cell whose classes are farthest below their quotas."""
    quotas = _quotas(part, columns)
    cells, chosen = _cells(part, seed, columns), []
    n_taken = [dict.fromkeys(part[name].drop_nulls().unique(), 0) for name in columns]
    rank = {cell: -place for place, cell in enumerate(sorted(cells, key=str))}

    def slack(cell: tuple[object, ...]) -> tuple[float, float, int]:
        """Give the distance from the quotas, negated, so that the heap gives the largest first."""
        shares = [
            1 - n_of_class[value] / quota
            for n_of_class, value, quota in zip(n_taken, cell, quotas, strict=True)
            if value is not None
        ]
        return -min(shares, default=0.0), -sum(shares), rank[cell]

    heap = [(slack(cell), cell) for cell in cells]
    heapq.heapify(heap)
    while heap and heap[0][0][0] < 0:
        priority, cell = heap[0]
        # Slack only shrinks, so a priority in the heap may be outdated: too high, never too low.
        if (current := slack(cell)) != priority:
            heapq.heapreplace(heap, (current, cell))
            continue
        chosen.append(cells[cell].pop())
        for n_of_class, value in zip(n_taken, cell, strict=True):
            if value is not None:
                n_of_class[value] += 1
        if cells[cell]:
            heapq.heapreplace(heap, (slack(cell), cell))
        else:
            heapq.heappop(heap)
    return chosen


def _quotas(part: pl.DataFrame, columns: Sequence[str]) -> list[int]:
    """Give how many pictures of each class of a column may be chosen, so that all columns can be even."""
    counts = [part[name].drop_nulls().value_counts()["count"].to_list() for name in columns]
    rarest = [min(count, default=0) for count in counts]
    unknown = [part[name].null_count() for name in columns]
    max_even = min(
        len(count) * least + n_unknown
        for count, least, n_unknown in zip(counts, rarest, unknown, strict=True)
    )
    return [
        min(least, -(-max_even // max(len(count), 1)))
        for count, least in zip(counts, rarest, strict=True)
    ]


def _cells(
    part: pl.DataFrame, seed: int, columns: Sequence[str]
) -> dict[tuple[object, ...], list[int]]:
    """List the rows of each combination of classes, the next to choose last."""
    orders = [hashlib.sha256(f"{seed}\n{sha}".encode()).digest() for sha in part["asset_sha256"]]
    nth_of_scene: dict[str, int] = {}
    ranked = []
    scenes = part["scene_id"].to_list()
    for place in sorted(range(part.height), key=orders.__getitem__):
        scene = str(scenes[place])
        nth_of_scene[scene] = nth_of_scene.get(scene, 0) + 1
        ranked.append((nth_of_scene[scene], orders[place], place))
    cells: dict[tuple[object, ...], list[int]] = {}
    rows = part.select(columns).rows()
    for *_, place in sorted(ranked, reverse=True):
        cells.setdefault(rows[place], []).append(place)
    return cells


def class_table(items: pl.DataFrame, strata: Sequence[Stratum] = SETTING_STRATA) -> pl.DataFrame:
    """Count the classes of every split before and after weighting, in the order of their strata.

    A stratum without any value has no rows.
    Columns: split, setting (or label), class (low, medium, high, a label, or missing), n, scenes, share (by pictures),
    weight_share (what a weighted sampler draws), effective_n (how many unweighted pictures the weighted ones are
    worth) and n_balanced (pictures in the balanced slice; 0 when `items` has no column in_balanced_slice).
    """
    if "in_balanced_slice" not in items.columns:
        items = items.with_columns(in_balanced_slice=pl.lit(value=False))
    used_strata = [each for each in strata if items[each.column].count()]
    parts = [_class_counts(items, each, place) for place, each in enumerate(used_strata)]
    parts = parts or [_class_counts(items.clear(), SETTING_STRATA[0], 0)]
    side = pl.col("split").replace_strict(list(SPLITS), [0, 1, 2], default=3)
    return pl.concat(parts).sort(side, "place", "number", nulls_last=True).drop("place", "number")


def _class_counts(items: pl.DataFrame, stratum: Stratum, place: int) -> pl.DataFrame:
    names = dict(enumerate(stratum.classes))
    number = pl.col(stratum.column).cast(pl.Int64)
    label = number.replace_strict(names, default="missing", return_dtype=pl.String)
    weight, total = pl.col("weight"), pl.col("weight").sum().over("split")
    counted = items.with_columns(label.alias("class"), total=total, size=pl.len().over("split"))
    return counted.group_by("split", "class").agg(
        pl.lit(stratum.name).first().alias("setting"),
        pl.lit(place).first().alias("place"),
        number.first().alias("number"),
        n=pl.len(),
        scenes=pl.col("scene_id").n_unique(),
        share=pl.len() / pl.col("size").first(),
        weight_share=weight.sum() / pl.col("total").first(),
        effective_n=weight.sum() ** 2 / (weight**2).sum(),
        n_balanced=pl.col("in_balanced_slice").fill_null(value=False).sum(),
    )


def thin_classes(table: pl.DataFrame) -> list[str]:
    """Describe the training classes with fewer than `FEW_SCENES` scenes."""
    train = table.filter((pl.col("split") == "train") & (pl.col("class") != "missing"))
    return [
        f"{row['setting']} {row['class']} rests on {row['scenes']} scenes in train"
        for row in train.filter(pl.col("scenes") < FEW_SCENES).iter_rows(named=True)
    ]


def check_support(
    items: pl.DataFrame, rebalance: str, strata: Sequence[Stratum] = SETTING_STRATA
) -> None:
    """Refuse to lift classes with too few scenes; raises `ThinClassError`.

    Only `inverse` and `effective` are refused: they draw the few scenes of such a class as often as all scenes of a
    common class. `sqrt` lifts rare classes less, and `none` not at all.
    """
    if rebalance in LIFTING and items.height and (thin := thin_classes(class_table(items, strata))):
        raise ThinClassError(rebalance, thin, FEW_SCENES)
