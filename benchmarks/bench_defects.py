"""Train the recipe `defects` on ladders of photographs without labels, and judge it on sources that it has not seen.

    OMP_NUM_THREADS=1 python3 dev.py bench defects --home HOME --output FILE

The workspace has a data set of photographs. Of each source at most `--most` photographs are taken, in the order of
their SHA-256. Every photograph is judged once, by a model that saw no photograph of its source and none of its scene.
With `--judged` at most so many of a source are judged, the first of them, so that large sources do not outweigh the
others; the rest only train.
With `--apart-by source photograph` a second table has folds of whole photographs, too: those of one burst, one scene or
one group of copies stay together, but other photographs of the source are in training. It has the recipe alone.
"""

import argparse
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from sklearn.kernel_ridge import KernelRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.bench_exif import SOURCE  # noqa: E402
from benchmarks.code_version import command_line, commit  # noqa: E402
from catalog import Workspace  # noqa: E402
from training.data.stores.pictures import Store  # noqa: E402
from training.data.transforms.ladder import EDITS  # noqa: E402
from training.evaluation.intervals import Interval, group_bootstrap, with_interval  # noqa: E402
from training.evaluation.metrics import correlation, rank_sums  # noqa: E402
from training.evaluation.tasks.severities import cross_class_correlation, detection  # noqa: E402
from training.fit.examples import open_store  # noqa: E402
from training.fit.objective import predict  # noqa: E402
from training.fit.run_request import TrainingRequest  # noqa: E402
from training.models.encoders import Lite0Levels, Lite0Tones  # noqa: E402
from training.runs.run import TrainingJob, make_job  # noqa: E402
from training.studies.cross_fit import (  # noqa: E402
    Fold,
    LabelSource,
    cut_folds,
    group_numbers,
    train_fold,
)

RIDGE_NAME = "statistics and kernel ridge"
FROM_0 = ", from 0"
UNITS = {
    "source": "whole sources: no photograph of a source that is judged was in training",
    "photograph": "whole photographs: other photographs of the source were in training, but none of the same burst, "
    "scene or group of copies",
}
"""What folds are made of, in words."""
Floats = NDArray[np.float64]
Predictions = dict[str, dict[str, Floats]]
"""What each predictor says of every row, by predictor and defect."""
NUMBERS = slice(2 * Lite0Levels.dim, Lite0Tones.dim)
MEASURED_ROWS = 1_024  # of which the encoding is timed
RIDGE, WIDTH = 0.03, 6.0  # penalty, and width of the kernel in mean distances of the data


def main() -> None:
    """Train, judge and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--dataset", default="photos")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--preset", default="default")
    parser.add_argument("--most", type=int, default=25, help="Photographs of a source.")
    parser.add_argument("--judged", type=int, help="Those of them that are judged.")
    parser.add_argument("--apart", default=SOURCE, help="Column or SQL expression of the source.")
    parser.add_argument("--apart-by", nargs="+", default=["source"], choices=UNITS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    request = TrainingRequest("defects", options.dataset, options.preset)
    job = chosen(make_job(Workspace.at(options.home), request), options.apart, options.most)
    training = Clock()
    with job.open_store() as store:
        folds = {unit: folds_of(job, store.index, unit, options) for unit in options.apart_by}
        first = options.apart_by[0]
        predicted = {
            unit: cross_fitted(job, store, each, training, with_others=unit == first)
            for unit, each in folds.items()
        }
        text = table(job, store, predicted, folds, options)
    trained = sum(map(len, folds.values()))
    text += f"\n{encoding_cost(job)}{trained} trainings of the recipe: {training}, without the other predictors.\n"
    options.output.write_text(text, "utf-8")
    print(text)


class Clock:
    """Processor time and time on the clock inside of `with` blocks."""

    def __init__(self) -> None:
        self.cpu_s = self.clock_s = 0.0

    def __enter__(self) -> None:
        self._add(-1)

    def __exit__(self, *error: object) -> None:
        self._add(1)

    def _add(self, sign: int) -> None:
        self.cpu_s += sign * time.process_time()
        self.clock_s += sign * time.perf_counter()

    def __str__(self) -> str:
        return f"{self.cpu_s:.0f} s CPU, {self.clock_s:.0f} s on the clock"


def encoding_cost(job: TrainingJob) -> str:
    """Encode some rows, however many are kept already, and say what all take; nothing without an encoder."""
    if not job.task.encoders:
        return ""
    n = min(MEASURED_ROWS, len(job.index))
    some, clock = job.index.sample(n, seed=0), Clock()
    with (
        TemporaryDirectory() as home,
        open_store(job.release, some, job.task.view, job.settings) as pictures,
    ):
        [encoder] = job.task.encoders
        elsewhere = replace(job, workspace=Workspace.at(Path(home)))
        with clock:
            elsewhere.encoded(pictures, encoder)
    share = len(job.index) / n
    return (
        f"Encoding of a row: {1000 * clock.cpu_s / n:.0f} ms CPU, {1000 * clock.clock_s / n:.0f} ms on the clock "
        f"({n} rows measured), so all take {share * clock.cpu_s / 60:.0f} CPU min. "
    )


def chosen(job: TrainingJob, apart: str, most: int) -> TrainingJob:
    """Take at most so many photographs of each source."""
    return replace(job, index=job.index.filter(pl.Series(is_among_first(job.index, apart, most))))


def is_among_first(index: pl.DataFrame, apart: str, most: int) -> NDArray[np.bool_]:
    """Return which rows are of the first so many photographs of their source, (N,)."""
    plain = index.filter(pl.col("edit") == "").sort("asset_sha256")
    plain = plain.with_columns(source_number=pl.Series(group_numbers(plain, apart)))
    kept = plain.filter(pl.int_range(pl.len()).over("source_number") < most)["asset_sha256"]
    return index["asset_sha256"].is_in(kept.implode()).to_numpy()


def folds_of(
    job: TrainingJob, index: pl.DataFrame, unit: str, options: argparse.Namespace
) -> list[Fold]:
    """Cut folds; where the last epoch counts, the rows that would choose an epoch train, too."""
    columns = [options.apart, "group_id"] if unit == "source" else ["group_id"]
    folds = list(cut_folds(index, columns, options.folds))
    if job.task.config.select != "last":
        return folds
    return [replace(fold, train=np.union1d(fold.train, fold.validation)) for fold in folds]


def cross_fitted(
    job: TrainingJob, store: Store, folds: Sequence[Fold], clock: Clock, *, with_others: bool
) -> Predictions:
    """Return what each predictor says of each row, by predictor and defect; the clock runs while the recipe trains."""
    run = job.run_for("split")
    tables = tables_of_others(store) if with_others else {}
    targets = np.stack([head.targets(store.index) for head in job.task.heads], axis=1)
    names = [head.name for head in job.task.heads]
    predicted: Predictions = {}
    for fold in folds:
        parts = LabelSource(store).parts(job.task, fold)
        with clock:
            task, network = train_fold(job.task, parts, run)
        said = predict(network, task.heads, parts.test, run)
        place(predicted, "recipe", said, fold.test, len(store))
        for name, columns in tables.items():
            fitted = ridge(columns, targets, fold.train, fold.test)
            place(predicted, name, dict(zip(names, fitted.T, strict=True)), fold.test, len(store))
    return predicted


def tables_of_others(store: Store) -> dict[str, Floats]:
    """Return what kernel ridge regression is fitted to, of every row, by the name of the predictor."""
    samples = [store.sample(row) for row in range(len(store))]
    return {
        RIDGE_NAME: np.concatenate([each["vectors"][:, NUMBERS] for each in samples]),
        "simple features": np.stack([store.view.simple_features(each)[1] for each in samples]),
    }


def ridge(columns: Floats, targets: Floats, train: NDArray, test: NDArray) -> Floats:
    """Fit kernel ridge regression for all defects at once; the width of the kernel is that of the data."""
    width = 1 / (WIDTH * columns.shape[1])
    model = make_pipeline(StandardScaler(), KernelRidge(alpha=RIDGE, kernel="rbf", gamma=width))
    fitted = model.fit(columns[train].astype(np.float32), targets[train])
    return np.asarray(fitted.predict(columns[test].astype(np.float32)))


def place(
    predicted: Predictions,
    name: str,
    fitted: Mapping[str, Floats],
    rows: NDArray,
    n: int,
) -> None:
    """Put what a predictor says of the rows of a fold where they belong among all."""
    for defect, values in fitted.items():
        predicted.setdefault(name, {}).setdefault(defect, np.zeros(n))[rows] = values


def table(
    job: TrainingJob,
    store: Store,
    predicted: Mapping[str, Predictions],
    folds: Mapping[str, Sequence[Fold]],
    options: argparse.Namespace,
) -> str:
    """Write the rank correlations for each way to cut folds, and more about the recipe for the first of them."""
    n = store.index["asset_sha256"].n_unique()
    sources = len(np.unique(group_numbers(store.index, options.apart)))
    text = (
        f"# Severity of synthetic defects\n\n{command_line()}\n\n"
        f"Commit {commit()}, Python {platform.python_version()}, torch "
        f"{torch.__version__}, one compute thread. {n:,} photographs of `{job.release.name}@{job.release.version}` "
        f"from {sources} sources, {len(store):,} rows: each unedited, and with {strengths_of(job)}."
    )
    rows = np.arange(len(store))
    if options.judged is not None:
        rows = np.flatnonzero(is_among_first(store.index, options.apart, options.judged))
        n = store.index[rows]["asset_sha256"].n_unique()
        text += f" Judged are {n}, at most {options.judged} of a source; the others only train."
    text += (
        "\n\nSpearman correlation of predicted and true strength, over the edited rows of a defect alone; "
        f'"{FROM_0.strip(", ")}": with the unedited row of each photograph, too, as strength 0.\n'
    )
    judged = {
        unit: {
            name: {key: each[rows] for key, each in values.items()} for name, values in of.items()
        }
        for unit, of in predicted.items()
    }
    index = store.index[rows]
    for unit, each in judged.items():
        text += f"\n{len(folds[unit])} folds of {UNITS[unit]}:\n\n"
        text += correlations(job, index, each, options.apart)
    unit = next(iter(predicted))
    text += f"\nOf the recipe, in folds of whole {unit}s:\n\n"
    first = folds_of(job, index, unit, options)[0].test
    text += beside(job, index, judged[unit], first, options.apart)
    return f"{text}{NOTES}\nConfiguration: `{job.task.config.identity()}`\n"


def correlations(job: TrainingJob, index: pl.DataFrame, predicted: Predictions, apart: str) -> str:
    """Write one line a defect and two columns a predictor: over the strengths, and with strength 0 below them."""
    columns = [name + ending for name in predicted for ending in ("", FROM_0)]
    text = line(["defect", *columns]) + line(["---"] * (len(columns) + 1))
    groups, is_unedited = group_numbers(index, apart), index["edit"].to_numpy() == ""
    for head in job.task.heads:
        strengths = head.truth(index)
        cells = []
        for values in predicted.values():
            for truth in (strengths, np.where(is_unedited, 0.0, strengths)):
                rows = np.flatnonzero(~np.isnan(truth))
                found = spearman(values[head.name][rows], truth[rows], groups[rows])
                cells.append(shown(found))
        text += line([head.title, *cells])
    return text


def beside(
    job: TrainingJob, index: pl.DataFrame, predicted: Predictions, first: NDArray, apart: str
) -> str:
    """Write what else is known of the recipe, and the correlations on the rows of the first fold."""
    names = ["cross-class ranking correlation", "AUC", "first fold", "first fold, kernel ridge"]
    text = line(["defect", *names]) + line(["---"] * 5)
    groups = group_numbers(index, apart)
    for head in job.task.heads:
        truth = head.truth(index)
        rows = np.flatnonzero(~np.isnan(truth))
        ours = predicted["recipe"][head.name]
        across = cross_class_correlation(truth[rows], ours[rows], groups[rows])
        area = detection(head.targets(index), ours, groups)
        judged = np.intersect1d(rows, first)
        alone = [
            spearman(predicted[name][head.name][judged], truth[judged], groups[judged])
            for name in ("recipe", RIDGE_NAME)
        ]
        text += line([head.title, *map(shown, (across, area, *alone))])
    return text


def strengths_of(job: TrainingJob) -> str:
    """Say how many strengths of each defect each photograph has."""
    of_exposure = int(job.task.config.identity().get("exposure_rungs", 0))
    text = f"{rungs_of(job)} of six strengths of each defect"
    return f"{text}, but {of_exposure} of a wrong exposure" if of_exposure else text


def rungs_of(job: TrainingJob) -> int:
    """Return how many strengths of a defect each photograph has."""
    return int(job.task.config.identity().get("rungs", 1))


def spearman(predicted: Floats, truth: Floats, groups: NDArray) -> Interval:
    """Return the rank correlation with its interval over sources."""
    return group_bootstrap(rank_sums(predicted, truth), groups, correlation)


def shown(figure: Interval) -> str:
    return with_interval(vars(figure), digits=2)


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


NOTES = f"""
Brackets: 95 % intervals from a bootstrap over sources. The strengths of {len(EDITS)} defects are those of
`training/data/transforms/ladder.py`: the side of a wrong exposure, the colour of a cast and the kind of blur are
drawn, and half of the rows are compressed again. AUC: rows with at least half of the full strength of the defect
against rows without it, those with another defect among them. Where the last epoch counts (`'select': 'last'`), no
rows are kept aside to choose one: all that share nothing with a fold train. The other predictors are kernel ridge
regression, a constant has no rank correlation. "Statistics" are the {Lite0Tones.patch_dim} numbers of patches, light
and colours (as in BRISQUE and its kin). Tones and clipping among them, the width of the kernel and the statistics that
the heads see themselves were chosen on photographs of the other folds: "first fold" is the rank correlation on sources
that were not looked at then, the first fold of the photographs that are judged. How many photographs and strengths
train was chosen on two thirds of all photographs, some of these among them.
Trained models beside the recipe, in one or two stages:
`benchmarks/bench_defect_models.py`. Real defects are not judged here: no labelled photograph is at hand.
"""


if __name__ == "__main__":
    main()
