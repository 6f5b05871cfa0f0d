"""Predict aperture, ISO and exposure time from pixels, each in three classes.

Each setting is learnt in stops, as twelve fine ordered bins; the three reported classes are sums of fine bins, and
their edges are edges of fine bins. Libraries are imported by the functions, so that reading the recipe loads none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from curation import SETTINGS
from training.data.photo_settings import CLASSES, class_ranges, task_name
from training.fit.config import Config
from training.fit.recipe import Labels, Recipe

if TYPE_CHECKING:
    from torch import nn

    from training.data.arrays import Floats
    from training.data.views.patches_and_thumbnail import PatchesAndThumbnail
    from training.heads import Head

PER_CLASS = 3  # fine bins between the two edges of the middle class
OUTER = 5  # fine bins below the lower edge; 12 - 3 - 5 = 4 above the upper one
FINE = 12


@dataclass(frozen=True, kw_only=True)
class ExifConfig(Config):
    """Hyperparameters of `exif`; sides in pixels.

    Of a picture `bank` native patches of `patch_px` are kept, of which a training step draws `patches`.
    """

    dropout: float
    thumbnail_px: int
    patch_px: int
    bank: int
    patches: int
    width: int
    features: int
    balance: str = "prior"


DEFAULT = ExifConfig(
    epochs=16, batch_size=32, learning_rate=2e-3, weight_decay=0.05, dropout=0.2, patience=5,
    thumbnail_px=96, patch_px=64, bank=8, patches=4, width=16, features=64,
)  # fmt: skip
SMOKE = ExifConfig(
    epochs=7, batch_size=16, learning_rate=3e-3, weight_decay=0.05, dropout=0.1, patience=8,
    thumbnail_px=64, patch_px=64, bank=6, patches=2, width=12, features=48,
)  # fmt: skip


def fine_edges(low: float, high: float) -> Floats:
    """Return the 11 edges of 12 fine bins, in stops; the two coarse edges are among them.

    >>> fine_edges(1.0, 4.0).tolist()
    [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    """
    import numpy as np

    step = (high - low) / PER_CLASS
    return np.asarray(low + step * np.arange(1 - OUTER, FINE - OUTER))


def view(config: ExifConfig) -> PatchesAndThumbnail:
    """Keep native patches, where noise and sharpness are, and a thumbnail."""
    from training.data.views.patches_and_thumbnail import PatchesAndThumbnail

    return PatchesAndThumbnail(
        config.thumbnail_px, config.patch_px, config.bank, patches=config.patches
    )


def heads(labels: Labels, _config: ExifConfig) -> tuple[Head, ...]:
    """Make one ordinal head a setting from the class edges of the release."""
    bins = labels.manifest["bins"]
    return tuple(_head(setting, *map(float, bins[setting])) for setting in SETTINGS)


def _head(setting: str, low: float, high: float) -> Head:
    from training.heads import OrdinalHead

    return OrdinalHead(
        name=setting,
        title=task_name(setting),
        column=f"{setting}_stops",
        classes=CLASSES,
        descriptions=class_ranges({setting: (low, high)}, setting),
        edges=(low, high),
        fine_edges=tuple(fine_edges(low, high).tolist()),
        first_fine=(0, OUTER, OUTER + PER_CLASS),
    )


def network(config: ExifConfig, heads: tuple[Head, ...]) -> nn.Module:
    """Build the network with one ordinal head a setting."""
    from training.models.headed import HeadedNetwork
    from training.models.patches_and_thumbnail import PatchesAndThumbnailBackbone

    backbone = PatchesAndThumbnailBackbone(
        width=config.width, features=config.features, dropout=config.dropout
    )
    return HeadedNetwork(backbone, heads)


RECIPE = Recipe(
    name="exif",
    version=1,
    summary="aperture, ISO and exposure time from pixels, three classes each",
    presets={"default": DEFAULT, "smoke": SMOKE},
    view=view,
    heads=heads,
    network=network,
    studies=("effects",),
    is_default=True,
)
