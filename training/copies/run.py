"""Train an embedder on a release: write its model folder, its rows in the catalog, a run folder with a report.

Only the split policy `split` is used: on a random split an embedder is evaluated on sessions that it was trained on,
and its figures are too high. The same request finds its finished model again. An interrupted training continues from
its newest checkpoint.
"""

import hashlib
import json
import logging
import platform
import shutil
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from catalog import Release, Workspace, __version__, open_catalog, rows, write_segment
from curation import EmbedderCard, OnnxEmbedder
from training.copies.comparison import EmbedderComparison, compare_embedders, metric_rows
from training.copies.export import export_onnx, export_weights, make_card
from training.copies.fit import EmbedderRun, PictureSubset, fit, whole_picture
from training.copies.network import CopyNetwork, build
from training.copies.report import write_card, write_report
from training.copies.retrieval import candidate_cosine, precision_recall_curve
from training.data.samples import SampleStore
from training.errors import NoTrainingRowsError
from training.export.onnx_export import write_json
from training.fit.checkpoint import Checkpoints, TrainingProgress
from training.fit.embedder_recipe import CopyConfig, EmbedderRecipe
from training.fit.examples import PARTS, allowed_index
from training.fit.run_request import (
    TrainingRequest,
    TrainingResult,
    choose_device,
    choose_release,
    machine_settings,
)
from training.models.networks import count_parameters
from training.recipes import EMBEDDERS, find_preset
from training.settings import TrainSettings

log = logging.getLogger(__name__)

FINISHED = "model.json"  # the card, written last: curation sees no unfinished embedder
POLICY = "split"


@dataclass(frozen=True)
class EmbedderJob:
    """One training request with its release, recipe, configuration and settings."""

    workspace: Workspace
    release: Release
    recipe: EmbedderRecipe
    config: CopyConfig
    settings: TrainSettings

    @property
    def model_id(self) -> str:
        """Identifier of the model."""
        return self.recipe.model_id(self.release.digest, self.config)

    @property
    def folder(self) -> Path:
        """Folder of the model."""
        return self.workspace.models / self.model_id


def train_embedder(workspace: Workspace, request: TrainingRequest) -> TrainingResult:
    """Train the embedder unless it exists, record it in the catalog, write the run folder with its report.

    `request.policies` is ignored; the policy is always `split`. Raises NoDatasetError, RecipeNotFoundError or
    NoTrainingRowsError.
    """
    job = _job(workspace, request)
    torch.set_num_threads(job.settings.compute_threads)
    if request.fresh:
        shutil.rmtree(job.folder, ignore_errors=True)
    existed = (job.folder / FINISHED).exists()
    if not existed:
        _train(job)
    added = _record(workspace, job.folder)
    run_folder = workspace.reports / "training" / _run_id(job)
    write_report(job.folder, run_folder)
    return TrainingResult(run_folder, {POLICY: job.folder}, (POLICY,) if existed else (), added)


def embedder_name(folder: Path) -> str:
    """Return the value of `[curate] embedder` for a model folder, such as `copy_detection@3f9c0e51d7aa`."""
    return OnnxEmbedder(folder / "model.onnx").model_id


def _job(workspace: Workspace, request: TrainingRequest) -> EmbedderJob:
    recipe = EMBEDDERS[request.recipe]
    config = replace(find_preset(recipe.presets, request.preset), seed=request.seed)
    if request.epochs is not None:
        config = replace(config, epochs=request.epochs)
    release = choose_release(workspace, request.dataset)
    return EmbedderJob(workspace, release, recipe, config, machine_settings(workspace))


def _run_id(job: EmbedderJob) -> str:
    return hashlib.sha256(json.dumps({POLICY: job.model_id}).encode()).hexdigest()[:20]


def _train(job: EmbedderJob) -> None:
    job.folder.mkdir(parents=True, exist_ok=True)
    config, index = job.config, allowed_index(job.release)
    training = EmbedderRun(config, job.release.digest, choose_device(job.settings))
    torch.manual_seed(config.seed)
    network = build(config.dim, config.frozen_blocks).to(training.device)
    with SampleStore(
        job.release, index, lambda pixels: whole_picture(pixels, config.stored_px),
        sample_bytes=3 * config.stored_px**2, cache_bytes=job.settings.cache_mb * 2**20,
        threads=job.settings.workers,
    ) as loader:  # fmt: skip
        parts = _parts(job, loader)
        log.info("%d pictures may be used of %d", len(loader), job.release.index().num_rows)
        checkpoints = Checkpoints(job.folder / "checkpoints", job.model_id)
        progress = fit(network, parts["train"], parts["validation"], training, checkpoints)
        held_out = compare_embedders(network, parts["validation"], training, alone=True)
        comparison = compare_embedders(network, parts["test"], training)
    card = make_card(job.recipe.name, config.input_px, candidate_cosine(held_out.scores["model"]))
    facts = _facts(job, parts, comparison, progress)
    _write(job, network, card, comparison, progress, facts)


def _parts(job: EmbedderJob, loader: SampleStore) -> dict[str, PictureSubset]:
    parts = {}
    for part in PARTS:
        chosen = np.flatnonzero((loader.index[POLICY] == part).fill_null(value=False).to_numpy())
        if not len(chosen):
            raise NoTrainingRowsError.in_release(job.release, f"{POLICY} = {part}")
        parts[part] = PictureSubset(loader, chosen)
    return parts


def _facts(
    job: EmbedderJob,
    parts: dict[str, PictureSubset],
    comparison: EmbedderComparison,
    progress: TrainingProgress,
) -> dict[str, Any]:
    used = {f"rows_{name}": len(pictures) for name, pictures in parts.items()}
    return {
        "model_id": job.model_id,
        "recipe": job.recipe.name,
        "recipe_version": job.recipe.version,
        "dataset": job.release.name,
        "version": job.release.version,
        "dataset_digest": job.release.digest,
        "split_policy": POLICY,
        "config": asdict(job.config),
        "rows_excluded": job.release.index().num_rows - sum(used.values()),
        **used,
        "rows_judged": comparison.n_pictures,
        "best_epoch": progress.best_epoch,
        "epochs": progress.epoch,
        "examples_seen": progress.examples_seen,
        "code_version": __version__,
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }


def _write(
    job: EmbedderJob,
    network: CopyNetwork,
    card: EmbedderCard,
    comparison: EmbedderComparison,
    progress: TrainingProgress,
    facts: dict[str, Any],
) -> None:
    """Write every file of the model folder, its card last."""
    folder = job.folder
    facts["parameters"] = count_parameters(network)
    export_weights(network, folder / "weights.safetensors")
    facts["weights_sha256"] = hashlib.sha256(
        (folder / "weights.safetensors").read_bytes()
    ).hexdigest()
    facts["onnx_max_abs_difference"] = export_onnx(network, card, folder)
    identity = {
        "model_id": job.model_id,
        "dataset": job.release.name,
        "version": job.release.version,
        "split": f"{POLICY}:test",
    }
    metrics = [identity | row for row in metric_rows(comparison)]
    pl.DataFrame(metrics, infer_schema_length=None).write_parquet(folder / "metrics.parquet")
    pl.DataFrame(progress.history).with_columns(
        pl.col("epoch", "examples_seen").cast(pl.Int64)
    ).write_parquet(folder / "history.parquet")
    _curves(comparison).write_parquet(folder / "curves.parquet")
    write_card(folder, card, facts, metrics)
    write_json(folder / FINISHED, json.loads(card.to_json(facts)))


def _curves(comparison: EmbedderComparison) -> pl.DataFrame:
    parts = []
    for name, scores in comparison.scores.items():
        recall, precision = precision_recall_curve(scores)
        parts.append(
            pl.DataFrame({"recall": recall, "precision": precision}).with_columns(
                predictor=pl.lit(name)
            )
        )
    return pl.concat(parts).filter(pl.col("precision").is_not_nan())


def _record(workspace: Workspace, folder: Path) -> dict[str, int]:
    """Put a finished embedder with its figures into the catalog; repeating adds nothing."""
    facts = json.loads((folder / FINISHED).read_text("utf-8"))["about"]
    about = {name: facts[name] for name in _MODEL_COLUMNS} | {
        "config_json": json.dumps(facts["config"], sort_keys=True),
        "trained_at": datetime.fromisoformat(facts["trained_at"]).replace(tzinfo=None),
    }
    tables = {
        "models": rows("models", [about]),
        "metrics": rows("metrics", pl.read_parquet(folder / "metrics.parquet").to_dicts()),
    }
    with open_catalog(workspace) as catalog:
        if not catalog.records("SELECT 1 FROM models WHERE model_id = ?", [facts["model_id"]]):
            write_segment(workspace, tables, job=f"train:{facts['model_id']}")
        return catalog.commit()


_MODEL_COLUMNS = (
    "model_id", "recipe", "dataset", "version", "dataset_digest", "split_policy", "weights_sha256",
    "code_version", "parameters", "examples_seen",
)  # fmt: skip
