"""Metrics as tables for the terminal."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from catalog import FEW_GROUPS, TOO_FEW, aligned
from training.evaluation.intervals import with_interval

if TYPE_CHECKING:
    from training.studies.effect_comparison import Effect

PREDICTORS = ("model", "majority", "prior", "metadata", "tiny_features")
COLUMNS = ("split", "head", *PREDICTORS, "accuracy", "pictures", "groups")
EFFECT_COLUMNS = (
    "left out",
    "setting",
    "trained on",
    "balanced accuracy",
    "effect of the rules",
    "n",
    "groups",
)


def summary(models: Mapping[str, Path]) -> str:
    """Return a table of the balanced accuracy of finished models and baselines, by split policy."""
    return table({name: pl.read_parquet(f / "metrics.parquet") for name, f in models.items()})


def effects_table(effects: "Sequence[Effect]") -> str:
    """Return a table of what each group of rules adds to the balanced accuracy, by setting and on average."""
    rows = []
    for each in effects:
        effect = "" if each.effect is None else with_interval(vars(each.effect), sign="+")
        if each.effect and each.effect.low is None:
            effect += f" ({TOO_FEW})"
        score = _cell(vars(each.score))
        sizes = str(each.score.n), str(each.score.n_groups)
        rows.append((each.left_out, each.setting, str(each.n_train), score, effect, *sizes))
    return "\n".join(aligned(EFFECT_COLUMNS, rows, numbers={"trained on", "n", "groups"}))


def table(metrics: Mapping[str, pl.DataFrame]) -> str:
    """Return one row for each split policy and head from tables of `metrics`, with 95 % intervals."""
    rows = [row for name, frame in metrics.items() for row in _rows(name, frame)]
    lines = aligned(COLUMNS, rows, numbers={"pictures", "groups"})
    text = ["balanced accuracy (accuracy: of the model)", *lines]
    if any(int(row[-1]) < FEW_GROUPS for row in rows):
        text.append(f"under {FEW_GROUPS} groups there is no interval and no verdict: {TOO_FEW}")
    return "\n".join(text)


def _rows(policy: str, metrics: pl.DataFrame) -> list[tuple[str, ...]]:
    whole = metrics.filter(pl.col("slice") == "all")
    rows = []
    for task in whole["task"].unique(maintain_order=True):
        of_task = whole.filter(pl.col("task") == task)
        by_key = {(row["predictor"], row["metric"]): row for row in of_task.iter_rows(named=True)}
        cells = [_cell(by_key.get((name, "balanced_accuracy"))) for name in PREDICTORS]
        model = by_key["model", "balanced_accuracy"]
        accuracy = _cell(by_key.get(("model", "accuracy")))
        rows.append((policy, task, *cells, accuracy, str(model["n"]), str(model["n_groups"])))
    return rows


def _cell(row: Mapping[str, Any] | None) -> str:
    return "-" if row is None else with_interval(row)
