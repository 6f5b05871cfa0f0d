import doctest

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.models import networks
from training.models.networks import (
    HeadsNetwork,
    OrdinalHead,
    StatedProbabilities,
    count_parameters,
)
from training.recipes.exif import EXIF, SMOKE
from training.recipes.exif_targets import merging


def small() -> HeadsNetwork:
    return HeadsNetwork(heads=3, merging=merging(), width=4, features=8).eval()


def pictures(n: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    make = torch.Generator().manual_seed(0)
    shapes = (n, 3, 32, 32), (n, 4, 3, 32, 32)
    thumbnails, patches = (
        torch.randint(0, 256, s, generator=make, dtype=torch.uint8) for s in shapes
    )
    return thumbnails, patches


def test_examples_in_the_documentation_run() -> None:
    assert doctest.testmod(networks).failed == 0


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 50))
def test_ordinal_probabilities_sum_to_one(seed: int, scale: float) -> None:
    torch.manual_seed(seed)
    head = OrdinalHead(6, classes=12)
    probabilities = head(torch.randn(5, 6) * scale).exp()
    assert torch.allclose(probabilities.sum(1), torch.ones(5), atol=1e-5)
    assert (probabilities > 0).all()


def test_a_higher_score_moves_mass_to_higher_classes() -> None:
    head = OrdinalHead(1, classes=12)
    with torch.no_grad():
        head.score.weight.copy_(torch.tensor([[1.0], [0.0]]))
        head.score.bias.zero_()
        means = head(torch.linspace(-4, 4, 9)[:, None]).exp() @ torch.arange(12.0)
    assert (means.diff() > 0).all()


def test_classes_are_sums_of_fine_bins() -> None:
    network = small()
    fine = network(*pictures())
    coarse = network.coarse(fine).exp()
    assert torch.allclose(coarse[..., 1], fine.exp()[..., 5:8].sum(2))
    assert torch.allclose(coarse.sum(2), torch.ones(2, 3), atol=1e-5)


def test_a_hidden_view_does_not_reach_the_answer() -> None:
    network, (thumbnails, patches) = small(), pictures()
    only_patches = torch.tensor([[0.0, 1.0]] * 2)
    answer = network(thumbnails, patches, only_patches)
    assert torch.equal(answer, network(255 - thumbnails, patches, only_patches))
    assert not torch.equal(answer, network(thumbnails, 255 - patches, only_patches))


def test_stated_probabilities_divide_by_the_class_shares() -> None:
    network = small()
    shares = torch.tensor([[0.6, 0.3, 0.1]] * 3)
    stated = StatedProbabilities(network, torch.ones(3), shares)(*pictures())
    expected = network.coarse(network(*pictures())).exp() / shares
    assert torch.allclose(stated, expected / expected.sum(2, keepdim=True), atol=1e-5)


def test_networks_stay_small() -> None:
    assert count_parameters(EXIF.build(SMOKE)) < 200_000
    assert 100_000 < count_parameters(EXIF.build(EXIF.presets["default"])) < 1_000_000
