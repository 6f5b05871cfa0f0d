"""Measure what each group of curation rules does to the final figure: an ablation study.

One model is trained with all rules and one without each group of rules. All models are evaluated on the same pictures
of one curation run. The kept test pictures are divided in two, picture by picture: one half evaluates every model; the
other half shares its groups and stands for the pictures that a random split would train on.

| left out | what the model trains on |
| --- | --- |
| nothing | train as curated: void settings missing, one picture a group of copies, sampling weights |
| exif rules | the same, with the settings as the files state them, and pictures that had no valid setting |
| duplicates | the same, with the copies of its pictures |
| group split | the same number of pictures, some of them from the groups of the evaluation half |
| rebalancing | the same without weights |

A positive effect means that the rules help. The effect of the group split is expected to be negative: without it the
figure is too high, and the effect says by how much.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import torch

from catalog import (
    Permission,
    Workspace,
    curated,
    load_settings,
    of_run,
    open_catalog,
    track,
)
from curation import BINS, SETTINGS, find_run
from training.data.arrays import MISSING, Floats, Ints
from training.data.stores.pictures import SampleStore
from training.errors import NoTrainingRowsError
from training.evaluation import metrics
from training.evaluation.calibration import calibrate, class_shares
from training.evaluation.tasks.classes import one_hot
from training.fit.checkpoint import Checkpoints
from training.fit.examples import Examples, make_examples
from training.fit.objective import predict
from training.fit.recipe import Labels
from training.fit.task import Task
from training.fit.trainer import Training, fit
from training.fit.training_run import TrainingRun
from training.recipes import find_preset, recipe_with_study
from training.settings import TrainSettings
from training.studies.ablations import Ablation, ablations, evaluation_halves, read_pool
from training.studies.effect_comparison import Effect, compare, table

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EffectsRequest:
    """What to measure.

    An empty `run_id` is the newest run. `seeds` is the number of models for each ablation, `most` the limit of training
    pictures for each model.
    """

    run_id: str = ""
    preset: str = "smoke"
    epochs: int | None = None
    seeds: int = 1
    most: int = 4000


def measure_effects(
    workspace: Workspace, request: EffectsRequest | None = None
) -> tuple[Path, list[Effect]]:
    """Train a model for each rule group, write `reports/curation/<run_id>/effects.csv`, return its path and rows.

    The packs must be in the workspace, not in a bucket. Raises `NoTrainingRowsError` when a part has no picture that
    may be used, `RecipeNotFoundError` for an unknown preset.
    """
    request = request or EffectsRequest()
    recipe = recipe_with_study("effects")
    config = find_preset(recipe.presets, request.preset)
    config = replace(config, epochs=request.epochs or config.epochs)
    with open_catalog(workspace) as catalog:
        run_id = find_run(catalog, request.run_id)
        pool = read_pool(catalog, run_id)
        permission = of_run(catalog, run_id)
    settings = load_settings(TrainSettings, "train", workspace)
    torch.set_num_threads(settings.compute_threads)
    _require_parts(pool, run_id, permission)
    bins = {setting: list(edges) for setting, edges in BINS.items()}
    task = Task.on(recipe, config, Labels(pool, {"bins": bins}))
    task = replace(task, heads=tuple(head for head in task.heads if head.name in SETTINGS))
    effects = _measure(workspace, pool, task, settings, request)
    path = workspace.reports / "curation" / run_id / "effects.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    table(effects).write_csv(path)
    return path, effects


def _require_parts(pool: pl.DataFrame, run_id: str, permission: Permission) -> None:
    """Raise `NoTrainingRowsError` for the first part of the run without a kept picture to train or evaluate on."""
    kept = pool.filter(pl.col("part") == "kept")
    sizes = {
        "split = train": (kept["split"] == "train").sum(),
        "split = validation": (kept["split"] == "validation").sum(),
        "split = test": evaluation_halves(pool)[0].sum(),
    }
    for part, n in sizes.items():
        if not n:
            raise NoTrainingRowsError(f"run {run_id}", part, permission, curated(run_id))


@dataclass(frozen=True)
class _WorkspacePacks:
    """The packs of the workspace as a `ShardSource` for the store."""

    folder: Path

    def shard(self, name: str) -> Path:
        return self.folder / name


def _measure(
    workspace: Workspace,
    pool: pl.DataFrame,
    task: Task,
    settings: TrainSettings,
    request: EffectsRequest,
) -> list[Effect]:
    evaluation_rows = np.flatnonzero(evaluation_halves(pool)[0])
    validation = np.flatnonzero(
        ((pool["split"] == "validation") & (pool["part"] == "kept")).to_numpy()
    )
    planned = ablations(pool, request.most)
    with SampleStore(
        _WorkspacePacks(workspace.packs), pool, task.view,
        cache_bytes=settings.cache_mb * 2**20, threads=settings.workers,
    ) as store:  # fmt: skip
        study = _AblationStudy(
            store, task, make_examples(store, task.heads, validation), evaluation_rows
        )
        sums = {
            ablation.left_out: study.confusion(ablation, request.seeds)
            for ablation in track(planned, "train without a group of rules", unit="models")
        }
    rows = pool[evaluation_rows]
    coarse = np.stack([head.truth(rows) for head in task.heads], axis=1)
    groups = np.unique(rows["group_id"].to_numpy().astype(str), return_inverse=True)[1]
    sizes = {ablation.left_out: len(ablation.rows) for ablation in planned}
    return compare(sums, sizes, coarse, groups)


def _as_stated(index: pl.DataFrame) -> pl.DataFrame:
    """Replace the settings in stops by those that the files state."""
    return index.with_columns(pl.col(f"stated_{s}_stops").alias(f"{s}_stops") for s in SETTINGS)


@dataclass(frozen=True)
class _AblationStudy:
    """The constants of all models: store, task, validation examples, evaluation rows."""

    store: SampleStore
    task: Task
    validation: Examples
    evaluation_rows: Ints

    def confusion(self, ablation: Ablation, seeds: int) -> Floats:
        """Train `seeds` models and give the mean of their confusion sums, shape (pictures, heads x 9)."""
        sums = [self._trained_confusion(ablation, seed) for seed in range(seeds)]
        log.info(
            "without %s: trained %d models on %d pictures",
            ablation.left_out,
            seeds,
            len(ablation.rows),
        )
        return np.asarray(np.mean(sums, axis=0))

    def _trained_confusion(self, ablation: Ablation, seed: int) -> Floats:
        task = replace(self.task, config=replace(self.task.config, seed=seed))
        run = TrainingRun(task.config, "effects", ablation.left_out, torch.device("cpu"))
        train = self._training_examples(ablation)
        torch.manual_seed(seed)
        training = Training(task.build(), task.objective, train, self.validation, run)
        with TemporaryDirectory() as folder:
            network, _ = fit(training, Checkpoints(Path(folder) / "checkpoints", "effects"))
        test = make_examples(self.store, task.heads, self.evaluation_rows)
        by_part = [predict(network, task.heads, part, run) for part in (self.validation, test)]
        parts = []
        for head in task.heads:
            prior = class_shares(train.truth[head.name], train.weight, 3)
            raw, truth = (each[head.name] for each in by_part), test.truth[head.name]
            held_out, tested = raw
            calibration = calibrate(held_out, self.validation.truth[head.name], prior)
            confusion = metrics.confusion_sums(
                np.maximum(truth, 0), one_hot(calibration.stated(tested))
            )
            # A missing target is no picture: its nine cells stay 0.
            parts.append(confusion * (truth != MISSING)[:, None])
        return np.concatenate(parts, axis=1)

    def _training_examples(self, ablation: Ablation) -> Examples:
        index = self.store.index[ablation.rows]
        labels = _as_stated(index) if ablation.as_stated else index
        return Examples(
            self.store,
            ablation.rows,
            {head.name: head.targets(labels) for head in self.task.heads},
            {head.name: head.truth(labels) for head in self.task.heads},
            ablation.weight,
        )
