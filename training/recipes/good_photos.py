"""Tell good photographs from bad ones, as the user's folders or another label say what is good.

A network of 40 to 50 thousand parameters sees each picture whole, 480 px wide. What it learns is the difference between
two folders, which may be taste, or a camera, or a program; the report states what colours, EXIF and trips tell alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.errors import NoLabelError
from training.fit.config import Config, option
from training.fit.recipe import Labels, Recipe

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from training.data.arrays import Ints
    from training.data.views import WholePicture
    from training.fit.examples import Examples
    from training.heads import Head

GOOD = (
    "good", "best", "better", "keep", "keeper", "keepers", "selected", "like", "liked", "favourite", "favorite",
)  # fmt: skip
BAD = (
    "not good", "not_good", "no good", "bad", "worst", "worse", "reject", "rejects", "rejected", "discard", "discarded",
    "other", "others", "dislike", "disliked", "degraded", "ugly", "poor",
)  # fmt: skip
YES, NO = ("true", "yes", "1", "1.0"), ("false", "no", "0", "0.0")  # of a column that asks for good
COLUMNS = ("good_or_bad", "good", "is_good", "bad", "is_bad", "class", "label", "folder")
"""Where no label is named, the first of these columns with both kinds of values is taken."""
EDGES = "/ _.,;:0-9-"  # between which a word stands alone, as in 01_Good-photos
BUCKET_PX = 32  # heights and widths of a batch differ by less


@dataclass(frozen=True, kw_only=True)
class GoodPhotosConfig(Config):
    """Hyperparameters of `good_photos`; sides in pixels.

    A batch has pictures of one shape. Both classes are drawn equally often, a picture at most `most_repeats` times in
    an epoch. `widths` are the channels of the four convolutions, `colours` the features of a branch on tones and hues.
    """

    width_px: int
    widths: str
    features: int
    dropout: float
    most_repeats: int = 8
    colours: int = option(0)
    target_error: float = option(0.1)
    label: str = option("")


DEFAULT = GoodPhotosConfig(
    epochs=6, batch_size=4, learning_rate=2e-3, weight_decay=0.05, patience=6, schedule="one_cycle", ema=0.995,
    width_px=480, widths="16,24,32,40", features=32, dropout=0.2, colours=32, select="last",
)  # fmt: skip
SMOKE = GoodPhotosConfig(
    epochs=4, batch_size=4, learning_rate=3e-3, weight_decay=0.05, patience=4, schedule="one_cycle",
    width_px=96, widths="8,12,16,16", features=16, dropout=0.1, colours=16,
)  # fmt: skip


def heads(labels: Labels, config: GoodPhotosConfig) -> tuple[Head, ...]:
    """Make the one head, from the column that says what is good and what is bad."""
    from training.data.labels import label_values
    from training.heads import BinaryHead

    if config.label:
        label_values(labels.index, config.label)  # says which columns there are
    existing = [name for name in COLUMNS if name in labels.index.columns]
    for column in [config.label] if config.label else existing:
        label = expression(column)
        if label_values(labels.index, label).drop_nulls().n_unique() == 2:
            head = BinaryHead(
                name="good_or_bad", title="Good or bad", column=label, classes=("bad", "good"),
                target_error=config.target_error, states_biases=True,
            )  # fmt: skip
            return (head,)
    raise NoLabelError(config.label or "good_or_bad", existing)


def expression(column: str) -> str:
    """Write the SQL that maps values to good and bad: one of the words above, also as a part of a value.

    >>> import polars as pl
    >>> from training.data.labels import label_values
    >>> index = pl.DataFrame({"class": ["01_Good", "bad/rome", "not good", "goods"]})
    >>> label_values(index, expression("class")).to_list()
    ['good', 'bad', 'bad', None]
    """
    from training.data.labels import sql_of_kinds

    name = column.lower()
    asks_good = "good" in name and "bad" not in name
    asks_bad = "bad" in name and "good" not in name
    kinds = {
        "bad": BAD + NO * asks_good + YES * asks_bad,
        "good": GOOD + YES * asks_good + NO * asks_bad,
    }
    edges = "/" if asks_good or asks_bad else EDGES  # a digit is a value there
    return sql_of_kinds(column, kinds, edges) + " END"


def view(config: GoodPhotosConfig) -> WholePicture:
    """Show pictures whole."""
    from training.data.views import WholePicture

    return WholePicture(config.width_px)


def network(config: GoodPhotosConfig, heads: tuple[Head, ...]) -> nn.Module:
    """Build the network, of any picture size."""
    from training.models.headed import HeadedNetwork
    from training.models.whole_picture import WholePictureBackbone as Backbone

    widths = tuple(int(width) for width in config.widths.split(","))
    more = {"features": config.features, "colours": config.colours}
    return HeadedNetwork(Backbone(widths, dropout=config.dropout, **more), heads)


def batches(examples: Examples, config: GoodPhotosConfig, rng: np.random.Generator) -> list[Ints]:
    """Draw batches of one shape with equal shares of good and bad."""
    import numpy as np

    from training.data.sampling.shape_batches import shape_batches

    sizes, size_of = examples.index.select("height", "width").rows(), view(config).size_of
    shapes = np.array([size_of(*size) if all(size) else (0, 0) for size in sizes]) // BUCKET_PX
    [classes] = examples.truth.values()
    return shape_batches(
        shapes, classes, rng, batch_size=config.batch_size, most_repeats=config.most_repeats
    )


RECIPE = Recipe(
    name="good_photos",
    version=3,
    summary="whether a photograph is good or bad, from folders or a label, any picture size",
    presets={"default": DEFAULT, "smoke": SMOKE},
    view=view,
    heads=heads,
    network=network,
    batches=batches,
    studies=("cross",),
)
