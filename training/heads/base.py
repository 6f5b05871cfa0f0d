"""The contract of a head: one label that a network learns, from the release's columns to an answer for people.

A head is a frozen description without tensors: it is saved in the model's config.json and made again from it. Its torch
parts are made by methods that import torch, so that predictions with onnxruntime need no torch.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    import polars as pl
    import torch
    from numpy.typing import NDArray
    from torch import nn

    from training.data.arrays import Floats

Calibration = Mapping[str, Any]
"""What validation taught about a head, as numbers and lists of config.json."""


@dataclass(frozen=True, kw_only=True)
class Head(ABC):
    """One label of a recipe.

    `name` is the task in `metrics` and `predictions`, `title` its name for people. Labels count by `loss_weight`: the
    loss of a batch is the weighted mean over all labels that are there. `baselines` must not be empty. A head that is
    not `in_panel` has its figures in the report, but no chart below the photographs.
    """

    kind: ClassVar[str]
    family: ClassVar[str]  # of the evaluation: classes, values or retrieval
    metric: ClassVar[str]
    higher_is_better: ClassVar[bool] = True
    baselines: ClassVar[tuple[str, ...]]
    is_auxiliary: ClassVar[bool] = False
    """Whether it only shapes the training: the finished model has no output of it."""

    name: str
    title: str = ""
    loss_weight: float = 1.0
    in_panel: bool = True

    @abstractmethod
    def targets(self, index: pl.DataFrame) -> NDArray[Any]:
        """Return what the loss compares with, (N, ...); MISSING or NaN where there is no label."""

    @abstractmethod
    def truth(self, index: pl.DataFrame) -> NDArray[Any]:
        """Return what evaluation compares with, (N,); MISSING or NaN where there is no label."""

    @abstractmethod
    def module(self, features: int) -> nn.Module:
        """Build the layer that maps features (N, features) to the output of this head, (N, ...)."""

    @abstractmethod
    def loss(self, output: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss of each row (N,), and which rows have a label (N,)."""

    @abstractmethod
    def raw(self, output: torch.Tensor) -> torch.Tensor:
        """Turn an output into what is evaluated and calibrated: natural log-probabilities (N, C), or values (N,)."""

    @abstractmethod
    def selection_loss(self, raw: Floats, truth: NDArray[Any]) -> tuple[Floats, NDArray[Any]]:
        """Return the loss by which epochs are compared: of each row (N,), and which rows count (N,)."""

    @abstractmethod
    def stated(self, calibration: Calibration) -> nn.Module:
        """Build the module that maps an output to what the exported model says: probabilities, or a value."""

    @abstractmethod
    def answer(self, stated: NDArray[Any], calibration: Calibration) -> dict[str, Any]:
        """Describe one row of the stated output for people and programs; the content of `answer` in `predictions`."""

    def describe(self) -> dict[str, Any]:
        """Return the entry of this head in config.json: its fields and what reports need."""
        fields = {key: _plain(value) for key, value in dataclasses.asdict(self).items()}
        about = {"kind": self.kind, "family": self.family, "metric": self.metric}
        return (
            fields
            | about
            | {"higher_is_better": self.higher_is_better, "title": self.title or self.name}
        )

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> Self:
        """Make a head from its entry in config.json."""
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**{key: _frozen(value) for key, value in description.items() if key in names})


Bounds = tuple[float | None, float | None]


def bounded(value: float, bounds: Bounds) -> float:
    """Return the nearest value inside bounds.

    >>> bounded(-0.3, (0.0, None)), bounded(120.0, (None, None))
    (0.0, 120.0)
    """
    least, most = bounds
    value = value if least is None else max(value, least)
    return value if most is None else min(value, most)


def interval_of(value: float, half: float | None, bounds: Bounds) -> Bounds:
    """Return the ends of an interval around a value, which do not leave `bounds`; None without half its width.

    >>> interval_of(10.0, 12.5, (0.0, None)), interval_of(10.0, None, (0.0, None))
    ((0.0, 22.5), (None, None))
    """
    if half is None:
        return None, None
    return bounded(value - half, bounds), bounded(value + half, bounds)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
