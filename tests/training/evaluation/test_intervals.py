import numpy as np
import pytest

from training.evaluation.intervals import group_bootstrap
from training.evaluation.metrics import mean


def sums(values: np.ndarray) -> np.ndarray:
    return np.stack([values, np.ones_like(values)], axis=1)


def clustered() -> tuple[np.ndarray, np.ndarray]:
    """300 values in 20 groups; values of a group are nearly the same."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 15)
    return rng.normal(0, 1, 20)[groups] + rng.normal(0, 0.1, 300), groups


def test_groups_give_a_wider_interval_than_single_pictures() -> None:
    values, groups = clustered()
    by_group = group_bootstrap(sums(values), groups, mean)
    by_picture = group_bootstrap(sums(values), np.arange(300), mean)
    assert by_group.value == pytest.approx(by_picture.value) == pytest.approx(values.mean())
    assert by_group.high - by_group.low > 2 * (by_picture.high - by_picture.low)
    assert (by_group.n, by_group.n_groups, by_picture.n_groups) == (300, 20, 300)


def test_the_interval_of_a_mean_has_the_width_that_theory_says() -> None:
    values = np.random.default_rng(1).normal(0, 1, 1000)
    interval = group_bootstrap(sums(values), np.arange(1000), mean)
    assert interval.high - interval.low == pytest.approx(
        2 * 1.96 * values.std() / 1000**0.5, rel=0.1
    )


def test_the_same_rows_give_the_same_interval_in_any_order() -> None:
    values, groups = clustered()
    order = np.random.default_rng(2).permutation(300)
    one, other = (
        group_bootstrap(sums(values[o]), groups[o], mean) for o in (np.arange(300), order)
    )
    assert (one.low, one.high) == pytest.approx((other.low, other.high))


def test_resamples_without_a_figure_are_left_out() -> None:
    values, groups = clustered()

    def half(sums: np.ndarray) -> np.ndarray:
        return np.where(mean(sums) > 0, 1.0, np.nan)

    interval = group_bootstrap(sums(values - values.mean()), groups, half)
    assert (interval.low, interval.high) == (1.0, 1.0)
    never = group_bootstrap(sums(values), groups, lambda s: np.full(len(s), np.nan))
    assert (never.low, never.high) == (None, None)


def test_one_group_has_no_interval_and_no_row_no_figure() -> None:
    alone = group_bootstrap(sums(np.ones(5)), np.zeros(5, int), mean)
    assert (alone.value, alone.low, alone.high, alone.n_groups) == (1.0, None, None, 1)
    nothing = group_bootstrap(sums(np.ones(0)), np.zeros(0, int), mean)
    assert nothing.n == 0
    assert np.isnan(nothing.value)
