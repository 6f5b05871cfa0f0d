"""Hyperparameters that every recipe has; a recipe derives its own configuration from them."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from training.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


SMALLEST = {
    "epochs": 1, "batch_size": 1, "patience": 1, "accumulate": 1, "decay_epochs": 1, "warm_up_steps": 0,
    "freeze_epochs": 0, "validate_every": 0, "learning_rate": 0.0, "weight_decay": 0.0, "momentum": 0.0, "decay": 0.0,
    "ema": 0.0, "backbone_rate": 0.0, "clip": 0.0,
}  # fmt: skip
"""The smallest value of each hyperparameter that has one."""


SELECT = ("best", "last")  # epoch whose weights are used


def option(default: Any) -> Any:
    """Make a field that is left out of the model's id at its default, so that a new option changes no existing id."""
    return dataclasses.field(default=default, metadata={"optional": True})


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyperparameters; the model id is a hash that includes them.

    Training stops early after `patience` epochs without a better validation loss; the weights of the best epoch are
    used, or with `select` last those of the last one, for schedules that end with a low learning rate.
    `balance` selects the class shares for the logit adjustment: `prior` (counts of the training set) or
    `weights` (weights of the release, which also weigh the loss). `optimizer` is adamw, adam, nadam, sgd or rmsprop;
    `schedule` is cosine, constant, step (times `decay` every `decay_epochs`), plateau (times `decay` after
    `decay_epochs` without a better validation loss) or one_cycle. `ema` is the decay of an average of the weights, 0
    for none; it is lower in the first steps, so that they are soon forgotten. Gradients of `accumulate` batches are
    added before a step, and cut to the norm `clip`. The backbone is not trained in the first `freeze_epochs`, then with
    `backbone_rate` times the learning rate. After each `validate_every`-th step (0: none) the loss of one batch of
    validation is measured, too, for the curve alone. `start` is the id of a finished model whose backbone the training
    begins with.
    `device_augment` changes batches of pictures on the device, beside what the view does: flip:0.5,colour:0.2,crop:0.6
    (`training.data.transforms.device_batch`).
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.0
    patience: int = 10
    seed: int = 0
    select: str = option("best")
    balance: str = option("prior")
    optimizer: str = option("adamw")
    momentum: float = option(0.9)
    nesterov: bool = option(default=True)
    fused: bool = option(default=True)
    schedule: str = option("cosine")
    warm_up_steps: int = option(20)
    decay: float = option(0.1)
    decay_epochs: int = option(10)
    ema: float = option(0.0)
    accumulate: int = option(1)
    clip: float = option(1.0)
    freeze_epochs: int = option(0)
    backbone_rate: float = option(1.0)
    validate_every: int = option(0)
    start: str = option("")
    device_augment: str = option("")

    def __post_init__(self) -> None:
        """Raise OptionError for a value with which no training is possible."""
        for name, smallest in SMALLEST.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= smallest):
                raise OptionError(f"{name}={value}", [f"{name} of at least {smallest}"])
        if self.select not in SELECT:
            raise OptionError(f"select={self.select}", SELECT)
        if self.ema >= 1:
            raise OptionError(f"ema={self.ema}", ["ema below 1"])

    def identity(self) -> dict[str, Any]:
        """Return the hyperparameters that are part of the model's id."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if not (field.metadata.get("optional") and getattr(self, field.name) == field.default)
        }

    @classmethod
    def from_saved(cls, values: Mapping[str, Any]) -> Config:
        """Make a configuration from config.json; hyperparameters that it does not know are of a newer version."""
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in names})

    def changed(self, texts: Sequence[str]) -> Config:
        """Return a copy with `name=value` texts applied; raises OptionError for an unknown name or a wrong value."""
        fields = {field.name: field for field in dataclasses.fields(self)}
        values: dict[str, Any] = {}
        for text in texts:
            name, separator, value = text.partition("=")
            if not separator or name not in fields:
                raise OptionError(name, sorted(fields))
            values[name] = _parsed(name, value, getattr(self, name))
        return dataclasses.replace(self, **values)


def _parsed(name: str, text: str, current: object) -> object:
    """Read a value of the type of the current one."""
    try:
        if isinstance(current, bool):
            return {"true": True, "false": False}[text.lower()]
        return type(current)(text) if isinstance(current, int | float) else text
    except (ValueError, KeyError):
        kind = _KINDS[type(current)]
        raise OptionError(f"{name}={text}", [f"{name} as {kind}"]) from None


_KINDS: dict[type, str] = {bool: "true or false", int: "a whole number", float: "a number"}
