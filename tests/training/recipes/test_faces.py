"""The recipe `faces`: its heads, one network or two, and age as a distribution."""

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from training.errors import NoLabelError, OptionError
from training.fit.encoded import members_objective
from training.fit.objective import HeadsObjective
from training.fit.optimizers import make_optimizer
from training.fit.recipe import Labels
from training.heads import DistributionHead, heads_from
from training.models.encoders import vector_length
from training.models.head_layers import MedianOfDistribution
from training.recipes.faces import AGE_HEADS, SMOKE, heads, network, view

INDEX = pl.DataFrame(
    {
        "age": [1, 30, 80, None, 45, 60], "gender": ["male", "female"] * 3,
        "ethnicity": ["white", "black", "asian", "indian", "other", None],
    }
)  # fmt: skip
LABELS = Labels(INDEX, {})


@given(
    arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(2, 30)), elements=st.floats(0, 9))
)
def test_the_median_halves_the_distribution(weights: np.ndarray) -> None:
    shares = (weights + 1e-3) / (weights + 1e-3).sum(1, keepdims=True)
    medians = MedianOfDistribution(5, shares.shape[1])(torch.from_numpy(shares).log()).numpy()
    for row, median in zip(shares, medians, strict=True):
        edges = np.arange(len(row) + 1) + 5 - 0.5
        below = np.interp(median, edges, np.concatenate([[0.0], row.cumsum()]))
        assert below == pytest.approx(0.5, abs=1e-6)


def test_each_label_of_the_release_has_a_head_and_a_missing_one_is_masked() -> None:
    age, gender, ethnicity = heads(LABELS, SMOKE)
    assert isinstance(age, DistributionHead)
    assert (gender.name, ethnicity.name) == ("gender", "ethnicity")
    assert ethnicity.describe()["classes"] == ["asian", "black", "indian", "other", "white"]
    output = torch.zeros(6, age.n_values).log_softmax(1).requires_grad_()
    loss, is_labelled = age.loss(output, torch.from_numpy(age.targets(INDEX)))
    assert is_labelled.tolist() == [True, True, True, False, True, True]
    assert torch.isfinite(loss).all()
    [by_regression, *_] = heads(LABELS, SMOKE.changed(["age=regression"]))
    assert by_regression.answer(np.float32(20), {"half_width_90": 30.0})["low"] == 0
    [only] = heads(Labels(INDEX.select("gender"), {}), SMOKE)
    assert only.name == "gender"
    with pytest.raises(NoLabelError, match="no column age or gender or ethnicity") as caught:
        heads(Labels(pl.DataFrame({"breed": ["pug"]}), {"plan": {"labels": ["breed"]}}), SMOKE)
    assert "only the labels breed" in str(caught.value)
    assert "crawl run utkface FOLDER" in str(caught.value)
    assert "Name one with --label" not in str(caught.value)
    assert heads_from([age.describe()]) == (age.__class__.from_description(age.describe()),)


@pytest.mark.parametrize("age", AGE_HEADS)
@pytest.mark.parametrize("arch", ["joint", "split"])
def test_either_architecture_learns_from_vectors(arch: str, age: str) -> None:
    config = SMOKE.changed([f"arch={arch}", f"age={age}", "weight_decay=0.0", "learning_rate=0.01"])
    made = heads(LABELS, config)
    torch.manual_seed(0)
    net = network(config, made)
    assert len(net.backbones) == (1 if arch == "joint" else 2)  # type: ignore[arg-type]
    inputs = {"vectors": torch.randn(6, vector_length("lite0_grid"))}
    targets = {head.name: torch.from_numpy(head.targets(INDEX)) for head in made}
    objective, optimizer, losses = HeadsObjective(made), make_optimizer(net, config), []
    for _ in range(30):
        loss = objective.loss(net, inputs, targets, torch.ones(6))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    # Ordered thresholds cannot become as sharp as a softmax on six rows.
    assert losses[-1] < (0.85 if age == "ordinal" else 0.6) * losses[0]
    assert {head.name for head in made} == set(net(inputs))


def test_wrong_options_are_named() -> None:
    with pytest.raises(OptionError, match=r"age=median.*distribution, dex, ordinal, regression"):
        heads(LABELS, SMOKE.changed(["age=median"]))
    with pytest.raises(OptionError, match=r"arch=three.*joint, split"):
        network(SMOKE.changed(["arch=three"]), heads(LABELS, SMOKE))


def test_dex_is_the_expected_value_of_its_classes() -> None:
    (head, *_) = heads(LABELS, SMOKE.changed(["age=dex"]))
    shares = torch.full((1, 117), 1e-9)
    shares[0, 20], shares[0, 40] = 0.25, 0.75
    assert float(head.raw(shares.log())) == pytest.approx(35.0, abs=1e-3)
    loss, _ = head.loss(shares.log(), torch.tensor([40.0]))
    assert float(loss) == pytest.approx(-np.log(0.75), abs=1e-4)


def test_members_of_an_ensemble_learn_as_they_would_alone_and_are_averaged() -> None:
    config = SMOKE.changed(["networks=2", "input_dropout=0", "dropout=0"])
    made = heads(LABELS, config)
    torch.manual_seed(0)
    net = network(config, made)
    inputs = {"vectors": torch.randn(6, vector_length("lite0_grid"))}
    targets = {head.name: torch.from_numpy(head.targets(INDEX)) for head in made}
    members_objective(config, made).loss(net, inputs, targets, torch.ones(6)).backward()
    together = [p.grad.clone() for p in net.members[1].parameters() if p.grad is not None]  # type: ignore[union-attr,index]
    net.zero_grad()
    HeadsObjective(made).loss(net.members[1], inputs, targets, torch.ones(6)).backward()  # type: ignore[index]
    alone = [p.grad for p in net.members[1].parameters() if p.grad is not None]  # type: ignore[union-attr,index]
    assert together
    assert all(torch.allclose(2 * a, b, atol=1e-6) for a, b in zip(together, alone, strict=True))
    net.eval()
    one, two = (member(inputs)["gender"].exp() for member in net.members)  # type: ignore[union-attr,operator]
    assert torch.allclose(net(inputs)["gender"].exp(), (one + two) / 2, atol=1e-6)


def test_a_face_may_be_looked_for_in_the_picture() -> None:
    assert view(SMOKE).kind == "crops"
    aligned = view(SMOKE.changed(["align=true"]))
    assert (aligned.kind, aligned.variants) == ("aligned_faces", 2)  # type: ignore[attr-defined]
