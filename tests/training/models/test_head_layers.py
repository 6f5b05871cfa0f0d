import doctest

import pytest
import torch
from hypothesis import given, settings, strategies as st

from training.models import head_layers
from training.models.head_layers import (
    BalancedProbabilities,
    CumulativeLinkLayer,
    ValueInUnit,
    softmax_layer,
    value_layer,
)


def test_examples_in_the_documentation_run() -> None:
    assert doctest.testmod(head_layers).failed == 0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 50))
def test_ordinal_probabilities_sum_to_one(seed: int, scale: float) -> None:
    torch.manual_seed(seed)
    layer = CumulativeLinkLayer(6, classes=12)
    probabilities = layer(torch.randn(5, 6) * scale).exp()
    assert torch.allclose(probabilities.sum(1), torch.ones(5), atol=1e-5)
    assert (probabilities > 0).all()


def test_a_higher_score_moves_mass_to_higher_classes() -> None:
    layer = CumulativeLinkLayer(1, classes=12)
    with torch.no_grad():
        layer.score.weight.copy_(torch.tensor([[1.0], [0.0]]))
        layer.score.bias.zero_()
        means = layer(torch.linspace(-4, 4, 9)[:, None]).exp() @ torch.arange(12.0)
    assert (means.diff() > 0).all()


def test_layers_have_the_shapes_that_they_state() -> None:
    sums = softmax_layer(6, 4)(torch.zeros(5, 6)).exp().sum(1)
    assert torch.allclose(sums, torch.ones(5))
    assert value_layer(6)(torch.zeros(5, 6)).shape == (5,)
    assert value_layer(6)(torch.zeros(1, 6)).shape == (1,)


def test_a_temperature_makes_probabilities_more_even() -> None:
    log_p = torch.tensor([[0.9, 0.1]]).log()
    prior = [0.5, 0.5]
    layers = [BalancedProbabilities(lambda x: x, t, prior) for t in (0.5, 1.0, 4.0)]
    sure, same, even = (float(layer(log_p)[0, 0]) for layer in layers)
    assert same == pytest.approx(0.9)
    assert sure > same > even > 0.5


def test_a_standardised_value_gets_its_unit_back() -> None:
    assert ValueInUnit(30.0, 5.0)(torch.tensor([-1.0, 0.0, 2.0])).tolist() == [25, 30, 40]
