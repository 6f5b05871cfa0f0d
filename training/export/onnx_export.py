"""Export a finished model for other programs: safetensors, ONNX with a parity file, a model card."""

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from safetensors.torch import save_file

from catalog import FEW_GROUPS, TOO_FEW
from training.data.transforms import View
from training.evaluation.intervals import with_interval
from training.models.networks import StatedProbabilities

PARITY_PICTURES = 4
TOLERANCE = 1e-4  # of a probability; float32 kernels differ by far less


def export_weights(model: StatedProbabilities, path: Path) -> None:
    """Write weights, batch-norm statistics, temperature and class shares as safetensors."""
    state = {name: value.cpu().contiguous() for name, value in model.state_dict().items()}
    save_file(state, path, metadata={"format": "pt"})


def export_onnx(model: StatedProbabilities, view: View, folder: Path) -> float:
    """Write model.onnx and parity.json; return the largest difference from torch on a fixed batch.

    Inputs are uint8: thumbnails (N, 3, S, S) and patches (N, P, 3, s, s), N and P free; the output
    is `probabilities` (N, heads, 3).
    """
    batch = _fixed_batch(view)
    path = folder / "model.onnx"
    model = model.cpu().eval()
    with warnings.catch_warnings():
        # The exporter through TorchScript is deprecated; the new one takes 30 times as long.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, batch, path, dynamo=False, opset_version=17,
            input_names=["thumbnails", "patches"], output_names=["probabilities"],
            dynamic_axes={"thumbnails": {0: "n"}, "patches": {0: "n", 1: "p"}},
        )  # fmt: skip
    difference = _difference(model, path, batch)
    parity = {
        "batch": "numpy default_rng(0), uint8",
        "pictures": PARITY_PICTURES,
        "max_abs_difference": difference,
        "tolerance": TOLERANCE,
        "within_tolerance": difference <= TOLERANCE,
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
    }
    write_json(folder / "parity.json", parity)
    return difference


def _fixed_batch(view: View) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    shapes = (3, view.thumbnail_px, view.thumbnail_px), (view.bank, 3, view.patch_px, view.patch_px)
    parts = [rng.integers(0, 256, (PARITY_PICTURES, *shape), dtype=np.uint8) for shape in shapes]
    return torch.from_numpy(parts[0]), torch.from_numpy(parts[1])


def _difference(
    model: StatedProbabilities, path: Path, batch: tuple[torch.Tensor, torch.Tensor]
) -> float:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs = {"thumbnails": batch[0].numpy(), "patches": batch[1].numpy()}
    outputs = session.run(None, inputs)[0]
    with torch.inference_mode():
        expected = model(*batch).numpy()
    return float(np.abs(outputs - expected).max())


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON that people can read; the same content gives the same bytes."""
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", "utf-8")


def write_card(path: Path, facts: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]) -> None:
    """Write README.md, the model card: training data, inputs, scores, limits."""
    release = f"{facts['dataset']}@{facts['version']}"
    texts = {
        "release": release,
        "rows": _figures(facts["tasks"], metrics),
        "settings": ", ".join(facts["tasks"]),
        "few_groups": FEW_GROUPS,
        "too_few": TOO_FEW,
        "where": facts["where_tested"][:1].lower() + facts["where_tested"][1:],
        "edges": "; ".join(
            f"{task} {' and '.join(map(str, edges))}" for task, edges in facts["bins"].items()
        ),
    }
    text = _CARD.format(**facts, **texts)
    path.write_text(text, "utf-8")


def _figures(tasks: Sequence[str], metrics: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(
        f"| {m['task']} | {m['predictor']} | {with_interval(m)} | {m['n']} | {m['n_groups']} |"
        for task in tasks
        for m in metrics
        if (m["task"], m["slice"], m["metric"]) == (task, "all", "balanced_accuracy")
    )


_CARD = """# Model {model_id}

Recipe `{recipe}`, trained by Safelight {code_version} on `{release}`
(digest `{dataset_digest}`), split policy `{split_policy}`:
{rows_train} pictures to train, {rows_validation} to choose the epoch and the temperature,
{rows_test} to test; {rows_excluded} more have no training permission or no split.
{parameters} parameters, best epoch {best_epoch} of {epochs}, {examples_seen} training examples.

## Output

For one picture the probability of low, medium and high of each of {settings}; each row sums
to 1. Edges in stops: {edges}.

Probabilities give every class the same weight (they are divided by the class shares of training).
For probabilities in your own collection, multiply by its class shares and normalise.

## Input

Pixels only: a square thumbnail of {thumbnail_px} px and {bank} patches of {patch_px} px cut
at native resolution. No EXIF tag, name, size or orientation.

## Scores

Balanced accuracy on the test pictures with 95 % intervals from a bootstrap over groups (none under {few_groups} groups:
{too_few}); 1/3 is chance.

| head | predictor | balanced accuracy | pictures | groups |
| --- | --- | --- | --- | --- |
{rows}

All figures: `metrics.parquet`.

## Limits

A model can learn cameras and photographers instead of settings: trust the figures of the split
that keeps groups apart. The figures above are measured {where}. Resized or re-compressed pictures
have lost most of their noise, which ISO is predicted from. Do not use a prediction as evidence of who took a
picture or how.
"""
