"""Area, threshold and the zone without an answer, against direct computation."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.metrics import roc_auc_score

from training.evaluation.tasks.binary import FEWEST, area, area_sums, best_threshold, zone
from training.heads import BinaryHead, heads_from

HEAD = BinaryHead(
    name="real_or_fake", title="Real or fake", column="class", classes=("real", "fake")
)


@given(st.integers(2, 60), st.integers(0, 10_000))
def test_the_area_is_that_of_scikit_learn(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = np.array([0, 1, *rng.integers(0, 2, n)])
    score = rng.integers(0, 9, n + 2) / 8  # with ties
    ours = area(area_sums(target, score).sum(0, keepdims=True))[0]
    assert ours == pytest.approx(roc_auc_score(target, score))


def test_many_scores_are_ranked_nearly_exactly() -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 5000)
    score = rng.normal(target, 1.5)
    ours = area(area_sums(target, score).sum(0, keepdims=True))[0]
    assert ours == pytest.approx(roc_auc_score(target, score), abs=1e-3)


@given(st.integers(FEWEST, 80), st.integers(FEWEST, 80), st.floats(-2, 2), st.integers(0, 999))
def test_no_more_than_the_wanted_share_of_validation_is_answered_wrongly(
    n: int, m: int, apart: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    truth = np.array([0] * n + [1] * m)
    share = 1 / (1 + np.exp(-rng.normal(apart * truth, 1)))
    stated = np.stack([1 - share, share], axis=1)
    calibration = zone(stated, truth, 0.1)
    assert (
        calibration["negative_below"] <= calibration["threshold"] <= calibration["positive_above"]
    )
    wrong = HEAD.is_answered(stated, calibration) & (HEAD.decide(stated, calibration) != truth)
    for each in (0, 1):
        assert wrong[truth == each].mean() <= 0.1 + 1e-9


def test_with_few_pictures_of_validation_the_model_never_answers() -> None:
    stated, truth = np.array([[0.01, 0.99]] * 8), np.array([0, 1] * 4)
    calibration = zone(stated, truth, 0.1)
    assert HEAD.answer(stated[0], calibration)["class"] == "cannot tell"


def test_an_answer_has_the_class_both_probabilities_and_the_threshold() -> None:
    calibration = {"threshold": 0.4, "negative_below": 0.3, "positive_above": 0.6}
    shares = [np.array([1 - p, p]) for p in (0.1, 0.35, 0.5, 0.7)]
    names = [HEAD.answer(each, calibration)["class"] for each in shares]
    assert names == ["real", "cannot tell", "cannot tell", "fake"]
    assert HEAD.answer(shares[3], calibration)["probabilities"]["fake"] == pytest.approx(0.7)
    assert HEAD.decide(np.stack(shares), calibration).tolist() == [0, 0, 1, 1]
    assert heads_from([HEAD.describe()]) == (HEAD,)


def test_the_best_threshold_separates_what_can_be_separated() -> None:
    assert best_threshold(np.array([0.1, 0.2, 0.6]), np.array([0.65, 0.9])) == pytest.approx(0.625)
