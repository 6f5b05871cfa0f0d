"""Make training, validation and test examples from a release, under either split policy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from catalog import Release, given_up
from training.data.arrays import MISSING, Floats, Ints
from training.data.labels import group_numbers
from training.data.stores.pictures import SampleStore, Store
from training.data.views.base import View
from training.errors import NoTargetsError, NoTrainingRowsError
from training.evaluation import verdicts
from training.fit.config import Config
from training.heads.base import Head
from training.settings import TrainSettings

POLICIES = ("split", "random_split")
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Examples:
    """Some rows of a store with labels by head: `targets` for the loss, `truth` for evaluation; weight (N,)."""

    store: Store
    rows: Ints
    targets: Mapping[str, NDArray[Any]]
    truth: Mapping[str, NDArray[Any]]
    weight: Floats

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, number: int, size: int) -> "Examples":
        """Return the batch of this number of at most `size` rows in order; after the last one comes the first."""
        start = number * size % max(len(self) - len(self) % size, size)
        cut = slice(start, start + size)
        targets, truth = (
            {name: values[cut] for name, values in labels.items()}
            for labels in (self.targets, self.truth)
        )
        return Examples(self.store, self.rows[cut], targets, truth, self.weight[cut])

    @property
    def index(self) -> pl.DataFrame:
        """The index rows of the examples."""
        return self.store.index[self.rows]

    @property
    def groups(self) -> Ints:
        """A number for the group of each row, (N,); a row without a group is one of its own."""
        return group_numbers(self.index)


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


def open_store(
    release: Release, index: pl.DataFrame, view: View, settings: TrainSettings
) -> SampleStore:
    """Open a store over all rows; both split policies share it, so each picture is decoded once."""
    cache_bytes = settings.cache_mb * 2**20
    return SampleStore(release, index, view, cache_bytes=cache_bytes, threads=settings.workers)


def make_examples(
    store: Store, heads: Sequence[Head], rows: Ints, weight: Floats | None = None
) -> Examples:
    """Make examples of some rows, with equal weights unless they are given."""
    index = store.index[rows]
    return Examples(
        store,
        rows,
        {head.name: head.targets(index) for head in heads},
        {head.name: head.truth(index) for head in heads},
        np.ones(len(rows)) if weight is None else weight,
    )


def cut_parts(
    store: Store, release: Release, heads: Sequence[Head], config: Config, policy: str
) -> DatasetParts:
    """Divide the rows of a store into train, validation and test; raises NoTrainingRowsError or NoTargetsError."""
    weight = _weights(store.index, config)
    parts = []
    for part in PARTS:
        rows = np.flatnonzero((store.index[policy] == part).fill_null(value=False).to_numpy())
        if not len(rows):
            raise NoTrainingRowsError.in_release(release, f"{policy} = {part}")
        examples = make_examples(store, heads, rows, weight[rows])
        if not any(has_label(truth).any() for truth in examples.truth.values()):
            raise NoTargetsError(release, f"{policy} = {part}", [head.name for head in heads])
        parts.append(examples)
    return DatasetParts(*parts)


def has_label(truth: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which rows have a label: not MISSING, not NaN."""
    if truth.dtype.kind == "f":
        return np.asarray(~np.isnan(truth), np.bool_)
    return np.asarray(truth != MISSING, np.bool_)


def _weights(index: pl.DataFrame, config: Config) -> Floats:
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
