"""Write the folder of a finished model and its rows in the catalog.

models/<model_id>/
  config.json          everything about the model; written last, so its presence means finished
  weights.safetensors  weights with calibration
  model.onnx           the same network for onnxruntime; parity.json compares both
  model.json           the card of an embedder, for curation
  recipe.py            the recipe, where it is a file of the user's
  history.parquet      one row an epoch
  steps.parquet        losses by step, and of validation batches (`validate_every`)
  metrics.parquet      rows of the table `metrics`
  predictions.parquet  rows of the table `predictions` with group_id, test part
  log.jsonl            the training as it ran, for `train monitor`
  changes.parquet      how much each layer changed in training
  README.md            model card
  checkpoints/         newest and best epochs
"""

import dataclasses
import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import nn

from catalog import Release, Workspace, __version__, open_catalog, rows, write_segment
from training.encoders.onnx_encoder import OnnxEncoder
from training.evaluation.evidence import HeadResult
from training.export.encoded_model import export_encoded
from training.export.model_card import write_card
from training.export.model_files import contract_of, export_onnx, export_weights, write_json
from training.fit.checkpoint import TrainingProgress
from training.fit.examples import PARTS, DatasetParts, where_tested
from training.fit.loss_curve import curve_table
from training.fit.task import Task
from training.models.encoders import Encoder
from training.models.headed import ExportedNetwork
from training.models.layers import count_parameters
from training.models.vector_mlp import EncodedNetwork
from training.predict.saved_model import FINISHED, read_facts
from training.runs.own_recipe import save_source

_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "probabilities": pl.List(pl.Float64), "predicted": pl.Int64, "target": pl.Int64, "nll": pl.Float64,
    "kind": pl.String, "value": pl.Float64, "target_value": pl.Float64, "low": pl.Float64,
    "high": pl.Float64, "answer": pl.String,
}  # fmt: skip


@dataclass(frozen=True)
class Trained:
    """A trained network with its figures by head and how much its layers changed."""

    network: nn.Module
    results: Mapping[str, HeadResult]
    progress: TrainingProgress
    changes: pl.DataFrame


def describe_model(
    release: Release, task: Task, policy: str, parts: DatasetParts
) -> dict[str, Any]:
    """Return the part of `config.json` that is fixed before training."""
    used = {name: len(getattr(parts, name)) for name in PARTS}
    recipe, heads = task.recipe, [head.describe() for head in task.heads]
    return {
        "format": "safelight-model/2",
        "model_id": task.model_id(release.digest, policy),
        "recipe": recipe.name,
        "recipe_version": recipe.version,
        "dataset": release.name,
        "version": release.version,
        "dataset_digest": release.digest,
        "split_policy": policy,
        "where_tested": where_tested(release, policy),
        "config": dataclasses.asdict(task.config),
        "view": {"kind": task.view.kind, **_fields(task.view)},
        "heads": heads,
        "tasks": [head["name"] for head in heads],
        "bins": {head["name"]: head["edges"] for head in heads if "edges" in head},
        "encoder": task.encoder_id,
        "encoders": [
            dataclasses.asdict(encoder.card)
            for encoder in task.encoders
            if isinstance(encoder, OnnxEncoder)
        ],
        "rows_excluded": len(release.index())
        - sum(n_pictures(getattr(parts, name).index) for name in PARTS),
        **{f"rows_{name}": n for name, n in used.items()},
    }


def n_pictures(index: pl.DataFrame) -> int:
    """Return the number of pictures of an index, which may have several rows of one."""
    return index["asset_sha256"].n_unique() if "edit" in index.columns else len(index)


def _fields(view: object) -> dict[str, Any]:
    return (
        dataclasses.asdict(view)
        if dataclasses.is_dataclass(view) and not isinstance(view, type)
        else {}
    )


def write_model(folder: Path, task: Task, trained: Trained, facts: Mapping[str, Any]) -> None:
    """Write every file of a model folder, `config.json` last."""
    calibrations = {name: result.calibration for name, result in trained.results.items()}
    stated = {head.name: head.stated(calibrations[head.name]) for head in task.heads}
    network = trained.network.cpu()
    names: tuple[str, ...] = network.input_names  # type: ignore[assignment]  # see training.models.headed
    model = ExportedNetwork(network, names, stated)
    export_weights(model, folder / "weights.safetensors")
    save_source(folder, task.recipe)
    everything = dict(facts) | _learned(folder, model, trained) | {"calibration": calibrations}
    metrics = _write_tables(folder, trained, facts)
    write_card(folder / "README.md", everything, metrics)
    embedder = next((head for head in task.heads if head.family == "retrieval"), None)
    if embedder is None:
        difference = _export(task, model, folder)
    else:
        difference = _write_embedder(
            folder, task, trained, everything | calibrations[embedder.name]
        )
    write_json(folder / FINISHED, everything | {"onnx_max_abs_difference": difference})


def _export(task: Task, model: ExportedNetwork, folder: Path) -> float:
    """Write the ONNX file, with the encoders before the network that was trained on their vectors."""
    whole = model
    match task.encoders:
        case ():
            pass
        case (Encoder() as encoder,):
            both = EncodedNetwork(encoder.network.cpu(), model.network)
            whole = ExportedNetwork(both, both.input_names, dict(model.stated.items()))
        case encoders:
            return export_encoded(encoders, model, task.view, folder)
    return export_onnx(whole, contract_of(task.view, whole.input_names, list(whole.stated)), folder)


def _write_embedder(folder: Path, task: Task, trained: Trained, facts: Mapping[str, Any]) -> float:
    from training.export.embedder import export_embedder, make_card, write_embedder_card
    from training.models.copy_network import CopyNetwork

    assert isinstance(trained.network, CopyNetwork), "an embedder of curation is a CopyNetwork"
    card = make_card(task.recipe.name, facts["config"]["input_px"], facts["candidate_cosine"])
    difference = export_embedder(trained.network, card, folder)
    write_embedder_card(folder, card, dict(facts) | {"onnx_max_abs_difference": difference})
    return difference


def _write_tables(folder: Path, trained: Trained, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Write history, metrics, predictions, changes and the tables of the families; return the rows of `metrics`."""
    identity = {
        "model_id": facts["model_id"], "dataset": facts["dataset"], "version": facts["version"],
        "split": f"{facts['split_policy']}:test",
    }  # fmt: skip
    results = trained.results.values()
    metrics = [identity | row for result in results for row in result.metrics]
    _parquet(metrics, folder / "metrics.parquet")
    about = {"model_id": facts["model_id"], "split": "test"}
    predictions = [
        {**dict.fromkeys(_SCHEMA), **row, **about, "answer": json.dumps(row["answer"])}
        for result in results
        for row in result.predictions
    ]
    if predictions:
        frame = pl.DataFrame(predictions, schema_overrides=_SCHEMA, infer_schema_length=None)
        frame.write_parquet(folder / "predictions.parquet")
    for result in results:
        for name, table in result.tables.items():
            table.write_parquet(folder / f"{name}.parquet")
    history = pl.DataFrame(trained.progress.history)
    history.with_columns(pl.col("epoch", "examples_seen").cast(pl.Int64)).write_parquet(
        folder / "history.parquet"
    )
    curve_table(trained.progress.curve).write_parquet(folder / "steps.parquet")
    trained.changes.write_parquet(folder / "changes.parquet")
    return metrics


def _parquet(content: list[dict[str, Any]], path: Path) -> None:
    pl.DataFrame(content, infer_schema_length=None).write_parquet(path)


def _learned(folder: Path, model: nn.Module, trained: Trained) -> dict[str, Any]:
    progress = trained.progress
    weights = (folder / "weights.safetensors").read_bytes()
    return {
        "parts": list(getattr(trained.network, "parts", ())),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "parameters": count_parameters(model),
        "best_epoch": progress.best_epoch,
        "epochs": progress.epoch,
        "examples_seen": progress.examples_seen,
        "code_version": __version__,
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }


def weight_changes(before: Mapping[str, torch.Tensor], network: nn.Module) -> pl.DataFrame:
    """Return for each trained layer the norm of its change over its norm before: layer, change; the order is kept."""
    trained_layers = [
        {
            "layer": name,
            "change": float(
                (value.detach().cpu() - before[name]).norm() / before[name].norm().clamp_min(1e-12)
            ),
        }
        for name, value in network.named_parameters()
        if name in before
    ]
    return pl.DataFrame(trained_layers, schema={"layer": pl.String, "change": pl.Float64})


def record(workspace: Workspace, folder: Path) -> dict[str, int]:
    """Write a finished model with its metrics and predictions to the catalog; a repetition adds nothing.

    Returns the number of added rows by table.
    """
    facts = read_facts(folder)
    about = {name: facts[name] for name in _MODEL_COLUMNS} | {
        "config_json": json.dumps(facts["config"], sort_keys=True),
        "trained_at": datetime.fromisoformat(facts["trained_at"]).replace(tzinfo=None),
    }
    tables = {
        "models": rows("models", [about]),
        "metrics": rows("metrics", pl.read_parquet(folder / "metrics.parquet").to_dicts()),
    }
    if (folder / "predictions.parquet").exists():
        predictions = pl.read_parquet(folder / "predictions.parquet").drop("group_id").to_dicts()
        tables["predictions"] = rows("predictions", predictions)
    with open_catalog(workspace) as catalog:
        if not catalog.records("SELECT 1 FROM models WHERE model_id = ?", [facts["model_id"]]):
            write_segment(workspace, tables, job=f"train:{facts['model_id']}")
        return catalog.commit()


_MODEL_COLUMNS = (
    "model_id", "recipe", "dataset", "version", "dataset_digest", "split_policy", "weights_sha256",
    "code_version", "parameters", "examples_seen",
)  # fmt: skip
