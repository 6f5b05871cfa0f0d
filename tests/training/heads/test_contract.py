"""What holds for a head of any kind."""

import dataclasses
import json
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from training.data.arrays import MISSING
from training.fit.objective import mean_loss
from training.heads import (
    HEADS,
    AdversaryHead,
    BinaryHead,
    DistributionHead,
    EmbeddingHead,
    Head,
    HistogramHead,
    OrdinalHead,
    RegressionHead,
    SeverityHead,
    SoftmaxHead,
    heads_from,
    register,
)

FEATURES = 5
EXAMPLES: tuple[Head, ...] = (
    OrdinalHead(
        name="iso", title="ISO", column="iso_stops", classes=("low", "medium", "high"),
        descriptions=("up to ISO 200", "", ""), edges=(1.0, 4.0), loss_weight=0.5,
        fine_edges=(0.0, 1.0, 2.5, 4.0), first_fine=(0, 2, 4),
    ),
    SoftmaxHead(name="breed", column="breed", classes=("akita", "beagle", "collie", "pug")),
    BinaryHead(name="breed", column="breed", classes=("akita", "pug")),
    RegressionHead(name="age", column="age", unit="years", centre=31.5, scale=11.0),
    DistributionHead(name="age", column="age", unit="years", scale=11.0, low=0, high=90),
    SeverityHead(name="haze", column="haze", low=-1.0, high=1.0, bins=21, bin_weights=(1.0,) * 21),
    HistogramHead(name="score", column="votes", bins=3),
    AdversaryHead(name="breed", column="breed", classes=("akita", "beagle", "collie", "pug")),
    EmbeddingHead(name="copies", dim=3),
)  # fmt: skip
LABELLED = tuple(head for head in EXAMPLES if head.family != "retrieval")
INDEX = pl.DataFrame(
    {
        "iso_stops": [-3.0, 1.0, None, 2.0, 9.0],
        "breed": ["pug", None, "akita", "unicorn", "collie"],
        "age": [20.0, 31.5, None, float("nan"), 64.0],
        "haze": [0.0, -1.0, None, 0.33, 2.0],
        "votes": ["[0, 1, 9]", "[1, 2]", None, "[5, 0, 0.5]", "nonsense"],
    }
)


def kinds(heads: tuple[Head, ...]) -> Any:
    return pytest.mark.parametrize("head", heads, ids=lambda head: head.kind)


def titled(head: Head) -> Head:
    """Give a head the title that reports show: without one of its own it is the name."""
    return dataclasses.replace(head, title=head.title or head.name)


def test_every_kind_has_an_example_here() -> None:
    assert {head.kind for head in EXAMPLES} == set(HEADS)
    assert all(HEADS[head.kind] is type(head) for head in EXAMPLES)


@pytest.mark.parametrize("baselines", [(), None])
def test_a_head_without_baselines_is_refused(baselines: Any) -> None:
    members = {} if baselines is None else {"baselines": baselines}
    bases = (Head,) if baselines is None else (SoftmaxHead,)
    bare = type("Bare", bases, {"kind": "bare", **members})
    with pytest.raises(ValueError, match="the head bare has no baseline"):
        register(bare)
    assert "bare" not in HEADS


def test_a_head_with_baselines_is_made_from_its_description(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Own(SoftmaxHead):
        kind = "own"

    monkeypatch.setitem(HEADS, "own", Own)  # what register adds goes when the test ends
    assert register(Own) is Own
    head = Own(name="x", column="x", classes=("a", "b"))
    assert heads_from([head.describe()]) == (titled(head),)


@kinds(EXAMPLES)
def test_a_description_survives_json(head: Head) -> None:
    description = json.loads(json.dumps(head.describe()))
    [made] = heads_from([description])
    assert made == titled(head)
    assert hash(made) == hash(titled(head)), "lists of JSON have become tuples again"
    assert made.describe() == head.describe()
    for name in ("kind", "family", "metric", "higher_is_better"):
        assert description[name] == getattr(head, name)


@kinds(EXAMPLES)
def test_a_description_of_a_newer_version_may_say_more(head: Head) -> None:
    assert heads_from([head.describe() | {"not_here_yet": 1}]) == (titled(head),)


@kinds(LABELLED)
def test_rows_without_a_label_cost_nothing_and_teach_nothing(head: Head) -> None:
    target = torch.from_numpy(head.targets(INDEX))
    module = head.module(FEATURES)
    torch.manual_seed(0)
    features = torch.randn(len(INDEX), FEATURES, requires_grad=True)
    losses, is_labelled = head.loss(module(features), target)
    assert 0 < is_labelled.sum() < len(INDEX)
    mean_loss([(losses, is_labelled)], [1.0], torch.ones(len(INDEX))).backward()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()
    assert (features.grad.abs().sum(1) > 0).tolist() == is_labelled.tolist()
    for parameter in module.parameters():
        assert parameter.grad is not None
        assert torch.isfinite(parameter.grad).all()


@kinds(LABELLED)
def test_a_batch_without_any_label_has_loss_and_gradient_zero(head: Head) -> None:
    empty = INDEX.with_columns(pl.lit(None).alias(name) for name in INDEX.columns)
    module = head.module(FEATURES)
    losses = head.loss(
        module(torch.randn(len(INDEX), FEATURES)), torch.from_numpy(head.targets(empty))
    )
    loss = mean_loss([losses], [1.0], torch.ones(len(INDEX)))
    loss.backward()
    assert loss.item() == 0
    assert all((p.grad == 0).all() for p in module.parameters() if p.grad is not None)


@kinds(LABELLED)
def test_targets_truth_and_selection_agree_on_what_has_a_label(head: Head) -> None:
    def has_label(values: np.ndarray) -> list[bool]:
        known = ~np.isnan(values) if values.dtype.kind == "f" else values != MISSING
        return known.reshape(len(known), -1).all(1).tolist()

    targets, truth = head.targets(INDEX), head.truth(INDEX)
    assert has_label(targets) == has_label(truth)
    raw = head.raw(head.module(FEATURES)(torch.zeros(len(INDEX), FEATURES))).detach().numpy()
    losses, is_labelled = head.selection_loss(raw, truth)
    assert is_labelled.tolist() == has_label(truth)
    assert np.isfinite(losses[is_labelled]).all()


@kinds(EXAMPLES)
def test_an_answer_is_what_json_can_hold(head: Head) -> None:
    n = len(getattr(head, "classes", "")) or 1
    calibration: dict[str, Any] = {
        "classes": {"temperature": 1.5, "prior": [1 / n] * n},
        "values": {"half_width_90": 2.5},
        "retrieval": {},
    }[head.family]
    output = head.module(FEATURES)(torch.randn(2, FEATURES))
    stated = head.stated(calibration)(output).detach().numpy()
    answer = head.answer(stated[0], calibration)
    assert json.loads(json.dumps(answer)) == answer


def test_an_embedding_needs_an_objective_of_its_recipe() -> None:
    head = EXAMPLES[-1]
    with pytest.raises(NotImplementedError):
        head.loss(torch.zeros(2, 3), torch.zeros(2))
    vectors = head.module(FEATURES)(torch.randn(2, FEATURES))
    assert vectors.norm(dim=1).tolist() == pytest.approx([1.0, 1.0], abs=1e-6)
