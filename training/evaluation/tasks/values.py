"""Score a head with a number on test pictures: all metrics of model and baselines, with group intervals."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import rankdata

from training.data.arrays import Floats, Ints
from training.evaluation import baselines, metrics
from training.evaluation.evidence import (
    Evidence,
    HeadResult,
    metric_rows,
    picture_columns,
)
from training.evaluation.intervals import Interval, group_bootstrap
from training.evaluation.slices import slices
from training.heads.base import Head

INTERVAL_SHARE = 0.9  # of the validation pictures that lie inside the stated interval
FEWEST_FOR_INTERVAL = 20
SLICED = ("mae", "spearman")


Further = Callable[[Mapping[str, Floats]], Iterable[dict[str, Any]]]
"""Makes more rows of metrics from what each predictor says of the test rows, (N,) by its name."""


def evaluate(head: Head, evidence: Evidence, further: Further | None = None) -> HeadResult:
    """Take the width of the interval from validation, then score the network, its parts and the baselines on test.

    A kind of head with figures of its own adds them by `further`.
    """
    train, validation, test = (
        evidence.labels[part].truth for part in ("train", "validation", "test")
    )
    raw = evidence.raw[""]
    calibration = {"half_width_90": half_width(raw["validation"], validation)}
    learned = baselines.predicted_values(evidence.baselines, train)
    constant = np.full(len(test), np.nanmedian(train))
    others = {"median": constant, **{name: by_part["test"] for name, by_part in learned.items()}}
    others |= {name: by_part["test"] for name, by_part in evidence.raw.items() if name}
    labelled = np.flatnonzero(~np.isnan(test))
    figures: list[dict[str, Any]] = []
    if len(labelled):
        rows = TestRows(test, evidence.groups, labelled)
        figures = score(head.name, rows, raw["test"], others, evidence.index)
        figures += further({"model": raw["test"], **others}) if further else ()
    predictions = prediction_rows(head, evidence.index, test, raw["test"], calibration)
    return HeadResult(calibration, figures, predictions)


def half_width(values: Floats, truth: Floats) -> float | None:
    """Return half the width of the interval around a value that holds nine of ten validation pictures.

    None with fewer than 20 of them. The rank is that of split conformal prediction (Vovk et al.), rounded up.
    """
    errors = np.sort(np.abs(values - truth)[~np.isnan(truth)])
    if len(errors) < FEWEST_FOR_INTERVAL:
        return None
    rank = int(np.ceil(INTERVAL_SHARE * (len(errors) + 1))) - 1
    return float(errors[min(rank, len(errors) - 1)])


class TestRows:
    """Truth and groups of some rows of the test set."""

    def __init__(self, truth: Floats, groups: Ints, rows: NDArray[np.int64]) -> None:
        self.all_truth, self.all_groups, self.rows = truth, groups, rows

    @property
    def truth(self) -> Floats:
        """The truth of the rows."""
        return np.asarray(self.all_truth[self.rows])

    @property
    def groups(self) -> Ints:
        """The group of each row."""
        return np.asarray(self.all_groups[self.rows])

    def take(self, rows: NDArray[np.int64]) -> "TestRows":
        """Return other rows of the same test set."""
        return TestRows(self.all_truth, self.all_groups, rows)


def score(
    task: str, rows: TestRows, model: Floats, others: Mapping[str, Floats], index: pl.DataFrame
) -> list[dict[str, Any]]:
    """Return one row for each metric of the model and of each other predictor, the model's leads and its slices."""
    result = metric_rows("model", task, "all", _figures(rows, model))
    for name, values in others.items():
        result += metric_rows(name, task, "all", _figures(rows, values))
    result += metric_rows("model", task, "all", _leads(rows, model, others))
    for name, inside in slices(index, rows.rows):
        figures = _figures(rows.take(inside), model)
        result += metric_rows("model", task, name, ((k, v) for k, v in figures if k in SLICED))
    return result


def _figures(rows: TestRows, values: Floats) -> Iterator[tuple[str, Interval]]:
    truth, said, groups = rows.truth, values[rows.rows], rows.groups
    ones = np.ones(len(truth))
    absolute, centred, unit = np.abs(said - truth), *metrics.standardised(truth)
    for name, figure, columns in (
        ("mae", _mean, [absolute, ones]),
        ("rmse", _root_mean, [absolute**2, ones]),
        ("r2", _r2, [(absolute / unit) ** 2, centred, centred**2, ones]),
        ("pearson", metrics.correlation, metrics.moments(said, truth)),
        ("spearman", metrics.correlation, metrics.moments(rankdata(said), rankdata(truth))),
    ):
        yield name, group_bootstrap(np.stack(columns, axis=1), groups, figure)
    yield "median_absolute_error", _without_interval(float(np.median(absolute)), groups)


def _without_interval(value: float, groups: Ints) -> Interval:
    """Return a figure without an interval: a median is no function of sums."""
    return Interval(value, None, None, len(groups), len(np.unique(groups)))


def _leads(
    rows: TestRows, model: Floats, others: Mapping[str, Floats]
) -> Iterator[tuple[str, Interval]]:
    """Yield the model's mean absolute error minus each other predictor's, paired, and the same of rank correlations.

    Below 0 the model has the smaller error, above 0 the higher correlation.
    """
    ranks = metrics.rank_sums(model[rows.rows], rows.truth)
    width = ranks.shape[1]

    def gap_of_ranks(sums: Floats) -> Floats:
        return metrics.correlation(sums[:, :width]) - metrics.correlation(sums[:, width:])

    ours = np.abs(model[rows.rows] - rows.truth)
    for name, values in others.items():
        gap = ours - np.abs(values[rows.rows] - rows.truth)
        columns = np.stack([gap, np.ones(len(gap))], axis=1)
        yield f"mae_minus_{name}", group_bootstrap(columns, rows.groups, _mean)
        if np.ptp(values[rows.rows]) > 0:  # a constant ranks nothing
            both = np.concatenate([ranks, metrics.rank_sums(values[rows.rows], rows.truth)], axis=1)
            lead = group_bootstrap(both, rows.groups, gap_of_ranks)
            yield f"spearman_minus_{name}", lead


def _mean(sums: Floats) -> Floats:
    return np.asarray(sums[:, 0] / np.maximum(sums[:, -1], 1e-12))


def _root_mean(sums: Floats) -> Floats:
    return np.sqrt(_mean(sums))


def _r2(sums: Floats) -> Floats:
    spread = sums[:, 2] - sums[:, 1] ** 2 / np.maximum(sums[:, 3], 1e-12)
    return metrics.ratio(spread - sums[:, 0], spread)


def prediction_rows(
    head: Head, index: pl.DataFrame, truth: Floats, values: Floats, calibration: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return rows of the table `predictions` with their group_id, one a picture; edited pictures are left out.

    `values` are what the head states, (N,) or (N, B).
    """
    rows = []
    edits = index["edit"] if "edit" in index.columns else [""] * len(index)
    for picture, target, value, edit in zip(
        picture_columns(index), truth, values, edits, strict=True
    ):
        if edit:
            continue
        answer = head.answer(np.asarray(value), calibration)
        rows.append({
            "kind": head.kind, "task": head.name, "probabilities": None, "predicted": None,
            "target": None, "nll": None, "value": answer["value"], "low": answer["low"],
            "high": answer["high"], "answer": answer,
            "target_value": None if np.isnan(target) else float(target), **picture,
        })  # fmt: skip
    return rows
