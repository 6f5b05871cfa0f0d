import numpy as np
import pytest
from hypothesis import given, strategies as st

from training.data.arrays import MISSING
from training.evaluation.calibration import (
    ClassCalibration,
    calibrate,
    class_shares,
    fit_temperature,
)


def answers(temperature: float, n: int = 4000, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities that are `temperature` times too sure, and labels drawn from the truth."""
    rng = np.random.default_rng(0)
    truth = np.log(rng.dirichlet(np.ones(classes), n))
    target = (rng.random((n, 1)) > np.exp(truth).cumsum(1)).sum(1).clip(0, classes - 1)
    return truth * temperature, target


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_spoiled_the_answers_is_fitted(
    temperature: float, classes: int
) -> None:
    fitted = fit_temperature(*answers(temperature, classes=classes))
    assert fitted == pytest.approx(temperature, rel=0.1)


def test_without_labels_nothing_is_tempered() -> None:
    log_p, target = answers(3.0, 50)
    assert fit_temperature(log_p, np.full(50, MISSING)) == 1.0
    assert fit_temperature(log_p[:5], target[:5]) == 1.0


def test_rows_without_a_label_do_not_change_the_temperature() -> None:
    log_p, target = answers(3.0, 200)
    wild = np.concatenate([log_p, log_p[::-1] * 40])
    padded = np.concatenate([target, np.full(200, MISSING)])
    assert fit_temperature(wild, padded) == fit_temperature(log_p, target)


def test_each_head_has_its_own_temperature() -> None:
    prior = np.full(3, 1 / 3)
    sure, fair = (calibrate(*answers(each), prior).temperature for each in (3.0, 1.0))
    assert [sure, fair] == pytest.approx([3.0, 1.0], rel=0.1)


def test_class_shares_count_known_labels_with_their_weights() -> None:
    weight = np.array([1.0, 1.0, 2.0])
    shares = class_shares(np.array([0, 0, 2]), weight, 3)
    assert shares == pytest.approx([3 / 7, 1 / 7, 3 / 7])
    shares = class_shares(np.array([1, MISSING, MISSING]), weight, 3)
    assert shares == pytest.approx([1 / 4, 2 / 4, 1 / 4])


@given(st.lists(st.floats(-20, 0), min_size=3, max_size=3), st.floats(0.2, 5))
def test_stated_probabilities_sum_to_one_and_shares_bring_the_natural_ones_back(
    logits: list[float], temperature: float
) -> None:
    prior = np.array([0.7, 0.2, 0.1])
    calibration = ClassCalibration(temperature, prior)
    stated = calibration.stated(np.array([logits]))
    assert stated.sum() == pytest.approx(1.0)
    back = stated * prior / (stated * prior).sum()
    assert back == pytest.approx(calibration.natural(np.array([logits])), abs=1e-9)
