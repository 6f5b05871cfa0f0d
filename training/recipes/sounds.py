"""Learn the classes of short sounds, such as spoken digits, from WAV files.

A sound becomes a log-mel spectrogram whose mean over time is taken out, so that voice and microphone matter less. It is
resampled as if another person spoke, in training and in evaluation. Split by speaker, the figures hold for people
that were not heard in training.

The last epoch is taken. Where the speakers of validation are known from training, its loss is near 0 long before the
network has learnt what other speakers share; and a speaker who is kept for validation alone is one less to learn from.
A spoken digit is shorter than 0.75 s; a window of a second shows most of them twice or more, and costs epochs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.errors import OptionError
from training.fit.config import Config, option
from training.fit.recipe import Labels, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from training.data.views.log_mel import LogMel
    from training.heads import Head


@dataclass(frozen=True, kw_only=True)
class SoundsConfig(Config):
    """Hyperparameters of `sounds`.

    `label` is a column or an SQL expression; empty takes the only label with classes. Sounds are brought to `rate` Hz,
    and of longer ones the loudest `seconds` are taken. `arch` is cnn, or linear: multinomial regression on the mean
    and the spread of each band over time.
    """

    rate: int = 8000
    seconds: float = 1.0
    bands: int = 40
    width: int = 24
    dropout: float = 0.3
    label: str = option("")
    arch: str = option("cnn")


DEFAULT = SoundsConfig(
    epochs=40, batch_size=32, learning_rate=3e-3, weight_decay=0.05, patience=40, schedule="one_cycle",
    ema=0.98, select="last", seconds=0.75,
)  # fmt: skip
SMOKE = SoundsConfig(
    epochs=4, batch_size=16, learning_rate=3e-3, weight_decay=0.05, patience=4, schedule="one_cycle",
    ema=0.9, width=8,
)  # fmt: skip


def view(config: SoundsConfig) -> LogMel:
    """Show log-mel spectrograms."""
    from training.data.views.log_mel import LogMel

    return LogMel(config.rate, config.seconds, config.bands)


def heads(labels: Labels, config: SoundsConfig) -> tuple[Head, ...]:
    """Make one head of classes."""
    from training.data.labels import frequent_classes, only_class_label
    from training.heads import SoftmaxHead

    column = config.label or only_class_label(labels.manifest)
    name, classes = frequent_classes(labels.index, column)
    return (SoftmaxHead(name=name, column=column, classes=classes),)


def network(config: SoundsConfig, heads: tuple[Head, ...]) -> nn.Module:
    """Build four convolutions, or none, with the head on top."""
    from training.models.headed import HeadedNetwork
    from training.models.small_cnn import LogMelCNN, LogMelMoments

    backbones: dict[str, Callable[[], nn.Module]] = {
        "linear": lambda: LogMelMoments(config.bands),
        "cnn": lambda: LogMelCNN(config.bands, config.width, config.dropout),
    }
    if config.arch not in backbones:
        raise OptionError(f"arch={config.arch}", tuple(backbones))
    return HeadedNetwork(backbones[config.arch](), heads)


RECIPE = Recipe(
    name="sounds",
    version=2,
    summary="classes of short sounds, such as spoken digits (--label COLUMN)",
    presets={"default": DEFAULT, "smoke": SMOKE},
    view=view,
    heads=heads,
    network=network,
)
