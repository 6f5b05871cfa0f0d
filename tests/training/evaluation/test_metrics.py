import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss

from training.evaluation import metrics

labels = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60)


def figure(name: str, target: np.ndarray, predicted: np.ndarray) -> float:
    sums = metrics.confusion_sums(target, np.eye(3)[predicted])
    return float(getattr(metrics, name)(sums.sum(0, keepdims=True))[0])


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:A single label was found")
@settings(max_examples=60, deadline=None)
@given(labels)
def test_figures_equal_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    target, predicted = np.array(pairs).T
    assert figure("accuracy", target, predicted) == pytest.approx(accuracy_score(target, predicted))
    assert figure("balanced_accuracy", target, predicted) == pytest.approx(
        balanced_accuracy_score(target, predicted)
    )
    assert figure("macro_f1", target, predicted) == pytest.approx(
        f1_score(target, predicted, average="macro")
    )


def test_a_resample_without_a_class_is_told_from_a_whole_one() -> None:
    whole = metrics.confusion_sums(np.array([0, 0, 2]), np.eye(3)[[0, 1, 1]])
    resamples = np.stack([whole.sum(0), whole[:2].sum(0)])
    assert metrics.where_every_class_occurs(resamples, whole.sum(0)).tolist() == [True, False]


def test_nll_equals_log_loss() -> None:
    rng = np.random.default_rng(0)
    probabilities, target = rng.dirichlet(np.ones(3), 50), rng.integers(0, 3, 50)
    sums = metrics.nll_sums(target, probabilities).sum(0, keepdims=True)
    assert metrics.mean(sums)[0] == pytest.approx(log_loss(target, probabilities, labels=[0, 1, 2]))


def test_a_sure_and_wrong_answer_has_a_calibration_error_of_its_confidence() -> None:
    probabilities = np.array([[0.9, 0.05, 0.05]] * 4)
    for target, expected in ((np.zeros(4, int), 0.1), (np.ones(4, int), 0.9)):
        sums = metrics.calibration_sums(target, probabilities).sum(0, keepdims=True)
        assert metrics.calibration_error(sums)[0] == pytest.approx(expected)


def test_answers_as_often_right_as_they_claim_are_calibrated() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), 20_000)
    target = (rng.random((20_000, 1)) > probabilities.cumsum(1)).sum(1)
    sums = metrics.calibration_sums(target, probabilities).sum(0, keepdims=True)
    assert metrics.calibration_error(sums)[0] < 0.02
