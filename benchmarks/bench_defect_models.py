"""Compare models of defects on the same ladders of photographs: earlier methods, and trainings in two stages.

    OMP_NUM_THREADS=1 python3 dev.py bench defect_models --home HOME --output FILE

Photographs and folds are those of `bench_defects`, rows have `--rungs` strengths of each defect. `sae_svr` is fitted
here (`benchmarks/sae_svr.py`), `nima` and `multicolumn` are presets of the recipe. The first stage is the recipe
`aesthetics`, on votes that are made from the strength of the one defect of a row.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import sae_svr  # noqa: E402
from benchmarks.bench_defects import (  # noqa: E402
    Floats,
    chosen,
    line,
    place,
    rungs_of,
    shown,
    spearman,
)
from benchmarks.bench_exif import SOURCE  # noqa: E402
from benchmarks.code_version import command_line, commit  # noqa: E402
from catalog import Workspace  # noqa: E402
from training.data.stores.pictures import Store  # noqa: E402
from training.data.transforms.ladder import EDITS  # noqa: E402
from training.evaluation.intervals import Interval  # noqa: E402
from training.evaluation.tasks.severities import detection  # noqa: E402
from training.fit.examples import Examples, open_store  # noqa: E402
from training.fit.objective import predict  # noqa: E402
from training.fit.recipe import Labels  # noqa: E402
from training.fit.run_request import TrainingRequest  # noqa: E402
from training.fit.task import Task  # noqa: E402
from training.fit.training_run import TrainingRun  # noqa: E402
from training.models.layers import count_parameters  # noqa: E402
from training.recipes import RECIPES  # noqa: E402
from training.recipes.aesthetics import histogram_head  # noqa: E402
from training.runs.run import TrainingJob, make_job  # noqa: E402
from training.studies.cross_fit import (  # noqa: E402
    Fold,
    LabelSource,
    cut_folds,
    group_numbers,
    train_fold,
)

PRESETS = {"multi-head, from scratch": "default", "multicolumn": "multicolumn", "nima": "nima"}
SMALL, STATISTICS, SAE_SVR = "small, on pixels", "small, on statistics", "sae_svr"
STAGES = ("stage 1 alone", "stage 1, then multi-head")
MODELS = (SAE_SVR, *PRESETS, SMALL, STATISTICS, *STAGES)
BEST, WORST, SPREAD, VOTES = 7.5, 2.5, 1.4, 200  # of the votes that are made
FOLDS = 3
SMALL_SAMPLE = 400  # pictures that the auto-encoder learns from
Predictions = dict[str, dict[str, Floats]]


def main() -> None:
    """Train every model on every fold, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--dataset", default="photos")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--most", type=int, default=25, help="Photographs of a source.")
    parser.add_argument("--apart", default=SOURCE, help="Column or SQL expression of the source.")
    parser.add_argument("--rungs", type=int, default=1, help="Strengths of each defect.")
    parser.add_argument("--only", action="append", choices=MODELS, help="These models alone.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    request = TrainingRequest("defects", options.dataset, options=(f"rungs={options.rungs}",))
    job = chosen(make_job(Workspace.at(options.home), request), options.apart, options.most)
    job = replace(job, index=with_votes(job.index))
    names = options.only or MODELS
    with opened(job, names) as store:
        predicted, seconds = cross_fitted(job, store, options.apart, names)
        groups = group_numbers(store.index, options.apart)
        text = table(job, predicted, groups, seconds, options.apart)
    options.output.write_text(text, "utf-8")
    print(text)


def opened(job: TrainingJob, names: Sequence[str]) -> AbstractContextManager[Store]:
    """Open the vectors of all rows, which no model on pixels needs."""
    if set(names) <= {SMALL, STATISTICS, SAE_SVR}:
        return open_store(job.release, job.index, job.task.view, job.settings)
    return job.open_store()


def with_votes(index: pl.DataFrame) -> pl.DataFrame:
    """Give each row votes on 1 to 10, around a mean that falls with the strength of its defect."""
    strength = index.select(pl.max_horizontal(pl.col(name).abs() for name in EDITS)).to_series()
    means = BEST - (BEST - WORST) * strength.fill_null(0.0).to_numpy()
    scores = np.arange(1, 11)
    shares = np.exp(-0.5 * ((scores - means[:, None]) / SPREAD) ** 2)
    counts = np.rint(VOTES * shares / shares.sum(1, keepdims=True)).astype(int)
    return index.with_columns(votes=pl.Series([json.dumps(row.tolist()) for row in counts]))


def cross_fitted(
    job: TrainingJob, store: Store, apart: str, names: Sequence[str]
) -> tuple[Predictions, dict[str, float]]:
    """Return what each model says of each row, by model and defect, and its CPU seconds."""
    predicted: Predictions = {}
    seconds: dict[str, float] = {}
    models = makers(job, store)
    for fold in cut_folds(store.index, [apart, "group_id"], FOLDS):
        for name in names:
            started = time.process_time()
            place(predicted, name, models[name](fold), fold.test, len(store))
            seconds[name] = seconds.get(name, 0.0) + time.process_time() - started
            print(name, f"{seconds[name]:.0f} s", flush=True)
    return predicted, seconds


def makers(job: TrainingJob, store: Store) -> dict[str, Callable[[Fold], Mapping[str, Floats]]]:
    """Return what trains each model on a fold and gives the values of its test rows by head."""

    def second(fold: Fold) -> Mapping[str, Floats]:
        task = task_of(job, "default")
        recipe = replace(task.recipe, initialise=begin_with(first_stage(job, store, fold)[1]))
        return trained(replace(task, recipe=recipe), store, fold, job)[0]

    def preset(name: str, rows: Callable[[], Store], fold: Fold) -> Mapping[str, Floats]:
        return trained(task_of(job, name), rows(), fold, job)[0]

    small = task_of(job, "small").view
    pixels = cache(lambda: open_store(job.release, job.index, small, job.settings))
    task = task_of(job, "statistics")
    view, [encoder] = task.view, task.encoders
    numbers = cache(
        lambda: job.encoded(open_store(job.release, job.index, view, job.settings), encoder)
    )
    patches = cache(lambda: open_patches(job))
    return {
        SAE_SVR: lambda fold: of_patches(patches(), targets_of(job, store), fold, job),
        **{title: partial(preset, name, lambda: store) for title, name in PRESETS.items()},
        SMALL: partial(preset, "small", pixels),
        STATISTICS: partial(preset, "statistics", numbers),
        STAGES[0]: lambda fold: first_stage(job, store, fold)[0],
        STAGES[1]: second,
    }


def targets_of(job: TrainingJob, store: Store) -> Floats:
    """Return the severities of all rows, (N, heads)."""
    return np.stack([head.targets(store.index) for head in job.task.heads], axis=1)


def task_of(job: TrainingJob, preset: str) -> Task:
    """Make the task of a preset of `defects` on the rows of the job."""
    recipe = RECIPES["defects"]
    config = replace(recipe.presets[preset], rungs=rungs_of(job))  # type: ignore[call-arg]  # of DefectsConfig
    return Task.on(recipe, config, Labels(job.index, job.release.manifest))


def trained(
    task: Task, store: Store, fold: Fold, job: TrainingJob
) -> tuple[dict[str, Floats], nn.Module]:
    """Train on a fold; return the values of its test rows by head, and the network."""
    run = replace(job.run_for("split"), config=task.config)
    parts = LabelSource(store).parts(task, fold)
    task, network = train_fold(task, parts, run)
    return predict(network, task.heads, parts.test, run), network


def first_stage(job: TrainingJob, store: Store, fold: Fold) -> tuple[dict[str, Floats], nn.Module]:
    """Train `aesthetics`; return how bad it calls each test row, for every defect alike, and the backbone."""
    recipe = RECIPES["aesthetics"]
    task = Task(recipe, recipe.presets["default"], (histogram_head(),))
    said, network = trained(task, store, fold, job)
    shares = np.exp(said["score"])
    badness = -(shares * np.arange(1, 11)).sum(1) / shares.sum(1)
    return dict.fromkeys(EDITS, badness), network.backbone  # type: ignore[return-value]  # a module


def begin_with(backbone: nn.Module) -> Callable[[nn.Module, Examples, TrainingRun], None]:
    """Return what copies a trained backbone into a new network, as `--set start=MODEL_ID` does."""
    state = {name: value.clone() for name, value in backbone.state_dict().items()}

    def initialise(network: nn.Module, _train: Examples, _run: TrainingRun) -> None:
        network.backbone.load_state_dict(state)  # type: ignore[union-attr, operator]  # a module

    return initialise


def open_patches(job: TrainingJob) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Return the whole picture and the native patches of each row."""
    view = job.task.view
    with open_store(job.release, job.index, view, job.settings) as pictures:
        rows = [
            np.arange(len(pictures))[start : start + 64] for start in range(0, len(pictures), 64)
        ]
        return [
            (sample["pictures"][0], sample["bank"])
            for _, samples in pictures.stream(rows)
            for sample in samples
        ]


def of_patches(
    small: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]],
    targets: Floats,
    fold: Fold,
    job: TrainingJob,
) -> dict[str, Floats]:
    """Fit the auto-encoder and the regressions on a fold; return the values of its test rows."""
    rng = np.random.default_rng(0)
    sample = rng.choice(fold.train, min(SMALL_SAMPLE, len(fold.train)), replace=False)
    bank = torch.from_numpy(np.concatenate([small[row][1] for row in sample])).permute(0, 3, 1, 2)
    model = sae_svr.trained(bank)
    columns = np.stack([sae_svr.described(model, *planes(*each)) for each in small])
    said = sae_svr.fitted(columns[fold.train], targets[fold.train], columns[fold.test])
    return {head.name: values for head, values in zip(job.task.heads, said.T, strict=True)}


def planes(whole: NDArray[np.uint8], bank: NDArray[np.uint8]) -> tuple[torch.Tensor, torch.Tensor]:
    """Put the colours of both first."""
    return (
        torch.from_numpy(np.array(whole)).permute(2, 0, 1),
        torch.from_numpy(np.array(bank)).permute(0, 3, 1, 2),
    )


def table(
    job: TrainingJob,
    predicted: Predictions,
    groups: NDArray,
    seconds: Mapping[str, float],
    apart: str,
) -> str:
    """Write one line a model."""
    n, sources = job.index["asset_sha256"].n_unique(), len(np.unique(groups))
    heads = job.task.heads
    text = (
        f"# Models of synthetic defects, on the same rows\n\n{command_line()}\n\n"
        f"Commit {commit()}, Python {platform.python_version()}, "
        f"torch {torch.__version__}, one compute thread. {n} photographs of `{job.release.name}@"
        f"{job.release.version}` from {sources} sources, {len(job.index):,} rows: each unedited, and with "
        f"{rungs_of(job)} of six strengths of each defect. {FOLDS} folds of whole sources. CPU is that of training and "
        "predicting in all folds, without the vectors, which were kept.\n\nSpearman correlation of predicted and true "
        "strength:\n\n"
    )
    text += line(["model", *(head.title for head in heads), "mean", "CPU, s"])
    text += line(["---"] * (len(heads) + 3))
    for name, said in predicted.items():
        figures = figures_of(job, name, said, groups, np.ones(len(job.index), np.bool_))
        text += line([*cells(name, figures), f"{seconds[name]:.0f}"])
    if STATISTICS not in predicted:
        return text + NOTES
    said = predicted[STATISTICS]
    inside = np.zeros(len(job.index), np.bool_)
    inside[next(cut_folds(job.index, [apart, "group_id"], FOLDS)).test] = True
    first = figures_of(job, STATISTICS, said, groups, inside)
    text += line([*cells(f"{STATISTICS}, first fold", first), ""])
    areas = [detection(head.targets(job.index), said[head.name], groups) for head in heads]
    text += line([*cells(f"{STATISTICS}, AUC", areas), ""])
    return text + NOTES + STATISTICS_NOTE.format(n=n_parameters(job))


def figures_of(
    job: TrainingJob,
    name: str,
    said: Mapping[str, Floats],
    groups: NDArray,
    judged: NDArray[np.bool_],
) -> list[Interval]:
    """Return the rank correlation of each defect over the rows that are `judged`, (N,)."""
    figures = []
    for head in job.task.heads:
        truth = head.truth(job.index)
        truth = np.abs(truth) if name == STAGES[0] else truth
        rows = np.flatnonzero(~np.isnan(truth) & judged)
        figures.append(spearman(said[head.name][rows], truth[rows], groups[rows]))
    return figures


def n_parameters(job: TrainingJob) -> int:
    """Count the parameters of the network on statistics."""
    return count_parameters(task_of(job, "statistics").build())


def cells(name: str, figures: Sequence[Interval]) -> list[str]:
    """Write a name, its figures and their mean."""
    return [name, *map(shown, figures), f"{np.mean([each.value for each in figures]):.2f}"]


NOTES = f"""
Brackets: 95 % intervals from a bootstrap over sources.

- `sae_svr`: a sparse auto-encoder of {sae_svr.UNITS} units on patches of {sae_svr.PX} x {sae_svr.PX} px (torch), its
  codes pooled over the whole picture and over native patches, and a support vector regression for each defect
  (scikit-learn).
- `nima`: a single column that sees the whole picture; ten bins a defect, earth mover's distance with r = 2.
- `multicolumn`: two columns, the whole picture and its native middle; ordered bins.
- multi-head: both columns and the statistics, one network with seven heads: the recipe `defects`.
- small, on pixels: 48,062 parameters, all of them learnt, on the whole picture and its native middle of 192 px, with
  high-pass planes, the logarithm of their spread pooled, and histograms of light and hues, as in `good_photos`.

`nima`, `multicolumn` and the recipe train on vectors of a frozen EfficientNet-Lite0 (ImageNet), where their authors
trained the whole network. Pictures rated by people (AVA) are not at hand, so stage 1 is the recipe `aesthetics` on
votes that are made: {VOTES} votes around {BEST} for an unedited row, down to {WORST} for the full strength of its
defect. It says what the way of two stages costs and keeps, not what votes of people would add. "Stage 1 alone" ranks
rows by its mean score; its truth is the strength without the sign, so saturation is not to be compared with the
other lines.
"""

STATISTICS_NOTE = """
Small, on statistics: {n:,} parameters on 329 numbers of pixels, of which none is learnt: how large steps over 1, 2, 4
and 8 px of the native middle are in four directions and against each other, histograms of its light and detail, and
tones and hues of the whole picture. Strengths count as much as rows without the defect. Numbers, layers and weights
were chosen on photographs of the other folds: the first fold was not looked at. AUC: rows with at least half of the
full strength of the defect against rows without it, those with another defect among them.
"""


if __name__ == "__main__":
    main()
