"""Make an ONNX model whose weights and sums are whole numbers of eight bits, by onnxruntime.

Three ways, of which the caller measures which one is best:

- `static`: convolutions and matrices; the ranges of activations are those of calibration pictures (QDQ).
- `static_but_first`: the same, but the first `FLOAT_CONVOLUTIONS` stay as they are. They have few channels, of very
  unequal ranges, whose rounding errors all later layers inherit.
- `dynamic`: weights of matrices are int8, activations are scaled anew for each picture; convolutions stay.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from training.data.arrays import Arrays

MATRICES = ("MatMul", "Gemm")
STATIC = ("Conv", *MATRICES)
FLOAT_CONVOLUTIONS = 5


class _Batches(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
    """Feed calibration batches one after another."""

    def __init__(self, batches: Sequence[Arrays]) -> None:
        self._left = iter(batches)

    def get_next(self) -> Arrays | None:
        """Return the next batch, None after the last one."""
        return next(self._left, None)


def dynamic(source: Path, target: Path, _batches: Sequence[Arrays]) -> None:
    """Write a model whose matrices have weights of eight bits."""
    with _quiet():
        quantize_dynamic(
            source, target, op_types_to_quantize=list(MATRICES), weight_type=QuantType.QInt8,
            per_channel=True,
        )  # fmt: skip


def static(source: Path, target: Path, batches: Sequence[Arrays]) -> None:
    """Write a model with convolutions and matrices of eight bits; ranges are the extremes of the batches."""
    _static(source, target, batches, 0)


def static_but_first(source: Path, target: Path, batches: Sequence[Arrays]) -> None:
    """Write the same, but leave the first convolutions as they are."""
    _static(source, target, batches, FLOAT_CONVOLUTIONS)


def _static(source: Path, target: Path, batches: Sequence[Arrays], n_float: int) -> None:
    with tempfile.TemporaryDirectory() as folder, _quiet():
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        nodes = onnx.load(prepared).graph.node
        convolutions = [node.name for node in nodes if node.op_type == "Conv"]
        quantize_static(
            prepared, target, _Batches(batches), quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(STATIC), per_channel=True,
            nodes_to_exclude=convolutions[:n_float],
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        )  # fmt: skip


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the warnings of the quantiser, which advise what has been done, off the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


WAYS: Mapping[str, Callable[[Path, Path, Sequence[Arrays]], None]] = {
    "static": static, "static_but_first": static_but_first, "dynamic": dynamic,
}  # fmt: skip
