"""Cross-fitting: every picture is predicted by a model that has seen nothing of its group.

Folds are made of whole values of the first column; training then leaves out all pictures that share a value of any
column with the fold. So two columns that knit nearly all pictures together, such as camera and source, can still be
kept apart: only some training pictures are lost.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import nn

from training.data.arrays import Ints
from training.data.labels import label_values
from training.data.stores.pictures import Store
from training.fit.checkpoint import Checkpoints
from training.fit.examples import DatasetParts, Examples, make_examples
from training.fit.task import Task
from training.fit.trainer import Training, fit
from training.fit.training_run import TrainingRun

VALIDATION_SHARE = 8  # every eighth group of training chooses the epoch


@dataclass(frozen=True)
class Fold:
    """Rows that train, that choose the epoch and calibrate, and that are judged."""

    train: Ints
    validation: Ints
    test: Ints


def group_numbers(index: pl.DataFrame, column: str) -> Ints:
    """Return a number for the value of each row in a column or SQL expression; a row without a value is alone."""
    names = label_values(index, column).cast(pl.String)
    keys = pl.select(pl.coalesce(names, index["asset_sha256"])).to_series()
    return np.asarray(np.unique(keys.to_numpy().astype(str), return_inverse=True)[1], np.int64)


def cut_folds(index: pl.DataFrame, columns: Sequence[str], count: int) -> Iterator[Fold]:
    """Yield `count` folds of whole groups, the largest groups spread first; every row is judged once.

    With too few groups for a third part the training rows choose the epoch, too.

    >>> rows = pl.DataFrame({"asset_sha256": list("abcdef"), "group_id": list("uuvvww"), "camera": list("xyyzzz")})
    >>> first, *_ = cut_folds(rows, ["group_id", "camera"], 3)
    >>> first.test.tolist(), first.train.tolist()
    ([0, 1], [3, 4, 5])
    """
    keys = [group_numbers(index, column) for column in columns]
    sizes = np.bincount(keys[0])
    order = np.argsort(-sizes, kind="stable")
    filled, fold_of = np.zeros(count), np.zeros(len(sizes), np.int64)
    for group in order:
        fold_of[group] = filled.argmin()
        filled[fold_of[group]] += sizes[group]
    rank = np.argsort(order)[keys[0]]
    for number in range(count):
        test = fold_of[keys[0]] == number
        rest = ~_shares_a_value(keys, test)
        chosen = rest & (rank // count % VALIDATION_SHARE == VALIDATION_SHARE // 2)
        train = rest & ~_shares_a_value(keys, chosen)
        if not chosen.any() or not train.any():
            chosen = train = rest
        yield Fold(*(np.flatnonzero(part) for part in (train, chosen, test)))


def _shares_a_value(keys: Sequence[Ints], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(np.logical_or.reduce([np.isin(key, key[inside]) for key in keys]))


@dataclass(frozen=True)
class LabelSource:
    """The pictures of a store with the labels of other rows: row `i` has those of row `of[i]`; None changes none."""

    store: Store
    of: Ints | None = None

    def examples(self, task: Task, rows: Ints) -> Examples:
        """Make examples of some rows."""
        if self.of is None:
            return make_examples(self.store, task.heads, rows)
        return replace(make_examples(self.store, task.heads, self.of[rows]), rows=rows)

    def parts(self, task: Task, fold: Fold) -> DatasetParts:
        """Make the three parts of a fold."""
        return DatasetParts(
            *(self.examples(task, rows) for rows in (fold.train, fold.validation, fold.test))
        )


def train_fold(task: Task, parts: DatasetParts, run: TrainingRun) -> tuple[Task, nn.Module]:
    """Train the model of one fold; the task that comes back has no auxiliary heads."""
    torch.manual_seed(task.config.seed)
    network = task.build().to(run.device)
    training = Training(
        network,
        task.objective,
        parts.train,
        parts.validation,
        run,
        task.recipe.initialise,
        task.recipe.batches,
    )
    with TemporaryDirectory() as folder:
        best, _ = fit(training, Checkpoints(Path(folder) / "checkpoints", "cross_fit"))
    return task.without_auxiliary(best)
