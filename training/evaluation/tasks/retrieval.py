"""Retrieval metrics of copy detection: recall at a fixed precision, over all pairs of a query and a gallery picture.

A query is an edited copy of one gallery picture. One threshold holds for all pairs, as in curation. A network whose
cosines are comparable between queries therefore scores better than one that only ranks well within each query.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluation.intervals import Floats, Interval, group_bootstrap

BINS = 1000  # scores are counted in steps of 0.002
PRECISIONS = (0.9, 0.99)
CANDIDATE_RECALL, CANDIDATE_FALSE = 0.98, 0.005  # shares of the copies and of all other pairs


@dataclass(frozen=True)
class RetrievalScores:
    """Similarity (Q, G) of queries and gallery, -1 to 1; gallery position of each query's original; its group."""

    similarity: NDArray[np.float32]
    original: NDArray[np.int64]
    group: NDArray[np.int64]

    def take(self, rows: NDArray[np.bool_]) -> "RetrievalScores":
        """Select some queries."""
        return RetrievalScores(self.similarity[rows], self.original[rows], self.group[rows])


def recall(scores: RetrievalScores, precision: float) -> Interval:
    """Return the recall of copies at the lowest threshold whose precision is at least `precision`.

    The interval comes from a bootstrap over the groups of the queries.
    """

    def figure(sums: Floats) -> Floats:
        return recalls(sums, precision)

    return group_bootstrap(_counted(scores), scores.group, figure)


def recalls(sums: Floats, precision: float) -> Floats:
    """Map histograms (B, 2 x BINS), copies before other pairs and highest similarity first, to recall (B,)."""
    true_pairs, false_pairs = _above(sums)
    is_precise = _precision(true_pairs, false_pairs) >= precision
    best = np.where(is_precise, true_pairs, 0).max(axis=1)
    return np.asarray(best / true_pairs[:, -1])


def _counted(scores: RetrievalScores) -> Floats:
    """Return two histograms for each query, (Q, 2 x BINS): of its original, and of all other pictures."""
    rows = np.arange(len(scores.original))
    place = np.clip((1 - scores.similarity) * (BINS / 2), 0, BINS - 1).astype(np.int64)
    counts = np.zeros((len(rows), 2 * BINS))
    every = place + BINS
    np.add.at(counts, (rows[:, None], every), 1)
    own = place[rows, scores.original]
    counts[rows, own + BINS] -= 1
    counts[rows, own] += 1
    return counts


def _above(sums: Floats) -> tuple[Floats, Floats]:
    return sums[:, :BINS].cumsum(axis=1), sums[:, BINS:].cumsum(axis=1)


def _precision(true_pairs: Floats, false_pairs: Floats) -> Floats:
    return true_pairs / np.maximum(true_pairs + false_pairs, 1)


def precision_recall_curve(scores: RetrievalScores) -> tuple[Floats, Floats]:
    """Return recall and precision for falling thresholds, (BINS,) each; precision is NaN before the first pair."""
    true_pairs, false_pairs = _above(_counted(scores).sum(axis=0, keepdims=True))
    with np.errstate(invalid="ignore"):
        return true_pairs[0] / true_pairs[0, -1], true_pairs[0] / (true_pairs[0] + false_pairs[0])


def candidate_cosine(scores: RetrievalScores) -> float:
    """Choose the lowest cosine of candidate pairs, which curation then verifies on their pixels.

    98 % of the copies reach this cosine. It is higher where more than 0.5 % of the pairs of different pictures would
    reach it too, because each candidate costs a comparison of pixels and a picture has a limited number of neighbours.
    """
    counts = _counted(scores).sum(axis=0, keepdims=True)
    true_pairs, false_pairs = (each[0] / each[0, -1] for each in _above(counts))
    by_recall = int(np.searchsorted(true_pairs, CANDIDATE_RECALL))
    by_cost = int(np.searchsorted(false_pairs, CANDIDATE_FALSE, side="right")) - 1
    return round(1 - 2 / BINS * (min(by_recall, max(by_cost, 0)) + 1), 3)
