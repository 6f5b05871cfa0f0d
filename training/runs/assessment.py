"""Evaluate a trained network: calibrate it, fit the baselines, score all of them on the test pictures, head by head."""

from collections.abc import Callable, Mapping
from typing import cast

import numpy as np
from torch import nn

from catalog import track
from training.data.arrays import Floats
from training.data.bias_tables import bias_tables
from training.evaluation.baselines import BaselineInputs, compressed, file_table, metadata_table
from training.evaluation.clock import clock_times
from training.evaluation.evidence import Evidence, HeadResult, Labelled
from training.evaluation.tasks import binary, classes, histograms, severities, values
from training.fit.examples import PARTS, DatasetParts, Examples
from training.fit.objective import predict
from training.fit.task import Task
from training.fit.training_run import TrainingRun
from training.heads.base import Head
from training.heads.binary import BinaryHead
from training.heads.classes import ClassHead
from training.heads.histogram import HistogramHead
from training.heads.severity import SeverityHead

BASELINE_ROWS = 20_000  # training pictures of the simple features, at most


def assess(
    network: nn.Module, task: Task, parts: DatasetParts, run: TrainingRun
) -> dict[str, HeadResult]:
    """Calibrate each head on validation, then score the network, the parts of its input and the baselines on test."""
    by_family: Mapping[str, Callable[[Head, Evidence], HeadResult]] = {
        "classes": _with_classes,
        "values": _with_values,
    }
    results = {}
    labelled = [head for head in task.heads if head.family in by_family]
    if labelled:
        evidence = gather_evidence(network, labelled, parts, run)
        results = {
            head.name: by_family[head.family](head, evidence[head.name]) for head in labelled
        }
    for head in task.heads:
        if head.family == "retrieval":
            results[head.name] = _retrieval(network, head, task, parts, run)
    return {head.name: results[head.name] for head in task.heads}


def _with_classes(head: Head, evidence: Evidence) -> HeadResult:
    if isinstance(head, BinaryHead):
        return binary.evaluate(head, evidence)
    return classes.evaluate(cast("ClassHead", head), evidence)


def _with_values(head: Head, evidence: Evidence) -> HeadResult:
    match head:
        case SeverityHead():
            return severities.evaluate(head, evidence)
        case HistogramHead():
            return histograms.evaluate(head, evidence)
    return values.evaluate(head, evidence)


def _retrieval(
    network: nn.Module, head: Head, task: Task, parts: DatasetParts, run: TrainingRun
) -> HeadResult:
    from training.evaluation.tasks import copy_comparison  # brings FAISS

    validation, test = (
        copy_comparison.GalleryPictures(
            part.store, part.rows, task.config.seed, part.store.view.input_px, run.device  # type: ignore[attr-defined]  # a view of whole pictures
        )
        for part in (parts.validation, parts.test)
    )  # fmt: skip
    return copy_comparison.evaluate(head.name, network, validation, test)


def gather_evidence(
    network: nn.Module, heads: list[Head], parts: DatasetParts, run: TrainingRun
) -> dict[str, Evidence]:
    """Predict validation and test with the network and its parts, and fit the baselines, for each head by its name."""
    names = ("", *getattr(network, "parts", ()))
    raw = {
        name: {
            part: predict(network, heads, getattr(parts, part), run, name)
            for part in ("validation", "test")
        }
        for name in names
    }
    baselines, test = _baseline_inputs(parts), parts.test
    return {
        head.name: Evidence(
            {part: _labels(getattr(parts, part), head.name) for part in PARTS},
            {
                name: {part: outputs[head.name] for part, outputs in by_part.items()}
                for name, by_part in raw.items()
            },
            baselines,
            test.groups,
            test.index,
        )
        for head in heads
    }


def _labels(examples: Examples, head: str) -> Labelled:
    return Labelled(examples.truth[head], examples.weight)


def _baseline_inputs(parts: DatasetParts) -> BaselineInputs:
    by_part = {part: getattr(parts, part) for part in PARTS}
    metadata = {part: metadata_table(examples.index) for part, examples in by_part.items()}
    scenes, statistics = {}, {}
    for part, examples in by_part.items():
        scenes[part], statistics[part] = _features(
            examples, BASELINE_ROWS if part == "train" else len(examples)
        )
    rows = np.arange(len(scenes["train"]))
    files = {
        "file": {
            part: file_table(examples.index[: len(scenes[part])])
            for part, examples in by_part.items()
        }
    }
    if n := parts.train.store.view.n_file_statistics:
        files["file_seen"] = {part: numbers[:, -n:-1] for part, numbers in statistics.items()}
        files["bytes_seen"] = {part: numbers[:, -1:] for part, numbers in statistics.items()}
    cut = {part: examples.index[: len(scenes[part])] for part, examples in by_part.items()}
    biases = bias_tables(cut, scenes)
    times = clock_times({part: examples.index for part, examples in by_part.items()})
    return BaselineInputs(metadata, compressed(scenes, statistics), rows, files, biases, times)


def _features(examples: Examples, most: int) -> tuple[Floats, Floats]:
    view, rows = examples.store.view, examples.rows[:most].tolist()
    tracked = track(rows, "features of the baselines", unit="pictures")
    pairs = [view.simple_features(examples.store.sample(row)) for row in tracked]
    return np.stack([scene for scene, _ in pairs]), np.stack([numbers for _, numbers in pairs])
