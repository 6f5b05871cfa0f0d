"""How bad a picture may be: a finished model on its test pictures after edits, and the levels that it still bears.

    models/<model_id>/limits.parquet   head, kind, name, level, metric; value and change, each with low and high
    models/<model_id>/limits.json      the limits by head and scale, and `smallest_side_px`, which predictions obey
    models/<model_id>/limits.png       the scales as curves

A level is borne as long as the interval of its loss, paired picture by picture, holds no loss, and so do those of all
milder levels.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from catalog import FEW_GROUPS, Workspace, find_release, track
from training.data.arrays import Floats, Ints, Pixels
from training.data.decode import decode
from training.data.labels import group_numbers
from training.data.sampling.seeds import row_rng
from training.data.shards import ShardReader
from training.errors import OptionError, TrainingError
from training.evaluation.intervals import Interval, group_bootstrap
from training.fit.examples import allowed_index, has_label
from training.heads import Head
from training.predict.predict_files import Model, load_model, stated_of_pixels
from training.predict.saved_model import LIMITS
from training.studies.edits.limits_plot import draw_limits
from training.studies.edits.picture_edits import KINDS, SCALES, Treatment, treatments

FAMILIES = ("classes", "values")


@dataclass(frozen=True)
class LimitsRequest:
    """Which model, which scales (and `filters`), and how many test pictures at most."""

    model_id: str
    kinds: tuple[str, ...] = KINDS
    most: int = 200
    seed: int = 0


@dataclass(frozen=True)
class LimitsResult:
    """The folder of the model, the table, and the content of limits.json."""

    folder: Path
    table: pl.DataFrame
    limits: Mapping[str, Any]


def measure_limits(workspace: Workspace, request: LimitsRequest) -> LimitsResult:
    """Predict test pictures with and without edits; write table, limits and plot into the folder of the model.

    Raises ModelNotFoundError, OptionError for an unknown scale, TrainingError for a model without heads to score.
    """
    if unknown := set(request.kinds) - set(KINDS):
        raise OptionError(f"edits={min(unknown)}", KINDS)
    model = load_model(workspace, request.model_id)
    heads = [head for head in model.heads if head.family in FAMILIES]
    if not heads:
        raise TrainingError(f"model {model.folder.name} has no head whose error could be measured")
    index = tested_rows(workspace, model.facts, request.most)
    changes = treatments(request.kinds)
    gains = _gains(workspace, model, heads, index, changes, request.seed)
    groups = group_numbers(index)
    table = limits_table(heads, changes, gains, groups)
    limits = {
        "pictures": len(index),
        "groups": len(np.unique(groups)),
        **limits_of(table, [head.name for head in heads]),
    }
    table.write_parquet(model.folder / "limits.parquet")
    (model.folder / LIMITS).write_text(json.dumps(limits, indent=1, sort_keys=True) + "\n", "utf-8")
    draw_limits(table).savefig(model.folder / "limits.png", dpi=120)
    return LimitsResult(model.folder, table, limits)


def tested_rows(workspace: Workspace, facts: Mapping[str, Any], most: int) -> pl.DataFrame:
    """Return at most `most` test rows of a model, chosen by a hash of the picture."""
    release = find_release(workspace, f"{facts['dataset']}@{facts['version']}")
    index = allowed_index(release)
    index = index.filter((pl.col(facts["split_policy"]) == "test").fill_null(value=False))
    return index.sort(pl.col("asset_sha256").str.reverse()).head(most)


def _gains(
    workspace: Workspace, model: Model, heads: Sequence[Head], index: pl.DataFrame,
    changes: Sequence[Treatment], seed: int,
) -> dict[str, Floats]:  # fmt: skip
    """Return by head what each picture earns, (1 + changes, N): unchanged first; NaN without a label."""
    facts = model.facts
    release = find_release(workspace, f"{facts['dataset']}@{facts['version']}")
    truth = {head.name: head.truth(index) for head in heads}
    gains = {head.name: np.full((1 + len(changes), len(index)), np.nan) for head in heads}
    places = index.select("shard", "offset", "length").rows()
    with ShardReader(release) as reader:
        for row, sha in enumerate(
            track(index["asset_sha256"].to_list(), "limits", unit="pictures")
        ):
            pixels = decode(reader.read(*places[row]), name=sha)
            for number, changed in enumerate(_versions(pixels, changes, seed, sha)):
                stated = stated_of_pixels(model, changed)
                for head in heads:
                    gains[head.name][number, row] = gain_of(
                        head, stated[head.name], truth[head.name], row
                    )
    return gains


def _versions(
    pixels: Pixels, changes: Sequence[Treatment], seed: int, sha: str
) -> Sequence[Pixels]:
    return [pixels, *(each.applied(pixels, row_rng(seed, 0, sha)) for each in changes)]


def gain_of(head: Head, stated: Floats, truth: Any, row: int) -> float:
    """Return the negative error of a value, or whether the class is right."""
    if not has_label(truth[row : row + 1])[0]:
        return float("nan")
    if head.family == "values":
        return -abs(float(stated) - float(truth[row]))
    return float(int(stated.argmax()) == int(truth[row]))


def limits_table(
    heads: Sequence[Head], changes: Sequence[Treatment], gains: Mapping[str, Floats], groups: Ints
) -> pl.DataFrame:
    """Return a row for each head and change, unchanged first: the figure and its change, paired by picture."""
    rows = []
    for head in heads:
        own = gains[head.name]
        there = ~np.isnan(own[0])
        own, of_rows = own[:, there], groups[there]
        sign, metric = (-1, "mae") if head.family == "values" else (1, "accuracy")
        for number, name in enumerate(("unchanged", *(each.name for each in changes))):
            figure = mean_of(sign * own[number], of_rows)
            change = mean_of(sign * (own[number] - own[0]), of_rows)
            about = changes[number - 1] if number else None
            rows.append(
                {
                    "head": head.name, "kind": about.kind if about else "unchanged", "name": name,
                    "level": about.level if about else None, "metric": metric, **bounds_of("", figure),
                    **bounds_of("change", change), "n": figure.n, "n_groups": figure.n_groups,
                }
            )  # fmt: skip
    return pl.DataFrame(rows, infer_schema_length=None, schema_overrides={"level": pl.Float64})


def mean_of(values: Floats, groups: Ints) -> Interval:
    """Return the mean of values (N,) with its interval over groups."""
    sums = np.stack([values, np.ones(len(values))], 1)
    return group_bootstrap(sums, groups, lambda each: each[:, 0] / each[:, 1])


def bounds_of(name: str, interval: Interval) -> dict[str, float | None]:
    """Return the columns of a figure; under FEW_GROUPS groups there is no interval."""
    has_interval = interval.n_groups >= FEW_GROUPS
    low, high = (interval.low, interval.high) if has_interval else (None, None)
    prefix = f"{name}_" if name else ""
    return {name or "value": interval.value, f"{prefix}low": low, f"{prefix}high": high}


def limits_of(table: pl.DataFrame, heads: Sequence[str]) -> dict[str, Any]:
    """Return the strongest level of each scale that each head bears; null where even the mildest is too much."""
    by_head: dict[str, dict[str, float | None]] = {head: {} for head in heads}
    for head in heads:
        own = table.filter(pl.col("head") == head)
        if own["low"][0] is None:
            continue
        for kind in dict.fromkeys(own["kind"].to_list()):
            if kind in SCALES:
                rows = own.filter(pl.col("kind") == kind).iter_rows(named=True)
                by_head[head][kind] = strongest_borne(list(rows))
    sides = [each["resolution"] for each in by_head.values() if "resolution" in each]
    mildest = SCALES["resolution"].levels[0]
    largest = max((mildest if side is None else side for side in sides), default=None)
    return {"by_head": by_head, "smallest_side_px": largest}


def strongest_borne(levels: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the last level, from mild to strong, before the first that is clearly worse than unchanged pictures.

    >>> def level(level, low, high):
    ...     return {"metric": "mae", "level": level, "change_low": low, "change_high": high}
    >>> strongest_borne([level(80, -0.6, 1.9), level(60, 0.1, 3.1), level(40, -0.2, 4.0)])
    80
    """
    borne = None
    for row in levels:
        if _is_clearly_worse(row):
            break
        borne = row["level"]
    return borne


def _is_clearly_worse(row: Mapping[str, Any]) -> bool:
    """Whether the whole interval of the paired change lies on the side of a loss."""
    return bool(row["change_low"] > 0 if row["metric"] == "mae" else row["change_high"] < 0)
