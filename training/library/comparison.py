"""Compare two models for the console: the figures of `train compare`, and the pictures on which they differ."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from catalog import (
    DifferingPicture,
    DifferingSetting,
    HeadDifference,
    HeadDisagreement,
    ModelComparison,
    ModelsNotComparableError,
    ModelSummary,
    PictureFilter,
)
from training.errors import FolderProblemError, UnequalModelsError
from training.evaluation.model_comparison import ComparedHead, Comparison, compare_models
from training.evaluation.saved_head import CLASS_FAMILY, SavedHead
from training.library.folders import ModelFolder, read_folder
from training.library.listing import figure_of, shown, verdict_in_words
from training.library.page import MOST_PICTURES, answer_text, curves_of, true_text

_KEYS = ["asset_sha256", "task"]
_ANSWERS = ("predicted", "predicted_other")
_VALUES = ("value", "value_other")
_PROBABILITIES = ("probabilities", "probabilities_other")


@dataclass(frozen=True)
class _Compared:
    """A model with its tables, read once; a head with several rows of one picture is left out of the predictions."""

    folder: ModelFolder
    predictions: pl.DataFrame
    history: pl.DataFrame

    @property
    def model_id(self) -> str:
        return self.folder.model_id

    @property
    def config(self) -> dict[str, Any]:
        return self.folder.facts


def compare_folders(
    summaries: tuple[ModelSummary, ModelSummary],
    first: Path,
    second: Path,
    visible: PictureFilter,
) -> ModelComparison:
    """Compare two models of equal data; raises ModelsNotComparableError."""
    _check_data(*summaries)
    try:
        folders = read_folder(first), read_folder(second)
        models = tuple(
            _Compared(each, _with_one_row_of_a_picture(each.predictions), each.history)
            for each in folders
        )
        curves = curves_of(folders[0]), curves_of(folders[1])
        result = compare_models(models, allow_unequal=True)
    except FolderProblemError as error:
        raise ModelsNotComparableError(f"one of the models cannot be compared: {error}") from error
    except UnequalModelsError as error:
        raise ModelsNotComparableError(
            "the two models have no head in common whose predictions of the same pictures are stored, one for each "
            "picture"
        ) from error
    joined = models[0].predictions.join(models[1].predictions, on=_KEYS, suffix="_other")
    allowed = visible(joined["asset_sha256"].unique().to_list())
    return ModelComparison(
        *summaries,
        unequal=_differing(result.unequal),
        settings=tuple(
            each for each in _differing(result.options) if each.name not in result.unequal
        ),
        curves=curves,
        heads=tuple(_head_differences(result)),
        disagreements=tuple(
            _disagreement(each.head, joined, allowed) for each in result.heads if each.lead
        ),
        withheld=joined["asset_sha256"].n_unique() - len(allowed),
    )


def _check_data(first: ModelSummary, second: ModelSummary) -> None:
    for model in (first, second):
        if model.state != "finished":
            raise ModelsNotComparableError(f"model {shown(model.model_id)}: {model.problem}")
        if not model.dataset:
            raise ModelsNotComparableError(
                f"model {shown(model.model_id)} does not state the data set that it was trained on"
            )
    if first.model_id == second.model_id:
        raise ModelsNotComparableError("both are the same model; choose two")
    if _data(first) != _data(second):
        one, other = (f"{each.dataset}@{each.version}" for each in (first, second))
        what = f"on {one}, the second on {other}"
        if one == other:
            what = f"on {one}, the second on other contents of that name and version"
        raise ModelsNotComparableError(
            f"the first model was trained {what}. Figures on different data say nothing about which model is better: "
            "train both on one version"
        )


def _data(model: ModelSummary) -> tuple[str, str, str]:
    return model.dataset, model.version, model.dataset_digest


def _with_one_row_of_a_picture(predictions: pl.DataFrame) -> pl.DataFrame:
    """Leave out heads that predict a picture more than once (each of its edits): such rows cannot be paired."""
    repeated = predictions.filter(predictions.select(_KEYS).is_duplicated())["task"].unique()
    return predictions.filter(~pl.col("task").is_in(repeated.to_list()))


def _differing(values: Any) -> tuple[DifferingSetting, ...]:
    return tuple(
        DifferingSetting(shown(name), shown(first), shown(second))
        for name, (first, second) in values.items()
    )


def _head_differences(result: Comparison) -> Iterator[HeadDifference]:
    first = {each.head.name: each for each in result.heads if each.lead is None}
    for each in result.heads:
        if each.lead is not None:
            yield _head_difference(first[each.head.name], each)


def _head_difference(first: ComparedHead, second: ComparedHead) -> HeadDifference:
    head = second.head
    assert second.lead is not None
    return HeadDifference(
        task=shown(head.name),
        title=shown(head.title),
        metric=head.metric_name,
        unit=shown(head.unit),
        higher_is_better=head.higher_is_better,
        first=figure_of(head, first.score),
        second=figure_of(head, second.score),
        lead=figure_of(head, second.lead, signed=True),
        verdict=verdict_in_words(second.verdict),
    )


def _disagreement(
    head: SavedHead, joined: pl.DataFrame, allowed: Collection[str]
) -> HeadDisagreement:
    """Choose the pictures on which the answers differ most: probabilities by half their L1 distance, or values."""
    rows = joined.filter(pl.col("task") == head.name)
    if head.family == CLASS_FAMILY:
        gaps = _distances(rows)
        differs = pl.col("predicted") != pl.col("predicted_other")
    else:
        gaps = (rows["value"] - rows["value_other"]).abs()
        differs = pl.col("value") != pl.col("value_other")
    rows = rows.with_columns(gap=gaps, differs=differs)
    chosen = (
        rows.filter(pl.col("asset_sha256").is_in(list(allowed)) & (pl.col("gap") > 0))
        .sort("differs", "gap", "asset_sha256", descending=[True, True, False])
        .head(MOST_PICTURES)
    )
    return HeadDisagreement(
        shown(head.name),
        shown(head.title),
        differ=int(rows["differs"].sum()),
        both=rows.height,
        pictures=tuple(_differing_picture(head, row) for row in chosen.iter_rows(named=True)),
    )


def _distances(rows: pl.DataFrame) -> pl.Series:
    one, other = (
        np.array(rows[name].to_list(), dtype=float).reshape(rows.height, -1)
        for name in _PROBABILITIES
    )
    return pl.Series(np.abs(one - other).sum(axis=1) / 2)


def _differing_picture(head: SavedHead, row: dict[str, Any]) -> DifferingPicture:
    first, second = (answer_text(head, row, suffix) for suffix in ("", "_other"))
    if head.family != CLASS_FAMILY:
        return DifferingPicture(
            row["asset_sha256"], true_text(head, row), first, second, *_nearest(row)
        )
    one, other = (
        row[shares][row[name]] for shares, name in zip(_PROBABILITIES, _ANSWERS, strict=True)
    )
    return DifferingPicture(
        row["asset_sha256"],
        true_text(head, row),
        f"{first}, {one:.0%}",
        f"{second}, {other:.0%}",
        first_is_right=row["predicted"] == row["target"],
        second_is_right=row["predicted_other"] == row["target"],
    )


def _nearest(row: dict[str, Any]) -> tuple[bool, bool]:
    """Return which of two values is nearest to the truth; neither without one."""
    if row["target_value"] is None:
        return False, False
    one, other = (abs(row[name] - row["target_value"]) for name in _VALUES)
    return one <= other, other <= one
