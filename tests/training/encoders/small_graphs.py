"""Small encoders as files: a TF.js graph with the operations of a MobileNet, computed beside it by plain loops."""

import base64
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
SIDE = 17  # odd, so that SAME padding differs at both ends
WEIGHTS: dict[str, Array] = {
    name: np.random.default_rng(len(name)).normal(0, 0.5, shape).astype(np.float16)
    for name, shape in (
        ("kernel", (3, 3, 3, 4)), ("shift", (4,)), ("depth", (3, 3, 4, 2)), ("dense", (8, 5)),
        ("dense_bias", (5,)),
    )
}  # fmt: skip
AXES = np.array([1, 2], np.int32)


def text(value: str) -> dict[str, str]:
    return {"s": base64.b64encode(value.encode()).decode()}


def node(name: str, op: str, *inputs: str, **attributes: Any) -> dict[str, Any]:
    return {"name": name, "op": op, "input": list(inputs), "attr": attributes}


def window(stride: int, padding: str) -> dict[str, Any]:
    return {
        "strides": {"list": {"i": ["1", str(stride), str(stride), "1"]}},
        "padding": text(padding),
    }


def topology(**changes: Any) -> dict[str, Any]:
    """Return the JSON of the graph, whose nodes stand in no order."""
    fused = {
        "fused_ops": {"list": text("BiasAdd") and {"s": [text("BiasAdd")["s"], text("Relu6")["s"]]}}
    }
    nodes = [
        node("probabilities", "Softmax", "logits"),
        node("logits", "_FusedMatMul", "pooled", "dense", "dense_bias",
             fused_ops={"list": {"s": [text("BiasAdd")["s"]]}}),
        node("pooled", "Mean", "filtered", "axes", keep_dims={"b": False}),
        node("filtered", "DepthwiseConv2dNative", "first", "depth", **window(1, "VALID")),
        node("first", "_FusedConv2D", "input:0", "kernel", "shift", **window(2, "SAME"), **fused),
        node("input", "Placeholder"),
        *(node(name, "Const") for name in (*WEIGHTS, "axes")),
    ]  # fmt: skip
    manifest = [
        {"name": name, "shape": list(array.shape), "dtype": "float32",
         "quantization": {"dtype": "float16", "original_dtype": "float32"}}
        for name, array in WEIGHTS.items()
    ] + [{"name": "axes", "shape": [2], "dtype": "int32"}]  # fmt: skip
    groups = [{"paths": ["mine.bin"], "weights": manifest}]
    return {"modelTopology": {"node": nodes}, "weightsManifest": groups, **changes}


def weight_bytes() -> bytes:
    return b"".join(array.tobytes() for array in WEIGHTS.values()) + AXES.tobytes()


def package(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write a .tgz as npm does."""
    path = folder / "mine-1.2.3.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def mine(folder: Path, **changes: Any) -> Path:
    """Write the graph as an npm package that states a licence."""
    facts = {"name": "mine", "version": "1.2.3", "license": "MIT"}
    files = {
        "package.json": json.dumps(facts).encode(),
        "models/mine.json": json.dumps(topology(**changes)).encode(),
        "models/mine.bin": weight_bytes(),
    }
    return package(folder, files)


def expected_vector(picture: Array, mean: float = 0.0, scale: float = 1.0) -> Array:
    """Compute the vector of a picture (3, S, S) by loops: both maps pooled, then the probabilities."""
    w = {name: array.astype(np.float64) for name, array in WEIGHTS.items()}
    x = (np.moveaxis(picture, 0, -1).astype(np.float64) - mean) / scale
    side = -(-SIDE // 2)
    missing = (side - 1) * 2 + 3 - SIDE
    x = np.pad(x, [(missing // 2, missing - missing // 2)] * 2 + [(0, 0)])
    first = np.array(
        [
            [
                np.einsum("hwi,hwio->o", x[2 * r : 2 * r + 3, 2 * c : 2 * c + 3], w["kernel"])
                for c in range(side)
            ]
            for r in range(side)
        ]
    )
    first = np.clip(first + w["shift"], 0, 6)
    inner = side - 2
    filtered = np.array(
        [
            [
                np.einsum("hwi,hwio->io", first[r : r + 3, c : c + 3], w["depth"]).reshape(-1)
                for c in range(inner)
            ]
            for r in range(inner)
        ]
    )
    pooled = filtered.mean(axis=(0, 1))
    logits = pooled @ w["dense"] + w["dense_bias"]
    shares = np.exp(logits - logits.max())
    maps = [each(axis=(0, 1)) for map_ in (first, filtered) for each in (map_.mean, map_.max)]
    return np.concatenate([*maps, shares / shares.sum()])
