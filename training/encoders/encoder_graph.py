"""Make the one form of an encoder that is kept: an ONNX model from uint8 pictures (N, 3, H, W) to vectors (N, D).

The preparation of pictures and the pooling of maps are part of the graph, so whoever runs it needs no card.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, shape_inference, version_converter

from training.encoders.encoder_card import EncoderCard
from training.encoders.graph_builder import OPSET, GraphBuilder, tensor_info
from training.encoders.tfjs_files import TfjsGraph
from training.encoders.tfjs_operations import OPERATIONS, Translation
from training.errors import EncoderFileError

PICTURES, VECTORS = "pictures", "vectors"
LEVELS = 3  # resolutions whose last map is pooled, the smallest ones
LONGEST_VECTOR = 65_536
_PREPARED = "prepared"
_MAPS = {
    "Conv",
    "BatchNormalization",
    "Relu",
    "Clip",
    "LeakyRelu",
    "PRelu",
    "Add",
    "Mul",
    "Sigmoid",
    "Elu",
    "Concat",
}


def from_tfjs(graph: TfjsGraph, card: EncoderCard) -> onnx.ModelProto:
    """Translate a TF.js graph; raises EncoderFileError for an operation that is not read."""
    unread = sorted(
        {node.op for node in graph.nodes} - OPERATIONS.keys() - {"Const", "Placeholder", "NoOp"}
    )
    if unread:
        raise EncoderFileError(f"the graph has operations that are not read: {', '.join(unread)}")
    inputs = [node for node in graph.nodes if node.op == "Placeholder"]
    if len(inputs) != 1:
        raise EncoderFileError(f"the graph has {len(inputs)} inputs, an encoder has one")
    builder = GraphBuilder("graph_")
    step = Translation(builder, dict(graph.constants), {inputs[0].name: _PREPARED})
    for node in graph.nodes:
        if node.op in OPERATIONS:
            step.names[node.name] = OPERATIONS[node.op](step, node)
            if node.op in ("Identity", "StopGradient") and node.inputs[0] in step.values:
                step.values[node.name] = step.values[node.inputs[0]]
    shape = (1, card.side, card.side, 3)
    if missing := [name for name in card.outputs if name not in step.names]:
        raise EncoderFileError(f"the graph has no tensor {missing[0]!r}")
    body = builder.model([tensor_info(_PREPARED, shape)], [])
    results = [step.tensor(name) for name in card.outputs or graph.outputs]
    maps = [step.names[node.name] for node in graph.nodes if node.op in OPERATIONS]
    return _finished(body, card, results, [] if card.outputs else maps, channels_last=True)


def from_onnx(data: bytes, card: EncoderCard) -> onnx.ModelProto:
    """Take a user's ONNX model; raises EncoderFileError for one that needs other files or operations of others."""
    try:
        model = onnx.load_from_string(data)
        onnx.checker.check_model(model)
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise EncoderFileError(f"this is not a valid ONNX model ({reason})") from error
    tensors = [*model.graph.initializer]
    if any(each.data_location == TensorProto.EXTERNAL for each in tensors):
        raise EncoderFileError("the ONNX model keeps weights in other files; save it as one file")
    domains = {each.domain for each in model.opset_import} - {"", "ai.onnx"}
    if domains:
        raise EncoderFileError(f"the ONNX model uses operations of {', '.join(sorted(domains))}")
    if opset_of(model) < OPSET:
        model = version_converter.convert_version(model, OPSET)
    constants = {each.name for each in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in constants]
    if len(inputs) != 1:
        raise EncoderFileError(f"the ONNX model has {len(inputs)} inputs, an encoder has one")
    lengths = [each.dim_value for each in inputs[0].type.tensor_type.shape.dim]
    if len(lengths) != 4 or 3 not in (lengths[1], lengths[3]):
        raise EncoderFileError("the input of the ONNX model is not (N, 3, H, W) or (N, H, W, 3)")
    channels_last = lengths[1] != 3
    side = card.side
    shape = (1, side, side, 3) if channels_last else (1, 3, side, side)
    fixed = [each for each in (lengths[1:3] if channels_last else lengths[2:]) if each]
    if any(each != side for each in fixed):
        raise EncoderFileError(f"the ONNX model takes {fixed[0]} px, its card says side={side}")
    renamed = _renamed(model, inputs[0].name, shape)
    maps = [
        name for node in renamed.graph.node if node.op_type in _MAPS for name in node.output[:1]
    ]
    stated = [each.name for each in renamed.graph.output]
    existing = {name for node in renamed.graph.node for name in node.output}
    outputs = [f"graph_{name}" for name in card.outputs]
    if missing := [name for name in outputs if name not in existing]:
        raise EncoderFileError(
            f"the ONNX model has no tensor {missing[0].removeprefix('graph_')!r}"
        )
    return _finished(renamed, card, outputs or stated, [] if outputs else maps, channels_last=False,
                     takes_channels_last=channels_last)  # fmt: skip


def opset_of(model: onnx.ModelProto) -> int:
    """Return the version of the standard operations that a model uses."""
    return max(int(each.version) for each in model.opset_import if each.domain in ("", "ai.onnx"))


def _renamed(model: onnx.ModelProto, input_name: str, shape: Sequence[int]) -> onnx.ModelProto:
    """Give every name a prefix, and the input the name and shape of prepared pictures."""
    from onnx.compose import add_prefix

    renamed = add_prefix(model, "graph_")
    old = f"graph_{input_name}"
    for node in renamed.graph.node:
        node.input[:] = [_PREPARED if name == old else name for name in node.input]
    del renamed.graph.input[:]
    renamed.graph.input.append(tensor_info(_PREPARED, shape))
    return renamed


def _finished(
    body: onnx.ModelProto, card: EncoderCard, results: Sequence[str], maps: Sequence[str],
    *, channels_last: bool, takes_channels_last: bool = True,
) -> onnx.ModelProto:  # fmt: skip
    """Put the preparation before a graph and the pooling behind it."""
    shapes = _shapes(body)
    chosen = list(dict.fromkeys([*_levels(maps, shapes, channels_last=channels_last), *results]))
    before, after = GraphBuilder("prepare_"), GraphBuilder("pool_")
    _prepare(before, card, channels_last=takes_channels_last)
    axes = (1, 2) if channels_last else (2, 3)
    opset, parts = opset_of(body), []
    for name in chosen:
        rank = len(shapes.get(name, ()))
        if rank == 4:
            parts += [
                _over_places(after, "ReduceMean", name, axes, opset),
                _over_places(after, "ReduceMax", name, axes, opset),
            ]
        elif rank in (2, 3):
            parts.append(after.add("Flatten", [name], axis=1))
        else:
            raise EncoderFileError(
                f"the output {name.removeprefix('graph_')} has {rank or 'unknown'} axes; name outputs in the card"
            )
    after.nodes.append(helper.make_node("Concat", parts, [VECTORS], axis=1))
    nodes = [*before.nodes, *body.graph.node, *after.nodes]
    constants = [*before.constants, *body.graph.initializer, *after.constants]
    graph = helper.make_graph(
        nodes, "encoder", [tensor_info(PICTURES, ("n", 3, "height", "width"), is_uint8=True)],
        [tensor_info(VECTORS, ("n", "dim"))], constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = max(8, min(body.ir_version, 10))
    return model


def _prepare(builder: GraphBuilder, card: EncoderCard, *, channels_last: bool) -> None:
    """Resize to the card's side where needed, order the colours, subtract the mean, divide by the scale."""
    x = builder.add("Cast", [PICTURES], to=TensorProto.FLOAT)
    lengths = builder.add("Shape", [PICTURES], start=0, end=2)
    sizes = builder.add("Concat", [lengths, builder.whole_numbers(card.side, card.side)], axis=0)
    x = builder.add(
        "Resize", [x, "", "", sizes], mode="linear", coordinate_transformation_mode="half_pixel"
    )
    if card.colours == "bgr":
        x = builder.add("Gather", [x, builder.whole_numbers(2, 1, 0)], axis=1)
    mean, scale = (np.array(each, np.float32).reshape(3, 1, 1) for each in (card.mean, card.scale))
    x = builder.add("Sub", [x, builder.constant(mean)])
    x = builder.add("Div", [x, builder.constant(scale)])
    if channels_last:
        x = builder.add("Transpose", [x], perm=(0, 2, 3, 1))
    builder.nodes.append(helper.make_node("Identity", [x], [_PREPARED]))


def _over_places(
    builder: GraphBuilder, op: str, name: str, axes: tuple[int, int], opset: int
) -> str:
    """Reduce a map over its places; opset 18 takes the axes as an input."""
    if opset >= 18:
        return builder.add(op, [name, builder.whole_numbers(*axes)], keepdims=0)
    return builder.add(op, [name], axes=list(axes), keepdims=0)


def _shapes(body: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Infer the shapes of all tensors for one picture."""
    model = onnx.ModelProto()
    model.CopyFrom(body)
    inferred = shape_inference.infer_shapes(model, data_prop=True)
    infos = [*inferred.graph.value_info, *inferred.graph.output]
    return {
        each.name: tuple(dim.dim_value for dim in each.type.tensor_type.shape.dim)
        for each in infos
        if each.type.tensor_type.HasField("shape")
    }


def _levels(
    maps: Sequence[str], shapes: dict[str, tuple[int, ...]], *, channels_last: bool
) -> list[str]:
    """Return the last map of each of the smallest resolutions, the largest first."""
    last: dict[int, str] = {}
    for name in maps:
        shape = shapes.get(name, ())
        if len(shape) == 4:
            side = shape[1] if channels_last else shape[2]
            if side > 1:
                last[side] = name
    return [last[side] for side in sorted(last)[:LEVELS]][::-1]
