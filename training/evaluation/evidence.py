"""What the evaluation of one head starts from, whatever its family, and what it gives."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from numpy.typing import NDArray

from training.data.arrays import Floats, Ints
from training.evaluation.baselines import BaselineInputs
from training.evaluation.intervals import Interval


@dataclass(frozen=True)
class Labelled:
    """The labels of one head for one part of the data: truth, what the loss compares with, and weight, (N,) each."""

    truth: NDArray[Any]
    weight: Floats


@dataclass(frozen=True)
class Evidence:
    """Everything that one head is judged by.

    `raw` holds what the network says before calibration by part of its inputs ("" is all of them), then by part of the
    data. `groups` and `index` belong to the test rows.
    """

    labels: Mapping[str, Labelled]
    raw: Mapping[str, Mapping[str, Floats]]
    baselines: BaselineInputs
    groups: Ints
    index: pl.DataFrame


@dataclass(frozen=True)
class HeadResult:
    """Calibration for config.json, rows of `metrics` and of `predictions`, and other tables by file name."""

    calibration: dict[str, Any]
    metrics: list[dict[str, Any]]
    predictions: list[dict[str, Any]] = field(default_factory=list)
    tables: dict[str, pl.DataFrame] = field(default_factory=dict)


def metric_rows(
    predictor: str, task: str, part: str, figures: Iterator[tuple[str, Interval]]
) -> list[dict[str, Any]]:
    """Return one row of `metrics` for each figure, without the columns that name model and data set."""
    place = {"predictor": predictor, "task": task, "slice": part}
    return [{**place, "metric": metric, **vars(interval)} for metric, interval in figures]


def picture_columns(index: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the columns of `predictions` that name the picture and its group."""
    return index.select("asset_sha256", "group_id").to_dicts()
