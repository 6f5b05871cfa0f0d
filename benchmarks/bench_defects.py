"""Train the recipe `defects` on ladders of photographs without labels, and judge it on sources that it has not seen.

    OMP_NUM_THREADS=1 python3 dev.py bench defects --home HOME --output FILE

The workspace has a data set of photographs. Of each source at most `--most` photographs are taken, in the order of
their SHA-256. Every photograph is judged once, by a model that saw no photograph of its source, scene or camera.
"""

import argparse
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

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
from benchmarks.code_version import commit  # noqa: E402
from catalog import Workspace  # noqa: E402
from training.data.stores.pictures import Store  # noqa: E402
from training.data.transforms.ladder import EDITS  # noqa: E402
from training.evaluation.intervals import Interval, group_bootstrap, with_interval  # noqa: E402
from training.evaluation.metrics import correlation, rank_sums  # noqa: E402
from training.evaluation.tasks.severities import cross_class_correlation, detection  # noqa: E402
from training.fit.objective import predict  # noqa: E402
from training.fit.run_request import TrainingRequest  # noqa: E402
from training.models.encoders import Lite0Levels, Lite0Tones  # noqa: E402
from training.runs.run import TrainingJob, make_job  # noqa: E402
from training.studies.cross_fit import (  # noqa: E402
    LabelSource,
    cut_folds,
    group_numbers,
    train_fold,
)

RIDGE_NAME = "statistics and kernel ridge"
Floats = NDArray[np.float64]
NUMBERS = slice(2 * Lite0Levels.dim, Lite0Tones.dim)
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
    parser.add_argument("--apart", default=SOURCE, help="Column or SQL expression of the source.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    started = time.process_time()
    request = TrainingRequest("defects", options.dataset, options.preset)
    job = chosen(make_job(Workspace.at(options.home), request), options.apart, options.most)
    with job.open_store() as store:
        predicted = cross_fitted(job, store, options.apart, options.folds)
        text = table(job, store, predicted, options.apart, options.folds)
    text += (
        f"\n{time.process_time() - started:.0f} s CPU, without vectors that were kept already.\n"
    )
    options.output.write_text(text, "utf-8")
    print(text)


def chosen(job: TrainingJob, apart: str, most: int) -> TrainingJob:
    """Take at most so many photographs of each source."""
    plain = job.index.filter(pl.col("edit") == "").sort("asset_sha256")
    plain = plain.with_columns(source_number=pl.Series(group_numbers(plain, apart)))
    kept = plain.filter(pl.int_range(pl.len()).over("source_number") < most)["asset_sha256"]
    return replace(job, index=job.index.filter(pl.col("asset_sha256").is_in(kept.implode())))


def cross_fitted(
    job: TrainingJob, store: Store, apart: str, count: int
) -> dict[str, dict[str, Floats]]:
    """Return what each predictor says of each row, by predictor and defect."""
    run = job.run_for("split")
    vectors = np.concatenate([store.sample(row)["vectors"] for row in range(len(store))])
    pairs = [store.view.simple_features(store.sample(row)) for row in range(len(store))]
    tables = {
        RIDGE_NAME: vectors[:, NUMBERS],
        "simple features": np.stack([numbers for _, numbers in pairs]),
    }
    targets = np.stack([head.targets(store.index) for head in job.task.heads], axis=1)
    names = [head.name for head in job.task.heads]
    predicted: dict[str, dict[str, Floats]] = {}
    for fold in cut_folds(store.index, [apart, "group_id"], count):
        parts = LabelSource(store).parts(job.task, fold)
        task, network = train_fold(job.task, parts, run)
        place(
            predicted,
            "recipe",
            predict(network, task.heads, parts.test, run),
            fold.test,
            len(store),
        )
        for name, columns in tables.items():
            fitted = ridge(columns, targets, fold.train, fold.test)
            place(predicted, name, dict(zip(names, fitted.T, strict=True)), fold.test, len(store))
    return predicted


def ridge(columns: Floats, targets: Floats, train: NDArray, test: NDArray) -> Floats:
    """Fit kernel ridge regression for all defects at once; the width of the kernel is that of the data."""
    width = 1 / (WIDTH * columns.shape[1])
    model = make_pipeline(StandardScaler(), KernelRidge(alpha=RIDGE, kernel="rbf", gamma=width))
    fitted = model.fit(columns[train].astype(np.float32), targets[train])
    return np.asarray(fitted.predict(columns[test].astype(np.float32)))


def place(
    predicted: dict[str, dict[str, Floats]],
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
    predicted: Mapping[str, dict[str, Floats]],
    apart: str,
    folds: int,
) -> str:
    """Write one line a defect and predictor."""
    groups = group_numbers(store.index, apart)
    n, sources = store.index["asset_sha256"].n_unique(), len(np.unique(groups))
    text = (
        f"# Severity of synthetic defects\n\nCommit {commit()}, Python {platform.python_version()}, torch "
        f"{torch.__version__}, one compute thread. {n} photographs of `{job.release.name}@{job.release.version}` from "
        f"{sources} sources, {len(store):,} rows: each unedited, and with {rungs_of(job)} of six strengths of each "
        f"defect. {folds} folds of whole sources.\n\nSpearman correlation of predicted and true strength, over the six "
        "strengths:\n\n"
    )
    text += line(["defect", *predicted]) + line(["---"] * (len(predicted) + 1))
    names = ["cross-class ranking correlation", "AUC", "first fold", "first fold, kernel ridge"]
    beside = line(["defect", *names]) + line(["---"] * 5)
    first = next(cut_folds(store.index, [apart, "group_id"], folds)).test
    for head in job.task.heads:
        truth, values = (
            head.truth(store.index),
            {k: each[head.name] for k, each in predicted.items()},
        )
        rows = np.flatnonzero(~np.isnan(truth))
        text += line(
            [
                head.title,
                *(shown(spearman(v[rows], truth[rows], groups[rows])) for v in values.values()),
            ]
        )
        ours = values["recipe"]
        across = cross_class_correlation(truth[rows], ours[rows], groups[rows])
        area = detection(head.targets(store.index), ours, groups)
        judged = np.intersect1d(rows, first)
        alone = [
            shown(spearman(values[name][judged], truth[judged], groups[judged]))
            for name in ("recipe", RIDGE_NAME)
        ]
        beside += line([head.title, shown(across), shown(area), *alone])
    text += f"\nOf the recipe:\n\n{beside}{NOTES}"
    return text + f"\nConfiguration: `{job.task.config.identity()}`\n"


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
against rows without it, those with another defect among them. The other predictors are kernel ridge regression, a
constant has no rank correlation. "Statistics" are the {Lite0Tones.patch_dim} numbers of patches, light and colours
(as in BRISQUE and its kin). Tones and clipping among them, the width of the kernel and the statistics that the heads
see themselves were chosen on photographs of the other folds: "first fold" is the rank correlation on sources that
were not looked at. Trained models beside the recipe, in one or two stages:
`benchmarks/bench_defect_models.py`. Real defects are not judged here: no labelled photograph is at hand.
"""


if __name__ == "__main__":
    main()
