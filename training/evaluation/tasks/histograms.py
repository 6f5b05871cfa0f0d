"""Score a head of vote histograms: the mean score as a number, the histogram by the earth mover's distance."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from training.data.arrays import Floats, Ints
from training.evaluation.evidence import Evidence, HeadResult, metric_rows
from training.evaluation.intervals import Interval, group_bootstrap
from training.evaluation.metrics import correlation as rank_correlation, mean, rank_sums
from training.evaluation.tasks import values
from training.heads.histogram import HistogramHead


def evaluate(head: HistogramHead, evidence: Evidence) -> HeadResult:
    """Score network, parts and baselines: mean score, its spread, earth mover's distance, good or bad.

    The distance of `median` is that of the mean histogram of training. `accuracy` is that of the side of the middle of
    the scale (5 of 1 to 10) on which the mean score is; `majority_accuracy` that of the commoner side.
    """
    truth = evidence.labels["test"].truth
    shares = {name: np.exp(raw["test"]) for name, raw in evidence.raw.items()}
    train = evidence.labels["train"].truth
    shares["median"] = np.tile(np.nanmean(train, axis=0), (len(truth), 1))
    labelled = np.flatnonzero(~np.isnan(truth).any(1))

    def further(_: Mapping[str, Floats]) -> Iterator[dict[str, Any]]:
        for name, each in shares.items():
            figures = _figures(head, truth[labelled], each[labelled], evidence.groups[labelled])
            yield from metric_rows(name or "model", head.name, "all", figures)

    result = values.evaluate(head, _of_means(head, evidence), further)
    predictions = values.prediction_rows(
        head, evidence.index, truth @ head.scores, shares[""], result.calibration
    )
    return dataclasses.replace(result, predictions=predictions)


def _of_means(head: HistogramHead, evidence: Evidence) -> Evidence:
    """Return the evidence about mean scores in place of histograms."""
    labels = {
        part: dataclasses.replace(each, truth=each.truth @ head.scores)
        for part, each in evidence.labels.items()
    }
    raw = {
        name: {part: np.exp(each) @ head.scores for part, each in by_part.items()}
        for name, by_part in evidence.raw.items()
    }
    return dataclasses.replace(evidence, labels=labels, raw=raw)


def earth_movers_distance(truth: Floats, said: Floats, r: int) -> Floats:
    """Return the distance of histograms (N, B), each row: the r-th root of the mean r-th power of cumulative gaps.

    >>> one, other = np.array([[1.0, 0, 0, 0]]), np.array([[0, 1.0, 0, 0]])
    >>> earth_movers_distance(one, other, 1).tolist(), earth_movers_distance(one, other, 2).tolist()
    ([0.25], [0.5])
    """
    gap = np.abs((said - truth).cumsum(1))
    return np.asarray((gap**r).mean(1) ** (1 / r))


def _figures(
    head: HistogramHead, truth: Floats, said: Floats, groups: Ints
) -> Iterator[tuple[str, Interval]]:
    def average(columns: Floats) -> Interval:
        return group_bootstrap(np.stack([columns, np.ones(len(columns))], 1), groups, mean)

    for r in (1, 2):
        yield f"emd_r{r}", average(earth_movers_distance(truth, said, r))
    spreads = [_spread(head, each) for each in (said, truth)]
    if np.ptp(spreads[0]) > 0:
        yield "spearman_of_spread", group_bootstrap(rank_sums(*spreads), groups, rank_correlation)
    middle = float(head.scores.mean() - 0.5)  # 5 of 1 to 10, as in the literature on AVA
    is_good, said_good = (each @ head.scores > middle for each in (truth, said))
    yield "accuracy", average((is_good == said_good).astype(float))
    yield "majority_accuracy", average((is_good == (is_good.mean() >= 0.5)).astype(float))


def _spread(head: HistogramHead, shares: Floats) -> Floats:
    """Return the standard deviation of the votes of each row."""
    average = shares @ head.scores
    return np.asarray(np.sqrt((shares * (head.scores - average[:, None]) ** 2).sum(1)))
