import doctest

import pytest
import torch
from torch import nn

from training.heads import Head, OrdinalHead, RegressionHead
from training.models import headed, patches_and_thumbnail
from training.models.head_layers import BalancedProbabilities
from training.models.headed import ExportedNetwork, HeadedNetwork, parameter_groups
from training.models.patches_and_thumbnail import (
    HIDDEN_SHARE,
    PatchesAndThumbnailBackbone,
    visible_views,
)
from training.recipes.exif import SMOKE

CLASSES = ("low", "medium", "high")
FINE_EDGES = tuple(float(edge) for edge in range(11))


def ordinal(name: str) -> OrdinalHead:
    return OrdinalHead(
        name=name, column=name, classes=CLASSES, edges=(4.0, 7.0), fine_edges=FINE_EDGES,
        first_fine=(0, 5, 8),
    )  # fmt: skip


HEADS: tuple[Head, ...] = (ordinal("a"), ordinal("b"), ordinal("c"))


def test_a_backbone_without_input_names_is_refused_before_it_is_trained() -> None:
    backbone = nn.Linear(3, 2)
    backbone.features = 2  # type: ignore[assignment]  # what a Backbone has
    with pytest.raises(AttributeError, match="input_names"):
        HeadedNetwork(backbone, HEADS)


def small() -> HeadedNetwork:
    return HeadedNetwork(PatchesAndThumbnailBackbone(width=4, features=8), HEADS).eval()


def pictures(n: int = 2) -> dict[str, torch.Tensor]:
    make = torch.Generator().manual_seed(0)
    shapes = {"thumbnails": (n, 3, 32, 32), "patches": (n, 4, 3, 32, 32)}
    return {
        name: torch.randint(0, 256, shape, generator=make, dtype=torch.uint8)
        for name, shape in shapes.items()
    }


@pytest.mark.parametrize("module", [headed, patches_and_thumbnail])
def test_examples_in_the_documentation_run(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]  # a module


def test_classes_are_sums_of_fine_bins() -> None:
    outputs = small()(pictures())
    for head in HEADS:
        fine = outputs[head.name]
        assert fine.shape == (2, 12)
        coarse = head.raw(fine).exp()
        assert torch.allclose(coarse[:, 1], fine.exp()[:, 5:8].sum(1))
        assert torch.allclose(coarse.sum(1), torch.ones(2), atol=1e-5)


def test_a_hidden_view_does_not_reach_the_output() -> None:
    network, inputs = small(), pictures()
    assert network.parts == ("thumbnail_only", "patches_only")
    seen = {"thumbnail_only": "thumbnails", "patches_only": "patches"}
    whole = network(inputs)
    for part, visible in seen.items():
        output = network(inputs, part)
        changed = {name: 255 - pixels for name, pixels in inputs.items()}
        hidden_changed = changed | {visible: inputs[visible]}
        visible_changed = inputs | {visible: changed[visible]}
        for head in HEADS:
            assert torch.equal(output[head.name], network(hidden_changed, part)[head.name])
            assert not torch.equal(output[head.name], network(visible_changed, part)[head.name])
            assert not torch.equal(output[head.name], whole[head.name])


def test_training_hides_a_view_of_some_pictures_and_never_both() -> None:
    torch.manual_seed(0)
    visible = visible_views(4000, "", is_training=True)
    assert visible is not None
    assert (visible.sum(1) >= 1).all()
    assert 1 - visible.mean(0) == pytest.approx(torch.full((2,), HIDDEN_SHARE), abs=0.02)
    assert visible_views(4000, "", is_training=False) is None


def test_stated_probabilities_divide_by_the_class_shares() -> None:
    network, shares = small(), [0.6, 0.3, 0.1]
    stated = {
        head.name: BalancedProbabilities(head.raw, 1.0, shares)  # type: ignore[arg-type]  # bound
        for head in HEADS
    }
    inputs = pictures()
    exported = ExportedNetwork(network, network.input_names, stated)
    outputs = exported(inputs["thumbnails"], inputs["patches"])
    for head, output in zip(HEADS, outputs, strict=True):
        expected = head.raw(network(inputs)[head.name]).exp() / torch.tensor(shares)
        assert torch.allclose(output, expected / expected.sum(1, keepdim=True), atol=1e-5)


def test_the_weights_of_a_seed_do_not_depend_on_later_heads() -> None:
    networks = []
    for heads in (HEADS[:2], (*HEADS[:2], RegressionHead(name="age", column="age"))):
        torch.manual_seed(3)
        networks.append(HeadedNetwork(PatchesAndThumbnailBackbone(width=4, features=8), heads))
    one, other = (network.state_dict() for network in networks)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert any(name.startswith("heads.age") for name in other)


def test_weight_decay_is_on_matrices_only_and_each_parameter_is_in_one_group() -> None:
    network = small()
    for rate in (1.0, 0.1):
        config = SMOKE.changed([f"backbone_rate={rate}"])
        groups = parameter_groups(network, config)
        ids = [id(p) for group in groups for p in group["params"]]
        assert sorted(ids) == sorted(id(p) for p in network.parameters())
        for group in groups:
            assert all((p.ndim > 1) == ("weight_decay" not in group) for p in group["params"])
        backbone = {id(p) for p in network.backbone.parameters()}
        shares = {group["share"]: {id(p) for p in group["params"]} & backbone for group in groups}
        assert all(bool(inside) == (share == rate) for share, inside in shares.items())


def test_parameters_that_a_network_froze_are_in_no_group() -> None:
    network = small()
    network.backbone.patch.requires_grad_(requires_grad=False)  # type: ignore[union-attr]  # a module
    groups = parameter_groups(network, SMOKE)
    frozen = {id(p) for p in network.backbone.patch.parameters()}  # type: ignore[union-attr]  # as above
    assert not frozen & {id(p) for group in groups for p in group["params"]}


def test_a_network_may_bring_its_own_groups() -> None:
    class Own(nn.Linear):
        def parameter_groups(self, config: object) -> list[dict[str, object]]:
            return [{"params": [self.bias], "share": 0.5, "config": config}]

    [group] = parameter_groups(Own(2, 2), SMOKE)
    assert (group["share"], group["config"]) == (0.5, SMOKE)
