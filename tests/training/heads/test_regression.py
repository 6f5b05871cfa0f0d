import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, strategies as st

from training.heads import DistributionHead, HistogramHead, RegressionHead

HEAD = RegressionHead(name="age", column="age", unit="years", centre=30.0, scale=8.0)


@given(st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=12))
def test_targets_are_standardised_and_raw_brings_the_value_back(
    values: list[float | None],
) -> None:
    index = pl.DataFrame({"age": pl.Series(values, dtype=pl.Float64)})
    truth, targets = HEAD.truth(index), HEAD.targets(index)
    assert truth.tolist() == pytest.approx(
        [float("nan") if v is None else v for v in values], nan_ok=True
    )
    back = HEAD.raw(torch.from_numpy(targets)).numpy()
    np.testing.assert_allclose(back, truth, rtol=1e-9, atol=1e-9)


def test_labels_of_any_number_type_are_read_and_text_is_no_number() -> None:
    for dtype in (pl.Int16, pl.Float32, pl.Boolean):
        index = pl.DataFrame({"age": pl.Series([1, 0, None]).cast(dtype)})
        assert HEAD.truth(index).tolist() == pytest.approx([1.0, 0.0, float("nan")], nan_ok=True)
    index = pl.DataFrame({"age": ["41", "old", None]})
    assert HEAD.truth(index).tolist() == pytest.approx([41.0] + [float("nan")] * 2, nan_ok=True)


def test_the_loss_is_quadratic_near_the_target_and_linear_far_away() -> None:
    losses, is_labelled = HEAD.loss(
        torch.tensor([0.5, -3.0, 7.0]), torch.tensor([0.0, 0.0, float("nan")], dtype=torch.float64)
    )
    assert losses[:2].tolist() == [0.125, 2.5]
    assert is_labelled.tolist() == [True, True, False]


def test_epochs_are_compared_by_the_standardised_absolute_error() -> None:
    losses, is_labelled = HEAD.selection_loss(np.array([46.0, 3.0]), np.array([30.0, np.nan]))
    assert losses[0] == 2.0
    assert is_labelled.tolist() == [True, False]


def test_neither_a_value_nor_its_interval_leaves_the_range() -> None:
    age = RegressionHead(name="age", column="age", centre=30.0, scale=10.0, least=0.0)
    assert age.raw(torch.tensor([-4.0, 1.0])).tolist() == [0.0, 40.0]
    assert age.stated({})(torch.tensor([-4.0])).tolist() == [0.0]
    years = DistributionHead(name="age", column="age", low=0, high=116)
    for head in (age, years):
        answer = head.answer(np.float32(25.0), {"half_width_90": 29.0})
        assert (answer["value"], answer["low"], answer["high"]) == (25.0, 0.0, 54.0)
    assert years.answer(np.float32(100.0), {"half_width_90": 29.0})["high"] == 116
    assert years.answer(np.float32(-0.4), {})["value"] == 0  # the median of the first year
    score = HistogramHead(name="score", column="votes").answer(np.eye(10)[0], {"half_width_90": 2})
    assert (score["low"], score["high"]) == (1.0, 3.0)


def test_an_answer_has_an_interval_where_validation_gave_one() -> None:
    answer = HEAD.answer(np.float32(34.5), {"half_width_90": 4.0})
    assert answer == {"value": 34.5, "low": 30.5, "high": 38.5, "unit": "years"}
    for calibration in ({}, {"half_width_90": None}):
        answer = HEAD.answer(np.float32(34.5), calibration)
        assert (answer["low"], answer["high"]) == (None, None)
