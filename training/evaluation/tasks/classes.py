"""Score a head with classes on test pictures: all metrics of model and baselines, with group intervals.

The inputs are natural log-probabilities, targets, groups and calibration; no network is involved.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from training.data.arrays import MISSING, Floats, Ints
from training.evaluation import baselines, metrics
from training.evaluation.calibration import ClassCalibration, calibrate, class_shares
from training.evaluation.evidence import (
    Evidence,
    HeadResult,
    metric_rows,
    picture_columns,
)
from training.evaluation.intervals import Interval, group_bootstrap
from training.evaluation.slices import slices
from training.heads.classes import ClassHead

DECISION_FIGURES: dict[str, Callable[[Floats], Floats]] = {
    "accuracy": metrics.accuracy,
    "balanced_accuracy": metrics.balanced_accuracy,
    "macro_f1": metrics.macro_f1,
}
SLICED = ("accuracy", "balanced_accuracy", "nll")


@dataclass(frozen=True)
class Predictor:
    """Predictions of one predictor on the test pictures.

    `decision` (N, C) is one-hot, or class shares for a random predictor. `stated` holds probabilities (N, C) by the
    suffix of their metrics: "" with calibration, "_uncalibrated" before temperature scaling, "_with_prior" multiplied
    by the class shares of training.
    """

    name: str
    decision: Floats
    stated: Mapping[str, Floats]


@dataclass(frozen=True)
class TestSet:
    """Targets (N,) with MISSING, group of each row (N,), and the index rows behind them.

    Ordered classes have the `numbers` (N,) behind them, NaN where there is none.
    """

    task: str
    target: Ints
    groups: Ints
    index: pl.DataFrame
    numbers: Floats | None = None


@dataclass(frozen=True)
class Scored:
    """The predictors on test, the model first; its calibration, and its probabilities (N, C) on validation."""

    predictors: list[Predictor]
    calibration: ClassCalibration
    validation: Floats


def evaluate(head: ClassHead, evidence: Evidence) -> HeadResult:
    """Calibrate on validation, then score the network, its parts and the baselines on test."""
    learned = baselines.predicted_classes(
        evidence.baselines, evidence.labels["train"].truth, len(head.classes)
    )
    scored = calibrated_predictors(head, evidence, learned)
    index = evidence.index
    truth = evidence.labels["test"].truth
    test = TestSet(head.name, truth, evidence.groups, index, head.numbers(index))
    calibration = scored.calibration.as_json()
    return HeadResult(
        calibration,
        score(test, scored.predictors),
        prediction_rows(head, test, scored.predictors[0].stated[""], calibration),
    )


def calibrated_predictors(
    head: ClassHead, evidence: Evidence, learned: Mapping[str, Mapping[str, Floats]]
) -> Scored:
    """Calibrate the network, its parts and learned baselines on validation, and put the constant baselines beside."""
    train, validation, test = (evidence.labels[part] for part in ("train", "validation", "test"))
    prior = class_shares(train.truth, train.weight, len(head.classes))

    def calibrated(name: str, raw: Mapping[str, Floats]) -> tuple[Predictor, ClassCalibration]:
        calibration = calibrate(raw["validation"], validation.truth, prior)
        return probability_predictor(name, raw["test"], calibration), calibration

    model, calibration = calibrated("model", evidence.raw[""])
    parts = [calibrated(name, raw)[0] for name, raw in evidence.raw.items() if name]
    others = [calibrated(name, raw)[0] for name, raw in learned.items()]
    n = len(test.truth)
    constant = [majority_predictor(prior, n), prior_predictor(prior, n)]
    stated = calibration.stated(evidence.raw[""]["validation"])
    return Scored([model, *constant, *others, *parts], calibration, stated)


def probability_predictor(
    name: str, log_natural: Floats, calibration: ClassCalibration
) -> Predictor:
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
    """Turn probabilities (..., C) into decisions for the most probable class."""
    return np.asarray(np.eye(probabilities.shape[-1])[probabilities.argmax(-1)])


def score(test: TestSet, predictors: Sequence[Predictor]) -> list[dict[str, Any]]:
    """Return one row for each metric: predictor, task, slice, metric, value, low, high, n, n_groups.

    The first predictor is the model: it also has rows for slices and for its lead over each other predictor.
    """
    model, *others = predictors
    brief = Predictor(model.name, model.decision, {k: v for k, v in model.stated.items() if not k})
    rows: list[dict[str, Any]] = []
    labelled = np.flatnonzero(test.target != MISSING)
    if not len(labelled):
        return rows
    for predictor in predictors:
        rows += metric_rows(predictor.name, test.task, "all", _figures(test, predictor, labelled))
    rows += metric_rows(model.name, test.task, "all", _leads(test, model, others, labelled))
    for name, slice_rows in slices(test.index, labelled):
        figures = _figures(test, brief, slice_rows)
        rows += metric_rows(
            model.name, test.task, name, ((k, v) for k, v in figures if k in SLICED)
        )
    return rows


def _figures(
    test: TestSet, predictor: Predictor, rows: NDArray[np.int64]
) -> Iterator[tuple[str, Interval]]:
    target, groups = test.target[rows], test.groups[rows]
    confusion = metrics.confusion_sums(target, predictor.decision[rows])
    for metric, figure in DECISION_FIGURES.items():
        yield metric, group_bootstrap(confusion, groups, _complete(figure, confusion))
    for suffix, kind in predictor.stated.items():
        stated = kind[rows]
        loss = metrics.nll_sums(target, stated)
        yield f"nll{suffix}", group_bootstrap(loss, groups, metrics.mean)
        gaps = metrics.calibration_sums(target, stated)
        yield f"ece{suffix}", group_bootstrap(gaps, groups, metrics.calibration_error)
        if suffix == "_with_prior":
            right = metrics.confusion_sums(target, one_hot(stated))
            yield "accuracy_with_prior", group_bootstrap(right, groups, metrics.accuracy)
            if test.numbers is not None and np.ptp(expected := expected_class(stated)) > 0:
                ranks = metrics.rank_sums(expected, test.numbers[rows])
                yield "spearman", group_bootstrap(ranks, groups, metrics.correlation)


def expected_class(probabilities: Floats) -> Floats:
    """Return the mean number of the class, (N,), of probabilities (N, C): the higher, the higher the value."""
    return np.asarray(probabilities @ np.arange(probabilities.shape[1]))


def _leads(
    test: TestSet, model: Predictor, others: Sequence[Predictor], rows: NDArray[np.int64]
) -> Iterator[tuple[str, Interval]]:
    """Yield the model's balanced accuracy minus each other predictor's, paired on the same resamples."""
    target = test.target[rows]
    ours = metrics.confusion_sums(target, model.decision[rows])
    for other in others:
        theirs = metrics.confusion_sums(target, other.decision[rows])
        both = np.concatenate([ours, theirs], axis=1)
        yield (
            f"balanced_accuracy_minus_{other.name}",
            group_bootstrap(both, test.groups[rows], _complete(_lead, ours)),
        )


def _complete(figure: Callable[[Floats], Floats], confusion: Floats) -> Callable[[Floats], Floats]:
    """Wrap a figure so that it is NaN for resamples that lack a class of the test set."""
    whole = confusion.sum(0)

    def complete(sums: Floats) -> Floats:
        usable = metrics.where_every_class_occurs(sums[:, : len(whole)], whole)
        return np.where(usable, figure(sums), np.nan)

    return complete


def _lead(both: Floats) -> Floats:
    half = both.shape[1] // 2
    return metrics.balanced_accuracy(both[:, :half]) - metrics.balanced_accuracy(both[:, half:])


def prediction_rows(
    head: ClassHead, test: TestSet, stated: Floats, calibration: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return rows of the table `predictions` with their group_id, one a picture."""
    pictures = picture_columns(test.index)
    return [
        _prediction(head, probabilities, int(target), calibration) | {"task": head.name} | picture
        for picture, probabilities, target in zip(pictures, stated, test.target, strict=True)
    ]


def _prediction(
    head: ClassHead, probabilities: Floats, target: int, calibration: Mapping[str, Any]
) -> dict[str, Any]:
    is_labelled = target != MISSING
    truth = np.array([target if is_labelled else 0])
    loss = float(metrics.negative_log_likelihood(truth, probabilities[None])[0])
    predicted = int(head.decide(probabilities[None], calibration)[0])
    return {
        "kind": head.kind,
        "probabilities": probabilities.tolist(),
        "predicted": predicted,
        "target": target if is_labelled else None,
        "nll": loss if is_labelled else None,
        "value": float(predicted),
        "target_value": float(target) if is_labelled else None,
        "answer": head.answer(probabilities, calibration),
    }
