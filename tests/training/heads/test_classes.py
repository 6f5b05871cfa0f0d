import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, strategies as st

from training.data.arrays import MISSING
from training.heads import OrdinalHead, SoftmaxHead

BREEDS = ("akita", "beagle", "collie")


@st.composite
def ordinal_heads(draw: st.DrawFn) -> OrdinalHead:
    """Fine edges in order, some of which are the edges of classes."""
    numbers = st.integers(-40, 40).map(lambda n: n / 4)
    fine = sorted(draw(st.sets(numbers, min_size=1, max_size=11)))
    places = sorted(draw(st.sets(st.integers(0, len(fine) - 1), min_size=1)))
    return OrdinalHead(
        name="x", column="x", classes=tuple("abcdefghijkl"[: len(places) + 1]),
        edges=tuple(fine[place] for place in places), fine_edges=tuple(fine),
        first_fine=(0, *(place + 1 for place in places)),
    )  # fmt: skip


@st.composite
def heads_and_values(draw: st.DrawFn) -> tuple[OrdinalHead, list[float | None]]:
    head = draw(ordinal_heads())
    on_edges = st.sampled_from(head.fine_edges)
    beside = on_edges.flatmap(
        lambda edge: st.sampled_from([np.nextafter(edge, -np.inf), np.nextafter(edge, np.inf)])
    )
    anywhere = st.floats(-100, 100)
    value = st.none() | on_edges | beside.map(float) | anywhere
    return head, draw(st.lists(value, min_size=1, max_size=12))


@given(heads_and_values())
def test_classes_are_half_open_and_fine_bins_agree_with_them(
    made: tuple[OrdinalHead, list[float | None]],
) -> None:
    head, values = made
    index = pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64)})
    truth, targets = head.truth(index), head.targets(index)
    for value, coarse, fine in zip(values, truth, targets, strict=True):
        if value is None:
            assert coarse == fine == MISSING
            continue
        assert coarse == sum(value >= edge for edge in head.edges)
        assert fine == sum(value >= edge for edge in head.fine_edges)
        assert head.merging()[fine, coarse] == 1


@given(ordinal_heads())
def test_each_fine_bin_is_in_one_class_and_classes_are_in_order(head: OrdinalHead) -> None:
    matrix = head.merging()
    assert matrix.shape == (head.fine, len(head.classes))
    assert (matrix.sum(1) == 1).all()
    assert (matrix.sum(0) >= 1).all()
    assert (np.diff(matrix.argmax(1)) >= 0).all()


@given(st.integers(0, 1000))
def test_an_edge_that_rounding_moved_gets_a_fine_bin_of_its_class(seed: int) -> None:
    """Fine edges are computed and may differ from those of classes in the last bit."""
    rng = np.random.default_rng(seed)
    low, high = sorted(rng.normal(0, 3, 2))
    fine = low + (high - low) / 3 * np.arange(-4, 7)
    head = OrdinalHead(
        name="x", column="x", classes=("a", "b", "c"), edges=(low, high),
        fine_edges=tuple(fine), first_fine=(0, 5, 8),
    )  # fmt: skip
    values = [np.nextafter(edge, edge + step) for edge in (low, high) for step in (-1, 0, 1)]
    index = pl.DataFrame({"x": values})
    classes = head.merging()[head.targets(index)].argmax(1)
    assert classes.tolist() == head.truth(index).tolist() == [0, 1, 1, 1, 2, 2]


def test_a_missing_value_in_any_form_has_no_class() -> None:
    head = OrdinalHead(
        name="x", column="x", classes=("a", "b"), edges=(0.0,), fine_edges=(0.0,), first_fine=(0, 1)
    )
    index = pl.DataFrame({"x": [None, float("nan"), -1.0, 1.0]})
    assert head.truth(index).tolist() == head.targets(index).tolist() == [MISSING, MISSING, 0, 1]
    whole = pl.DataFrame({"x": [None, -1, 1]}, schema={"x": pl.Int32})
    assert head.truth(whole).tolist() == [MISSING, 0, 1]


def test_a_softmax_head_numbers_its_classes_in_their_order() -> None:
    head = SoftmaxHead(name="breed", column="breed", classes=BREEDS)
    index = pl.DataFrame({"breed": ["collie", "akita", None, "dog", "beagle"]})
    assert head.truth(index).tolist() == [2, 0, MISSING, MISSING, 1]
    numbers = SoftmaxHead(name="stars", column="stars", classes=("1", "2", "10"))
    assert numbers.truth(pl.DataFrame({"stars": [10, 1, None, 3]})).tolist() == [
        2,
        0,
        MISSING,
        MISSING,
    ]
    flags = SoftmaxHead(name="flag", column="flag", classes=("false", "true"))
    assert flags.truth(pl.DataFrame({"flag": [True, False, None]})).tolist() == [1, 0, MISSING]


def test_the_loss_is_that_of_torch() -> None:
    head = SoftmaxHead(name="breed", column="breed", classes=BREEDS)
    torch.manual_seed(0)
    logits, target = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 1, 0])
    losses, is_labelled = head.loss(logits.log_softmax(1), target)
    expected = torch.nn.functional.cross_entropy(logits, target, reduction="none")
    assert torch.allclose(losses, expected)
    assert is_labelled.all()


def test_the_loss_picks_the_probability_of_the_class_and_nothing_of_rows_without_one() -> None:
    head = SoftmaxHead(name="breed", column="breed", classes=BREEDS)
    torch.manual_seed(0)
    log_p = torch.randn(4, 3).log_softmax(1).requires_grad_()
    losses, is_labelled = head.loss(log_p, torch.tensor([2, MISSING, 0, 1]))
    assert is_labelled.tolist() == [True, False, True, True]
    assert losses.tolist() == [-log_p[0, 2], 0, -log_p[2, 0], -log_p[3, 1]]
    losses.sum().backward()
    assert log_p.grad is not None
    assert log_p.grad.tolist() == [[0, 0, -1], [0, 0, 0], [-1, 0, 0], [0, -1, 0]]


def test_an_answer_names_the_most_probable_class_with_shares_of_one() -> None:
    head = SoftmaxHead(name="breed", column="breed", classes=BREEDS)
    answer = head.answer(np.array([0.2, 0.2, 0.4], np.float32), {})
    assert answer["class"] == "collie"
    assert list(answer["probabilities"].values()) == pytest.approx([0.25, 0.25, 0.5])
