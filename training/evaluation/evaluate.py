"""Score predictors on test pictures: all metrics of model and baselines, with group intervals.

The inputs are natural log-probabilities, targets, groups and calibration; no network is involved.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from training.evaluation import metrics
from training.evaluation.calibration import Calibration
from training.evaluation.intervals import Interval, group_bootstrap
from training.evaluation.metrics import CLASSES, Floats, Ints
from training.models.losses import MISSING

SLICE_ROWS = 10  # a camera with fewer test pictures gets no row of its own

DECISION_FIGURES: dict[str, Callable[[Floats], Floats]] = {
    "accuracy": metrics.accuracy,
    "balanced_accuracy": metrics.balanced_accuracy,
    "macro_f1": metrics.macro_f1,
}


@dataclass(frozen=True)
class Predictor:
    """Predictions of one predictor on the test pictures.

    `decision` (N, heads, 3) is one-hot, or class shares for a random predictor. `stated` holds probabilities
    (N, heads, 3) by the suffix of their metrics: "" with calibration, "_uncalibrated" before temperature scaling,
    "_with_prior" multiplied by the class shares of training.
    """

    name: str
    decision: Floats
    stated: Mapping[str, Floats]


@dataclass(frozen=True)
class EvaluationSet:
    """Targets (N, heads) with MISSING, group of each row, and the index rows behind them."""

    heads: tuple[str, ...]
    target: Ints
    groups: NDArray[np.int64]
    index: pl.DataFrame


def probability_predictor(name: str, log_natural: Floats, calibration: Calibration) -> Predictor:
    """Make a predictor from natural log-probabilities; it decides by the balanced probabilities."""
    stated = calibration.stated(log_natural)
    kinds = {
        "": stated,
        "_uncalibrated": calibration.stated(log_natural, tempered=False),
        "_with_prior": calibration.natural(log_natural),
    }
    return Predictor(name, one_hot(stated), kinds)


def majority_predictor(prior: Floats, n: int) -> Predictor:
    """Make the predictor that always predicts the most common class; it has no probabilities."""
    return Predictor("majority", one_hot(np.broadcast_to(prior, (n, *prior.shape))), {})


def prior_predictor(prior: Floats, n: int) -> Predictor:
    """Make the predictor that draws classes by their shares; its metrics are expected values."""
    shares = np.broadcast_to(prior, (n, *prior.shape))
    return Predictor("prior", shares, {"": shares, "_with_prior": shares})


def one_hot(probabilities: Floats) -> Floats:
    """Turn probabilities (N, heads, 3) into decisions for the most probable class."""
    return np.asarray(np.eye(CLASSES)[probabilities.argmax(-1)])


def score(test: EvaluationSet, predictors: Sequence[Predictor]) -> list[dict[str, Any]]:
    """Return one row for each metric: predictor, task, slice, metric, value, low, high, n, n_groups.

    The first predictor is the model: it also has rows for slices and for its lead over each other predictor.
    """
    model, *baselines = predictors
    brief = Predictor(model.name, model.decision, {k: v for k, v in model.stated.items() if not k})
    rows: list[dict[str, Any]] = []
    for head, task in enumerate(test.heads):
        labelled = np.flatnonzero(test.target[:, head] != MISSING)
        if not len(labelled):
            continue
        for predictor in predictors:
            rows += _with_identity(
                predictor.name, task, "all", _figures(test, predictor, head, labelled)
            )
        rows += _with_identity(
            model.name, task, "all", _leads(test, model, baselines, (head, labelled))
        )
        for name, slice_rows in _slices(test.index, labelled):
            figures = _figures(test, brief, head, slice_rows)
            rows += _with_identity(
                model.name, task, name, ((k, v) for k, v in figures if k in SLICED)
            )
    return rows


SLICED = ("accuracy", "balanced_accuracy", "nll")


def _with_identity(
    predictor: str, task: str, part: str, figures: Iterator[tuple[str, Interval]]
) -> list[dict[str, Any]]:
    place = {"predictor": predictor, "task": task, "slice": part}
    return [{**place, "metric": metric, **vars(interval)} for metric, interval in figures]


def _figures(
    test: EvaluationSet, predictor: Predictor, head: int, rows: NDArray[np.int64]
) -> Iterator[tuple[str, Interval]]:
    target, groups = test.target[rows, head], test.groups[rows]
    confusion = metrics.confusion_sums(target, predictor.decision[rows, head])
    for metric, figure in DECISION_FIGURES.items():
        yield metric, group_bootstrap(confusion, groups, _complete(figure, confusion))
    for suffix, kind in predictor.stated.items():
        stated = kind[rows, head]
        loss = metrics.nll_sums(target, stated)
        yield f"nll{suffix}", group_bootstrap(loss, groups, metrics.mean)
        gaps = metrics.calibration_sums(target, stated)
        yield f"ece{suffix}", group_bootstrap(gaps, groups, metrics.calibration_error)
        if suffix == "_with_prior":
            right = metrics.confusion_sums(target, one_hot(stated))
            yield "accuracy_with_prior", group_bootstrap(right, groups, metrics.accuracy)


def _leads(
    test: EvaluationSet,
    model: Predictor,
    baselines: Sequence[Predictor],
    place: tuple[int, NDArray[np.int64]],
) -> Iterator[tuple[str, Interval]]:
    """Yield the model's balanced accuracy minus each baseline's, paired on the same resamples."""
    head, rows = place
    target = test.target[rows, head]
    ours = metrics.confusion_sums(target, model.decision[rows, head])
    for baseline in baselines:
        theirs = metrics.confusion_sums(target, baseline.decision[rows, head])
        both = np.concatenate([ours, theirs], axis=1)
        yield (
            f"balanced_accuracy_minus_{baseline.name}",
            group_bootstrap(both, test.groups[rows], _complete(_lead, ours)),
        )


def _complete(figure: Callable[[Floats], Floats], confusion: Floats) -> Callable[[Floats], Floats]:
    """Wrap a figure so that it is NaN for resamples that lack a class of the test set."""
    whole = confusion.sum(0)

    def complete(sums: Floats) -> Floats:
        usable = metrics.where_every_class_occurs(sums[:, :9], whole)
        return np.where(usable, figure(sums), np.nan)

    return complete


def _lead(both: Floats) -> Floats:
    return metrics.balanced_accuracy(both[:, :9]) - metrics.balanced_accuracy(both[:, 9:])


def _slices(
    index: pl.DataFrame, rows: NDArray[np.int64]
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield cameras with enough test pictures, then native and resized pictures, by row numbers."""
    for column in ("camera", "native_resolution"):
        values = np.array([str(value).lower() for value in index[column].to_list()])[rows]
        for value in np.unique(values):
            inside = rows[values == value]
            if len(inside) >= SLICE_ROWS and value != "none":
                yield f"{column}={value}", inside


def prediction_rows(
    test: EvaluationSet, stated: Floats, identity: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return rows of the table `predictions` with their group_id: one a picture and head."""
    rows = []
    for number, picture in enumerate(test.index.select("asset_sha256", "group_id").iter_rows()):
        for head, task in enumerate(test.heads):
            rows.append(_prediction(stated[number, head], int(test.target[number, head])))
            rows[-1] |= {
                "asset_sha256": picture[0],
                "group_id": picture[1],
                "task": task,
                **identity,
            }
    return rows


def _prediction(probabilities: Floats, target: int) -> dict[str, Any]:
    is_labelled = target != MISSING
    truth = np.array([target if is_labelled else 0])
    loss = float(metrics.negative_log_likelihood(truth, probabilities[None])[0])
    return {
        "probabilities": probabilities.tolist(),
        "predicted": int(probabilities.argmax()),
        "target": target if is_labelled else None,
        "nll": loss if is_labelled else None,
    }
