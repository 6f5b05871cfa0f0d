"""Recipe and configuration: a training task with its heads, its sizes and its network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from training.data.transforms import View
    from training.evaluation.metrics import Ints
    from training.models.networks import HeadsNetwork

Edges = Mapping[str, tuple[float, float]]
"""The two edges between three classes of each head, on the axis of its target."""


@dataclass(frozen=True)
class Config:
    """All hyperparameters; the model id is a hash that includes them.

    Sides in pixels. Training stops early after `patience` epochs without a better validation loss; the
    weights of the best epoch are used. `balance` selects the class shares for the logit adjustment: `prior`
    (counts of the training set) or `weights` (weights of the release, which also weigh the loss).
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    dropout: float
    patience: int
    thumbnail_px: int
    patch_px: int
    bank: int
    patches: int
    width: int
    features: int
    balance: str = "prior"
    seed: int = 0

    @property
    def view(self) -> View:
        """Sizes of thumbnail and patches."""
        from training.data.transforms import View

        return View(self.thumbnail_px, self.patch_px, self.bank)


@dataclass(frozen=True)
class Recipe:
    """One training task: one file in `recipes/` and one line in its dict.

    `version` rises with every change of network or targets, so that the model id changes too.
    """

    name: str
    version: int
    summary: str
    heads: tuple[str, ...]
    presets: Mapping[str, Config]
    targets: Callable[[pl.DataFrame, Edges], Ints]  # index -> fine classes (N, heads), MISSING
    classes: Callable[[pl.DataFrame, Edges], Ints]  # index -> coarse classes (N, heads), MISSING
    build: Callable[[Config], HeadsNetwork]
