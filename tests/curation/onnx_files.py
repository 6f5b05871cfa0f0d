"""Write small ONNX networks by hand: they average the picture over squares and turn the outcome round."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CARD: dict[str, Any] = {
    "format": "safelight-embedder/1",
    "name": "squares",
    "input_px": 64,
    "mean": [120, 120, 120],
    "std": [64, 64, 64],
    "candidate_cosine": 0.5,
    "scene_cosine": 0.45,
}


def write_network(
    path: Path,
    *,
    seed: int = 0,
    first_axis: int | str = "n",
    channels_last: bool = False,
    side: int = 64,
) -> Path:
    """Write a network (N, 3, side, side) -> (N, 24), or (N, side, side, 3) -> (N, 24)."""
    weight = np.random.default_rng(seed).normal(0, 1, (3 * 64, 24)).astype(np.float32)
    turn = [helper.make_node("Transpose", ["pictures"], ["planes"], perm=[0, 3, 1, 2])]
    nodes = [
        *(turn if channels_last else []),
        helper.make_node(
            "AveragePool", ["planes" if channels_last else "pictures"], ["squares"],
            kernel_shape=[side // 8] * 2, strides=[side // 8] * 2,
        ),
        helper.make_node("Flatten", ["squares"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["vectors"]),
    ]  # fmt: skip
    shape = [first_axis, side, side, 3] if channels_last else [first_axis, 3, side, side]
    graph = helper.make_graph(
        nodes, "squares",
        [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, [first_axis, 24])],
        [numpy_helper.from_array(weight, "weight")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def write_card(path: Path, **changes: object) -> None:
    """Write the card of an ONNX file beside it."""
    path.with_suffix(".json").write_text(json.dumps(CARD | changes), "utf-8")
