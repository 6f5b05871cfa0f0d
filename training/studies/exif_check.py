"""Check EXIF against pixels: rank pictures by how little their camera settings fit what a model sees in them.

Each picture is judged by a model that saw nothing of its group (`cross_fit`). Its residual is the logarithm of how much
likelier its labels are for any picture of the collection than for this one, summed over the heads that were learnt by
rule: large where the settings could belong to another picture. What the ranking is worth is measured: settings of 5 %
of the pictures are swapped on a copy of the labels, everything is trained again, and the share of swapped pictures that
is ranked in the top 5 % is counted. Where that is not above chance, no picture is listed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from catalog import FEW_GROUPS, Workspace, open_catalog, track
from curation import find_run, record_residuals
from training.data.arrays import MISSING, Floats, Ints
from training.data.stores.pictures import Store
from training.evaluation import metrics
from training.evaluation.calibration import calibrate, class_shares
from training.evaluation.findings import Score, learnt
from training.evaluation.intervals import Interval, group_bootstrap
from training.evaluation.tasks.classes import expected_class
from training.fit.objective import predict
from training.fit.run_request import TrainingRequest
from training.heads import Head
from training.heads.classes import ClassHead
from training.recipes import recipe_with_study
from training.runs.run import TrainingJob, make_job
from training.studies.cross_fit import Fold, LabelSource, cut_folds, group_numbers, train_fold

TOP_SHARE = 0.05  # of the pictures: planted, and counted as ranked high
WRONG_SHARE = 0.01  # of labels that belong to another picture, assumed for the severity
LARGE_SWAP = 3.0  # stops of light: half of all swaps move less, and many of those are no error that pixels show


@dataclass(frozen=True)
class CheckRequest:
    """What to check: `apart` are columns or SQL expressions besides the group whose values no model may have seen."""

    dataset: str | None = None
    preset: str = "default"
    apart: tuple[str, ...] = ()
    folds: int = 5
    repeats: int = 3
    seed: int = 0


@dataclass(frozen=True)
class Residuals:
    """What a cross-fit says about n pictures.

    `parts` (n,) by head are the summands of the residual, 0 without a label; `stated` the balanced probabilities (n, C)
    of heads of classes and the values (n,) of others; `ranks` the rank correlation of each head with its labels.
    """

    parts: Mapping[str, Floats]
    stated: Mapping[str, Floats]
    ranks: Mapping[str, Interval]

    @property
    def learnt_heads(self) -> list[str]:
        """The heads whose rank correlation lies above 0."""
        return [name for name, each in self.ranks.items() if verdict(each) == "learnt"]

    @property
    def total(self) -> Floats:
        """The residual of each picture, (n,)."""
        names = self.learnt_heads or list(self.parts)
        return np.asarray(np.sum([self.parts[name] for name in names], axis=0))


@dataclass(frozen=True)
class CheckResult:
    """The residuals, what they find of planted swaps, and what was written."""

    run_id: str
    job: TrainingJob
    residuals: Residuals
    top_share: Interval
    top_share_large: Interval
    n_planted: int
    n_issues: int = 0
    order: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def is_borne(self) -> bool:
        """Whether the ranking finds more planted swaps than chance, with its whole interval."""
        low = self.top_share.low
        return self.top_share.n_groups >= FEW_GROUPS and low is not None and low > TOP_SHARE


def verdict(rank_correlation: Interval) -> str:
    """Say by rule whether a head was learnt."""
    return learnt(Score(**vars(rank_correlation)))


def check_exif(workspace: Workspace, request: CheckRequest | None = None) -> CheckResult:
    """Cross-fit, measure by planted swaps, and write the least plausible pictures as issues where that is borne.

    Raises what `make_job` raises, and `RunNotFoundError` for a release whose run is not in the catalog.
    """
    request = request or CheckRequest()
    recipe = recipe_with_study("exif_check")
    job = make_job(workspace, TrainingRequest(recipe.name, request.dataset, request.preset))
    torch.set_num_threads(job.settings.compute_threads)
    with open_catalog(workspace) as catalog:
        run_id = find_run(catalog, str(job.release.manifest["run_id"]))
    columns = [*request.apart, "group_id"]
    with job.open_store() as store:
        folds = list(cut_folds(store.index, columns, request.folds))
        keys = [group_numbers(store.index, column) for column in columns]
        residuals = cross_fitted(job, LabelSource(store), folds, keys[0])
        planted = [
            plant(job, store, folds, keys, request.seed + number)
            for number in track(range(request.repeats), "planted swaps", unit="repeats")
        ]
    top_share, top_share_large = (
        _share_in_top(np.concatenate(rows)) for rows in zip(*planted, strict=True)
    )
    order = np.argsort(-residuals.total, kind="stable")
    result = CheckResult(
        run_id, job, residuals, top_share, top_share_large, top_share.n, order=order
    )
    return replace(result, n_issues=list_suspects(workspace, result)) if result.is_borne else result


def list_suspects(workspace: Workspace, result: CheckResult) -> int:
    """Write the least plausible 5 % as rows of `issues` and return their number."""
    listed = issue_rows(result, result.order[: max(1, round(TOP_SHARE * len(result.order)))])
    with open_catalog(workspace) as catalog:
        return record_residuals(catalog, result.run_id, listed, result.job.release.digest)


def cross_fitted(
    job: TrainingJob, labels: LabelSource, folds: Sequence[Fold], groups: Ints
) -> Residuals:
    """Judge every picture by the model of its fold; `groups` (n,) are resampled for the intervals."""
    n, run = len(labels.store), job.run_for("split")
    heads = [head for head in job.task.heads if not head.is_auxiliary]
    natural: dict[str, Floats] = {}
    stated: dict[str, Floats] = {}
    parts = {head.name: np.zeros(n) for head in heads}
    everything = labels.examples(job.task, np.arange(n))
    for fold in track(folds, "cross-fit", unit="folds"):
        examples = labels.parts(job.task, fold)
        task, network = train_fold(job.task, examples, run)
        held_out = predict(network, task.heads, examples.validation, run)
        tested = predict(network, task.heads, examples.test, run)
        for head in task.heads:
            train, validation, test = (
                getattr(examples, part).truth[head.name] for part in ("train", "validation", "test")
            )
            if head.family == "classes":
                prior = class_shares(
                    train, examples.train.weight, len(cast("ClassHead", head).classes)
                )
                calibration = calibrate(held_out[head.name], validation, prior)
                shares = calibration.natural(tested[head.name])
                _put(natural, head.name, shares, fold.test, n)
                _put(stated, head.name, calibration.stated(tested[head.name]), fold.test, n)
                parts[head.name][fold.test] = class_residual(shares, prior, test)
            else:
                _put(stated, head.name, tested[head.name], fold.test, n)
                parts[head.name][fold.test] = value_residual(
                    tested[head.name], test, train, held_out[head.name] - validation
                )
    ranks = {}
    for head in heads:
        predicted = (
            expected_class(natural[head.name]) if head.name in natural else stated[head.name]
        )
        index = labels.store.index if labels.of is None else labels.store.index[labels.of]
        truth = _numbers(head, index, everything.truth[head.name])
        rows = np.flatnonzero(~np.isnan(truth))
        sums = metrics.rank_sums(predicted[rows], truth[rows])
        ranks[head.name] = group_bootstrap(sums, groups[rows], metrics.correlation)
    return Residuals(parts, stated, ranks)


def _numbers(head: Head, index: pl.DataFrame, truth: NDArray[Any]) -> Floats:
    numbers = cast("ClassHead", head).numbers(index) if head.family == "classes" else truth
    return np.asarray(truth if numbers is None else numbers, np.float64)


def _put(outputs: dict[str, Floats], name: str, values: Floats, rows: Ints, n: int) -> None:
    outputs.setdefault(name, np.zeros((n, *values.shape[1:])))[rows] = values


def class_residual(natural: Floats, prior: Floats, truth: Ints) -> Floats:
    """Return log of the share of the true class over its probability, (N,); 0 without a label.

    >>> class_residual(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0.5, 0.5]), np.array([1, -1])).round(2).tolist()
    [1.61, 0.0]
    """
    picked = np.maximum(truth, 0)
    probability = natural[np.arange(len(natural)), picked]
    ratio = np.log(prior[picked]) - np.log(np.maximum(probability, 1e-6))
    return np.where(truth == MISSING, 0.0, ratio)


def value_residual(predicted: Floats, truth: Floats, train: Floats, errors: Floats) -> Floats:
    """Return the log-density of a value among the values of training over that around its prediction; 0 without one.

    Both densities are normal; the width around a prediction is that of the `errors` on validation, at most that of the
    values.
    """
    centre, width = np.nanmean(train), max(float(np.nanstd(train)), 1e-3)
    error = min(max(float(np.sqrt(np.nanmean(errors**2))), 1e-3), width)
    ratio = (
        np.log(error / width)
        + ((truth - predicted) / error) ** 2 / 2
        - ((truth - centre) / width) ** 2 / 2
    )
    return np.asarray(np.nan_to_num(ratio))


def swaps(keys: Sequence[Ints], usable: Ints, seed: int) -> Ints:
    """Return whose labels each row gets, (n,): 5 % of the usable rows are swapped in pairs of different groups."""
    rng = np.random.default_rng(seed)
    of = np.arange(len(keys[0]))
    left = rng.permutation(usable).tolist()
    wanted = 2 * math.ceil(TOP_SHARE * len(usable) / 2)
    n_swapped = 0
    while left and n_swapped < wanted:
        one = left.pop()
        partner = next((row for row in left if all(key[row] != key[one] for key in keys)), None)
        if partner is not None:
            left.remove(partner)
            of[one], of[partner] = partner, one
            n_swapped += 2
    return of


def plant(
    job: TrainingJob, store: Store, folds: Sequence[Fold], keys: Sequence[Ints], seed: int
) -> tuple[Floats, Floats]:
    """Swap labels, train again, and return for each swapped row whether it is in the top 5 %, one, and its group.

    The second array has only the swaps that move the light by three stops or more.
    """
    settings = [head for head in job.task.heads if head.family == "classes" and head.in_panel]
    labelled = [cast("ClassHead", head).truth(store.index) != MISSING for head in settings]
    of = swaps(keys, np.flatnonzero(np.logical_and.reduce(labelled)), seed)
    residual = cross_fitted(job, LabelSource(store, of), folds, keys[0]).total
    place = np.empty(len(residual))
    place[np.argsort(-residual, kind="stable")] = np.arange(len(residual))
    swapped = np.flatnonzero(of != np.arange(len(of)))
    is_top = place[swapped] < TOP_SHARE * len(residual)
    rows = np.stack([is_top, np.ones(len(swapped)), keys[0][swapped]], axis=1).astype(float)
    light = [head.truth(store.index) for head in job.task.heads if head.family == "values"]
    moved = np.abs(light[0] - light[0][of])[swapped] if light else np.zeros(len(swapped))
    return rows, rows[moved >= LARGE_SWAP]


def _share_in_top(rows: Floats) -> Interval:
    return group_bootstrap(
        rows[:, :2],
        rows[:, 2].astype(np.int64),
        lambda sums: sums[:, 0] / np.maximum(sums[:, 1], 1e-12),
    )


def issue_rows(result: CheckResult, rows: Ints) -> list[dict[str, Any]]:
    """Describe the least plausible pictures: the head that fits least, its value and what was expected."""
    residuals, index = result.residuals, result.job.index
    heads = {head.name: head for head in result.job.task.heads}
    described = []
    for rank, row in enumerate(rows.tolist(), 1):
        name = max(residuals.learnt_heads, key=lambda each: residuals.parts[each][row])
        head, predicted = heads[name], residuals.stated[name][row]
        total = float(residuals.total[row])
        odds = WRONG_SHARE / (1 - WRONG_SHARE) * np.exp(min(total, 50.0))
        truth = head.truth(index[[row]])[0]
        if head.family == "classes":
            value, probability = float(index[name][row]), float(predicted[truth])
            expected: object = cast("ClassHead", head).classes[int(predicted.argmax())]
        else:
            value, expected = float(truth), round(float(predicted), 2)
            probability = float(np.exp(-max(residuals.parts[name][row], 0.0)))
        described.append(
            {
                "asset_sha256": index["asset_sha256"][row],
                "severity": float(odds / (1 + odds)),
                "setting": name,
                "value": value,
                "expected": expected,
                "probability": round(probability, 5),
                "residual": round(total, 3),
                "rank": rank,
            }
        )
    return described


def residual_table(result: CheckResult) -> pl.DataFrame:
    """Return one row a picture, the least plausible first: rank, residual, its parts and the settings."""
    settings = [name for name in result.residuals.parts if name in result.job.index.columns]
    table = result.job.index.select(
        "asset_sha256", "group_id", "source_photo_id", *settings
    ).with_columns(
        pl.Series("residual", result.residuals.total),
        *(pl.Series(f"residual_{name}", part) for name, part in result.residuals.parts.items()),
    )
    ranked = table[result.order.tolist()]
    return pl.DataFrame(ranked).with_columns(rank=pl.int_range(1, len(ranked) + 1))


def write_table(result: CheckResult, folder: Path) -> Path:
    """Write the residuals of all pictures as CSV and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "exif_check.csv"
    residual_table(result).write_csv(path)
    return path
