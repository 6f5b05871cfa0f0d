"""Read the files of a training run; reports and plots are made from these files only.

A run folder contains `run.json`; each model folder contains `config.json` and `history.parquet`,
`metrics.parquet`, `predictions.parquet`. Paths inside are relative, so a workspace may be moved.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from catalog import SafelightError, command_name
from training.data.photo_settings import TASKS

POLICIES = ("split", "random_split")
POLICY_NAMES = {"split": "groups kept apart", "random_split": "random split"}


class RunIncompleteError(SafelightError):
    """A file of a finished run is missing."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path.parent.name}/{path.name} is missing, so the run is not finished. "
            f"Train it again with: {command_name()} train run"
        )


@dataclass(frozen=True)
class SavedModel:
    """The content of a model folder; `predictions` are those of the test pictures."""

    model_id: str
    policy: str
    folder: Path
    config: Mapping[str, Any]
    history: pl.DataFrame
    metrics: pl.DataFrame
    predictions: pl.DataFrame


@dataclass(frozen=True)
class SavedRun:
    """One run: the content of `run.json` and its models by split policy."""

    folder: Path
    facts: Mapping[str, Any]
    models: Mapping[str, SavedModel]

    @property
    def release(self) -> str:
        """The release that the run was trained on, such as `photos@1.0.0`."""
        return f"{self.facts['dataset']}@{self.facts['version']}"

    @property
    def bins(self) -> Mapping[str, Any]:
        """The edges of the classes, in stops."""
        bins: Mapping[str, Any] = self.facts.get("bins") or {}
        return bins

    @property
    def main(self) -> SavedModel:
        """The model of the policy `split`, or the only model."""
        return self.models.get("split") or next(iter(self.models.values()))

    @property
    def metrics(self) -> pl.DataFrame:
        """The metrics of all models in one table."""
        return pl.concat([model.metrics for model in self.models.values()], how="diagonal")

    @property
    def tasks(self) -> list[str]:
        """The heads that have predictions, in the order of `TASKS`."""
        predicted = self.main.predictions["task"].unique().to_list()
        return [task for task in TASKS if task in predicted]


def read_run(folder: Path, models: Path) -> SavedRun:
    """Read a run folder and the folders of its models below `models`.

    Raises RunIncompleteError when a file is missing.
    """
    facts = _json(folder / "run.json")
    saved = {
        policy: _model(models / facts["models"][policy], policy)
        for policy in POLICIES
        if facts["models"].get(policy)
    }
    return SavedRun(folder, facts, saved)


def _model(folder: Path, policy: str) -> SavedModel:
    predictions = _parquet(folder / "predictions.parquet")
    return SavedModel(
        model_id=folder.name,
        policy=policy,
        folder=folder,
        config=_json(folder / "config.json"),
        history=_parquet(folder / "history.parquet"),
        metrics=_parquet(folder / "metrics.parquet"),
        predictions=predictions.filter(pl.col("split").str.ends_with("test")),
    )


def _present(path: Path) -> Path:
    if not path.is_file():
        raise RunIncompleteError(path)
    return path


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_present(path).read_text(encoding="utf-8"))
    return content


def _parquet(path: Path) -> pl.DataFrame:
    return pl.read_parquet(_present(path))
