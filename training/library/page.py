"""Read one model for its page: card, configuration, curves, metrics, confusion, calibration, worst errors."""

import json
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

import numpy as np
import polars as pl

from catalog import (
    Calibration,
    ConfidenceBin,
    Confusion,
    Curves,
    ErrorPicture,
    HeadErrors,
    MetricRow,
    ModelPage,
    ModelSummary,
    PictureFilter,
    Setting,
)
from training.errors import FolderProblemError
from training.evaluation.confusion import RELIABILITY_BINS, labelled, largest_classes, merged
from training.evaluation.saved_head import CLASS_FAMILY, RETRIEVAL_FAMILY, SavedHead
from training.library.folders import ModelFolder
from training.library.listing import MOST_HEADS, printable, shown, whole

MOST_METRICS = 5_000
MOST_EPOCHS = 10_000
MOST_PICTURES = 12
CURVES = ("train_loss", "validation_loss", "learning_rate")
OTHERS = "others"

Content = TypeVar("Content")


def read_page(summary: ModelSummary, folder: ModelFolder, visible: PictureFilter) -> ModelPage:
    """Read the page of a finished model; a file that cannot be shown is a sentence among the problems."""
    problems: list[str] = []

    def part(read: Callable[[], Content], missing: Content) -> Content:
        try:
            return read()
        except FolderProblemError as error:
            problems.append(f"{error}.")
            return missing

    heads = [h for h in folder.heads[:MOST_HEADS] if h.family != RETRIEVAL_FAMILY]
    predictions = part(lambda: folder.predictions, pl.DataFrame()) if heads else pl.DataFrame()
    tested = [(h, labelled(h, predictions)) for h in heads if not predictions.is_empty()]
    tested = [(head, rows) for head, rows in tested if not rows.is_empty()]
    shas = predictions["asset_sha256"].unique().to_list() if tested else []
    allowed = visible(shas)
    of_classes = [(head, rows) for head, rows in tested if head.family == CLASS_FAMILY]
    return ModelPage(
        summary,
        card=printable(part(lambda: folder.card, "")),
        configuration=configuration_of(folder.facts),
        curves=part(lambda: curves_of(folder), None),
        metrics=part(lambda: _metrics(folder), ()),
        confusions=tuple(_confusion(head, rows) for head, rows in of_classes),
        calibrations=tuple(_calibration(head, rows) for head, rows in of_classes),
        errors=tuple(_errors(head, rows, allowed) for head, rows in tested),
        withheld=len(shas) - len(allowed),
        problems=tuple(problems),
    )


def configuration_of(facts: Mapping[str, Any]) -> tuple[Setting, ...]:
    """List the hyperparameters of a training and what it saw, as texts."""
    config = facts.get("config") or {}
    counts = {
        f"{part} pictures": facts.get(f"rows_{part}") for part in ("train", "validation", "test")
    }
    names = ("encoder", "best_epoch", "examples_seen", "code_version", "weights_sha256")
    about = counts | {name: facts.get(name) for name in names}
    return tuple(
        Setting(shown(name), setting_text(value))
        for name, value in [*config.items(), *about.items()]
        if value not in (None, "")
    )


def setting_text(value: object) -> str:
    """Write a setting as people would type it: a text as it is, anything else as JSON."""
    return shown(value if isinstance(value, str) else json.dumps(value, default=str))


def curves_of(folder: ModelFolder) -> Curves:
    """Read the curves of a training; raises FolderProblemError."""
    history = folder.history.head(MOST_EPOCHS).filter(pl.col("epoch").is_not_null())
    columns = {
        name: tuple(map(_finite, history[name].cast(pl.Float64).to_list()))
        for name in CURVES
        if name in history.columns
    }
    best = whole(folder.facts.get("best_epoch"))
    epochs = tuple(int(epoch) for epoch in history["epoch"].to_list() if math.isfinite(epoch))
    return Curves(printable(folder.model_id), epochs, best, columns)


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def _metrics(folder: ModelFolder) -> tuple[MetricRow, ...]:
    rows = folder.metrics.sort(
        pl.col("slice") != "all", "task", "slice", "metric", maintain_order=True
    )
    return tuple(
        MetricRow(
            shown(row["task"]),
            shown(row["metric"]),
            shown(row["predictor"]),
            shown(row["slice"]),
            row["value"],
            row["low"],
            row["high"],
            int(row["n"] or 0),
            int(row["n_groups"] or 0),
        )
        for row in rows.head(MOST_METRICS).iter_rows(named=True)
    )


def _confusion(head: SavedHead, rows: pl.DataFrame) -> Confusion:
    """Count true and predicted classes; of many classes the most frequent ones, and all others as one."""
    count = len(head.classes)
    whole_table = np.zeros((count, count), dtype=int)
    np.add.at(whole_table, (rows["target"].to_numpy(), rows["predicted"].to_numpy()), 1)
    numbers = largest_classes(whole_table.sum(axis=1).tolist())
    names = [shown(head.class_name(number)) for number in numbers]
    if len(numbers) < count:
        names.append(f"{OTHERS} ({count - len(numbers)})")
    counts = merged(whole_table, numbers)
    return Confusion(
        shown(head.name), shown(head.title), tuple(names), tuple(map(tuple, counts.tolist()))
    )


def _calibration(head: SavedHead, rows: pl.DataFrame) -> Calibration:
    sure = pl.col("probabilities").list.max()
    right = pl.col("probabilities").list.arg_max() == pl.col("target")
    place = (sure * RELIABILITY_BINS).floor().clip(0, RELIABILITY_BINS - 1)
    table = (
        rows.select(place=place, sure=sure, right=right.cast(pl.Float64))
        .group_by("place")
        .agg(pl.col("sure").mean(), pl.col("right").mean(), n=pl.len())
        .sort("place")
    )
    bins = (
        ConfidenceBin(row["sure"], row["right"], row["n"]) for row in table.iter_rows(named=True)
    )
    return Calibration(shown(head.name), shown(head.title), tuple(bins))


def _errors(head: SavedHead, rows: pl.DataFrame, allowed: Collection[str]) -> HeadErrors:
    """Choose the pictures that may be shown and that the head gets most wrong, one row of each picture."""
    if head.family == CLASS_FAMILY:
        all_wrong = rows.filter(pl.col("predicted") != pl.col("target"))
        size = pl.col("probabilities").list.get(pl.col("predicted"))
        wrong: int | None = all_wrong.height
    else:
        all_wrong, wrong = rows, None
        size = (pl.col("value") - pl.col("target_value")).abs()
    worst = (
        all_wrong.filter(pl.col("asset_sha256").is_in(list(allowed)))
        .with_columns(size=size)
        .sort("size", "asset_sha256", descending=[True, False])
        .unique("asset_sha256", keep="first", maintain_order=True)
        .head(MOST_PICTURES)
    )
    pictures = tuple(_error_picture(head, row) for row in worst.iter_rows(named=True))
    return HeadErrors(shown(head.name), shown(head.title), wrong, rows.height, pictures)


def _error_picture(head: SavedHead, row: dict[str, Any]) -> ErrorPicture:
    truth, predicted = true_text(head, row), answer_text(head, row)
    if head.family == CLASS_FAMILY:
        return ErrorPicture(row["asset_sha256"], truth, predicted, row["size"], "")
    off = shown(head.value_text(row["size"]))
    return ErrorPicture(row["asset_sha256"], truth, predicted, None, f"off by {off}")


def true_text(head: SavedHead, row: Mapping[str, Any]) -> str:
    """Return the true class or value of a prediction for people."""
    if head.family == CLASS_FAMILY:
        return shown(head.class_name(row["target"]))
    return shown(head.value_text(row["target_value"]))


def answer_text(head: SavedHead, row: Mapping[str, Any], suffix: str = "") -> str:
    """Return what was predicted for people; `suffix` ends the names of the columns."""
    if head.family == CLASS_FAMILY:
        return shown(head.class_name(row[f"predicted{suffix}"]))
    return shown(head.value_text(row[f"value{suffix}"]))
