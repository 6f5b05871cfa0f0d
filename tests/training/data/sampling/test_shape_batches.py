"""Batches of one shape: equal shares of the classes, and no picture far beyond its fair share."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from training.data.arrays import MISSING
from training.data.sampling.shape_batches import expected_draws, shape_batches

N = 500


def odd_set() -> tuple[np.ndarray, np.ndarray]:
    """Return shapes and classes: nine of ten are bad, and some shapes have a single picture."""
    rng = np.random.default_rng(0)
    shapes = np.array([(10, 15), (15, 10), (17, 15)])[rng.choice(3, N, p=[0.8, 0.17, 0.03])]
    shapes[:5] = [(n, 15) for n in range(20, 25)]
    return shapes, (rng.random(N) < 0.1).astype(np.int64)


def drawn(epochs: int, *, most_repeats: int = 8) -> tuple[list[np.ndarray], np.ndarray]:
    shapes, classes = odd_set()
    batches = [
        batch
        for epoch in range(epochs)
        for batch in shape_batches(
            shapes, classes, np.random.default_rng(epoch), batch_size=4, most_repeats=most_repeats
        )
    ]
    return batches, np.bincount(np.concatenate(batches), minlength=N)


def test_every_batch_has_one_shape_and_at_most_four_pictures() -> None:
    shapes, _ = odd_set()
    for batch in drawn(3)[0]:
        assert 1 <= len(batch) <= 4
        assert len(np.unique(shapes[batch], axis=0)) == 1


def test_in_ten_thousand_draws_no_picture_exceeds_three_times_its_fair_share() -> None:
    _, classes = odd_set()
    _, counts = drawn(20)
    assert counts.sum() == pytest.approx(10_000, abs=20)
    fair = counts.sum() / 2 / np.bincount(classes)[classes]
    assert (counts <= 3 * fair).all()
    assert (counts[:5] <= 2 * fair[:5]).all()  # those of a shape of their own


def test_half_of_the_draws_are_of_the_rare_class() -> None:
    _, classes = odd_set()
    _, counts = drawn(20)
    assert counts[classes == 1].sum() / counts.sum() == pytest.approx(0.5, abs=0.02)


def test_no_picture_is_repeated_more_often_than_is_allowed() -> None:
    shapes, classes = odd_set()
    batches = shape_batches(shapes, classes, np.random.default_rng(0), batch_size=4, most_repeats=3)
    assert np.bincount(np.concatenate(batches)).max() == 3


@given(st.lists(st.sampled_from([MISSING, 0, 1, 2]), min_size=1, max_size=60), st.integers(0, 99))
def test_any_labels_give_batches_of_labelled_rows(labels: list[int], seed: int) -> None:
    classes = np.array(labels)
    shapes = np.stack([classes % 2, np.zeros(len(classes), np.int64)], axis=1)
    rng = np.random.default_rng(seed)
    batches = shape_batches(shapes, classes, rng, batch_size=4, most_repeats=8)
    rows = np.concatenate([*batches, np.zeros(0, np.int64)]).astype(int)
    assert MISSING not in classes[rows]
    assert (np.bincount(rows, minlength=len(classes)) <= np.ceil(expected_draws(classes, 8))).all()


def test_the_same_seed_gives_the_same_batches() -> None:
    one, other = drawn(1)[0], drawn(1)[0]
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
