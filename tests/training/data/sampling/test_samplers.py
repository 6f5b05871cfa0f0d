"""The order of a loader: a pure function of the release, shared by all ranks, each picture as often as it should be."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from catalog import UsageError
from tests.training.data.conftest import N, Published
from training.data.sampling.samplers import (
    Epoch,
    Sampler,
    SamplerSpec,
    bucket_shape,
    count_batches,
    cut_batches,
    plan_epoch,
)
from training.data.selection import Selection, select

ONCE = ("uniform", "sequential", "block", "block:3")


@pytest.fixture(scope="module")
def pets(published: Published) -> Selection:
    return select(published.release)


def weights_of(pets: Selection) -> np.ndarray[Any, np.dtype[np.float64]]:
    return pets.table(["weight"])["weight"].to_numpy()


def made_epoch(n: int) -> Epoch:
    return Epoch(np.arange(n), np.ones(n, np.bool_))


@given(
    n=st.integers(1, 300),
    start=st.integers(0, 300),
    batch_size=st.integers(1, 40),
    world_size=st.integers(1, 7),
    drop_last=st.booleans(),
)
def test_the_ranks_share_an_epoch_in_equal_batches(
    n: int, start: int, batch_size: int, world_size: int, drop_last: bool
) -> None:
    epoch = made_epoch(n)
    ranks = [
        list(
            cut_batches(
                epoch, start=min(start, n), batch_size=batch_size, rank=rank,
                world_size=world_size, drop_last=drop_last,
            )
        )
        for rank in range(world_size)
    ]  # fmt: skip
    steps = list(zip(*ranks, strict=True))  # as many steps on each rank
    given_rows = [
        int(row)
        for step in steps
        for cut in step
        for row, counts in zip(cut.rows, cut.counts, strict=True)
        if counts
    ]
    whole = (n - min(start, n)) // (batch_size * world_size) * batch_size * world_size
    end = min(start, n) + whole if drop_last else n
    assert given_rows == list(range(min(start, n), end))
    for step in steps:
        assert len({len(cut.rows) for cut in step}) == 1
        assert len({cut.end for cut in step}) == 1
        assert len(step[0].rows) <= batch_size
    if not start:
        expected = count_batches(
            n, batch_size=batch_size, world_size=world_size, drop_last=drop_last
        )
        assert len(steps) == expected


@given(
    n=st.integers(1, 200),
    cuts=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(1, 6)), max_size=6),
)
def test_a_position_means_the_same_on_any_number_of_ranks(
    n: int, cuts: list[tuple[int, int, int]]
) -> None:
    """Stop after some steps, go on with other ranks and batch sizes, and so on: every picture once, in order."""
    epoch, position, rows = made_epoch(n), 0, []
    for world_size, batch_size, steps in [*cuts, (1, n, 2)]:
        options = {"batch_size": batch_size, "world_size": world_size, "drop_last": False}
        ranks = [
            cut_batches(epoch, start=position, rank=rank, **options)  # type: ignore[arg-type]  # a dict of keywords
            for rank in range(world_size)
        ]
        for step in list(zip(*ranks, strict=True))[:steps]:
            rows += [int(row) for cut in step for row in cut.rows[cut.counts]]
            position = step[0].end
    assert rows == list(range(n))


@pytest.mark.parametrize("spec", ONCE)
@pytest.mark.parametrize("epoch", [0, 1])
def test_each_picture_comes_once_an_epoch(pets: Selection, spec: str, epoch: int) -> None:
    order = Sampler(pets, spec, seed=3).order(epoch)
    assert sorted(order) == list(range(N))
    assert (order == Sampler(pets, spec, seed=3).order(epoch)).all()


def test_the_order_depends_on_release_selection_seed_and_epoch_only(
    published: Published, pets: Selection
) -> None:
    first = Sampler(pets, "uniform", seed=0)
    orders = {tuple(first.order(epoch)) for epoch in range(5)}
    orders |= {tuple(Sampler(pets, "uniform", seed=seed).order(0)) for seed in range(1, 5)}
    others = [select(published.release, where="1 = 1"), replace(pets, split="train")]
    orders |= {tuple(Sampler(other, "uniform", seed=0).order(0)) for other in others}
    assert len(orders) == 11
    again = select(published.release, labels=["breed"], columns=["iso"])
    assert (Sampler(again, "uniform", seed=0).order(2) == first.order(2)).all()


def test_a_block_keeps_the_pictures_of_its_shards_together(pets: Selection) -> None:
    shards = len(pets.places.shards)
    assert shards > 4
    for size in (1, 3):
        codes = pets.places.codes[Sampler(pets, f"block:{size}", seed=1).order(0)]
        switches = int((np.diff(codes) != 0).sum())
        assert (switches == shards - 1) == (size == 1)
        seen: list[set[int]] = []
        for code in codes:  # the sets of shards that come one after another
            if not seen or (code not in seen[-1] and len(seen[-1]) == size):
                seen.append(set())
            seen[-1].add(int(code))
        assert len(seen) == -(-shards // size)
    first, second = (Sampler(pets, "block", seed=1).order(epoch) for epoch in (0, 1))
    assert pets.places.codes[first].tolist() != pets.places.codes[second].tolist()


def test_balanced_draws_follow_the_weights(pets: Selection) -> None:
    weights = weights_of(pets)
    order = Sampler(pets, "balanced", seed=0, size=3000).order(0)
    counts = np.bincount(order, minlength=N)
    assert np.abs(counts - 3000 * weights / weights.sum()).max() < 1
    assert len({tuple(Sampler(pets, "balanced", seed=0).order(epoch)) for epoch in range(3)}) == 3


def test_balancing_a_label_gives_each_class_the_same_share(pets: Selection) -> None:
    breeds = pets.table(["breed"])["breed"].to_pylist()
    order = Sampler(pets, "balanced:breed", seed=0, size=300).order(0)
    assert Counter(breeds[row] for row in order) == {"akita": 100, "beagle": 100, "collie": 100}
    times = np.bincount(order, minlength=N)
    for breed in ("akita", "beagle", "collie"):
        of_class = [count for count, name in zip(times, breeds, strict=True) if name == breed]
        assert max(of_class) - min(of_class) <= 1


def test_a_mixture_draws_by_its_shares(pets: Selection) -> None:
    spec = {"breed = 'collie'": 3, "breed IS NULL": 1}
    breeds = pets.table(["breed"])["breed"].to_pylist()
    order = Sampler(pets, spec, seed=0, size=80).order(0)
    assert Counter(breeds[row] for row in order) == {"collie": 60, None: 20}
    assert Sampler(pets, spec, seed=0).name == "3 of breed = 'collie'; 1 of breed IS NULL"


def test_a_function_of_the_user_orders_by_the_index(pets: Selection) -> None:
    def brightest(index: Any, rng: np.random.Generator) -> Any:
        assert rng.random() == Sampler(pets, brightest, seed=0).rng(0).random()
        return index["iso"].arg_sort(descending=True, nulls_last=True)[:5]

    order = Sampler(pets, brightest, seed=0).order(0)
    isos = pets.table(["iso"])["iso"].to_pylist()
    assert [isos[row] for row in order] == [3200.0] * 5


def test_buckets_keep_shapes_together(pets: Selection) -> None:
    wide = replace(pets)
    sampler = Sampler(wide, "buckets", seed=0)
    epoch = plan_epoch(sampler, 0, batch_size=7, side=64, pads=True)
    assert epoch.shapes is not None
    assert len(epoch) == 7 * len(epoch.shapes) == 42
    assert sorted(epoch.rows[epoch.counts]) == list(range(N))
    assert set(epoch.shapes) == {bucket_shape(4 / 3, 64)}
    dropped = plan_epoch(sampler, 0, batch_size=7, side=64, pads=False)
    assert len(dropped) == 35
    assert dropped.counts.all()


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("unifrom", "sampler 'unifrom' does not exist; there are uniform, sequential"),
        ("uniform:3", "does not exist"),
        ("block:0", "needs a number of shards"),
        ("balanced:bred", "no column 'bred' to balance by"),
        ("balanced:software", "no picture of .* has software"),
        ({"breed = 'poodle'": 1.0}, "no chosen picture of .* fits"),
        ({"breed = 'akita'": -1.0}, "is a number from 0"),
        ({"breed = 'akita'": 0.0}, "needs a share above 0"),
        (lambda *_: [N], "rows outside 0 to 39"),
        (lambda *_: [0.5], "returns row numbers"),
        (lambda *_: [], "returns row numbers"),
    ],
)
def test_a_sampler_that_does_not_fit_is_an_error(
    pets: Selection, spec: SamplerSpec, text: str
) -> None:
    with pytest.raises(UsageError, match=text):
        Sampler(pets, spec, seed=0).order(0)
