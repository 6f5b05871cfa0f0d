"""How strong seven defects of a photograph are: exposure, white balance, saturation, noise, haze, blur, composition.

A release with severities (source `defects`) is learnt as it is. Any other release of photographs becomes a ladder:
copies of every picture with a defect of known strength, so no label is needed. `start` begins with the backbone of
another model, such as one of `aesthetics` or of this recipe. Libraries are imported by the functions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from training.errors import OptionError
from training.fit.config import option
from training.fit.encoded import QualityConfig, standardise, two_branches, whole_and_native
from training.fit.recipe import Labels, Recipe

if TYPE_CHECKING:
    import polars as pl
    from torch import nn

    from training.heads import Head

TITLES = {
    "bad_exposure": "Bad exposure", "bad_white_balance": "Bad white balance", "bad_saturation": "Bad saturation",
    "noise": "Noise", "haze": "Haze", "undesired_blur": "Undesired blur", "bad_composition": "Bad composition",
}  # fmt: skip
SIGNED = ("bad_saturation",)  # below 0 is too dull; others may have both sides, too
BINS, SIGNED_BINS, NIMA_BINS = 11, 21, 10
COLUMNS = ("all", "whole", "whole_and_native", "pixels", "statistics")
WIDTHS = (16, 24, 32, 40)  # channels of the network on pixels, as in `good_photos`


@dataclass(frozen=True, kw_only=True)
class DefectsConfig(QualityConfig):
    """Hyperparameters of `defects`: `rungs` of six strengths of each defect are made, `exposure_rungs` of exposure.

    `columns` is what a severity is learnt from: the vector of the whole picture, those of the whole picture and of its
    native middle, or all, with the statistics; or the pixels of both, or 329 statistics of them, without a trained
    encoder. With `histogram` each head has ten bins without order. Bins count at most `most_weight` times the largest.
    """

    rungs: int = option(1)
    exposure_rungs: int = option(0)  # 0 is as many as of the others
    columns: str = option("all")
    histogram: bool = option(default=False)
    most_weight: float = option(10.0)


DEFAULT = DefectsConfig(
    epochs=20, batch_size=128, learning_rate=1.5e-3, weight_decay=0.05, patience=20, schedule="one_cycle",
    encoder="lite0_tones", side=160, hidden=192, patch_hidden=512, patch_features=256, direct=True, select="last",
    rungs=2,
)  # fmt: skip
SMOKE = DefectsConfig(
    epochs=8, batch_size=32, learning_rate=1.5e-3, weight_decay=0.05, patience=8, schedule="one_cycle",
    encoder="lite0_tones", side=64, hidden=32, patch_hidden=64, patch_features=32, direct=True,
)  # fmt: skip
PRESETS = {
    "default": DEFAULT, "smoke": SMOKE, "thorough": replace(DEFAULT, rungs=3, exposure_rungs=6, most_weight=50.0),
    "nima": replace(DEFAULT, columns="whole", histogram=True),
    "multicolumn": replace(DEFAULT, columns="whole_and_native"),
    "small": replace(
        DEFAULT, columns="pixels", encoder="", side=192, bank=1, hidden=32, epochs=5, batch_size=16,
        learning_rate=3e-3, ema=0.99, dropout=0.1, rungs=1,
    ),
    "statistics": replace(
        DEFAULT, columns="statistics", encoder="statistics", side=192, bank=1, batch_size=32, learning_rate=3e-3,
        patch_hidden=88, patch_features=44, epochs=15, most_weight=40.0, rungs=6,
    ),
}  # fmt: skip
"""`nima` and `multicolumn` see what the networks of Talebi and Milanfar (2018) and Yu et al. (2018) see, frozen;
`small` learns 48 thousand parameters from pixels, `statistics` 43 thousand from numbers of their tones and edges."""


def has_labels(index: pl.DataFrame) -> bool:
    """Whether a picture of the release has a severity of its own."""
    known = [name for name in TITLES if name in index.columns]
    return any(index[name].count() for name in known)


def rows(index: pl.DataFrame, config: DefectsConfig) -> pl.DataFrame:
    """Take the rows as they are where they have severities, else make a ladder of them."""
    from training.data.transforms.ladder import with_rungs

    return index if has_labels(index) else with_rungs(index, config.rungs, config.exposure_rungs)


def heads(labels: Labels, config: DefectsConfig) -> tuple[Head, ...]:
    """Make one head a defect, of 11 bins from 0 to 1, or 21 from -1 to 1 where a severity has two sides."""
    index = labels.index
    names = [name for name in TITLES if name in index.columns and index[name].count()]
    return tuple(_head(name, index, config) for name in names)


def _head(name: str, index: pl.DataFrame, config: DefectsConfig) -> Head:
    from training.heads import SeverityHead

    numbers = index[name].cast(float, strict=False).drop_nulls()
    is_signed = name in SIGNED or bool((numbers < 0).any())
    bins = NIMA_BINS if config.histogram else SIGNED_BINS if is_signed else BINS
    head = SeverityHead(
        name=name, title=TITLES[name], column=name, low=-1.0 if is_signed else 0.0, high=1.0,
        bins=bins, fill=0.0 if "edit" in index.columns else None, is_histogram=config.histogram,
    )  # fmt: skip
    return head.weighed_on(index, config.most_weight)


def network(config: DefectsConfig, heads: tuple[Head, ...]) -> nn.Module:
    """Build the network over the columns of the configuration; raises OptionError for others."""
    from training.models.encoders import Lite0Levels
    from training.models.headed import HeadedNetwork
    from training.models.picture_and_patch_vectors import PictureAndPatchVectors
    from training.models.vector_mlp import StatisticsBranches, VectorBackbone
    from training.models.whole_picture import PixelStatistics, WholeAndMiddleBackbone

    if config.columns == "all":
        return two_branches(config, heads)
    if config.columns not in COLUMNS:
        raise OptionError(f"columns={config.columns}", COLUMNS)
    hidden, out, drop = config.hidden, config.input_dropout, config.dropout
    backbone: nn.Module
    if config.columns == "pixels":
        backbone = WholeAndMiddleBackbone(WIDTHS, features=hidden, colours=hidden, dropout=drop)
    elif config.columns == "statistics":
        widths = {"hidden": config.patch_hidden, "features": config.patch_features}
        backbone = StatisticsBranches(PixelStatistics.dims, **widths)
    elif config.columns == "whole":
        sides = {"dim": Lite0Levels.dim, "hidden": hidden}
        backbone = VectorBackbone(**sides, input_dropout=out, dropout=drop)
    else:
        backbone = PictureAndPatchVectors(
            dim=2 * Lite0Levels.dim, patch_dim=Lite0Levels.dim, hidden=hidden, patch_hidden=hidden,
            input_dropout=out, dropout=drop,
        )  # fmt: skip
    return HeadedNetwork(backbone, heads)


RECIPE = Recipe(
    name="defects",
    version=3,
    summary="severity of seven defects of a photograph, from labels or without any",
    presets=PRESETS,
    view=whole_and_native,
    heads=heads,
    network=network,
    encoder=lambda config: config.encoder,
    initialise=standardise,
    rows=rows,
)
