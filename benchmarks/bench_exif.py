"""Cross-fit the recipe `exif`: every photograph is judged by a model that saw neither its source nor its camera.

    safelight --home HOME crawl run folder DIR; ... curate run; ... dataset publish photos
    OMP_NUM_THREADS=1 python3 dev.py bench exif --home HOME --dataset photos --output FILE

DIR has one folder for each source. Folds are made of whole sources; training leaves out all photographs that share a
camera, a scene or a copy with the fold. Figures are over all photographs, intervals from a bootstrap over sources.
"""

import argparse
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.code_version import command_line, commit  # noqa: E402
from catalog import Workspace  # noqa: E402
from training.data.arrays import MISSING, Floats  # noqa: E402
from training.data.stores.pictures import Store  # noqa: E402
from training.evaluation import baselines  # noqa: E402
from training.evaluation.calibration import calibrate, class_shares  # noqa: E402
from training.evaluation.evidence import Evidence  # noqa: E402
from training.evaluation.findings import as_score, learnt, predictor_name  # noqa: E402
from training.evaluation.intervals import group_bootstrap, with_interval  # noqa: E402
from training.evaluation.tasks import classes, values  # noqa: E402
from training.evaluation.tasks.classes import Predictor  # noqa: E402
from training.fit.run_request import TrainingRequest  # noqa: E402
from training.heads import Head  # noqa: E402
from training.heads.classes import ClassHead  # noqa: E402
from training.runs.assessment import gather_evidence  # noqa: E402
from training.runs.run import TrainingJob, make_job  # noqa: E402
from training.studies.cross_fit import (  # noqa: E402
    LabelSource,
    cut_folds,
    group_numbers,
    train_fold,
)

FOLDS = 10
SOURCE = "split_part(source_photo_id, '/', 1)"
VARIANTS = {
    "default": ("default", ()),
    "default, camera adversary 0.3": ("default", ("adversary=0.3",)),
    "cnn": ("cnn", ("scene_ev=true",)),
}
ABLATION = ("model", "thumbnail_only", "patches_only", "scene_only", "tiny_features", "metadata")
Outputs = dict[str, dict[str, Any]]  # head -> predictor -> Predictor, or values (N,)


def main() -> None:
    """Train, evaluate and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--dataset", default="photos")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=FOLDS)
    parser.add_argument("--apart", default=SOURCE, help="Column or SQL expression of the source.")
    parser.add_argument("--variants", nargs="+", default=["default"], choices=VARIANTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    workspace = Workspace.at(options.home)
    sections, texts = [], []
    for name in options.variants:
        preset, changes = VARIANTS[name]
        request = TrainingRequest("exif", options.dataset, preset, options=changes)
        job = make_job(workspace, request)
        with job.open_store() as store:
            started = time.process_time()
            outputs = cross_fitted(job, store, options.apart, options.folds)
            seconds = time.process_time() - started
            rows = scored(job, store, outputs, group_numbers(store.index, options.apart))
        sections.append((name, rows, seconds))
        texts.append(variant_section(name, job, rows, seconds, is_first=not texts))
    text = "\n".join([header(job, options), *texts, NOTES])
    options.output.write_text(text, "utf-8")
    print(text)


def cross_fitted(job: TrainingJob, store: Store, apart: str, count: int) -> Outputs:
    """Return what each predictor says of each photograph, from the fold that judges it."""
    run = job.run_for("split")
    folds = list(cut_folds(store.index, [apart, "group_id"], count))
    pooled: Outputs = {}
    for fold in folds:
        parts = LabelSource(store).parts(job.task, fold)
        task, network = train_fold(job.task, parts, run)
        evidence = gather_evidence(network, list(task.heads), parts, run)
        for head in task.heads:
            of_head = pooled.setdefault(head.name, {})
            for name, predicted in of_fold(head, evidence[head.name]).items():
                place(of_head, name, predicted, fold.test, len(store))
    return pooled


def of_fold(head: Head, evidence: Evidence) -> dict[str, Any]:
    """Return the predictors of one fold: calibrated probabilities of classes, or values."""
    train, validation, test = (evidence.labels[part] for part in ("train", "validation", "test"))
    if head.family == "values":
        learned = baselines.predicted_values(evidence.baselines, train.truth)
        predicted = {name or "model": raw["test"] for name, raw in evidence.raw.items()}
        predicted |= {name: by_part["test"] for name, by_part in learned.items()}
        return predicted
    count = len(cast("ClassHead", head).classes)
    prior = class_shares(train.truth, train.weight, count)
    learned = baselines.predicted_classes(evidence.baselines, train.truth, count)
    raw = {name or "model": by_part for name, by_part in evidence.raw.items()} | learned
    predictors = {
        name: classes.probability_predictor(
            name, by_part["test"], calibrate(by_part["validation"], validation.truth, prior)
        )
        for name, by_part in raw.items()
    }
    return predictors | {"prior": classes.prior_predictor(prior, len(test.truth))}


def place(of_head: dict[str, Any], name: str, predicted: Any, rows: Any, n: int) -> None:
    """Put what a predictor predicts for the rows of a fold where they belong among all."""
    if not isinstance(predicted, Predictor):
        of_head.setdefault(name, np.zeros(n))[rows] = predicted
        return
    shape = (n, predicted.decision.shape[1])
    if name not in of_head:
        empty = {kind: np.zeros(shape) for kind in predicted.stated}
        of_head[name] = Predictor(name, np.zeros(shape), empty)
    of_head[name].decision[rows] = predicted.decision
    for kind, shares in predicted.stated.items():
        of_head[name].stated[kind][rows] = shares


def scored(job: TrainingJob, store: Store, outputs: Outputs, groups: Any) -> pl.DataFrame:
    """Return rows of metrics of all predictors, with the accuracy beside that of the majority."""
    rows: list[dict[str, Any]] = []
    for head in job.task.heads:
        if head.is_auxiliary:
            continue
        predicted, truth = outputs[head.name], head.truth(store.index)
        if head.family == "values":
            labelled = np.flatnonzero(~np.isnan(truth))
            rest = {name: each for name, each in predicted.items() if name != "model"}
            rest["median"] = np.full(len(truth), np.nanmedian(truth))
            inside = values.TestRows(truth, groups, labelled)
            rows += values.score(head.name, inside, predicted["model"], rest, store.index)
            continue
        numbers = cast("ClassHead", head).numbers(store.index)
        predicted["majority"] = classes.majority_predictor(
            class_shares(truth, np.ones(len(truth)), len(cast("ClassHead", head).classes)),
            len(truth),
        )
        test = classes.TestSet(head.name, truth, groups, store.index, numbers)
        rows += classes.score(test, list(predicted.values()))
        rows.append(accuracy_lead(head.name, predicted, truth, groups))
    return pl.DataFrame(rows, infer_schema_length=None).filter(pl.col("slice") == "all")


def accuracy_lead(
    task: str, predicted: Mapping[str, Predictor], truth: Any, groups: Any
) -> dict[str, Any]:
    """Return the accuracy of the model with the class shares of training minus that of the majority, paired."""
    labelled = truth != MISSING
    decided = (
        predicted["model"].stated["_with_prior"].argmax(1),
        predicted["majority"].decision.argmax(1),
    )
    model, majority = ((each == truth)[labelled].astype(float) for each in decided)
    sums = np.stack([model - majority, np.ones(len(model))], axis=1)
    lead = group_bootstrap(sums, groups[labelled], mean)
    return {"predictor": "model", "task": task, "slice": "all", "metric": "lead", **vars(lead)}


def mean(sums: Floats) -> Floats:
    return np.asarray(sums[:, 0] / sums[:, 1])


def cell(rows: pl.DataFrame, task: str, predictor: str, metric: str, sign: str = "") -> str:
    """Format one figure with its interval; a dash without it."""
    matches = rows.filter(
        (pl.col("task") == task) & (pl.col("predictor") == predictor) & (pl.col("metric") == metric)
    )
    return with_interval(matches.row(0, named=True), digits=2, sign=sign) if len(matches) else "-"


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def variant_section(
    name: str, job: TrainingJob, rows: pl.DataFrame, seconds: float, *, is_first: bool
) -> str:
    """Write the tables of one variant; the baselines stand only in those of the first."""
    heads = [head for head in job.task.heads if not head.is_auxiliary]
    shown = [each for each in ABLATION if is_first or each in ABLATION[:3]]
    names = [predictor_name(each) for each in shown]
    text = f"\n## Preset {name}\n\nTraining and evaluation of all folds: {seconds:.0f} s CPU.\n\n"
    text += "Rank correlation (Spearman) with the setting in stops:\n\n"
    text += line(["head", *names, "verdict by rule"]) + line(["---"] * (len(names) + 2))
    for head in heads:
        cells = [cell(rows, head.name, each, "spearman") for each in shown]
        matches = rows.filter(
            (pl.col("task") == head.name)
            & (pl.col("predictor") == "model")
            & (pl.col("metric") == "spearman")
        )
        verdict = learnt(as_score(matches.row(0, named=True)) if len(matches) else None)
        text += line([head.title or head.name, *cells, verdict])
    settings = [head for head in heads if head.family == "classes"]
    columns = (
        "accuracy with class shares", "of the majority", "lead over the majority",
        "balanced accuracy", "of metadata", "of simple features", "of the prior",
    )  # fmt: skip
    text += "\n" + line(["head", *columns]) + line(["---"] * (len(columns) + 1))
    for head in settings:
        text += line([
            head.title or head.name,
            cell(rows, head.name, "model", "accuracy_with_prior"),
            cell(rows, head.name, "majority", "accuracy"),
            cell(rows, head.name, "model", "lead", "+"),
            *(cell(rows, head.name, each, "balanced_accuracy")
              for each in ("model", "metadata", "tiny_features", "prior")),
        ])  # fmt: skip
    for head in heads:
        if head.family == "values":
            errors = [
                f"{predictor_name(each)} {cell(rows, head.name, each, 'mae')}"
                for each in (*shown, "median")
            ]
            text += f"\n{head.title}, mean absolute error in EV: {', '.join(errors)}.\n"
    return text + f"\nConfiguration: `{job.task.config.identity()}`\n"


def header(job: TrainingJob, options: argparse.Namespace) -> str:
    n_sources = len(np.unique(group_numbers(job.index, options.apart)))
    cameras = job.index["camera"].n_unique()
    native = job.index["native_resolution"].fill_null(value=False).sum()
    return (
        f"# Camera settings and scene EV from pixels, cross-fitted\n\n{command_line()}\n\nCommit {commit()}, Python "
        f"{platform.python_version()}, torch {torch.__version__}, one compute thread. {len(job.index):,} photographs "
        f"of `{job.release.name}@{job.release.version}` from {n_sources} sources and {cameras} cameras; {native} are "
        f"known to be of native resolution. {options.folds} folds of whole sources; no model saw a source, a camera, a "
        f"scene or a copy of what it judges.\n"
    )


NOTES = """
Brackets: 95 % intervals from a bootstrap over sources. "Learnt" is said where the interval of the full model's rank
correlation lies above 0, "not learnt" where it holds 0. Thumbnail only and native patches only are the same network
with the other part hidden, as in a share of its training; 32-px scene only and simple features (scene, noise,
sharpness) are linear models, metadata only is a forest on camera, software and size of the file. The classes of
settings are ranked by the mean number of the class. A baseline below 0 predicts the mean of the other sources, which is
the lower the higher that of the source that is left out. Majority and median are those of all photographs, also of
those that are judged: those of training differ from fold to fold and are easier to beat. The encoder of the preset was
chosen on the training part of the release alone, by folds of sources.
"""


if __name__ == "__main__":
    main()
