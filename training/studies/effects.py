"""What each group of curation rules does to the final figure: train with and without it, judge on the same pictures.

The pictures are those of one curation run. Its test pictures are cut in two, picture by picture: one half judges
every model, the other half is of the same groups and is what a careless split would have trained on.

| left out | what the model trains on then |
| --- | --- |
| nothing | train as curated: void settings missing, one picture a group of copies, sampling weights |
| exif rules | the same, with the settings as the files state them, and pictures that had no valid setting |
| duplicates | the same, with the copies of its pictures |
| group split | as many pictures, of which some are of the groups that judge |
| rebalancing | the same without weights |

A positive effect says that the rule helps. That of the group split is expected to be negative: without it the figure
is flattering, not better, and the effect says by how much.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from catalog import (
    FEW_GROUPS,
    Catalog,
    Permission,
    Workspace,
    curated,
    load_settings,
    of_run,
    open_catalog,
)
from curation import BINS, SETTINGS, find_run, stops_of
from training.data.loader import Loader
from training.data.transforms import Pixels, Sample, cut
from training.errors import NoTrainingRowsError
from training.evaluation import metrics
from training.evaluation.calibration import calibrate, class_shares
from training.evaluation.evaluate import one_hot
from training.evaluation.intervals import Interval, group_bootstrap
from training.evaluation.metrics import Floats, Ints
from training.fit.checkpoint import Checkpoints
from training.fit.recipe import Config, Recipe
from training.fit.trainer import Examples, Run, fit, predict
from training.models.losses import MISSING
from training.recipes import RECIPES, find_preset
from training.settings import TrainSettings

log = logging.getLogger(__name__)

ALL_RULES = "nothing"
LEFT_OUT = ("exif rules", "duplicates", "group split", "rebalancing")
CELLS = 9  # of one confusion table

_POOL = """
    WITH run AS (SELECT ? AS run_id), places AS (
        SELECT a.sha256 AS asset_sha256, a.pack AS shard, a.pack_offset AS "offset", a.pack_length AS length
        FROM assets a WHERE a.sha256 IN (
            SELECT asset_sha256 FROM v_all_photos GROUP BY 1 HAVING bool_and(coalesce(training_allowed, false)))
    ), dropped AS (
        SELECT d.asset_sha256, d.reason, CASE WHEN d.reason <> 'no_usable_setting' THEN d.evidence END AS keeper
        FROM decisions d JOIN run USING (run_id)
        WHERE d.decision = 'drop' AND d.reason IN ('exact_duplicate', 'near_duplicate', 'no_usable_setting')
    ), items AS (SELECT i.* FROM curated_items i JOIN run USING (run_id))
    SELECT p.*, coalesce(d.reason, 'kept') AS part, coalesce(i.split, 'train') AS split,
           coalesce(i.group_id, p.asset_sha256) AS group_id, coalesce(i.weight, 1.0) AS weight,
           i.f_number, i.iso, i.exposure_time,
           e.f_number AS stated_f_number, e.iso AS stated_iso, e.exposure_time AS stated_exposure_time
    FROM places p
    LEFT JOIN dropped d ON d.asset_sha256 = p.asset_sha256
    LEFT JOIN items i ON i.asset_sha256 = coalesce(d.keeper, p.asset_sha256)
    LEFT JOIN v_exif e ON e.asset_sha256 = p.asset_sha256
    WHERE i.asset_sha256 IS NOT NULL OR d.reason = 'no_usable_setting'
    ORDER BY p.asset_sha256
"""


@dataclass(frozen=True)
class Trial:
    """What one model trains on: rows of the pool, whether their settings are as stated, their weights."""

    left_out: str
    rows: Ints
    as_stated: bool
    weight: Floats


@dataclass(frozen=True)
class Effect:
    """One line of the table: balanced accuracy without a rule group, and what the rule group adds to it.

    `setting` is one of three or `mean`; `effect` is the figure with all rules less that without, paired on the same
    resampled groups, None for the model with all rules.
    """

    left_out: str
    setting: str
    n_train: int
    score: Interval
    effect: Interval | None


@dataclass(frozen=True)
class EffectsOrder:
    """Which run (newest: empty), sizes of the network, how many models a line, at most how many pictures a model."""

    run_id: str = ""
    preset: str = "smoke"
    epochs: int | None = None
    seeds: int = 1
    most: int = 4000


def measure_effects(
    workspace: Workspace, order: EffectsOrder | None = None
) -> tuple[Path, list[Effect]]:
    """Train a model for each rule group and write `reports/curation/<run_id>/effects.csv`; give its path and lines.

    The packs must lie in the workspace, not in a bucket. Raises `NoTrainingRowsError` when a part has no picture that
    may be used, `RecipeNotFoundError` for an unknown preset.
    """
    order = order or EffectsOrder()
    recipe = RECIPES["exif"]
    config = find_preset(recipe.presets, order.preset)
    config = replace(config, epochs=order.epochs or config.epochs)
    with open_catalog(workspace) as catalog:
        run_id = find_run(catalog, order.run_id)
        pool = read_pool(catalog, run_id)
        permission = of_run(catalog, run_id)
    settings = load_settings(TrainSettings, "train", workspace)
    torch.set_num_threads(settings.compute_threads)
    _require_parts(pool, run_id, permission)
    effects = _measure(workspace, pool, (recipe, config, settings), order)
    path = workspace.reports / "curation" / run_id / "effects.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    table(effects).write_csv(path)
    return path, effects


def _require_parts(pool: pl.DataFrame, run_id: str, permission: Permission) -> None:
    """Raise `NoTrainingRowsError` for the first part of the run that has no kept picture to train on or to judge by."""
    kept = pool.filter(pl.col("part") == "kept")
    found = {
        "split = train": (kept["split"] == "train").sum(),
        "split = validation": (kept["split"] == "validation").sum(),
        "split = test": halves(pool)[0].sum(),
    }
    for part, n in found.items():
        if not n:
            raise NoTrainingRowsError(f"run {run_id}", part, permission, curated(run_id))


def read_pool(catalog: Catalog, run_id: str) -> pl.DataFrame:
    """Read the pictures of a run that may be trained on: kept ones, copies of kept ones, ones without valid settings.

    `part` says which; copies have split, group, weight and settings of their keeper. `stated_<setting>` is what the
    file or its source says, valid or not; both come on stops too.
    """
    pool = pl.DataFrame(catalog.query(_POOL, [run_id]))
    stated = pool.select(pl.col(f"stated_{s}").alias(s) for s in SETTINGS).select(
        map(stops_of, SETTINGS)
    )
    return pool.with_columns(
        *map(stops_of, SETTINGS), *(stated[name].alias(f"stated_{name}") for name in stated.columns)
    )


def halves(pool: pl.DataFrame, seed: int = 0) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Cut the kept test pictures in two by a hash: those that judge, and those that a careless split trains on."""
    is_test = ((pool["split"] == "test") & (pool["part"] == "kept")).to_numpy()
    odd = np.array([_digest(seed, sha)[0] % 2 == 1 for sha in pool["asset_sha256"]], dtype=np.bool_)
    return is_test & ~odd, is_test & odd


def trials(pool: pl.DataFrame, most: int, seed: int = 0) -> list[Trial]:
    """Say what each model trains on; none sees a picture that judges. At most about `most` pictures each."""
    parts, split = pool["part"].to_numpy(), pool["split"].to_numpy()
    in_train = _some(pool, np.flatnonzero((split == "train") & (parts == "kept")), most, seed)
    chosen = set(pool["asset_sha256"][in_train.tolist()])
    kept_of_group = set(pool["group_id"][in_train.tolist()])
    is_copy = np.char.endswith(parts.astype(str), "_duplicate") & (split == "train")
    copies = np.flatnonzero(
        is_copy & np.array([g in kept_of_group for g in pool["group_id"]], dtype=np.bool_)
    )
    voided = _some(pool, np.flatnonzero(parts == "no_usable_setting"), most, seed)
    siblings = np.flatnonzero(halves(pool)[1])
    assert len(chosen) == len(in_train), "a picture is in the pool once"
    careless = np.concatenate(
        [siblings, _some(pool, in_train, max(0, len(in_train) - len(siblings)), seed + 1)]
    )
    weight = pool["weight"].to_numpy()
    return [
        _trial(ALL_RULES, in_train, weight),
        replace(_trial("exif rules", np.concatenate([in_train, voided]), weight), as_stated=True),
        _trial("duplicates", np.concatenate([in_train, copies]), weight),
        _trial("group split", careless, weight),
        _trial("rebalancing", in_train, np.ones(len(pool))),
    ]


def _trial(left_out: str, rows: Ints, weight: Floats) -> Trial:
    rows = np.sort(rows)
    return Trial(left_out, rows, False, weight[rows])


def _some(pool: pl.DataFrame, rows: Ints, most: int, seed: int) -> Ints:
    """Take at most `most` of the rows, by a hash of the picture."""
    shas = pool["asset_sha256"]
    return np.array(
        sorted(rows, key=lambda row: _digest(seed, shas[int(row)]))[:most], dtype=np.int64
    )


def _digest(seed: int, sha: str) -> bytes:
    return hashlib.sha256(f"{seed}\n{sha}".encode()).digest()


@dataclass(frozen=True)
class _Packs:
    """Packs of the workspace, read as shards are."""

    folder: Path

    def shard(self, name: str) -> Path:
        return self.folder / name


def _measure(
    workspace: Workspace,
    pool: pl.DataFrame,
    made_of: tuple[Recipe, Config, TrainSettings],
    order: EffectsOrder,
) -> list[Effect]:
    recipe, config, settings = made_of
    judges = np.flatnonzero(halves(pool)[0])
    validation = np.flatnonzero(
        ((pool["split"] == "validation") & (pool["part"] == "kept")).to_numpy()
    )
    planned = trials(pool, order.most)

    def prepare(pixels: Pixels) -> Sample:
        return cut(pixels, config.view)

    with Loader(
        _Packs(workspace.packs), pool, prepare, sample_bytes=config.view.bytes,
        cache_bytes=settings.cache_mb * 2**20, threads=settings.workers,
    ) as loader:  # fmt: skip
        bench = _Bench(loader, recipe, config, _examples(loader, recipe, validation), judges)
        sums = {trial.left_out: bench.confusion(trial, order.seeds) for trial in planned}
    coarse = recipe.classes(pool, BINS)[judges]
    groups = np.unique(
        pool["group_id"][judges.tolist()].to_numpy().astype(str), return_inverse=True
    )[1]
    sizes = {trial.left_out: len(trial.rows) for trial in planned}
    return compare(sums, sizes, coarse, groups)


def _examples(
    loader: Loader,
    recipe: Recipe,
    rows: Ints,
    weight: Floats | None = None,
    *,
    as_stated: bool = False,
) -> Examples:
    index = loader.index
    if as_stated:
        index = index.with_columns(
            pl.col(f"stated_{s}_stops").alias(f"{s}_stops") for s in SETTINGS
        )
    fine, coarse = recipe.targets(index, BINS), recipe.classes(index, BINS)
    weight = np.ones(len(rows)) if weight is None else weight
    return Examples(loader, rows, fine[rows], coarse[rows], weight)


@dataclass(frozen=True)
class _Bench:
    """What is the same for all models: pictures, network, validation, judges."""

    loader: Loader
    recipe: Recipe
    config: Config
    validation: Examples
    judges: Ints

    def confusion(self, trial: Trial, seeds: int) -> Floats:
        """Train `seeds` models and give the mean of their confusion sums, shape (pictures, heads x 9)."""
        found = [self._judged(trial, seed) for seed in range(seeds)]
        log.info(
            "without %s: trained %d models on %d pictures", trial.left_out, seeds, len(trial.rows)
        )
        return np.asarray(np.mean(found, axis=0))

    def _judged(self, trial: Trial, seed: int) -> Floats:
        config = replace(self.config, seed=seed)
        run = Run(config, "effects", trial.left_out, torch.device("cpu"))
        train = _examples(
            self.loader, self.recipe, trial.rows, trial.weight, as_stated=trial.as_stated
        )
        torch.manual_seed(seed)
        network = self.recipe.build(config)
        with TemporaryDirectory() as folder:
            fit(network, train, self.validation, run, Checkpoints(Path(folder), "effects"))
        prior = class_shares(train.coarse, train.weight)
        known = predict(network, self.validation, run)
        calibration = calibrate(known, self.validation.coarse, prior)
        test = _examples(self.loader, self.recipe, self.judges)
        decision = one_hot(calibration.stated(predict(network, test, run)))
        heads = range(len(self.recipe.heads))
        # A missing target is no picture: its nine cells stay 0.
        parts = [
            metrics.confusion_sums(np.maximum(test.coarse[:, head], 0), decision[:, head])
            * (test.coarse[:, head] != MISSING)[:, None]
            for head in heads
        ]
        return np.concatenate(parts, axis=1)


def compare(
    sums: dict[str, Floats], sizes: dict[str, int], coarse: Ints, groups: NDArray[np.int64]
) -> list[Effect]:
    """Turn confusion sums (pictures, heads x 9) by what was left out into effects with 95 % group intervals.

    The sums of `nothing` must be among them. All rest on the same pictures, so differences are paired. With fewer
    than `FEW_GROUPS` groups there are no intervals.
    """
    whole = sums[ALL_RULES]
    found = []
    for left_out, own in sums.items():
        for setting, heads in (
            *((s, (i,)) for i, s in enumerate(SETTINGS)),
            ("mean", range(len(SETTINGS))),
        ):
            columns = np.array([CELLS * head + cell for head in heads for cell in range(CELLS)])
            known = np.flatnonzero((coarse[:, list(heads)] != MISSING).any(axis=1))
            if not len(known):
                continue
            ours, theirs = whole[np.ix_(known, columns)], own[np.ix_(known, columns)]
            score = _bootstrapped(theirs, groups[known], _Figure(theirs))
            both = np.concatenate([ours, theirs], axis=1)
            effect = None
            if left_out != ALL_RULES:
                effect = _bootstrapped(both, groups[known], _Figure(ours))
            found.append(Effect(left_out, setting, sizes[left_out], score, effect))
    return found


def _bootstrapped(sums: Floats, groups: NDArray[np.int64], figure: "_Figure") -> Interval:
    found = group_bootstrap(sums, groups, figure)
    return replace(found, low=None, high=None) if found.n_groups < FEW_GROUPS else found


class _Figure:
    """Mean balanced accuracy of some heads, or of the first half of the columns less the second.

    NaN for a resample that lacks a class.
    """

    def __init__(self, first: Floats) -> None:
        self._width = first.shape[1]
        self._whole = first.sum(0)

    def __call__(self, sums: Floats) -> Floats:
        value = self._mean(sums[:, : self._width])
        if sums.shape[1] > self._width:
            value = value - self._mean(sums[:, self._width :])
        return value

    def _mean(self, sums: Floats) -> Floats:
        heads = range(0, self._width, CELLS)
        found = []
        for start in heads:
            part, whole = sums[:, start : start + CELLS], self._whole[start : start + CELLS]
            usable = metrics.where_every_class_occurs(part, whole)
            found.append(np.where(usable, metrics.balanced_accuracy(part), np.nan))
        return np.asarray(np.mean(found, axis=0))


def table(effects: Sequence[Effect]) -> pl.DataFrame:
    """Lay effects out as a table: left_out, setting, n_train, score and effect with low and high, n, n_groups."""
    rows = [
        {
            "left_out": each.left_out,
            "setting": each.setting,
            "n_train": each.n_train,
            "balanced_accuracy": each.score.value,
            "low": each.score.low,
            "high": each.score.high,
            "effect": each.effect.value if each.effect else None,
            "effect_low": each.effect.low if each.effect else None,
            "effect_high": each.effect.high if each.effect else None,
            "n": each.score.n,
            "n_groups": each.score.n_groups,
        }
        for each in effects
    ]
    return pl.DataFrame(rows, infer_schema_length=None)
