"""Export a finished model for other programs: safetensors, ONNX with a parity file, JSON."""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from safetensors.torch import save_file
from torch import nn

from training.data.views.base import View
from training.fit.objective import to_device

PARITY_SAMPLES = 4
TOLERANCE = (
    1e-4  # of an output, relative to its largest value above 1; float32 kernels differ by far less
)


@dataclass(frozen=True)
class OnnxContract:
    """Names of inputs and outputs in order, a batch of each input, and free axes besides the first."""

    batch: tuple[torch.Tensor, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    free_axes: Mapping[str, Mapping[int, str]]
    about_batch: str = "numpy default_rng(0)"


def export_weights(model: nn.Module, path: Path) -> None:
    """Write weights, batch-norm statistics and what calibration added as safetensors."""
    state = {name: value.cpu().contiguous().clone() for name, value in model.state_dict().items()}
    save_file(state, path, metadata={"format": "pt"})


def contract_of(view: View, inputs: Sequence[str], outputs: Sequence[str]) -> OnnxContract:
    """Make the contract of a network that reads the plain arrays of a view."""
    rng = np.random.default_rng(0)
    arrays = view.plain([view.example(rng) for _ in range(PARITY_SAMPLES)])
    tensors = to_device(arrays, torch.device("cpu"))
    return OnnxContract(
        tuple(tensors[name] for name in inputs), tuple(inputs), tuple(outputs), view.free_axes
    )


def export_onnx(model: nn.Module, contract: OnnxContract, folder: Path) -> float:
    """Write model.onnx and parity.json; return the largest difference from torch on a fixed batch.

    Axis 0 of every input and output is free. Inputs are the arrays of the view, named as in its batches; each head
    has an output of its name.
    """
    model = model.cpu().eval()
    export_graph(model, contract, folder / "model.onnx")
    with torch.inference_mode():
        result = model(*contract.batch)
    return write_parity(
        folder, contract, [result] if isinstance(result, torch.Tensor) else list(result)
    )


def export_graph(model: nn.Module, contract: OnnxContract, path: Path) -> None:
    """Write a module as ONNX."""
    free = {name: {0: "n", **contract.free_axes.get(name, {})} for name in contract.inputs}
    free |= {name: {0: "n"} for name in contract.outputs}
    with warnings.catch_warnings():
        # The exporter through TorchScript is deprecated; the new one takes 30 times as long.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.eval(), contract.batch, path, dynamo=False, opset_version=17,
            input_names=list(contract.inputs), output_names=list(contract.outputs), dynamic_axes=free,
        )  # fmt: skip


def write_parity(folder: Path, contract: OnnxContract, expected: Sequence[torch.Tensor]) -> float:
    """Compare model.onnx with what torch gives for the batch; write parity.json, return the largest difference."""
    difference = _difference(folder / "model.onnx", contract, expected)
    parity = {
        "batch": contract.about_batch,
        "pictures": PARITY_SAMPLES,
        "max_abs_difference": difference,
        "tolerance": TOLERANCE,
        "within_tolerance": difference <= TOLERANCE,
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
    }
    write_json(folder / "parity.json", parity)
    return difference


def _difference(path: Path, contract: OnnxContract, expected: Sequence[torch.Tensor]) -> float:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    arrays = [each.numpy() for each in contract.batch]
    outputs = session.run(None, dict(zip(contract.inputs, arrays, strict=True)))
    return max(
        float(np.abs(one - other.numpy()).max() / max(1.0, float(other.abs().max())))
        for one, other in zip(outputs, expected, strict=True)
    )


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON that people can read; the same content gives the same bytes."""
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", "utf-8")
