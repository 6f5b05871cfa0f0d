"""Read the files of a training run; reports and plots are made from these files only.

A run folder contains `run.json`; each model folder contains `config.json` and `history.parquet`,
`metrics.parquet`, `predictions.parquet`. Paths inside are relative, so a workspace may be moved.
An embedder has no predictions, but `curves.parquet`; `changes.parquet` is optional. Embedders of older code have
`model.json` in place of `config.json`, and their run folders no `run.json`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from catalog import SafelightError, command_name
from training.evaluation.ranking import with_value_columns
from training.evaluation.saved_head import (
    RETRIEVAL_FAMILY,
    SavedHead,
    copies_head,
    saved_heads,
)

__all__ = [
    "HEAT_MAPS", "POLICIES", "POLICY_NAMES", "RunIncompleteError", "SavedHead", "SavedModel", "SavedRun",
    "read_model", "read_run",
]  # fmt: skip

POLICIES = ("split", "random_split")
POLICY_NAMES = {"split": "groups kept apart", "random_split": "random split"}
HEAT_MAPS = "heat_maps.json"  # of `training.explain`: sheets by title, or a note that says why there are none
_CARD = "model.json"
_NO_PREDICTIONS = pl.DataFrame(
    {name: pl.Series(dtype=pl.String) for name in ("asset_sha256", "group_id", "task", "split")}
    | {name: pl.Series(dtype=pl.Float64) for name in ("predicted", "target", "nll")}
    | {"probabilities": pl.Series(dtype=pl.List(pl.Float64))}
)


class RunIncompleteError(SafelightError):
    """A file of a finished run is missing."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path.parent.name}/{path.name} is missing, so the run is not finished. "
            f"Train it again with: {command_name()} train run"
        )


@dataclass(frozen=True)
class SavedModel:
    """The content of a model folder; `predictions` are those of the test pictures.

    `curves` (recall, precision, predictor) , `changes` (layer, change) and `steps` (losses by step) are None
    if the model has none.
    """

    model_id: str
    policy: str
    folder: Path
    config: Mapping[str, Any]
    history: pl.DataFrame
    metrics: pl.DataFrame
    predictions: pl.DataFrame
    curves: pl.DataFrame | None = None
    changes: pl.DataFrame | None = None
    steps: pl.DataFrame | None = None

    def calibrated(self, head: str, name: str) -> Any:
        """Return what validation taught about a head; older models have it by head, embedders among their facts."""
        of_head = ((self.config.get("calibration") or {}).get(head) or {}).get(name)
        if of_head is not None:
            return of_head
        older = self.config.get(name)
        return older.get(head) if isinstance(older, Mapping) else older


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
    def heat_maps(self) -> Mapping[str, Any]:
        """The content of `heat_maps.json`; empty for a run without."""
        path = self.folder / HEAT_MAPS
        return _json(path) if path.is_file() else {}

    @property
    def main(self) -> SavedModel:
        """The model of the policy `split`, or the only model."""
        return self.models.get("split") or next(iter(self.models.values()))

    @property
    def metrics(self) -> pl.DataFrame:
        """The metrics of all models in one table."""
        return pl.concat([model.metrics for model in self.models.values()], how="diagonal_relaxed")

    @property
    def heads(self) -> list[SavedHead]:
        """The heads that have predictions, or figures of retrieval, in the order of the model."""
        predicted = self.main.predictions["task"].unique().to_list()
        measured = self.main.metrics["task"].unique().to_list()
        config = self.main.config
        facts = {"bins": self.facts.get("bins"), "tasks": config.get("tasks")}
        facts |= {
            "heads": self.facts.get("heads") or config.get("heads"),
            "parts": config.get("parts"),
            "view": config.get("view"),
        }
        listed = saved_heads(facts)
        if not facts["heads"] and not predicted and copies_head().name in measured:
            listed = (copies_head(),)
        return [
            head
            for head in listed
            if head.name in (measured if head.family == RETRIEVAL_FAMILY else predicted)
        ]


def read_run(folder: Path, models: Path) -> SavedRun:
    """Read a run folder and the folders of its models below `models`.

    Raises RunIncompleteError when a file is missing.
    """
    facts = _run_facts(folder, models)
    saved = {
        policy: read_model(models / facts["models"][policy], policy)
        for policy in POLICIES
        if facts["models"].get(policy)
    }
    return SavedRun(folder, facts, saved)


def _run_facts(folder: Path, models: Path) -> dict[str, Any]:
    """Read `run.json`; without it, look for the embedder of older code whose id gives the name of the folder."""
    if (folder / "run.json").is_file():
        return _json(folder / "run.json")
    for card in models.glob(f"*/{_CARD}"):
        by_policy = {"split": card.parent.name}
        if hashlib.sha256(json.dumps(by_policy).encode()).hexdigest()[:20] == folder.name:
            about = _json(card)["about"]
            names = ("recipe", "dataset", "version")
            facts = {name: about[name] for name in names} | {"digest": about["dataset_digest"]}
            return facts | {"run_id": folder.name, "models": by_policy}
    raise RunIncompleteError(folder / "run.json")


def read_model(folder: Path, policy: str) -> SavedModel:
    """Read a model folder; raises RunIncompleteError when a file is missing."""
    return SavedModel(
        model_id=folder.name,
        policy=policy,
        folder=folder,
        config=_config(folder),
        history=_parquet(folder / "history.parquet"),
        metrics=_parquet(folder / "metrics.parquet"),
        predictions=_predictions(folder),
        curves=_optional(folder / "curves.parquet"),
        changes=_optional(folder / "changes.parquet"),
        steps=_optional(folder / "steps.parquet"),
    )


def _config(folder: Path) -> dict[str, Any]:
    """Read `config.json`, or what the card of an embedder says about its training; a card adds its cosine."""
    card = _json(folder / _CARD) if (folder / _CARD).is_file() else {}
    is_card_only = card and not (folder / "config.json").is_file()
    config = dict(card["about"]) if is_card_only else _json(folder / "config.json")
    return config | {name: card[name] for name in ("candidate_cosine",) if name in card}


def _predictions(folder: Path) -> pl.DataFrame:
    """Read the predictions of the test pictures; an embedder has an empty table."""
    is_embedder = (folder / "curves.parquet").is_file()
    if is_embedder and not (folder / "predictions.parquet").is_file():
        return with_value_columns(_NO_PREDICTIONS)
    predictions = _parquet(folder / "predictions.parquet")
    return with_value_columns(predictions.filter(pl.col("split").str.ends_with("test")))


def _present(path: Path) -> Path:
    if not path.is_file():
        raise RunIncompleteError(path)
    return path


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_present(path).read_text(encoding="utf-8"))
    return content


def _parquet(path: Path) -> pl.DataFrame:
    return pl.read_parquet(_present(path))


def _optional(path: Path) -> pl.DataFrame | None:
    return pl.read_parquet(path) if path.is_file() else None
