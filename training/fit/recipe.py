"""The contract of a recipe: one training task as a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from training.fit.config import Config

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    import torch
    from torch import nn

    from training.data.arrays import Ints
    from training.data.views.base import View
    from training.fit.examples import Examples
    from training.fit.training_run import TrainingRun
    from training.heads.base import Head


@dataclass(frozen=True)
class Labels:
    """What heads are made from: the usable rows of the release, and its manifest with class edges and label columns."""

    index: pl.DataFrame
    manifest: Mapping[str, Any]


class Objective(Protocol):
    """What a recipe minimises, where it is not the losses of its heads alone."""

    def loss(
        self,
        network: nn.Module,
        inputs: Mapping[str, torch.Tensor],
        targets: Mapping[str, torch.Tensor],
        weight: torch.Tensor,
    ) -> torch.Tensor:
        """Return the loss of a batch, a scalar, whose gradient is followed."""
        ...

    def validation_loss(self, network: nn.Module, validation: Examples, run: TrainingRun) -> float:
        """Return the loss by which epochs are compared."""
        ...


class BatchSampler(Protocol):
    """What draws the batches of an epoch."""

    def __call__(self, examples: Examples, config: Any, rng: np.random.Generator) -> list[Ints]:
        """Return positions among the training examples, batch by batch; `rng` belongs to the epoch."""
        ...


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training task: one file in `recipes/`.

    `version` rises with every change of network or targets, so that the model id changes too. `heads` reads what it
    needs from the labels of a release; `network` gets the configuration and the heads. With an `encoder` (the name of
    a frozen network, empty for none) it gets vectors in place of pictures. `objective` replaces the heads' losses,
    `initialise` sets weights from training pictures before the first step. `batches` draws the batches of an epoch, as
    positions among the training examples, in place of a random order. `rows` makes the rows that are learnt from
    those of the release: other weights, or several rows a picture with a column `edit`
    (`training.data.transforms.ladder`).
    `policies` are the splits it may be trained under, `studies` the studies that can be made with it; the default
    recipe is trained where none is named. `looks_at` is picture, or face: then the prediction page cuts and predicts
    each face of a picture. `file` is the Python file of a user's own recipe, `source` its content when it was loaded.
    """

    name: str
    version: int
    summary: str
    presets: Mapping[str, Config]
    view: Callable[[Any], View]
    heads: Callable[[Labels, Any], tuple[Head, ...]]
    network: Callable[[Any, tuple[Head, ...]], nn.Module]
    encoder: Callable[[Any], str] | None = None
    objective: Callable[[Any, tuple[Head, ...]], Objective] | None = None
    initialise: Callable[[nn.Module, Examples, TrainingRun], None] | None = None
    batches: BatchSampler | None = None
    rows: Callable[[pl.DataFrame, Any], pl.DataFrame] | None = None
    policies: tuple[str, ...] = ("split", "random_split")
    studies: tuple[str, ...] = ()
    is_default: bool = False
    looks_at: str = "picture"
    file: str = ""
    source: bytes = b""

    def rows_of(self, index: pl.DataFrame, config: Config) -> pl.DataFrame:
        """Return the rows that are learnt, made from the usable rows of a release."""
        return index if self.rows is None else self.rows(index, config)

    def config_from(self, saved: Mapping[str, Any]) -> Config:
        """Make the configuration of a saved model."""
        return type(next(iter(self.presets.values()))).from_saved(saved)
