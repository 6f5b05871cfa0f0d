"""What a person may ask of training, and what comes of it; for all recipes."""

from dataclasses import dataclass
from pathlib import Path

import torch

from catalog import Release, Workspace, find_release, list_releases, load_settings
from training.errors import NoDatasetError
from training.fit.examples import POLICIES
from training.settings import TrainSettings


@dataclass(frozen=True)
class Order:
    """What to train. `dataset` may be left out when the workspace has one data set only.

    `epochs` and `seed` override the preset; `fresh` throws away what was trained before.
    """

    recipe: str = "exif"
    dataset: str | None = None
    preset: str = "default"
    epochs: int | None = None
    seed: int = 0
    policies: tuple[str, ...] = POLICIES
    fresh: bool = False


@dataclass(frozen=True)
class Outcome:
    """A finished run: its folder, the folder of each model, which of them existed before."""

    folder: Path
    models: dict[str, Path]
    existed: tuple[str, ...]
    rows_added: dict[str, int]


def machine(workspace: Workspace) -> TrainSettings:
    """Read the settings of the machine."""
    return load_settings(TrainSettings, "train", workspace)


def chosen_release(workspace: Workspace, wanted: str | None) -> Release:
    """Find the release that was asked for, or the only data set; raises NoDatasetError."""
    if wanted is not None:
        return find_release(workspace, wanted)
    names = sorted({release.name for release in list_releases(workspace)})
    if len(names) != 1:
        raise NoDatasetError(names)
    return find_release(workspace, names[0])


def device_of(settings: TrainSettings) -> torch.device:
    """Give the device that was named, or a GPU where there is one."""
    if settings.device != "auto":
        return torch.device(settings.device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
