"""The request that starts a training and its result, for all recipes."""

from dataclasses import dataclass
from pathlib import Path

import torch

from catalog import Release, Workspace, find_release, list_releases, load_settings
from training.errors import NoDatasetError
from training.fit.examples import POLICIES
from training.settings import TrainSettings


@dataclass(frozen=True)
class TrainingRequest:
    """What to train.

    Without `recipe` it is the default one; `dataset` may be None when the workspace has one data set only.
    `epochs`, `seed` and `options` (texts `name=value`) override the preset; `fresh` deletes finished models and
    checkpoints of the same request. `budget_s` ends each training after that many seconds on the clock; 0 is no
    limit.
    """

    recipe: str = ""
    dataset: str | None = None
    preset: str = "default"
    epochs: int | None = None
    seed: int = 0
    policies: tuple[str, ...] = POLICIES
    fresh: bool = False
    options: tuple[str, ...] = ()
    budget_s: float = 0.0


@dataclass(frozen=True)
class TrainingResult:
    """A finished run: its folder, the folder of each model, the policies whose model existed before."""

    folder: Path
    models: dict[str, Path]
    existed: tuple[str, ...]
    rows_added: dict[str, int]


def machine_settings(workspace: Workspace) -> TrainSettings:
    """Read `[train]` of safelight.toml."""
    return load_settings(TrainSettings, "train", workspace)


def choose_release(workspace: Workspace, name: str | None) -> Release:
    """Find the release `name`, or without a name the only data set; raises NoDatasetError."""
    if name is not None:
        return find_release(workspace, name)
    names = sorted({release.name for release in list_releases(workspace)})
    if len(names) != 1:
        raise NoDatasetError(names)
    return find_release(workspace, names[0])


def choose_device(settings: TrainSettings) -> torch.device:
    """Return the device of the settings; `auto` is a GPU if there is one."""
    if settings.device != "auto":
        return torch.device(settings.device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


Order = TrainingRequest
"""Deprecated name of `TrainingRequest`."""

Outcome = TrainingResult
"""Deprecated name of `TrainingResult`."""
