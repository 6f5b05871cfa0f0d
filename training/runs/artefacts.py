"""Write the folder of a finished model and its rows in the catalog.

models/<model_id>/
  config.json          everything about the model; written last, so its presence means finished
  weights.safetensors  weights with temperature and class shares
  model.onnx           the same network for onnxruntime; parity.json compares both
  history.parquet      one row an epoch
  metrics.parquet      rows of the table `metrics`
  predictions.parquet  rows of the table `predictions` with group_id, test part
  README.md            model card
  checkpoints/         newest and best epochs
"""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import torch

from catalog import Release, Workspace, __version__, open_catalog, rows, write_segment
from training.export.onnx_export import export_onnx, export_weights, write_card, write_json
from training.fit.checkpoint import TrainingProgress
from training.fit.examples import DatasetParts, release_class_edges, where_tested
from training.fit.recipe import Config, Recipe
from training.models.networks import HeadsNetwork, StatedProbabilities, count_parameters
from training.predict.predict import FINISHED
from training.runs.assessment import Assessment


def compute_model_id(recipe: Recipe, digest: str, policy: str, config: Config) -> str:
    """Return the identifier of a model: a hash of recipe, release content, split policy and configuration."""
    data = {"recipe": recipe.name, "recipe_version": recipe.version, "digest": digest}
    identity = data | {"policy": policy, "config": asdict(config)}
    text = json.dumps(identity, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def write_model(
    folder: Path,
    network: HeadsNetwork,
    assessment: Assessment,
    progress: TrainingProgress,
    facts: Mapping[str, Any],
) -> None:
    """Write every file of a model folder, `config.json` last."""
    config = Config(**facts["config"])
    calibration = assessment.calibration
    model = StatedProbabilities(
        network, torch.tensor(calibration.temperature), torch.tensor(calibration.prior)
    )
    export_weights(model, folder / "weights.safetensors")
    difference = export_onnx(model, config.view, folder)
    pl.DataFrame(progress.history).with_columns(
        pl.col("epoch", "examples_seen").cast(pl.Int64)
    ).write_parquet(folder / "history.parquet")
    pl.DataFrame(assessment.metrics, infer_schema_length=None).write_parquet(
        folder / "metrics.parquet"
    )
    pl.DataFrame(assessment.predictions, infer_schema_length=None).write_parquet(
        folder / "predictions.parquet"
    )
    everything = dict(facts) | _learned(folder, model, assessment, progress)
    write_card(folder / "README.md", everything | facts["config"], assessment.metrics)
    write_json(folder / FINISHED, everything | {"onnx_max_abs_difference": difference})


def describe_model(
    release: Release, recipe: Recipe, config: Config, policy: str, parts: DatasetParts
) -> dict[str, Any]:
    """Return the part of `config.json` that is fixed before training."""
    used = {name: len(getattr(parts, name)) for name in ("train", "validation", "test")}
    return {
        "format": "safelight-model/1",
        "model_id": compute_model_id(recipe, release.digest, policy, config),
        "recipe": recipe.name,
        "recipe_version": recipe.version,
        "dataset": release.name,
        "version": release.version,
        "dataset_digest": release.digest,
        "split_policy": policy,
        "where_tested": where_tested(release, policy),
        "config": asdict(config),
        "tasks": list(recipe.heads),
        "classes": ["low", "medium", "high"],
        "bins": {head: list(edges) for head, edges in release_class_edges(release).items()},
        "rows_excluded": len(release.index()) - sum(used.values()),
        **{f"rows_{name}": n for name, n in used.items()},
    }


def _learned(
    folder: Path, model: StatedProbabilities, assessment: Assessment, progress: TrainingProgress
) -> dict[str, Any]:
    calibration, heads = assessment.calibration, len(assessment.calibration.temperature)
    tasks = list(dict.fromkeys(row["task"] for row in assessment.predictions))[:heads]
    weights = (folder / "weights.safetensors").read_bytes()
    return {
        "temperature": dict(zip(tasks, calibration.temperature.tolist(), strict=True)),
        "prior": dict(zip(tasks, calibration.prior.tolist(), strict=True)),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "parameters": count_parameters(model),
        "best_epoch": progress.best_epoch,
        "epochs": progress.epoch,
        "examples_seen": progress.examples_seen,
        "code_version": __version__,
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }


def record(workspace: Workspace, folder: Path) -> dict[str, int]:
    """Write a finished model with its metrics and predictions to the catalog; a repetition adds nothing.

    Returns the number of added rows by table.
    """
    facts = json.loads((folder / FINISHED).read_text("utf-8"))
    about = {name: facts[name] for name in _MODEL_COLUMNS} | {
        "config_json": json.dumps(facts["config"], sort_keys=True),
        "trained_at": datetime.fromisoformat(facts["trained_at"]).replace(tzinfo=None),
    }
    predictions = pl.read_parquet(folder / "predictions.parquet").drop("group_id").to_dicts()
    tables = {
        "models": rows("models", [about]),
        "metrics": rows("metrics", pl.read_parquet(folder / "metrics.parquet").to_dicts()),
        "predictions": rows("predictions", predictions),
    }
    with open_catalog(workspace) as catalog:
        if not catalog.records("SELECT 1 FROM models WHERE model_id = ?", [facts["model_id"]]):
            write_segment(workspace, tables, job=f"train:{facts['model_id']}")
        return catalog.commit()


_MODEL_COLUMNS = (
    "model_id",
    "recipe",
    "dataset",
    "version",
    "dataset_digest",
    "split_policy",
    "weights_sha256",
    "code_version",
    "parameters",
    "examples_seen",
)
