"""Train one recipe on one release: a model for each split policy, and a run folder that lists them.

    reports/training/<run_id>/run.json   recipe, release, models by split policy, leak audit

The same request has the same run_id and finds its finished models again. An interrupted training
continues from its newest checkpoint.
"""

import dataclasses
import hashlib
import json
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch

from catalog import Release, Workspace, find_release, given_up
from training.data.samples import SampleStore
from training.export.onnx_export import write_json
from training.fit.checkpoint import Checkpoints
from training.fit.examples import (
    DatasetParts,
    allowed_index,
    cut_parts,
    open_loader,
    shared_between_train_and_test,
)
from training.fit.recipe import Config, Recipe
from training.fit.run_request import (
    TrainingRequest,
    TrainingResult,
    choose_device,
    choose_release,
    machine_settings,
)
from training.fit.trainer import Run, fit
from training.predict.predict import FINISHED, load_model
from training.recipes import EMBEDDERS, RECIPES, find_preset, find_recipe
from training.runs.artefacts import compute_model_id, describe_model, record, write_model
from training.runs.assessment import Assessment, assess
from training.settings import TrainSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingJob:
    """One training request with its release, recipe, configuration and settings."""

    workspace: Workspace
    release: Release
    recipe: Recipe
    config: Config
    settings: TrainSettings

    def model_id(self, policy: str) -> str:
        """Return the identifier of the model of one split policy."""
        return compute_model_id(self.recipe, self.release.digest, policy, self.config)

    def run_for(self, policy: str) -> Run:
        """Return the constants of the training under one split policy."""
        return Run(self.config, self.release.digest, policy, choose_device(self.settings))


def train(workspace: Workspace, request: TrainingRequest) -> TrainingResult:
    """Train the models that do not exist yet, record them in the catalog, write the run folder.

    Raises NoDatasetError, RecipeNotFoundError or NoTrainingRowsError.
    """
    if request.recipe in EMBEDDERS:
        from training.copies.run import train_embedder  # brings onnx and faiss

        return train_embedder(workspace, request)
    job = _job(workspace, request)
    torch.set_num_threads(job.settings.compute_threads)
    folders = {policy: workspace.models / job.model_id(policy) for policy in request.policies}
    if request.fresh:
        for folder in folders.values():
            shutil.rmtree(folder, ignore_errors=True)
    existed = tuple(p for p, folder in folders.items() if (folder / FINISHED).exists())
    missing = [policy for policy in request.policies if policy not in existed]
    if missing:
        _train_all(job, {policy: folders[policy] for policy in missing})
    added: dict[str, int] = {}
    for folder in folders.values():
        for table, n in record(workspace, folder).items():
            added[table] = added.get(table, 0) + n
    return TrainingResult(_write_run(job, folders), folders, existed, added)


def evaluate(workspace: Workspace, model_id: str) -> tuple[pl.DataFrame, float]:
    """Score a finished model again from its weights and the pictures.

    Returns the metrics and the largest difference from the stored ones (0 when nothing changed).
    """
    model = load_model(workspace, model_id)
    facts = model.facts
    release = find_release(workspace, f"{facts['dataset']}@{facts['version']}")
    recipe = RECIPES[facts["recipe"]]
    job = TrainingJob(workspace, release, recipe, model.config, machine_settings(workspace))
    torch.set_num_threads(job.settings.compute_threads)
    policy = facts["split_policy"]
    with _loader(job) as loader:
        parts = cut_parts(loader, release, recipe, model.config, policy)
        run = job.run_for(policy)
        network = model.network.network.to(run.device)
        again = assess(network, parts, run, recipe.heads, facts["model_id"])
    metrics = pl.DataFrame(_with_identity(job, policy, again.metrics), infer_schema_length=None)
    stored = pl.read_parquet(workspace.models / facts["model_id"] / "metrics.parquet")
    return metrics, _difference(stored, metrics)


def _difference(stored: pl.DataFrame, again: pl.DataFrame) -> float:
    key = ["predictor", "task", "slice", "metric"]
    both = stored.join(again, on=key, how="full", suffix="_again")
    gap = both.select((pl.col("value") - pl.col("value_again")).abs().fill_null(float("inf")).max())
    return float(gap.item() or 0.0)


def _job(workspace: Workspace, request: TrainingRequest) -> TrainingJob:
    recipe = find_recipe(request.recipe)
    assert isinstance(recipe, Recipe), "train() handles embedder recipes"
    config = dataclasses.replace(find_preset(recipe.presets, request.preset), seed=request.seed)
    if request.epochs is not None:
        config = dataclasses.replace(config, epochs=request.epochs)
    return TrainingJob(
        workspace,
        choose_release(workspace, request.dataset),
        recipe,
        config,
        machine_settings(workspace),
    )


def _loader(job: TrainingJob) -> SampleStore:
    return open_loader(job.release, allowed_index(job.release), job.config, job.settings)


def _train_all(job: TrainingJob, folders: dict[str, Path]) -> None:
    with _loader(job) as loader:
        log.info("%d pictures may be used of %d", len(loader), len(job.release.index()))
        for policy, folder in folders.items():
            parts = cut_parts(loader, job.release, job.recipe, job.config, policy)
            _train_one(job, parts, policy, folder)


def _train_one(job: TrainingJob, parts: DatasetParts, policy: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    run, model_id = job.run_for(policy), folder.name
    torch.manual_seed(job.config.seed)
    network = job.recipe.build(job.config).to(run.device)
    progress = fit(
        network, parts.train, parts.validation, run, Checkpoints(folder / "checkpoints", model_id)
    )
    assessment = assess(network, parts, run, job.recipe.heads, model_id)
    assessment = Assessment(
        assessment.calibration,
        _with_identity(job, policy, assessment.metrics),
        assessment.predictions,
    )
    facts = describe_model(job.release, job.recipe, job.config, policy, parts)
    write_model(folder, network, assessment, progress, facts)


def _with_identity(
    job: TrainingJob, policy: str, metrics: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Add model, data set and split to rows of `metrics`."""
    identity = {
        "model_id": job.model_id(policy),
        "dataset": job.release.name,
        "version": job.release.version,
        "split": f"{policy}:test",
    }
    return [{**identity, **row} for row in metrics]


def _write_run(job: TrainingJob, folders: dict[str, Path]) -> Path:
    models = {policy: folder.name for policy, folder in folders.items()}
    run_id = hashlib.sha256(json.dumps(models, sort_keys=True).encode()).hexdigest()[:20]
    folder = job.workspace.reports / "training" / run_id
    folder.mkdir(parents=True, exist_ok=True)
    index = allowed_index(job.release)
    facts = {
        "format": "safelight-run/1",
        "run_id": run_id,
        "recipe": job.recipe.name,
        "dataset": job.release.name,
        "version": job.release.version,
        "digest": job.release.digest,
        "bins": job.release.manifest["bins"],
        "models": models,
        "folders": {policy: f"../../../models/{name}" for policy, name in models.items()},
        "rows_excluded": len(job.release.index()) - len(index),
        "given_up": given_up(job.release.manifest["plan"]),
        "leak_audit": {policy: shared_between_train_and_test(index, policy) for policy in models},
    }
    write_json(folder / "run.json", facts)
    return folder
