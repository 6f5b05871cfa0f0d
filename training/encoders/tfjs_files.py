"""Read a TF.js graph model: the topology as JSON, and weights that its manifest cuts out of binary files.

Nothing is unpickled or executed, and every size is checked before memory is used for it.
"""

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.errors import EncoderFileError

MOST_NODES = 20_000
MOST_WEIGHT_BYTES = 2**30  # as float32
_TYPES = {"float32": np.float32, "float16": np.float16, "int32": np.int32, "bool": np.bool_}
_QUANTIZED = {"float16": np.float16, "uint8": np.uint8, "uint16": np.uint16}

Array = NDArray[Any]


@dataclass(frozen=True)
class GraphNode:
    """One operation: its attributes are numbers, texts, booleans or lists of them; inputs are names of tensors."""

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class TfjsGraph:
    """Nodes in an order in which each comes after its inputs, constants by name, and the names of the results."""

    nodes: tuple[GraphNode, ...]
    constants: Mapping[str, Array]
    outputs: tuple[str, ...]


def read_tfjs(topology: bytes, weight_file: Callable[[str], bytes]) -> TfjsGraph:
    """Read a graph model; `weight_file` gives the bytes of a file that the manifest names.

    Raises EncoderFileError.
    """
    try:
        content = json.loads(topology)
        nodes = content["modelTopology"]["node"]
        manifest = content["weightsManifest"]
        made = [_node(each) for each in nodes[: MOST_NODES + 1]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EncoderFileError(
            "this JSON is not a TF.js graph model (modelTopology.node, weightsManifest)"
        ) from error
    if len(made) > MOST_NODES:
        raise EncoderFileError(f"the graph has more than {MOST_NODES:,} nodes")
    constants = _weights(manifest, weight_file)
    ordered = _in_order(made)
    consumed = {name for node in ordered for name in node.inputs}
    signature = (content.get("signature") or {}).get("outputs") or {}
    stated = [str(each.get("name", "")).removesuffix(":0") for each in signature.values()]
    names = {node.name for node in ordered}
    last = [node.name for node in ordered if node.name not in consumed and node.op != "Const"]
    outputs = tuple(name for name in stated if name in names) or tuple(last)
    return TfjsGraph(ordered, constants, outputs)


def _node(entry: Mapping[str, Any]) -> GraphNode:
    attributes = {name: _value(each) for name, each in entry.get("attr", {}).items()}
    inputs = tuple(
        name.removesuffix(":0") for name in entry.get("input", ()) if not name.startswith("^")
    )
    return GraphNode(str(entry["name"]), str(entry["op"]), inputs, attributes)


def _value(entry: Mapping[str, Any]) -> Any:
    """Read an attribute: texts are base64, whole numbers are texts."""
    if "list" in entry:
        kinds: Mapping[str, Any] = entry["list"] or {}
        return [_value({kind: each}) for kind, values in kinds.items() for each in values]
    if "s" in entry:
        return base64.b64decode(entry["s"]).decode("utf-8", "replace")
    if "i" in entry:
        return int(entry["i"])
    if "f" in entry:
        return float(entry["f"])
    return entry.get("b", entry.get("type"))


def _weights(
    manifest: Sequence[Mapping[str, Any]], weight_file: Callable[[str], bytes]
) -> dict[str, Array]:
    constants: dict[str, Array] = {}
    total = 0
    for group in manifest:
        data = memoryview(b"".join(weight_file(str(path)) for path in group["paths"]))
        offset = 0
        for entry in group["weights"]:
            array, size = _weight(entry, data[offset:])
            offset += size
            total += 4 * array.size
            if total > MOST_WEIGHT_BYTES:
                raise EncoderFileError(f"the weights take more than {MOST_WEIGHT_BYTES:,} bytes")
            constants[str(entry["name"])] = array
    return constants


def _weight(entry: Mapping[str, Any], data: memoryview) -> tuple[Array, int]:
    """Read one array from the beginning of `data`; return it with the number of its bytes."""
    shape = tuple(int(length) for length in entry["shape"])
    quantization = entry.get("quantization") or {}
    stored = quantization.get("dtype", entry["dtype"])
    kinds = _QUANTIZED if quantization else _TYPES
    if stored not in kinds or any(length < 0 for length in shape):
        raise EncoderFileError(
            f"the weight {entry['name']} has the type {stored}, which is not read"
        )
    kind = np.dtype(kinds[stored])
    count = math.prod(shape)
    size = count * kind.itemsize
    if size > len(data):
        raise EncoderFileError(f"the weight files end before the weight {entry['name']}")
    array = np.frombuffer(data, kind, count).reshape(shape)
    if stored in ("uint8", "uint16"):
        array = array.astype(np.float32) * quantization["scale"] + quantization["min"]
    target = _TYPES.get(entry["dtype"], np.float32)
    return array.astype(np.float32 if target is np.float16 else target), size


def _in_order(nodes: Sequence[GraphNode]) -> tuple[GraphNode, ...]:
    """Sort so that each node comes after its inputs; raises EncoderFileError for a cycle or a missing input."""
    by_name = {node.name: node for node in nodes}
    waiting = {node.name: {name.partition(":")[0] for name in node.inputs} for node in nodes}
    for name, inputs in waiting.items():
        if missing := inputs - by_name.keys():
            raise EncoderFileError(
                f"the node {name} has the input {min(missing)}, which is missing"
            )
    users: dict[str, list[str]] = {name: [] for name in by_name}
    for name, inputs in waiting.items():
        for each in inputs:
            users[each].append(name)
    ready = [name for name, inputs in waiting.items() if not inputs]
    ordered = []
    while ready:
        name = ready.pop()
        ordered.append(by_name[name])
        for user in users[name]:
            waiting[user].discard(name)
            if not waiting[user]:
                ready.append(user)
    if len(ordered) != len(nodes):
        raise EncoderFileError("the graph has a cycle")
    return tuple(ordered)
