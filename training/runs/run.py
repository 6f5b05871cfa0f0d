"""Train one recipe on one release: a model for each split policy, and a run folder that lists them.

    reports/training/<run_id>/run.json   recipe, release, models by split policy, leak audit

The same request has the same run_id and finds its finished models again. An interrupted training continues from its
newest checkpoint.
"""

import dataclasses
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl
import torch

from catalog import Release, Workspace, find_release, given_up
from training.data.stores.pictures import SampleStore, Store
from training.data.stores.vectors import EncodedStore, JoinedStore
from training.encoders.onnx_encoder import OnnxEncoder
from training.export.model_files import write_json
from training.fit.checkpoint import Checkpoints, Retention
from training.fit.examples import (
    DatasetParts,
    allowed_index,
    cut_parts,
    open_store,
    shared_between_train_and_test,
)
from training.fit.ranks import Ranks, joined, this_rank
from training.fit.recipe import Labels
from training.fit.repeat import preset_words
from training.fit.run_request import (
    TrainingRequest,
    TrainingResult,
    choose_device,
    choose_release,
    machine_settings,
)
from training.fit.task import Task, short_hash
from training.fit.trainer import Training, fit
from training.fit.training_run import TrainingRun
from training.heads import SoftmaxHead
from training.models.encoders import Encoder
from training.predict.saved_model import RECIPE_FILE, find_model, is_finished, read_facts
from training.recipes import find_preset, find_recipe
from training.runs.assessment import assess
from training.runs.model_folder import (
    Trained,
    describe_model,
    n_pictures,
    record,
    weight_changes,
    write_model,
)
from training.runs.own_recipe import save_source, warn_if_changed
from training.runs.saved_network import load_network, saved_task, start_from
from training.settings import TrainSettings

log = logging.getLogger(__name__)

SHOWN = 3  # values that a warning names


@dataclass(frozen=True)
class TrainingJob:
    """One training request with its release, task and settings."""

    workspace: Workspace
    release: Release
    index: pl.DataFrame
    task: Task
    settings: TrainSettings
    budget_s: float = 0.0

    def run_for(self, policy: str) -> TrainingRun:
        """Return the constants of the training under one split policy."""
        return TrainingRun(
            self.task.config,
            self.release.digest,
            policy,
            choose_device(self.settings),
            self.budget_s,
            self.settings.checkpoint_s,
        )

    @contextmanager
    def open_store(self) -> Iterator[Store]:
        """Open the samples of all usable rows: pictures, or the vectors of an encoder."""
        with open_store(self.release, self.index, self.task.view, self.settings) as pictures:
            if not self.task.encoders:
                yield pictures
                return
            stores = [self.encoded(pictures, encoder) for encoder in self.task.encoders]
            yield stores[0] if len(stores) == 1 else JoinedStore(stores)

    def encoded(self, pictures: SampleStore, encoder: Encoder | OnnxEncoder) -> EncodedStore:
        """Open the vectors of an encoder, and compute those that the workspace does not have yet."""
        folder = self.workspace.home / "cache" / "vectors"
        store = EncodedStore(pictures, encoder.id, encoder.dim, folder)
        device = choose_device(self.settings)
        with this_rank().first_alone():
            threads = self.settings.encode_threads if device.type == "cpu" else 1
            n = store.fill(lambda arrays: encoder.encode(arrays, device), threads)
        log.info("%s encoded %d pictures, %d vectors were there", encoder.id, n, len(store) - n)
        return store


def train(workspace: Workspace, request: TrainingRequest) -> TrainingResult:
    """Train the models that do not exist yet, record them in the catalog, write the run folder.

    Policies that the recipe cannot be trained under are left out. Of the processes of `torchrun` all train, and rank 0
    writes; the others return what it wrote. Raises NoDatasetError, RecipeNotFoundError, NoTrainingRowsError,
    NoTargetsError or OptionError.
    """
    with joined() as ranks:
        result = _train(workspace, request, ranks)
        ranks.wait()
        return result


def _train(workspace: Workspace, request: TrainingRequest, ranks: Ranks) -> TrainingResult:
    job = make_job(workspace, request)
    torch.set_num_threads(job.settings.compute_threads)
    policies = [policy for policy in request.policies if policy in job.task.recipe.policies]
    policies = policies or list(job.task.recipe.policies[:1])
    folders = {p: workspace.models / job.task.model_id(job.release.digest, p) for p in policies}
    if request.fresh and ranks.is_first:
        for folder in folders.values():
            shutil.rmtree(folder, ignore_errors=True)
    ranks.wait()
    for folder in folders.values():
        warn_if_changed(folder, job.task.recipe)
    existed = tuple(policy for policy, folder in folders.items() if is_finished(folder))
    missing = {policy: folder for policy, folder in folders.items() if policy not in existed}
    ranks.wait()  # all have looked before rank 0 finishes a model
    if missing:
        _warn_of_other_values(job)
        _train_all(job, missing)
    added: dict[str, int] = {}
    if not ranks.is_first:
        return TrainingResult(job.workspace.reports / "training", folders, existed, added)
    for folder in folders.values():
        for table, n in record(workspace, folder).items():
            added[table] = added.get(table, 0) + n
    return TrainingResult(_write_run(job, folders), folders, existed, added)


def make_job(workspace: Workspace, request: TrainingRequest) -> TrainingJob:
    """Find the recipe, its configuration and the release of a request, and make the heads from the release."""
    recipe = find_recipe(request.recipe)
    config = dataclasses.replace(find_preset(recipe.presets, request.preset), seed=request.seed)
    if request.epochs is not None:
        config = dataclasses.replace(config, epochs=request.epochs)
    config = config.changed(request.options)
    if config.start:  # the id of a model is the same however it was abbreviated
        config = dataclasses.replace(config, start=find_model(workspace, config.start).name)
    release = choose_release(workspace, request.dataset)
    index = recipe.rows_of(allowed_index(release), config)
    task = Task.on(recipe, config, Labels(index, release.manifest), workspace.models)
    settings = machine_settings(workspace)
    return TrainingJob(workspace, release, index, task, settings, request.budget_s)


class Rescored(NamedTuple):
    """A finished model, scored once more.

    Attributes:
        metrics: one row for each figure; `is_stored` tells those that the version which trained the model saved too.
        difference: the largest one from a stored figure. 0 when nothing changed, infinite when a figure is missing.
        lost_slices: those with stored figures that this version does not make, such as one that holds all pictures.

    """

    metrics: pl.DataFrame
    difference: float
    lost_slices: Sequence[str]


def evaluate(workspace: Workspace, model_id: str) -> Rescored:
    """Score a finished model again from its weights and the pictures, and compare the figures with the stored ones."""
    folder = find_model(workspace, model_id)
    facts = read_facts(folder)
    release = find_release(workspace, f"{facts['dataset']}@{facts['version']}")
    settings, policy = machine_settings(workspace), facts["split_policy"]
    task = saved_task(folder, facts)
    index = task.recipe.rows_of(allowed_index(release), task.config)
    job = TrainingJob(workspace, release, index, task, settings)
    torch.set_num_threads(settings.compute_threads)
    run = job.run_for(policy)
    network = load_network(folder, facts).to(run.device)
    with job.open_store() as store:
        parts = cut_parts(store, release, job.task.heads, job.task.config, policy)
        results = assess(network, job.task, parts, run)
    stored = pl.read_parquet(folder / "metrics.parquet")
    identity = {name: stored[name][0] for name in ("model_id", "dataset", "version", "split")}
    again = [identity | row for result in results.values() for row in result.metrics]
    metrics = pl.DataFrame(again, infer_schema_length=None)
    lost = sorted(set(stored["slice"]) - set(metrics["slice"]))
    kept = stored.filter(~pl.col("slice").is_in(lost))
    return Rescored(_with_stored(metrics, stored), _difference(kept, metrics), lost)


_KEY = ["predictor", "task", "slice", "metric"]


def _with_stored(metrics: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    keys = stored.select(*_KEY, is_stored=pl.lit(True))
    return metrics.join(keys, on=_KEY, how="left").with_columns(
        pl.col("is_stored").fill_null(False)
    )


def _difference(stored: pl.DataFrame, again: pl.DataFrame) -> float:
    """Compare what was stored; a later version may compute more."""
    both = stored.join(again, on=_KEY, how="left", suffix="_again")
    values = both.filter(pl.col("value").is_not_nan() | pl.col("value_again").is_not_nan())
    gap = values.select(
        (pl.col("value") - pl.col("value_again")).abs().fill_null(float("inf")).max()
    )
    return float(gap.item() or 0.0)


def _train_all(job: TrainingJob, folders: Mapping[str, Path]) -> None:
    with job.open_store() as store:
        log.info("%d pictures may be used of %d", n_pictures(job.index), len(job.release.index()))
        for policy, folder in folders.items():
            parts = cut_parts(store, job.release, job.task.heads, job.task.config, policy)
            _train_one(job, parts, policy, folder)


def _train_one(job: TrainingJob, parts: DatasetParts, policy: str, folder: Path) -> None:
    task, run, ranks = job.task, job.run_for(policy), this_rank()
    torch.manual_seed(task.config.seed)
    network = task.build()
    start_from(network, task)
    network = network.to(run.device)
    if ranks.is_first:
        folder.mkdir(parents=True, exist_ok=True)
        save_source(folder, task.recipe)
    before = {name: value.detach().cpu().clone() for name, value in network.named_parameters()}
    training = Training(
        network,
        task.objective,
        parts.train,
        parts.validation,
        run,
        task.recipe.initialise,
        task.recipe.batches,
    )
    settings = job.settings
    retention = Retention(settings.keep_checkpoints, settings.keep_every, settings.checkpoint_mb)
    best, progress = fit(training, Checkpoints(folder / "checkpoints", folder.name, retention))
    if not ranks.is_first:
        return
    task, best = task.without_auxiliary(best)
    results = assess(best, task, parts, run)
    trained = Trained(best, results, progress, weight_changes(before, best))
    write_model(folder, task, trained, describe_model(job.release, task, policy, parts))


def _write_run(job: TrainingJob, folders: Mapping[str, Path]) -> Path:
    models = {policy: folder.name for policy, folder in folders.items()}
    run_id = short_hash(models)
    folder = job.workspace.reports / "training" / run_id
    folder.mkdir(parents=True, exist_ok=True)
    heads = [head.describe() for head in job.task.heads if not head.is_auxiliary]
    facts = {
        "format": "safelight-run/1",
        "run_id": run_id,
        "recipe": job.task.recipe.name,
        "dataset": job.release.name,
        "version": job.release.version,
        "digest": job.release.digest,
        "heads": heads,
        "bins": {head["name"]: head["edges"] for head in heads if "edges" in head},
        "models": models,
        "folders": {policy: f"../../../models/{name}" for policy, name in models.items()},
        "rows_excluded": len(job.release.index()) - n_pictures(job.index),
        "given_up": given_up(job.release.manifest["plan"]),
        "leak_audit": {
            policy: shared_between_train_and_test(job.index, policy) for policy in models
        },
    }
    if job.task.recipe.file:
        folder_of_model = next(iter(folders.values())).relative_to(job.workspace.home)
        recipe_file = (folder_of_model / RECIPE_FILE).as_posix()
        facts["recipe_file"] = recipe_file
        facts["command"] = _command(job, recipe_file, list(models))
    write_json(folder / "run.json", facts)
    return folder


def _command(job: TrainingJob, recipe_file: str, policies: list[str]) -> str:
    """Return the command that repeats the run of a user's own recipe."""
    recipe, dataset = job.task.recipe, f"{job.release.name}@{job.release.version}"
    words = ["safelight", "train", "run", recipe_file, "--dataset", dataset]
    words += preset_words(recipe.presets, dataclasses.asdict(job.task.config))
    if set(policies) != set(recipe.policies):
        words += ["--policies", ",".join(policies)]
    return " ".join(words)


def _warn_of_other_values(job: TrainingJob) -> None:
    """Name the values of a label that are none of its classes: their pictures have no label."""
    for head in job.task.heads:
        if not isinstance(head, SoftmaxHead) or head.is_auxiliary:
            continue
        counts = head.other_values(job.index)
        if counts:
            listed = ", ".join(f"{value!r} ({n})" for value, n in list(counts.items())[:SHOWN])
            more = f" and {len(counts) - SHOWN} more" if len(counts) > SHOWN else ""
            log.warning(
                "%d of %d pictures are left out of %s, because their value is none of its classes: %s%s",
                sum(counts.values()), len(job.index), head.name, listed, more,
            )  # fmt: skip
