"""Make training, validation and test examples from a release, under either split policy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from catalog import Release, given_up
from training.data.samples import SampleStore
from training.data.transforms import Pixels, Sample, cut
from training.errors import NoTargetsError, NoTrainingRowsError
from training.evaluation import verdicts
from training.fit.recipe import Config, Edges, Recipe
from training.fit.trainer import Examples
from training.models.losses import MISSING
from training.settings import TrainSettings

POLICIES = ("split", "random_split")
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class DatasetParts:
    """The three parts of a release under one split policy."""

    train: Examples
    validation: Examples
    test: Examples


def allowed_index(release: Release) -> pl.DataFrame:
    """Return the index rows with a training permission; a missing permission means not allowed.

    The rule also holds for validation and test rows, because they select and evaluate the model.
    """
    index = pl.DataFrame(release.index())
    return index.filter(pl.col("training_allowed").fill_null(value=False))


def release_class_edges(release: Release) -> Edges:
    """Return the two class edges of each setting, in stops, from the manifest of the release."""
    bins: Mapping[str, Any] = release.manifest["bins"]
    return {head: (float(edges[0]), float(edges[1])) for head, edges in bins.items()}


def open_loader(
    release: Release, index: pl.DataFrame, config: Config, settings: TrainSettings
) -> SampleStore:
    """Open a loader over all rows; both split policies share it, so each picture is decoded once."""

    def prepare(pixels: Pixels) -> Sample:
        return cut(pixels, config.view)

    return SampleStore(
        release, index, prepare,
        sample_bytes=config.view.bytes, cache_bytes=settings.cache_mb * 2**20,
        threads=settings.workers,
    )  # fmt: skip


def cut_parts(
    loader: SampleStore, release: Release, recipe: Recipe, config: Config, policy: str
) -> DatasetParts:
    """Divide the rows of a loader into train, validation and test; raises NoTrainingRowsError or NoTargetsError."""
    edges = release_class_edges(release)
    fine, coarse = recipe.targets(loader.index, edges), recipe.classes(loader.index, edges)
    weight = _weights(loader.index, config)
    parts = []
    for part in PARTS:
        rows = np.flatnonzero((loader.index[policy] == part).fill_null(value=False).to_numpy())
        if not len(rows):
            raise NoTrainingRowsError.in_release(release, f"{policy} = {part}")
        if (coarse[rows] == MISSING).all():
            raise NoTargetsError(release, f"{policy} = {part}", recipe.heads)
        parts.append(Examples(loader, rows, fine[rows], coarse[rows], weight[rows]))
    return DatasetParts(*parts)


def _weights(index: pl.DataFrame, config: Config) -> np.ndarray[Any, np.dtype[np.float64]]:
    if config.balance == "weights":
        return index["weight"].cast(pl.Float64).fill_null(1.0).to_numpy()
    return np.ones(len(index))


def where_tested(release: Release, policy: str) -> str:
    """Describe the test pictures in words: what training did not contain, and what is unknown."""
    audit = shared_between_train_and_test(allowed_index(release), policy)
    return verdicts.describe_test_set(policy, audit, given_up(release.manifest["plan"]))


def shared_between_train_and_test(index: pl.DataFrame, policy: str) -> dict[str, int | float]:
    """Count groups, cameras and photographers that train and test share, and the test pictures of them.

    `..._known_share` is the share of pictures with a value, in train or in test, whichever is smaller.
    """
    counts: dict[str, int | float] = {}
    for column in ("group_id", "camera", "photographer"):
        labelled = index.filter(pl.col(column).is_not_null())
        train = labelled.filter(pl.col(policy) == "train")[column].unique()
        test = labelled.filter((pl.col(policy) == "test") & pl.col(column).is_in(train.implode()))
        name = column.removesuffix("_id")
        counts[f"{name}s_in_train_and_test"] = test[column].n_unique()
        counts[f"test_pictures_of_a_trained_{name}"] = len(test)
        sides = [index.filter(pl.col(policy) == side)[column] for side in ("train", "test")]
        counts[f"{name}s_known_share"] = min(
            side.count() / len(side) if len(side) else 0.0 for side in sides
        )
    return counts
