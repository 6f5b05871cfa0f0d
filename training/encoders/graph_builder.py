"""Collect ONNX nodes and constants; names are made so that none occurs twice."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17  # of the graphs that are made here, and of exported heads


class GraphBuilder:
    """ONNX nodes in order, and constants."""

    def __init__(self, prefix: str = "") -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._prefix = prefix
        self._shared: dict[tuple[str, bytes, tuple[int, ...]], str] = {}

    def add(self, op: str, inputs: Sequence[str], n_outputs: int = 1, **attributes: Any) -> str:
        """Add a node and return the name of its first output."""
        name = f"{self._prefix}{op}_{len(self.nodes)}"
        outputs = [name] + [f"{name}_{n}" for n in range(1, n_outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), outputs, name=name, **attributes))
        return name

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """Add a constant and return its name; equal small ones are shared."""
        array = np.ascontiguousarray(value, dtype)
        array = array.reshape(np.shape(value))  # a scalar stays one
        key = (array.dtype.str, array.tobytes() if array.size < 64 else b"", array.shape)
        if array.size < 64 and key in self._shared:
            return self._shared[key]
        name = f"{self._prefix}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        self._shared[key] = name
        return name

    def whole_numbers(self, *values: int) -> str:
        """Add a constant vector of int64, as shapes and axes are written."""
        return self.constant(values, np.int64)

    def model(
        self, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.ModelProto:
        """Make a model of everything that was added."""
        graph = helper.make_graph(self.nodes, "encoder", inputs, outputs, self.constants)
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def tensor_info(
    name: str, shape: Sequence[int | str], *, is_uint8: bool = False
) -> onnx.ValueInfoProto:
    """Describe an input or output; texts in the shape name free axes."""
    kind = TensorProto.UINT8 if is_uint8 else TensorProto.FLOAT
    return helper.make_tensor_value_info(name, kind, list(shape))
