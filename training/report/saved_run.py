"""Read back what a training run left on disk; reports and plots are made from nothing else.

A run folder holds `run.json`; each model folder holds `config.json` and `history.parquet`,
`metrics.parquet`, `predictions.parquet`. Paths inside are relative, so a workspace may be moved.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from catalog import SafelightError
from training.data.photo_settings import TASKS

POLICIES = ("split", "random_split")
POLICY_NAMES = {"split": "groups kept apart", "random_split": "random split"}


class RunIncompleteError(SafelightError):
    """A file that a finished run leaves is missing."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path.parent.name}/{path.name} is missing, so the run is not finished. "
            "Train it again with: safelight train run"
        )


@dataclass(frozen=True)
class SavedModel:
    """One trained model as its folder holds it; predictions are those of the test pictures."""

    model_id: str
    policy: str
    folder: Path
    config: Mapping[str, Any]
    history: pl.DataFrame
    metrics: pl.DataFrame
    predictions: pl.DataFrame


@dataclass(frozen=True)
class SavedRun:
    """One run: its facts from `run.json` and its models by split policy."""

    folder: Path
    facts: Mapping[str, Any]
    models: Mapping[str, SavedModel]

    @property
    def release(self) -> str:
        """Name the release that the run was trained on, such as `photos@1.0.0`."""
        return f"{self.facts['dataset']}@{self.facts['version']}"

    @property
    def bins(self) -> Mapping[str, Any]:
        """Give the edges of the classes, in stops."""
        bins: Mapping[str, Any] = self.facts.get("bins") or {}
        return bins

    @property
    def main(self) -> SavedModel:
        """Give the model whose groups were kept apart, or the only one."""
        return self.models.get("split") or next(iter(self.models.values()))

    @property
    def metrics(self) -> pl.DataFrame:
        """Give the figures of all models in one table."""
        return pl.concat([model.metrics for model in self.models.values()], how="diagonal")

    @property
    def tasks(self) -> list[str]:
        """List the heads that have predictions, in the usual order."""
        found = self.main.predictions["task"].unique().to_list()
        return [task for task in TASKS if task in found]


def read_run(folder: Path, models: Path) -> SavedRun:
    """Read a run folder and the folders of its models below `models`.

    Raises RunIncompleteError when a file is missing.
    """
    facts = _json(folder / "run.json")
    found = {
        policy: _model(models / facts["models"][policy], policy)
        for policy in POLICIES
        if facts["models"].get(policy)
    }
    return SavedRun(folder, facts, found)


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
