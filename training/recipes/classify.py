"""Learn any label of a release: classes by softmax, numbers by regression, on the vectors of a frozen encoder.

The label is a column of the release, such as one named by `--label-col` while crawling. Pictures are encoded once and
the vectors kept, so a second label of the same release is learnt in seconds. `network` names another network, which is
trained whole on the pictures themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.errors import NoLabelError
from training.fit.config import Config, option
from training.fit.encoded import squares, standardise, standardise_pictures
from training.fit.recipe import Labels, Recipe

if TYPE_CHECKING:
    import polars as pl
    from torch import nn

    from training.data.views import View
    from training.fit.examples import Examples
    from training.fit.training_run import TrainingRun
    from training.heads import Head

KINDS = ("auto", "classes", "number")
MOST_CLASSES = 20  # different whole numbers that are still taken for classes


@dataclass(frozen=True, kw_only=True)
class ClassifyConfig(Config):
    """Hyperparameters of `classify`.

    `label` is a column or an SQL expression; empty takes the only label of the release. `task` is classes, number, or
    auto: text and up to 20 different whole numbers are classes. `encoder` sees squares of `side` px, `variants` of
    each picture. `network` is `timm:NAME` or `module:Class` and sees whole pictures of `side` px in place of it.
    """

    encoder: str
    side: int
    variants: int
    hidden: int
    input_dropout: float = 0.2
    dropout: float = 0.5
    label: str = option("")
    task: str = option("auto")
    network: str = option("")


DEFAULT = ClassifyConfig(
    epochs=20, batch_size=128, learning_rate=1.5e-3, weight_decay=0.05, patience=20,
    schedule="one_cycle", encoder="lite0", side=224, variants=2, hidden=384,
)  # fmt: skip
SMOKE = ClassifyConfig(
    epochs=8, batch_size=16, learning_rate=1.5e-3, weight_decay=0.05, patience=8,
    schedule="one_cycle", encoder="lite0", side=96, variants=1, hidden=64,
)  # fmt: skip


def view(config: ClassifyConfig) -> View:
    """Cut the squares that the encoder sees, or show whole pictures to the network of `network`."""
    from training.data.views.small_pictures import SmallPictures

    return SmallPictures(config.side) if config.network else squares(config)


def heads(labels: Labels, config: ClassifyConfig) -> tuple[Head, ...]:
    """Make one head from the type and the values of the label's column."""
    import numpy as np

    from training.data.labels import common_classes, label_values
    from training.heads import RegressionHead, SoftmaxHead

    column = config.label or _only_label(labels)
    values = label_values(labels.index, column).drop_nulls()
    name = values.name
    if _has_classes(values, config.task):
        return (SoftmaxHead(name=name, column=column, classes=common_classes(values)),)
    numbers = values.cast(float, strict=False).drop_nulls().drop_nans().to_numpy()
    if not len(numbers):
        raise NoLabelError(column, _labels(labels))
    centre, scale = float(np.median(numbers)), float(np.std(numbers)) or 1.0
    return (RegressionHead(name=name, column=column, centre=centre, scale=scale),)


def _labels(labels: Labels) -> tuple[str, ...]:
    from catalog import label_columns

    return label_columns(labels.manifest.get("plan", {}))


def _only_label(labels: Labels) -> str:
    existing = _labels(labels)
    if len(existing) != 1:
        raise NoLabelError("", existing)
    return existing[0]


def _has_classes(values: pl.Series, task: str) -> bool:
    if task not in KINDS:
        raise NoLabelError(f"task={task}", KINDS)
    if task != "auto":
        return task == "classes"
    if values.dtype.is_float():
        return False
    return not values.dtype.is_integer() or values.n_unique() <= MOST_CLASSES


def network(config: ClassifyConfig, heads: tuple[Head, ...]) -> nn.Module:
    """Build one hidden layer on the vectors, or the network of `network`, with the head on top."""
    from training.models.by_name.named import NamedBackbone
    from training.models.encoders import vector_length
    from training.models.headed import HeadedNetwork
    from training.models.vector_mlp import VectorBackbone

    if config.network:
        return HeadedNetwork(NamedBackbone(config.network, config.side), heads)
    backbone = VectorBackbone(
        dim=vector_length(config.encoder), hidden=config.hidden,
        input_dropout=config.input_dropout, dropout=config.dropout,
    )  # fmt: skip
    return HeadedNetwork(backbone, heads)


def initialise(network: nn.Module, train: Examples, run: TrainingRun) -> None:
    """Set mean and spread of the vectors, or of the colours, from the training pictures."""
    own = getattr(run.config, "network", "")
    (standardise_pictures if own else standardise)(network, train, run)


RECIPE = Recipe(
    name="classify",
    version=1,
    summary="any label of a release, classes or a number (--label COLUMN)",
    presets={"default": DEFAULT, "smoke": SMOKE},
    view=view,
    heads=heads,
    network=network,
    encoder=lambda config: "" if config.network else config.encoder,
    initialise=initialise,
)
