"""Train an embedder for copy detection from pictures without labels.

Each picture is edited in two ways, and the network has to find the other view of the picture among the views of all
others. Only the split that keeps groups whole is possible: a random one would test on sessions of the training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.fit.config import Config, option
from training.fit.recipe import Labels, Recipe

if TYPE_CHECKING:
    import torch
    from torch import nn

    from training.data.views.edited_pairs import EditedPairs
    from training.fit.examples import Examples
    from training.fit.training_run import TrainingRun
    from training.heads import Head

HEAD = "copies"
PROJECTION_PICTURES = 2000  # pictures whose features set the linear layer before training
CHUNK = 16  # pictures in one forward pass without gradients


@dataclass(frozen=True, kw_only=True)
class CopyConfig(Config):
    """Hyperparameters of an embedder.

    `input_px` is the side of the network's input. The loss of a batch compares 2 x `batch_size` views: `temperature`
    is that of InfoNCE, `evenness` the weight of the KoLeo term. The learning rate of the pretrained blocks is
    `trunk_share` times that of the linear layer. A heavily edited view has at most `most_edits` edits.
    """

    input_px: int
    dim: int
    frozen_blocks: int
    weight_decay: float = 1e-4
    trunk_share: float = 0.15
    temperature: float = 0.07
    evenness: float = 0.5
    most_edits: int = 4
    fused: bool = option(default=False)


DEFAULT = CopyConfig(
    epochs=12, batch_size=32, learning_rate=1e-3, input_px=160, dim=256, frozen_blocks=11
)
SMOKE = CopyConfig(
    epochs=2, batch_size=8, learning_rate=1e-3, input_px=64, dim=128, frozen_blocks=14
)


def network(config: CopyConfig, heads: tuple[Head, ...]) -> nn.Module:
    """Build Lite0 with a linear layer; its early blocks are frozen."""
    from training.models.copy_network import build_copy_network

    return build_copy_network(config.dim, config.frozen_blocks, heads[0].name)


@dataclass(frozen=True)
class ContrastiveObjective:
    """InfoNCE over the two views of each picture, and an even spread of the vectors."""

    config: CopyConfig

    def loss(
        self,
        network: nn.Module,
        inputs: Mapping[str, torch.Tensor],
        targets: Mapping[str, torch.Tensor],  # noqa: ARG002 - the contract
        weight: torch.Tensor,
    ) -> torch.Tensor:
        """Return the loss of N light and N heavy views, in nats."""
        from training.fit.objective import half_precision
        from training.models.losses import info_nce, koleo

        with half_precision(weight.device):
            vectors = network(inputs)[HEAD]
        spread_out = self.config.evenness * koleo(vectors.float())
        return info_nce(vectors.float(), self.config.temperature) + spread_out

    def validation_loss(self, network: nn.Module, validation: Examples, run: TrainingRun) -> float:
        """Return the mean loss over the pictures; their views are the same in every epoch."""
        import numpy as np
        import torch

        from training.data.sampling.seeds import cut_batches
        from training.fit.objective import to_device
        from training.fit.trainer import FIXED_EPOCH, view_batches

        batch_rows = cut_batches(np.arange(len(validation)), run.config.batch_size)
        batches = view_batches(validation, batch_rows, run.config.seed, FIXED_EPOCH)
        network.eval()
        weight, total = torch.ones(1, device=run.device), 0.0
        with torch.inference_mode():
            for rows, arrays in zip(batch_rows, batches, strict=True):
                inputs = to_device(arrays, run.device)
                total += float(self.loss(network, inputs, {}, weight)) * len(rows)
        return total / len(validation)


def initialise(network: nn.Module, train: Examples, run: TrainingRun) -> None:
    """Set the linear layer to the principal axes of the features of training pictures."""
    import torch

    from training.data.sampling.seeds import cut_batches
    from training.fit.objective import to_device
    from training.models.copy_network import CopyNetwork, initialise_projection, normalise_pictures

    assert isinstance(network, CopyNetwork)
    network.eval()
    features = []
    with torch.inference_mode():
        for _, samples in train.store.stream(cut_batches(train.rows[:PROJECTION_PICTURES], CHUNK)):
            inputs = to_device(train.store.view.plain(samples), run.device)
            features.append(network.pooled(normalise_pictures(inputs["pictures"])))
    initialise_projection(network, torch.cat(features))


def heads(_labels: Labels, config: CopyConfig) -> tuple[Head, ...]:
    """Make the one head; it needs no label."""
    from training.heads import EmbeddingHead

    return (EmbeddingHead(name=HEAD, title="Copies", dim=config.dim),)


def view(config: CopyConfig) -> EditedPairs:
    """Keep whole pictures, and edit each twice for a batch."""
    from training.data.views.edited_pairs import EditedPairs

    return EditedPairs(config.input_px, config.most_edits)


RECIPE = Recipe(
    name="copy_detection",
    version=1,
    summary="vectors whose cosine is high for copies of one photograph, for curation",
    presets={"default": DEFAULT, "smoke": SMOKE},
    view=view,
    heads=heads,
    network=network,
    objective=lambda config, _heads: ContrastiveObjective(config),
    initialise=initialise,
    policies=("split",),
)
