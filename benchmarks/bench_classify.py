"""Learn labels of any release with the recipe `classify`, cross-fitted by groups, beside its baselines.

    OMP_NUM_THREADS=1 python3 dev.py bench classify --home HOME --output FILE --set-of "digits;digit;asset_sha256"

Each label set is dataset;label;apart: the label is a column or SQL expression, `apart` one or more columns or
expressions, separated by |, whose values no model may have seen of what it judges. Intervals are over the first one.
"""

import argparse
import platform
import sys
import time
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.bench_exif import cell, line, of_fold, place  # noqa: E402
from benchmarks.code_version import command_line, commit  # noqa: E402
from catalog import Workspace  # noqa: E402
from training.evaluation.calibration import class_shares  # noqa: E402
from training.evaluation.tasks import classes  # noqa: E402
from training.fit.run_request import TrainingRequest  # noqa: E402
from training.heads.classes import ClassHead  # noqa: E402
from training.runs.assessment import gather_evidence  # noqa: E402
from training.runs.run import make_job  # noqa: E402
from training.studies.cross_fit import (  # noqa: E402
    LabelSource,
    cut_folds,
    group_numbers,
    train_fold,
)

FOLDS = 5
COLUMNS = ("model", "majority", "prior", "metadata", "tiny_features")


def main() -> None:
    """Train, evaluate and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--set-of", action="append", required=True, metavar="DATASET;LABEL;APART")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [label_set(Workspace.at(options.home), *text.split(";")) for text in options.set_of]
    titles = ("label", "pictures", "groups", "classes", "accuracy", "majority", "prior",
              "metadata only", "simple features", "balanced accuracy", "CPU, s a fold")  # fmt: skip
    table = line(titles) + line(["---"] * len(titles)) + "".join(map(line, rows))
    text = (
        f"# Labels of any kind: the recipe classify, cross-fitted\n\n{command_line()}\n\nCommit {commit()}, Python "
        f"{platform.python_version()}, torch {torch.__version__}, one compute thread; preset default, {FOLDS} folds "
        f"of whole groups.\n\n{table}\nBrackets: 95 % intervals from a bootstrap over groups. Accuracy is with the "
        "class shares of training; the majority is that of all pictures. CPU is that of training and evaluation "
        "without the encoding, which is done once for all labels of the same pictures.\n\n"
        + "".join(f"- `{each}`\n" for each in options.set_of)
    )
    options.output.write_text(text, "utf-8")
    print(text)


def label_set(workspace: Workspace, dataset: str, label: str, apart: str) -> list[str]:
    """Cross-fit one label and return its row of the table."""
    job = make_job(workspace, TrainingRequest("classify", dataset, options=(f"label={label}",)))
    [head] = job.task.heads
    columns = apart.split("|")
    with job.open_store() as store:
        started, pooled = time.process_time(), {}
        for fold in cut_folds(store.index, columns, FOLDS):
            parts = LabelSource(store).parts(job.task, fold)
            task, network = train_fold(job.task, parts, job.run_for("split"))
            evidence = gather_evidence(network, list(task.heads), parts, job.run_for("split"))
            for name, outputs in of_fold(head, evidence[head.name]).items():
                place(pooled, name, outputs, fold.test, len(store))
        seconds = (time.process_time() - started) / FOLDS
        truth, groups = head.truth(store.index), group_numbers(store.index, columns[0])
    count = len(cast("ClassHead", head).classes)
    shares = class_shares(truth, np.ones(len(truth)), count)
    pooled["majority"] = classes.majority_predictor(shares, len(truth))
    test = classes.TestSet(head.name, truth, groups, store.index)
    figures = pl.DataFrame(classes.score(test, list(pooled.values())), infer_schema_length=None)
    figures = figures.filter(pl.col("slice") == "all")
    labelled = truth >= 0
    cells = [
        cell(figures, head.name, name, "accuracy" if name == "majority" else "accuracy_with_prior")
        for name in COLUMNS
    ]
    return [
        f"{dataset}: {head.name}", f"{labelled.sum():,}", f"{len(np.unique(groups[labelled])):,}",
        str(count), *cells, cell(figures, head.name, "model", "balanced_accuracy"), f"{seconds:.0f}",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
