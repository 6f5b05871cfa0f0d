"""Severities in ordered bins, and histograms of votes."""

import numpy as np
import polars as pl
import pytest
import torch

from training.heads import HistogramHead, SeverityHead

SIGNED = SeverityHead(name="saturation", column="saturation", low=-1.0, high=1.0, bins=21)


def certain(bins: int, number: int) -> torch.Tensor:
    shares = torch.full((1, bins), 1e-9)
    shares[0, number] = 1.0
    return shares.log()


def test_each_bin_stands_for_its_value_and_the_mean_stays_in_range() -> None:
    for number in range(21):
        assert SIGNED.raw(certain(21, number)).item() == pytest.approx(-1 + number / 10, abs=1e-5)
    said = SIGNED.raw(torch.randn(500, 21).mul(9).log_softmax(1))
    assert said.min() >= -1 - 1e-6
    assert said.max() <= 1 + 1e-6


def test_a_value_between_two_bins_is_shared_by_them() -> None:
    target = torch.tensor([0.25])
    shares = torch.full((1, 21), 1e-9)
    shares[0, 12] = shares[0, 13] = 0.5
    both, _ = SIGNED.loss(shares.log(), target)
    for number in (11, 12, 13, 14):
        one, _ = SIGNED.loss(certain(21, number), target)
        assert both < one
    far, near = (SIGNED.loss(certain(21, number), target)[0] for number in (0, 11))
    assert near < far


def test_bins_without_order_have_the_earth_movers_distance() -> None:
    head = SeverityHead(name="s", column="s", low=0.0, high=0.9, bins=10, is_histogram=True)
    assert head.module(6)(torch.zeros(2, 6)).exp().sum(1).tolist() == pytest.approx([1, 1])
    for number in range(10):
        loss, _ = head.loss(certain(10, number), torch.tensor([0.3]))
        assert loss.item() == pytest.approx((abs(number - 3) / 10) ** 0.5, abs=2e-3)


def test_rows_without_a_label_are_filled_in_training_only() -> None:
    index = pl.DataFrame({"saturation": [0.5, None, 1.7]})
    filled = SeverityHead(name="s", column="saturation", low=0.0, high=1.0, bins=11, fill=0.0)
    assert filled.targets(index).tolist() == [0.5, 0.0, 1.0]
    assert np.isnan(filled.truth(index)).tolist() == [False, True, False]


def test_a_rare_bin_counts_ten_times_at_most() -> None:
    index = pl.DataFrame({"saturation": [0.0] * 1000 + [0.5] * 200 + [1.0]})
    head = SeverityHead(name="s", column="saturation", low=0.0, high=1.0, bins=11).weighed_on(index)
    weights = np.array(head.bin_weights)
    assert weights[[5, 10]] / weights[0] == pytest.approx([5, 10])
    counts = np.array([1000, *[0] * 4, 200, *[0] * 4, 1])
    assert (weights * counts).sum() / counts.sum() == pytest.approx(1)


def test_an_answer_does_not_leave_the_range() -> None:
    answer = SIGNED.answer(np.array(0.9), {"half_width_90": 0.4})
    assert (answer["low"], answer["high"]) == pytest.approx((0.5, 1.0))


def test_a_histogram_is_decoded_into_mean_spread_and_shares() -> None:
    head = HistogramHead(name="score", column="votes")
    answer = head.answer(np.array([0, 0, 0, 0, 0.5, 0, 0.5, 0, 0, 0]), {})
    assert (answer["value"], answer["standard_deviation"]) == pytest.approx((6.0, 1.0))
    assert sum(answer["histogram"]) == pytest.approx(1.0)
    index = pl.DataFrame({"votes": ["[0,0,1,1,0,0,0,0,0,0]", "[0,0,0,0,0,0,0,0,0,0]", "[1]"]})
    assert (head.votes(index).sum(1)[0], head.targets(index)[0, 3]) == (2.0, 0.5)
    assert np.isnan(head.truth(index)).all(1).tolist() == [False, True, True]


def test_votes_that_lie_farther_away_cost_more() -> None:
    head = HistogramHead(name="score", column="votes")
    target = torch.eye(10)[4:5]
    losses = [head.loss(certain(10, number), target)[0].item() for number in range(4, 10)]
    assert losses[0] == pytest.approx(0, abs=1e-5)
    assert losses == sorted(losses)
    assert losses[5] == pytest.approx((5 / 10) ** 0.5)
