"""What recipes on the vectors of a frozen encoder share. Libraries are imported by the functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from training.data.views.crops import Crops
    from training.fit.examples import Examples
    from training.fit.objective import HeadsObjective
    from training.fit.training_run import TrainingRun
    from training.heads.base import Head
    from training.models.vector_mlp import VectorBackbone

STANDARDISE_ROWS = 20_000


class Squares(Protocol):
    """The part of a configuration that says which squares the encoder sees."""

    @property
    def side(self) -> int:
        """Side of a square in pixels."""
        ...

    @property
    def variants(self) -> int:
        """Squares of each picture."""
        ...


def squares(config: Squares) -> Crops:
    """Cut the squares that the encoder sees."""
    from training.data.views.crops import Crops

    return Crops(config.side, config.variants)


class Members(Protocol):
    """The part of a configuration that says how many networks are averaged."""

    @property
    def networks(self) -> int:
        """Number of networks."""
        ...


def members_objective(config: Members, heads: tuple[Head, ...]) -> HeadsObjective:
    """Minimise the losses of the heads, in each network of an ensemble by itself."""
    from training.fit.objective import HeadsObjective, MembersObjective

    return HeadsObjective(heads) if config.networks <= 1 else MembersObjective(heads)


def standardise(network: nn.Module, train: Examples, _run: TrainingRun) -> None:
    """Set mean and spread of the vectors from the training pictures; a network on pictures has none."""
    import torch

    if "vectors" not in network.input_names:  # type: ignore[operator]  # names of every network
        return
    samples = [train.store.sample(int(row)) for row in train.rows[:STANDARDISE_ROWS]]
    vectors = torch.from_numpy(train.store.view.plain(samples)["vectors"])
    for backbone in cast("Sequence[VectorBackbone]", network.backbones):
        backbone.standardise(vectors)
