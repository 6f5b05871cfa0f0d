import numpy as np
import pytest

from training.evaluation.tasks.retrieval import (
    RetrievalScores,
    candidate_cosine,
    precision_recall_curve,
    recall,
)


def trial(own: list[float], other: list[float], groups: list[int]) -> RetrievalScores:
    """Make a trial of queries whose score is `own` for the original and `other` for one more picture."""
    scores = np.array([own, other], np.float32).T
    return RetrievalScores(scores, np.zeros(len(own), int), np.array(groups))


def test_recall_counts_what_one_threshold_finds() -> None:
    result = trial([0.9, 0.8, 0.7, 0.2], [0.1, 0.75, 0.1, 0.6], [0, 0, 1, 1])
    assert recall(result, 0.99).value == 0.5  # above the first mistake, 0.75
    assert recall(result, 0.75).value == 0.75  # three copies and one mistake
    assert recall(result, 0.75).n_groups == 2
    assert recall(trial([0.1], [0.9], [0]), 0.9).value == 0


def test_candidates_begin_below_nearly_all_copies_but_not_among_all_pictures() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(-0.2, 0.3, (200, 200)).astype(np.float32)
    rows = np.arange(200)
    scores[rows, rows] = rng.uniform(0.5, 1.0, 200)
    easy = RetrievalScores(scores, rows, rows)
    assert 0.5 <= candidate_cosine(easy) <= 0.52
    scores[rows[:50], rows[:50]] = -0.2  # a quarter cannot be found at all
    assert candidate_cosine(RetrievalScores(scores, rows, rows)) == pytest.approx(0.2975, abs=0.01)


def test_the_curve_passes_through_the_recall_at_a_precision() -> None:
    result = trial([0.9, 0.8, 0.7, 0.2], [0.1, 0.75, 0.1, 0.6], [0, 0, 1, 1])
    recalls, precisions = precision_recall_curve(result)
    reached = precisions >= 0.75  # NaN before the first pair is not
    assert recalls[reached].max() == recall(result, 0.75).value
    assert recalls[-1] == 1
