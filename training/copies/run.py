"""Train an embedder on a release: its model folder, its rows in the catalog, a run folder with a report.

Only the groups of `split` count: an embedder that is judged on pictures of sessions which it has learned from would
flatter itself. The same order finds its finished model again; an interrupted training goes on.
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
from training.copies.assess import Judged, judge, metric_rows
from training.copies.export import card_of, export_onnx, export_weights
from training.copies.fit import Pictures, Training, fit, whole
from training.copies.judge import candidate_cosine, curve
from training.copies.network import CopyNetwork, build
from training.copies.report import write_card, write_report
from training.data.loader import Loader
from training.errors import NoTrainingRowsError
from training.export.onnx_export import write_json
from training.fit.checkpoint import Checkpoints, Progress
from training.fit.embedder_recipe import CopyConfig, EmbedderRecipe
from training.fit.examples import PARTS, allowed_index
from training.fit.run_request import Order, Outcome, chosen_release, device_of, machine
from training.models.networks import count_parameters
from training.recipes import EMBEDDERS, find_preset
from training.settings import TrainSettings

log = logging.getLogger(__name__)

FINISHED = "model.json"  # the card, written last: curation sees no unfinished embedder
POLICY = "split"


@dataclass(frozen=True)
class Job:
    """One order made concrete."""

    workspace: Workspace
    release: Release
    recipe: EmbedderRecipe
    config: CopyConfig
    settings: TrainSettings

    @property
    def model_id(self) -> str:
        """Name the model."""
        return self.recipe.model_id(self.release.digest, self.config)

    @property
    def folder(self) -> Path:
        """Say where the model lies."""
        return self.workspace.models / self.model_id


def train_embedder(workspace: Workspace, order: Order) -> Outcome:
    """Train the embedder unless it exists, record it in the catalog, write the run folder with its report.

    `order.policies` is not asked: only `split` makes sense. Raises NoDatasetError, RecipeNotFoundError or
    NoTrainingRowsError.
    """
    job = _job(workspace, order)
    torch.set_num_threads(job.settings.compute_threads)
    if order.fresh:
        shutil.rmtree(job.folder, ignore_errors=True)
    existed = (job.folder / FINISHED).exists()
    if not existed:
        _train(job)
    added = _record(workspace, job.folder)
    run_folder = workspace.reports / "training" / _run_id(job)
    write_report(job.folder, run_folder)
    return Outcome(run_folder, {POLICY: job.folder}, (POLICY,) if existed else (), added)


def embedder_name(folder: Path) -> str:
    """Give what `[curate] embedder` calls the embedder of a model folder, such as `copy_detection@3f9c0e51d7aa`."""
    return OnnxEmbedder(folder / "model.onnx").model_id


def _job(workspace: Workspace, order: Order) -> Job:
    recipe = EMBEDDERS[order.recipe]
    config = replace(find_preset(recipe.presets, order.preset), seed=order.seed)
    if order.epochs is not None:
        config = replace(config, epochs=order.epochs)
    release = chosen_release(workspace, order.dataset)
    return Job(workspace, release, recipe, config, machine(workspace))


def _run_id(job: Job) -> str:
    return hashlib.sha256(json.dumps({POLICY: job.model_id}).encode()).hexdigest()[:20]


def _train(job: Job) -> None:
    job.folder.mkdir(parents=True, exist_ok=True)
    config, index = job.config, allowed_index(job.release)
    training = Training(config, job.release.digest, device_of(job.settings))
    torch.manual_seed(config.seed)
    network = build(config.dim, config.frozen_blocks).to(training.device)
    with Loader(
        job.release, index, lambda pixels: whole(pixels, config.stored_px),
        sample_bytes=3 * config.stored_px**2, cache_bytes=job.settings.cache_mb * 2**20,
        threads=job.settings.workers,
    ) as loader:  # fmt: skip
        parts = _parts(job, loader)
        log.info("%d pictures may be used of %d", len(loader), job.release.index().num_rows)
        checkpoints = Checkpoints(job.folder / "checkpoints", job.model_id)
        done = fit(network, parts["train"], parts["validation"], training, checkpoints)
        held_out = judge(network, parts["validation"], training, alone=True)
        judged = judge(network, parts["test"], training)
    card = card_of(job.recipe.name, config.input_px, candidate_cosine(held_out.trials["model"]))
    facts = _facts(job, parts, judged, done)
    _write(job, network, card, judged, done, facts)


def _parts(job: Job, loader: Loader) -> dict[str, Pictures]:
    parts = {}
    for part in PARTS:
        chosen = np.flatnonzero((loader.index[POLICY] == part).fill_null(value=False).to_numpy())
        if not len(chosen):
            raise NoTrainingRowsError.in_release(job.release, f"{POLICY} = {part}")
        parts[part] = Pictures(loader, chosen)
    return parts


def _facts(job: Job, parts: dict[str, Pictures], judged: Judged, done: Progress) -> dict[str, Any]:
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
        "rows_judged": judged.n_pictures,
        "best_epoch": done.best_epoch,
        "epochs": done.epoch,
        "examples_seen": done.examples_seen,
        "code_version": __version__,
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }


def _write(
    job: Job,
    network: CopyNetwork,
    card: EmbedderCard,
    judged: Judged,
    done: Progress,
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
    metrics = [identity | row for row in metric_rows(judged)]
    pl.DataFrame(metrics, infer_schema_length=None).write_parquet(folder / "metrics.parquet")
    pl.DataFrame(done.history).with_columns(
        pl.col("epoch", "examples_seen").cast(pl.Int64)
    ).write_parquet(folder / "history.parquet")
    _curves(judged).write_parquet(folder / "curves.parquet")
    write_card(folder, card, facts, metrics)
    write_json(folder / FINISHED, json.loads(card.to_json(facts)))


def _curves(judged: Judged) -> pl.DataFrame:
    parts = []
    for name, trial in judged.trials.items():
        recall, precision = curve(trial)
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
