"""Predict aperture, ISO and exposure time from pixels, each in three classes, and the light of the scene in EV.

Each setting is learnt in stops, as twelve fine ordered bins; the reported classes are sums of fine bins. Scene EV =
log2(N^2 / t) - log2(ISO / 100) is the light that the settings suit. Libraries are imported by the functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from curation import SETTINGS
from training.data.photo_settings import CLASSES, class_ranges, task_name
from training.fit.config import Config, option
from training.fit.encoded import standardise, two_branches
from training.fit.recipe import Labels, Recipe

if TYPE_CHECKING:
    from torch import nn

    from training.data.arrays import Floats
    from training.data.views import View
    from training.heads import Head

PER_CLASS = 3  # fine bins between the two edges of the middle class
OUTER = 5  # fine bins below the lower edge; 12 - 3 - 5 = 4 above the upper one
FINE = 12
SCENE_EV = "f_number_stops - exposure_time_stops - iso_stops"


@dataclass(frozen=True, kw_only=True)
class ExifConfig(Config):
    """Hyperparameters of `exif`; sides in pixels. Of a picture `bank` native patches of `patch_px` are kept.

    With an `encoder` a frozen network sees `variants` squares of `side`, and `hidden` features are learnt; without one
    a network of `width` and `features` sees a thumbnail of `thumbnail_px` and, in a step of training, `patches` of the
    bank. `adversary` is the strength with which features forget the camera; `scene_ev` adds the fourth head.
    """

    dropout: float
    thumbnail_px: int
    patch_px: int
    bank: int
    patches: int
    width: int
    features: int
    balance: str = "prior"
    encoder: str = option("")
    side: int = option(224)
    variants: int = option(2)
    hidden: int = option(128)
    input_dropout: float = option(0.2)
    adversary: float = option(0.0)
    scene_ev: bool = option(default=False)


CNN = ExifConfig(
    epochs=16, batch_size=32, learning_rate=2e-3, weight_decay=0.05, dropout=0.2, patience=5,
    thumbnail_px=96, patch_px=64, bank=8, patches=4, width=16, features=64,
)  # fmt: skip
DEFAULT = ExifConfig(
    epochs=20, batch_size=64, learning_rate=1.5e-3, weight_decay=0.05, dropout=0.5, patience=20,
    thumbnail_px=96, patch_px=64, bank=8, patches=4, width=16, features=64,
    schedule="one_cycle", encoder="lite0_patches", scene_ev=True,
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


def view(config: ExifConfig) -> View:
    """Keep native patches, where noise and sharpness are, and the whole picture small."""
    from training.data.views import CropsAndPatches, PatchesAndThumbnail

    if config.encoder:
        return CropsAndPatches(config.side, config.variants, config.patch_px, config.bank)
    sizes = config.thumbnail_px, config.patch_px, config.bank
    return PatchesAndThumbnail(*sizes, patches=config.patches)


def heads(labels: Labels, config: ExifConfig) -> tuple[Head, ...]:
    """Make one ordinal head a setting from the class edges of the release, and scene EV where pictures have it."""
    from training.heads import AdversaryHead, RegressionHead

    index, bins = labels.index, labels.manifest["bins"]
    made = [_head(setting, *map(float, bins[setting])) for setting in SETTINGS]
    if config.scene_ev and {f"{setting}_stops" for setting in SETTINGS} <= {*index.columns}:
        about = {"name": "scene_ev", "title": "Scene EV", "unit": "EV", "in_panel": False}
        made += RegressionHead.standardised_on(index, SCENE_EV, about)
    return (*made, *AdversaryHead.of_column(index, "camera", config.adversary))


def _head(setting: str, low: float, high: float) -> Head:
    from training.heads import OrdinalHead

    return OrdinalHead(
        name=setting, title=task_name(setting), column=f"{setting}_stops", classes=CLASSES,
        descriptions=class_ranges({setting: (low, high)}, setting),
        edges=(low, high),
        fine_edges=tuple(fine_edges(low, high).tolist()),
        first_fine=(0, OUTER, OUTER + PER_CLASS),
    )  # fmt: skip


def network(config: ExifConfig, heads: tuple[Head, ...]) -> nn.Module:
    """Build the network: on vectors of the encoder, or on thumbnail and patches."""
    if config.encoder:
        return two_branches(config, heads)
    from training.models.headed import HeadedNetwork
    from training.models.patches_and_thumbnail import PatchesAndThumbnailBackbone

    sizes = {"width": config.width, "features": config.features}
    return HeadedNetwork(PatchesAndThumbnailBackbone(**sizes, dropout=config.dropout), heads)


RECIPE = Recipe(
    name="exif",
    version=1,
    summary="aperture, ISO and exposure time from pixels, three classes each, and scene EV",
    presets={"default": DEFAULT, "smoke": SMOKE, "cnn": CNN},
    view=view,
    heads=heads,
    network=network,
    encoder=lambda config: config.encoder,
    initialise=standardise,
    studies=("effects", "exif_check"),
    is_default=True,
)
