"""Train the recipe `faces` five times, each time tested on sessions that it has not seen, beside baselines.

    safelight --home HOME crawl run utkface DIR --training-basis TEXT; ... curate run; ... dataset publish faces
    OMP_NUM_THREADS=1 python3 dev.py bench faces --home HOME --dataset faces --output FILE

Folds are made of whole groups of the release (sessions by the time in the file name). The clock baseline predicts from
that time alone: the median age, and the most common class, of the ten training pictures that are nearest in time.
Intervals come from a bootstrap over groups. `--set` changes the recipe, as in `safelight train run`.
"""

import argparse
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.code_version import commit  # noqa: E402
from catalog import Workspace  # noqa: E402
from training.data.stores.pictures import Store  # noqa: E402
from training.evaluation.intervals import Interval, group_bootstrap  # noqa: E402
from training.fit.checkpoint import Checkpoints  # noqa: E402
from training.fit.examples import make_examples  # noqa: E402
from training.fit.objective import predict  # noqa: E402
from training.fit.run_request import TrainingRequest  # noqa: E402
from training.fit.trainer import Training, fit  # noqa: E402
from training.runs.run import TrainingJob, make_job  # noqa: E402

FOLDS = 5
NEAREST = 10  # training pictures of the clock baseline
VALIDATION_SHARE = 8  # every eighth training group chooses the epoch
Figures = dict[str, NDArray[Any]]


def main() -> None:
    """Train, evaluate and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--dataset", default="faces")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--set", dest="options", action="append", default=[])
    parser.add_argument("--keep-vectors", action="store_true", help="Do not measure the encoding.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    workspace = Workspace.at(options.home)
    request = TrainingRequest("faces", dataset=options.dataset, options=tuple(options.options))
    job = make_job(workspace, request)
    if not options.keep_vectors:
        shutil.rmtree(workspace.home / "cache" / "vectors", ignore_errors=True)
    started = time.process_time()
    with job.open_store() as store:
        encoded = time.process_time()
        outputs = cross_validated(job, store)
    trained = time.process_time()
    text = table(job, store, outputs, (encoded - started, trained - encoded))
    options.output.write_text(text, "utf-8")
    print(text)


def cross_validated(job: TrainingJob, store: Store) -> dict[str, Figures]:
    """Return by predictor what it says about each picture for each label, from the fold that tests it."""
    heads = job.task.heads
    truth = {head.name: head.truth(store.index) for head in heads}
    outputs = {
        name: {head.name: np.zeros(len(store)) for head in heads}
        for name in ("model", "constant", "clock")
    }
    clock = clock_of(store.index)
    for train, validation, test in folds(store.index):
        raw = trained_outputs(job, store, train, validation, test)
        both = np.concatenate([train, validation])
        for head in heads:
            is_number = head.family == "values"
            model = raw[head.name] if is_number else raw[head.name].argmax(1)
            labels = truth[head.name][both]
            nearest = np.abs(clock[both][None] - clock[test][:, None]).argsort(1)[:, :NEAREST]
            constant = np.median(labels) if is_number else most_common(labels)
            near = labels[nearest]
            by_clock = (
                np.median(near, 1) if is_number else np.array([most_common(row) for row in near])
            )
            for name, values in (("model", model), ("constant", constant), ("clock", by_clock)):
                outputs[name][head.name][test] = values
    return outputs


def trained_outputs(
    job: TrainingJob, store: Store, train: Any, validation: Any, test: Any
) -> Figures:
    """Train on some rows and return the outputs for others."""
    task, run = job.task, job.run_for("split")
    parts = [make_examples(store, task.heads, rows) for rows in (train, validation, test)]
    torch.manual_seed(task.config.seed)
    training = Training(
        task.build(), task.objective, parts[0], parts[1], run, task.recipe.initialise
    )
    with tempfile.TemporaryDirectory() as folder:
        network, _ = fit(training, Checkpoints(Path(folder), "bench"))
    return predict(network, task.heads, parts[2], run)


def folds(index: pl.DataFrame) -> Iterator[tuple[NDArray[np.int64], ...]]:
    """Yield training, validation and test rows; large groups are spread first, so that folds have similar sizes."""
    sizes = index["group_id"].value_counts().sort(["count", "group_id"], descending=True)
    fold_of: dict[str, int] = {}
    filled = [0] * FOLDS
    for group, size in sizes.iter_rows():
        fold_of[group] = filled.index(min(filled))
        filled[fold_of[group]] += size
    fold = np.array([fold_of[group] for group in index["group_id"]])
    order = {group: number for number, group in enumerate(sizes["group_id"])}
    holds_out = np.array([order[group] % VALIDATION_SHARE == 0 for group in index["group_id"]])
    for number in range(FOLDS):
        rest = fold != number
        yield (
            np.flatnonzero(rest & ~holds_out), np.flatnonzero(rest & holds_out),
            np.flatnonzero(fold == number),
        )  # fmt: skip


def clock_of(index: pl.DataFrame) -> NDArray[np.float64]:
    """Read the time in a file name such as 26_1_3_20170117174136694.jpg, in seconds."""
    stamps = [re.findall(r"_(\d{14})\d*", name) for name in index["source_photo_id"]]
    return np.array(
        [time.mktime(time.strptime(each[0], "%Y%m%d%H%M%S")) if each else 0.0 for each in stamps]
    )


def most_common(labels: NDArray[Any]) -> int:
    """Return the most common class."""
    return int(np.bincount(labels[labels >= 0].astype(int)).argmax())


def figure(head: Any, outputs: NDArray[Any], truth: NDArray[Any], groups: Any) -> Interval:
    """Return the mean absolute error of a number, or the accuracy of classes."""
    right = np.abs(outputs - truth) if head.family == "values" else (outputs == truth).astype(float)
    return group_bootstrap(
        np.stack([right, np.ones(len(right))], 1), groups, lambda sums: sums[:, 0] / sums[:, 1]
    )


def balanced(outputs: NDArray[Any], truth: NDArray[Any]) -> float:
    """Return the mean recall over classes."""
    return float(np.mean([(outputs[truth == each] == each).mean() for each in np.unique(truth)]))


def table(
    job: TrainingJob, store: Store, outputs: dict[str, Figures], seconds: tuple[float, float]
) -> str:
    """Write the results as Markdown."""
    groups = np.unique(store.index["group_id"].to_numpy().astype(str), return_inverse=True)[1]
    lines = []
    for head in job.task.heads:
        truth = head.truth(store.index)
        metric = "MAE, years" if head.family == "values" else "accuracy"
        cells = [
            f"{each.value:.3f} [{each.low:.3f}, {each.high:.3f}]"
            for each in (figure(head, outputs[name][head.name], truth, groups) for name in outputs)
        ]
        extra = (
            "" if head.family == "values" else f"{balanced(outputs['model'][head.name], truth):.3f}"
        )
        lines.append(f"| {head.name} | {metric} | {' | '.join(cells)} | {extra} |")
    encoder = job.task.encoder
    shown = encoder.id if encoder else "none"
    return f"""# Faces: age, gender and ethnicity, five folds by session

Commit {commit()}, Python {platform.python_version()}, torch {torch.__version__}, one compute thread.
{len(store):,} faces in {len(np.unique(groups))} groups of `{job.release.name}@{job.release.version}`;
encoder {shown}.
CPU: encoding {seconds[0]:.0f} s, five trainings with evaluation {seconds[1]:.0f} s.

| label | metric | model | constant of training | clock (10 nearest in time) | balanced accuracy of the model |
| --- | --- | --- | --- | --- | --- |
{chr(10).join(lines)}

Brackets: 95 % intervals over groups. The clock uses the time in the file name alone: pictures gathered in one stretch
show similar people, so a model is worth something only where it is clearly better than the clock.

Configuration: `{job.task.config.identity()}`
"""


if __name__ == "__main__":
    main()
