"""How well copies are told from other pictures: recall at a fixed precision, over all pairs of a query and a picture.

A query is an edited copy of one picture of the gallery. One threshold holds for all pairs, as it does in curation,
so a network whose cosines mean the same everywhere wins over one that merely ranks well.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluation.intervals import Floats, Interval, group_bootstrap

BINS = 1000  # scores are counted in steps of 0.002
PRECISIONS = (0.9, 0.99)
CANDIDATE_RECALL, CANDIDATE_FALSE = 0.98, 0.005  # shares of the copies and of all other pairs


@dataclass(frozen=True)
class Trial:
    """Scores (Q, G) of queries against a gallery, -1 to 1; the place of each query's original; its group."""

    scores: NDArray[np.float32]
    original: NDArray[np.int64]
    group: NDArray[np.int64]

    def take(self, rows: NDArray[np.bool_]) -> "Trial":
        """Keep some queries."""
        return Trial(self.scores[rows], self.original[rows], self.group[rows])


def recall(trial: Trial, precision: float) -> Interval:
    """Give the share of the copies found where at least `precision` of what is found are copies.

    The interval is that of a bootstrap over the groups of the queries.
    """

    def figure(sums: Floats) -> Floats:
        return recalls(sums, precision)

    return group_bootstrap(_counted(trial), trial.group, figure)


def recalls(sums: Floats, precision: float) -> Floats:
    """Map counts of scores (B, 2 x BINS), copies before others and highest first, to recall (B,)."""
    found, false = _above(sums)
    is_precise = _precision(found, false) >= precision
    best = np.where(is_precise, found, 0).max(axis=1)
    return np.asarray(best / found[:, -1])


def _counted(trial: Trial) -> Floats:
    """Count the scores of each query (Q, 2 x BINS): that of its original, and those of all others."""
    rows = np.arange(len(trial.original))
    place = np.clip((1 - trial.scores) * (BINS / 2), 0, BINS - 1).astype(np.int64)
    counts = np.zeros((len(rows), 2 * BINS))
    every = place + BINS
    np.add.at(counts, (rows[:, None], every), 1)
    own = place[rows, trial.original]
    counts[rows, own + BINS] -= 1
    counts[rows, own] += 1
    return counts


def _above(sums: Floats) -> tuple[Floats, Floats]:
    return sums[:, :BINS].cumsum(axis=1), sums[:, BINS:].cumsum(axis=1)


def _precision(found: Floats, false: Floats) -> Floats:
    return found / np.maximum(found + false, 1)


def curve(trial: Trial) -> tuple[Floats, Floats]:
    """Give recall and precision as the threshold falls, (BINS,) each; precision is NaN before the first pair."""
    found, false = _above(_counted(trial).sum(axis=0, keepdims=True))
    with np.errstate(invalid="ignore"):
        return found[0] / found[0, -1], found[0] / (found[0] + false[0])


def candidate_cosine(trial: Trial) -> float:
    """Choose from where on pairs are worth comparing pixel by pixel.

    That is the cosine which all copies but one in fifty reach, but not below where one pair of different pictures in
    200 begins: each costs a look at its pixels, and a picture has few neighbours to spend.
    """
    counts = _counted(trial).sum(axis=0, keepdims=True)
    found, false = (each[0] / each[0, -1] for each in _above(counts))
    wanted = int(np.searchsorted(found, CANDIDATE_RECALL))
    bearable = int(np.searchsorted(false, CANDIDATE_FALSE, side="right")) - 1
    return round(1 - 2 / BINS * (min(wanted, max(bearable, 0)) + 1), 3)
