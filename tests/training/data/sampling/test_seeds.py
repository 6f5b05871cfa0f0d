import numpy as np
from hypothesis import given, strategies as st

from training.data.sampling.seeds import cut_batches, epoch_order, row_rng

sizes = st.integers(0, 300)


@given(sizes, st.integers(0, 50), st.integers(0, 9))
def test_an_order_is_a_permutation(n: int, epoch: int, seed: int) -> None:
    assert sorted(epoch_order("digest", "split", seed, epoch, n)) == list(range(n))


def test_an_order_depends_on_everything_that_names_it_and_on_nothing_else() -> None:
    order = epoch_order("digest", "split", 1, 2, 100)
    np.random.seed(5)
    assert (epoch_order("digest", "split", 1, 2, 100) == order).all()
    others = [
        ("other", "split", 1, 2),
        ("digest", "random_split", 1, 2),
        ("digest", "split", 2, 2),
        ("digest", "split", 1, 3),
    ]
    assert all((epoch_order(*other, 100) != order).any() for other in others)


def test_the_random_numbers_of_a_picture_depend_on_seed_epoch_and_picture() -> None:
    draws = {
        row_rng(seed, epoch, sha).random() for seed in (0, 1) for epoch in (0, 1) for sha in "ab"
    }
    assert len(draws) == 8
    assert row_rng(0, 1, "a").random() in draws


@given(sizes, st.integers(1, 64))
def test_batches_hold_every_row_once_in_order(n: int, size: int) -> None:
    order = np.arange(n)
    cut = cut_batches(order, size)
    assert [row for batch in cut for row in batch] == order.tolist()
    assert all(1 <= len(batch) <= size for batch in cut)
