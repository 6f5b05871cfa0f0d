"""Quantise a finished model, and measure what that costs and gains.

    models/<model_id>/model.int8.onnx   the smaller network; inputs and outputs are those of model.onnx
    models/<model_id>/quantised.json    how it was made; figures of test pictures with both, sizes, times

The way is chosen on validation pictures; the figures are those of test pictures.
"""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
import polars as pl

from catalog import Workspace, find_release, track
from training.data.arrays import Arrays, Floats
from training.data.labels import group_numbers
from training.errors import TrainingError
from training.export.model_files import write_json
from training.export.quantised import WAYS
from training.fit.examples import allowed_index, open_store
from training.fit.run_request import machine_settings
from training.heads import Head
from training.predict.predict_files import Model, load_model, network_inputs, stated_of_sample
from training.predict.saved_model import NETWORK, QUANTISED, QUANTISED_NETWORK, recipe_of
from training.studies.edits.limits import FAMILIES, bounds_of, gain_of, mean_of

CALIBRATION = 64  # validation pictures whose activations give the ranges
# Of an accuracy, or of an error in units of it: what loses more on validation is not chosen.
WORST_LOSS = 0.02
TIMED = 20  # pictures whose prediction is timed
ROUNDS = 5


@dataclass(frozen=True)
class QuantiseRequest:
    """Which model, and how many pictures of validation and of test are predicted at most."""

    model_id: str
    most: int = 300


@dataclass(frozen=True)
class Measured:
    """Some pictures as samples with groups and truth by head."""

    samples: Sequence[Arrays]
    groups: np.ndarray[Any, np.dtype[np.int64]]
    truth: Mapping[str, Any]


def quantise(workspace: Workspace, request: QuantiseRequest) -> tuple[Path, dict[str, Any]]:
    """Write the quantised network with its measured loss; return its path and the content of quantised.json.

    Raises ModelNotFoundError, EmbedderError, ReleaseNotFoundError, or TrainingError for a model without heads to score.
    """
    model = load_model(workspace, request.model_id)
    heads = [head for head in model.heads if head.family in FAMILIES]
    if not heads:
        raise TrainingError(f"model {model.folder.name} has no head whose error could be measured")
    validation, test = (
        _pictures(workspace, model, heads, part, request.most) for part in ("validation", "test")
    )
    with TemporaryDirectory() as folder:
        ways = _made(model, validation, Path(folder))
        before = _gains(model, heads, validation)
        losses = {
            name: _losses(before, _gains(each, heads, validation)) for name, each in ways.items()
        }
        sizes = {name: (each.folder / each.network).stat().st_size for name, each in ways.items()}
        way = chosen_way(losses, sizes)
        shutil.copyfile(ways[way].folder / ways[way].network, model.folder / QUANTISED_NETWORK)
    smaller = replace(model, network=QUANTISED_NETWORK)
    facts = {
        "way": way,
        "ways": {name: {"bytes": sizes[name], "loss_on_validation": losses[name]} for name in ways},
        "calibration_pictures": len(validation.samples[:CALIBRATION]),
        "bytes": {
            name: (model.folder / file).stat().st_size
            for name, file in (("float", NETWORK), ("quantised", QUANTISED_NETWORK))
        },
        "ms_a_picture": _times({"float": model, "quantised": smaller}, test.samples),
        "test_pictures": len(test.samples),
        "heads": _figures(model, smaller, heads, test),
        "onnxruntime": onnxruntime.__version__,
    }
    write_json(model.folder / QUANTISED, facts)
    return model.folder / QUANTISED_NETWORK, facts


def chosen_way(losses: Mapping[str, float], sizes: Mapping[str, int]) -> str:
    """Return the smallest way that loses at most `WORST_LOSS`; if all lose more, the one that loses least.

    >>> chosen_way({"a": 0.2, "b": 0.0, "c": 0.005}, {"a": 1, "b": 3, "c": 2})
    'c'
    """
    fine = [name for name, loss in losses.items() if loss <= WORST_LOSS]
    return min(fine or losses, key=lambda name: sizes[name] if fine else losses[name])


def _pictures(
    workspace: Workspace, model: Model, heads: Sequence[Head], part: str, most: int
) -> Measured:
    """Read some rows of a part of the model's release, chosen by a hash of the picture."""
    facts = model.facts
    release = find_release(workspace, f"{facts['dataset']}@{facts['version']}")
    recipe = recipe_of(model.folder, facts)
    index = recipe.rows_of(allowed_index(release), recipe.config_from(facts["config"]))
    index = index.filter((pl.col(facts["split_policy"]) == part).fill_null(value=False))
    index = index.sort(pl.col("asset_sha256").str.reverse(), maintain_order=True).head(most)
    with open_store(release, index, model.view, machine_settings(workspace)) as store:
        rows = track(range(len(index)), f"{part} pictures", unit="pictures")
        samples = [store.sample(row) for row in rows]
    truth = {head.name: head.truth(index) for head in heads}
    return Measured(samples, group_numbers(index), truth)


def _made(model: Model, validation: Measured, folder: Path) -> dict[str, Model]:
    """Quantise in every way; one that fails on this graph is left out."""
    batches = [network_inputs(model, sample) for sample in validation.samples[:CALIBRATION]]
    made = {}
    for name in track(list(WAYS), "quantise", unit="ways"):
        WAYS[name](model.folder / NETWORK, folder / f"{name}.onnx", batches)
        made[name] = Model(folder, model.facts, f"{name}.onnx")
    return made


def _gains(model: Model, heads: Sequence[Head], pictures: Measured) -> dict[str, Floats]:
    """Return what each picture earns by head: whether the class is right, or the negative error; NaN without label."""
    gains = {head.name: np.full(len(pictures.samples), np.nan) for head in heads}
    for row, sample in enumerate(pictures.samples):
        stated = stated_of_sample(model, sample)
        for head in heads:
            if _is_scored(head, stated[head.name]):
                gain = gain_of(head, stated[head.name], pictures.truth[head.name], row)
                gains[head.name][row] = gain
    return gains


def _is_scored(head: Head, stated: Floats) -> bool:
    return head.family == "classes" or stated.ndim == 0


def _losses(before: Mapping[str, Floats], after: Mapping[str, Floats]) -> float:
    """Return the largest loss of a head: of accuracy, or of its mean error in units of it; 0 without labels."""
    losses = [0.0]
    for name, own in before.items():
        if not np.isnan(own).all():
            change = float(np.nanmean(own) - np.nanmean(after[name]))
            is_error = np.nanmin(own) < 0 or np.nanmin(after[name]) < 0
            losses.append(change / max(-float(np.nanmean(own)), 1e-9) if is_error else change)
    return max(losses)


def _figures(
    model: Model, smaller: Model, heads: Sequence[Head], test: Measured
) -> dict[str, dict[str, Any]]:
    """Return for each head its metric with both networks, and the paired change with its interval over groups."""
    before, after = _gains(model, heads, test), _gains(smaller, heads, test)
    figures = {}
    for head in heads:
        there = ~np.isnan(before[head.name])
        if not there.any():
            continue
        sign, metric = (-1, "mae") if head.family == "values" else (1, "accuracy")
        own, other = (sign * each[head.name][there] for each in (before, after))
        groups = test.groups[there]
        figures[head.name] = {
            "metric": metric,
            **bounds_of("float", mean_of(own, groups)),
            **bounds_of("quantised", mean_of(other, groups)),
            **bounds_of("change", mean_of(other - own, groups)),
            "n": len(own),
            "n_groups": len(np.unique(groups)),
        }
    return figures


def _times(models: Mapping[str, Model], samples: Sequence[Arrays]) -> dict[str, float]:
    """Return the median CPU time of one picture in the network alone, in ms, in interleaved rounds."""
    spent: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(ROUNDS):
        for name, model in models.items():
            for sample in samples[:TIMED]:
                inputs = network_inputs(model, sample)
                started = time.process_time()
                model.session.run(None, inputs)
                spent[name].append(1000 * (time.process_time() - started))
    return {name: float(np.median(values)) for name, values in spent.items()}
