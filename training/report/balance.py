"""The balance of labels: how often each class, or value, occurs before and after weighting.

The labels are those of the training pictures in the index of the release. Where the index has no column of a head,
those of the saved predictions are counted; they are of test pictures and have no weights.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from training.evaluation.confusion import labelled, largest_classes
from training.evaluation.saved_head import CLASS_FAMILY, SavedHead, number_text
from training.report.saved_run import SavedRun

TRAINING, TEST = "training", "test"


def label_balance(run: SavedRun, head: SavedHead, index: pl.DataFrame) -> dict[str, Any]:
    """Return counts and shares of the classes of a head, or the range of its values, with the pictures they are of."""
    train = training_rows(run, index)
    balance = _class_balance if head.family == CLASS_FAMILY else _value_balance
    return {"name": head.title, "head": head, **balance(run, head, train)}


def training_rows(run: SavedRun, index: pl.DataFrame) -> pl.DataFrame:
    """Select the pictures that the main model was trained on."""
    train = index.filter(pl.col(run.main.policy) == "train")
    if "training_allowed" in train.columns:
        train = train.filter(pl.col("training_allowed").fill_null(value=False))
    return train


def class_numbers(head: SavedHead, rows: pl.DataFrame) -> pl.Series | None:
    """Return the class of each row from the column of the head; None without a column that contains its classes."""
    if f"{head.name}_bin" in rows.columns:
        return rows[f"{head.name}_bin"].cast(pl.Int64)
    column = head.column or head.name
    if column not in rows.columns:
        return None
    texts = rows[column].cast(pl.String, strict=False)
    by_name = {name.casefold(): number for number, name in enumerate(head.classes)}
    numbers = [None if text is None else by_name.get(text.casefold()) for text in texts]
    series = pl.Series(numbers, dtype=pl.Int64)
    has_classes = series.drop_nulls().len() * 2 >= texts.drop_nulls().len()
    return series if has_classes and series.drop_nulls().len() else None


def _class_balance(run: SavedRun, head: SavedHead, train: pl.DataFrame) -> dict[str, Any]:
    numbers, weights, part = class_numbers(head, train), _weights(train), TRAINING
    if numbers is None:
        rows = run.main.predictions.filter(pl.col("task") == head.name)
        numbers, weights, part = rows["target"].cast(pl.Int64), None, TEST
    counts = [int((numbers == number).sum()) for number in range(len(head.classes))]
    after = None if weights is None else _weighted(numbers, weights, len(head.classes))
    return {
        "part": part,
        "before": shares(counts),
        "after": None if after is None else shares(after),
        "rows": _lines(head, counts, after),
        "missing": len(numbers) - sum(counts),
    }


def _weights(train: pl.DataFrame) -> pl.Series | None:
    return train["weight"].fill_null(1).cast(pl.Float64) if "weight" in train.columns else None


def _weighted(numbers: pl.Series, weights: pl.Series, count: int) -> list[float]:
    return [
        float(weights.filter((numbers == n).fill_null(value=False)).sum()) for n in range(count)
    ]


def shares(amounts: Sequence[float]) -> list[float]:
    """Divide amounts by their sum; all 0 if it is 0."""
    total = sum(amounts)
    return [amount / total if total else 0.0 for amount in amounts]


def _lines(
    head: SavedHead, counts: Sequence[int], after: Sequence[float] | None
) -> list[dict[str, Any]]:
    """Return one line for each class that a figure shows, and one for all others."""
    numbers = largest_classes(counts)
    groups = [[number] for number in numbers]
    others = sorted(set(range(len(counts))) - set(numbers))
    groups += [others] if others else []
    before, weighted = shares(counts), None if after is None else shares(after)
    return [
        {
            "name": head.class_name(group[0]) if group is not others else f"other ({len(others)})",
            "range": _range(head, group[0]) if group is not others else "",
            "count": sum(counts[n] for n in group),
            "before": sum(before[n] for n in group),
            "after": None if weighted is None else sum(weighted[n] for n in group),
        }
        for group in groups
    ]


def _range(head: SavedHead, number: int) -> str:
    text = head.describe_class(number)
    return "" if text == head.class_name(number) else text


def _value_balance(run: SavedRun, head: SavedHead, train: pl.DataFrame) -> dict[str, Any]:
    values, weights, part = _numbers(head, train), _weights(train), TRAINING
    if values is None:
        rows = labelled(head, run.main.predictions)
        values, weights, part = rows["target_value"], None, TEST
    present = values.is_not_null() & values.is_finite()
    kept = values.filter(present).to_numpy()
    return {
        "part": part,
        "values": kept,
        "weights": None if weights is None else weights.filter(present).to_numpy(),
        "rows": _quantiles(head, kept),
        "missing": len(values) - len(kept),
    }


def _numbers(head: SavedHead, train: pl.DataFrame) -> pl.Series | None:
    column = head.column or head.name
    if column not in train.columns:
        return None
    values = train[column].cast(pl.Float64, strict=False)
    return values if values.drop_nulls().len() else None


def _quantiles(head: SavedHead, values: Any) -> list[tuple[str, str]]:
    names = ("smallest", "lower quarter", "median", "upper quarter", "largest")
    if not len(values):
        return []
    places = np.quantile(values, (0, 0.25, 0.5, 0.75, 1))
    return [(n, head.with_unit(number_text(float(v)))) for n, v in zip(names, places, strict=True)]
