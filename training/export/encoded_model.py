"""Export a model whose encoders are ONNX graphs of the user: one file from pictures to what the heads say.

The graphs are put before the exported head as they are, so the file predicts what the encoders gave in training.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from onnx import helper, version_converter
from onnx.compose import add_prefix
from torch import nn

from training.data.arrays import Arrays
from training.data.views.base import View
from training.encoders.encoder_graph import PICTURES, VECTORS, opset_of
from training.encoders.graph_builder import GraphBuilder, tensor_info
from training.encoders.onnx_encoder import OnnxEncoder
from training.export.model_files import OnnxContract, contract_of, export_graph, write_parity
from training.models.encoders import Encoder
from training.models.headed import ExportedNetwork, Inputs

AnyEncoder = Encoder | OnnxEncoder


class _MeanVectors(nn.Module):
    """The mean vector of the squares of each picture."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Map uint8 pictures (N, V, 3, S, S) to vectors (N, D)."""
        inputs: Inputs = {PICTURES: pictures}
        vectors: torch.Tensor = self.network(inputs).mean(dim=1)
        return vectors


def export_encoded(
    encoders: Sequence[AnyEncoder], model: ExportedNetwork, view: View, folder: Path
) -> float:
    """Write model.onnx and parity.json; return the largest difference from encoders and head run one after another."""
    outputs = tuple(model.stated)
    contract = contract_of(view, (PICTURES,), outputs)
    arrays = {PICTURES: contract.batch[0].numpy()}
    pieces = [_piece(encoder, arrays) for encoder in encoders]
    vectors = _mean_vectors(encoders, arrays)
    head = _exported(model.cpu().eval(), vectors, VECTORS, outputs)
    onnx.save(_joined(pieces, head, arrays[PICTURES].shape[1:], outputs), folder / "model.onnx")
    with torch.inference_mode():
        expected = model(vectors)
    return write_parity(folder, contract, list(expected))


def _mean_vectors(encoders: Sequence[AnyEncoder], arrays: Arrays) -> torch.Tensor:
    each = [encoder.encode(arrays, torch.device("cpu")).mean(axis=1) for encoder in encoders]
    return torch.from_numpy(np.concatenate(each, axis=1))


def _exported(
    network: nn.Module, batch: torch.Tensor, name: str, outputs: Sequence[str]
) -> onnx.ModelProto:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "part.onnx"
        export_graph(network, OnnxContract((batch,), (name,), tuple(outputs), {}), path)
        return onnx.load(path)


def _piece(encoder: AnyEncoder, arrays: Arrays) -> onnx.ModelProto:
    """Return a graph from pictures (N, V, 3, S, S) to the mean vectors (N, D) of one encoder."""
    if isinstance(encoder, Encoder):
        batch = torch.from_numpy(arrays[PICTURES])
        return _exported(_MeanVectors(encoder.network.cpu()), batch, PICTURES, (VECTORS,))
    graph = add_prefix(onnx.load(encoder.path), "encoder_")
    variants, *shape = arrays[PICTURES].shape[1:]
    builder = GraphBuilder("squares_")
    flat = builder.whole_numbers(-1, *shape)
    builder.nodes.append(helper.make_node("Reshape", [PICTURES, flat], [f"encoder_{PICTURES}"]))
    after = GraphBuilder("mean_")
    lengths = after.whole_numbers(-1, variants, encoder.dim)
    x = after.add("Reshape", [f"encoder_{VECTORS}", lengths])
    parts = after.add("Split", [x], variants, axis=1) if variants > 1 else x
    names = [parts, *(f"{parts}_{n}" for n in range(1, variants))]
    squeezed = [after.add("Squeeze", [name, after.whole_numbers(1)]) for name in names]
    after.nodes.append(helper.make_node("Mean", squeezed, [VECTORS]))
    nodes = [*builder.nodes, *graph.graph.node, *after.nodes]
    constants = [*builder.constants, *graph.graph.initializer, *after.constants]
    inputs = [tensor_info(PICTURES, ("n", variants, *shape), is_uint8=True)]
    made = helper.make_graph(
        nodes, "encoder", inputs, [tensor_info(VECTORS, ("n", "dim"))], constants
    )
    return helper.make_model(
        made, opset_imports=list(graph.opset_import), ir_version=graph.ir_version
    )


def _joined(
    pieces: Sequence[onnx.ModelProto],
    head: onnx.ModelProto,
    shape: Sequence[int],
    outputs: Sequence[str],
) -> onnx.ModelProto:
    """Put the vectors of the pieces one behind the other, before the head."""
    opset = max(opset_of(each) for each in (*pieces, head))
    renamed = [add_prefix(_at(each, opset), f"part{n}_") for n, each in enumerate(pieces)]
    top = add_prefix(_at(head, opset), "head_")
    builder = GraphBuilder("join_")
    shares = [
        helper.make_node("Identity", [PICTURES], [f"part{n}_{PICTURES}"])
        for n in range(len(pieces))
    ]
    vectors = [f"part{n}_{VECTORS}" for n in range(len(pieces))]
    builder.nodes.append(helper.make_node("Concat", vectors, [f"head_{VECTORS}"], axis=1))
    ends = [helper.make_node("Identity", [f"head_{name}"], [name]) for name in outputs]
    graphs = [each.graph for each in renamed]
    nodes = [
        *shares,
        *(node for graph in graphs for node in graph.node),
        *builder.nodes,
        *top.graph.node,
        *ends,
    ]
    constants = [each for graph in (*graphs, top.graph) for each in graph.initializer]
    ranks = {info.name: len(info.type.tensor_type.shape.dim) for info in top.graph.output}
    results = [
        tensor_info(name, ("n", *(f"{name}_{n}" for n in range(1, ranks[f"head_{name}"]))))
        for name in outputs
    ]
    made = helper.make_graph(
        nodes, "model", [tensor_info(PICTURES, ("n", *shape), is_uint8=True)], results, constants
    )
    version = max(each.ir_version for each in (*pieces, head))
    return helper.make_model(
        made, opset_imports=[helper.make_opsetid("", opset)], ir_version=version
    )


def _at(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    return model if opset_of(model) == opset else version_converter.convert_version(model, opset)
