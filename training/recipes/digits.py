"""Learn the classes of small pictures, such as handwritten digits of 28 px, with a small convolutional network.

Any label with classes will do, grey or colour. `arch` says how much of a network it is: `linear` is multinomial
regression on the pixels, `mlp` has one hidden layer, `cnn` convolutions; data, training and report are the same.
Pictures are turned, stretched and moved a little in training, and the average of the weights over the last steps is
what is used. Mean and spread of the colours come from the training pictures alone and are part of the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.errors import OptionError
from training.fit.config import Config, option
from training.fit.encoded import standardise_pictures
from training.fit.recipe import Labels, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from training.data.views.small_pictures import SmallPictures
    from training.heads import Head


@dataclass(frozen=True, kw_only=True)
class DigitsConfig(Config):
    """Hyperparameters of `digits`.

    `label` is a column or an SQL expression; empty takes the only label with classes. `arch` is linear, mlp or cnn.
    Pictures are brought to `side` px; `turn_deg`, `stretch` and `shift` bound the random changes in training (degrees,
    and shares of the side).
    """

    side: int
    width: int = 32
    hidden: int = 128
    dropout: float = 0.2
    turn_deg: float = 12.0
    stretch: float = 0.15
    shift: float = 0.08
    label: str = option("")
    arch: str = option("cnn")


DEFAULT = DigitsConfig(
    epochs=25, batch_size=64, learning_rate=4e-3, weight_decay=0.02, patience=25, schedule="one_cycle",
    ema=0.995, side=28,
)  # fmt: skip
SMOKE = DigitsConfig(
    epochs=2, batch_size=32, learning_rate=4e-3, weight_decay=0.02, patience=2, schedule="one_cycle",
    ema=0.9, side=28, width=16, hidden=32,
)  # fmt: skip


def view(config: DigitsConfig) -> SmallPictures:
    """Show whole pictures at one side."""
    from training.data.views.small_pictures import SmallPictures

    return SmallPictures(config.side, config.turn_deg, config.stretch, config.shift)


def heads(labels: Labels, config: DigitsConfig) -> tuple[Head, ...]:
    """Make one head of classes."""
    from training.data.labels import frequent_classes, only_class_label
    from training.heads import SoftmaxHead

    column = config.label or only_class_label(labels.manifest)
    name, classes = frequent_classes(labels.index, column)
    return (SoftmaxHead(name=name, column=column, classes=classes),)


def network(config: DigitsConfig, heads: tuple[Head, ...]) -> nn.Module:
    """Build the network of `arch`, with the head on top."""
    from training.models.headed import HeadedNetwork
    from training.models.small_cnn import PixelMLP, Pixels, SmallCNN

    backbones: dict[str, Callable[[], nn.Module]] = {
        "linear": lambda: Pixels(config.side),
        "mlp": lambda: PixelMLP(config.side, config.hidden, config.dropout),
        "cnn": lambda: SmallCNN(config.width, config.hidden, config.dropout),
    }
    if config.arch not in backbones:
        raise OptionError(f"arch={config.arch}", tuple(backbones))
    return HeadedNetwork(backbones[config.arch](), heads)


RECIPE = Recipe(
    name="digits",
    version=2,
    summary="classes of small pictures, such as digits of 28 px (--label COLUMN)",
    presets={"default": DEFAULT, "smoke": SMOKE},
    view=view,
    heads=heads,
    network=network,
    initialise=standardise_pictures,
)
