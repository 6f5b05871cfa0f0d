"""Operations of TF.js graphs as ONNX nodes.

Tensors keep TensorFlow's order (N, H, W, C); each convolution stands between two transpositions, which onnxruntime
cancels. An operation is a line in `OPERATIONS`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from training.encoders.graph_builder import GraphBuilder
from training.encoders.tfjs_files import Array, GraphNode
from training.errors import EncoderFileError

TO_CHANNELS_FIRST, TO_CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


@dataclass
class Translation:
    """What is translated so far: `values` are constant arrays, `names` the ONNX tensors, both by TF name."""

    builder: GraphBuilder
    values: dict[str, Array] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def tensor(self, name: str) -> str:
        """Return the ONNX name of a TF tensor."""
        if name not in self.names and name in self.values:
            self.names[name] = self.builder.constant(self.values[name], self.values[name].dtype)
        if name not in self.names:
            raise EncoderFileError(f"the graph uses the output {name}, which is not translated")
        return self.names[name]

    def value(self, node: GraphNode, number: int) -> Array:
        """Return an input that must be constant."""
        name = node.inputs[number]
        if name not in self.values:
            raise EncoderFileError(f"input {number} of {node.name} ({node.op}) is not constant")
        return self.values[name]


Translate = Callable[[Translation, GraphNode], str]


def _inputs(step: Translation, node: GraphNode) -> list[str]:
    return [step.tensor(name) for name in node.inputs]


def _simple(op: str, **attributes: Any) -> Translate:
    """Translate one to one."""
    return lambda step, node: step.builder.add(op, _inputs(step, node), **attributes)


def _unchanged(step: Translation, node: GraphNode) -> str:
    return step.tensor(node.inputs[0])


def _relu6(builder: GraphBuilder, x: str) -> str:
    return builder.add("Clip", [x, builder.constant(0.0), builder.constant(6.0)])


def _activated(step: Translation, x: str, kind: str, node: GraphNode) -> str:
    builder = step.builder
    if kind == "Relu6":
        return _relu6(builder, x)
    if kind == "LeakyRelu":
        alpha = node.attributes.get("leakyrelu_alpha", node.attributes.get("alpha", 0.2))
        return builder.add("LeakyRelu", [x], alpha=float(alpha))
    if kind == "Prelu":
        return builder.add("PRelu", [x, step.tensor(node.inputs[-1])])
    plain = {"Relu": "Relu", "Elu": "Elu", "Sigmoid": "Sigmoid", "Tanh": "Tanh"}
    if kind not in plain:
        raise EncoderFileError(f"{node.name} is fused with {kind}, which is not read")
    return builder.add(plain[kind], [x])


def _strides(node: GraphNode, name: str = "strides") -> list[int]:
    return [int(each) for each in node.attributes.get(name, [1, 1, 1, 1])[1:3]]


def _padding(node: GraphNode) -> dict[str, Any]:
    kind = node.attributes.get("padding", "VALID")
    if kind == "EXPLICIT":
        pads = node.attributes["explicit_paddings"]
        return {"pads": [pads[2], pads[4], pads[3], pads[5]]}
    return {"auto_pad": "SAME_UPPER" if kind == "SAME" else "VALID"}


def _check_order(node: GraphNode) -> None:
    if node.attributes.get("data_format", "NHWC") != "NHWC":
        raise EncoderFileError(f"{node.name} has channels first; only NHWC graphs are read")


def _convolution(step: Translation, node: GraphNode) -> str:
    """Translate Conv2D and its depthwise and fused kinds: kernels are (H, W, in, out), depthwise (H, W, in, times)."""
    _check_order(node)
    kernel = step.value(node, 1)
    group = 1
    if "Depthwise" in node.op:
        group = kernel.shape[2]
        weight = kernel.transpose(2, 3, 0, 1).reshape(-1, 1, *kernel.shape[:2])
    else:
        weight = kernel.transpose(3, 2, 0, 1)
    builder = step.builder
    fused = list(node.attributes.get("fused_ops", []))
    bias = []
    if fused and fused[0] == "BiasAdd":
        bias = [builder.constant(step.value(node, 2).reshape(-1))]
        fused = fused[1:]
    x = builder.add("Transpose", [step.tensor(node.inputs[0])], perm=TO_CHANNELS_FIRST)
    dilations = [int(each) for each in node.attributes.get("dilations", [1, 1, 1, 1])]
    x = builder.add(
        "Conv", [x, builder.constant(weight), *bias], strides=_strides(node), group=group,
        dilations=dilations[1:3] if len(dilations) == 4 else dilations, **_padding(node),
    )  # fmt: skip
    x = builder.add("Transpose", [x], perm=TO_CHANNELS_LAST)
    if fused and fused[0] == "FusedBatchNorm":
        x = _scaled(step, x, [step.value(node, n) for n in range(2, 6)], node)
        fused = fused[1:]
    for kind in fused:
        x = _activated(step, x, kind, node)
    return x


def _scaled(step: Translation, x: str, parameters: Sequence[Array], node: GraphNode) -> str:
    """Apply a batch norm (scale, offset, mean, variance) as one product and one sum."""
    scale, offset, mean, variance = (each.astype(np.float64) for each in parameters)
    factor = scale / np.sqrt(variance + float(node.attributes.get("epsilon", 1e-3)))
    builder = step.builder
    product = builder.add("Mul", [x, builder.constant(factor)])
    return builder.add("Add", [product, builder.constant(offset - mean * factor)])


def _batch_norm(step: Translation, node: GraphNode) -> str:
    _check_order(node)
    parameters = [step.value(node, number) for number in range(1, 5)]
    return _scaled(step, step.tensor(node.inputs[0]), parameters, node)


def _product(step: Translation, node: GraphNode) -> str:
    """Translate MatMul and its fused kind."""
    builder = step.builder
    sides = []
    for number, name in enumerate(("transpose_a", "transpose_b")):
        side = step.tensor(node.inputs[number])
        sides.append(
            builder.add("Transpose", [side], perm=(1, 0)) if node.attributes.get(name) else side
        )
    x = builder.add("MatMul", sides)
    fused = list(node.attributes.get("fused_ops", []))
    if fused and fused[0] == "BiasAdd":
        x = builder.add("Add", [x, step.tensor(node.inputs[2])])
        fused = fused[1:]
    for kind in fused:
        x = _activated(step, x, kind, node)
    return x


def _reduced(op: str) -> Translate:
    def translate(step: Translation, node: GraphNode) -> str:
        axes = [int(axis) for axis in step.value(node, 1).reshape(-1)]
        keepdims = int(bool(node.attributes.get("keep_dims", False)))
        x = [step.tensor(node.inputs[0])]
        if op == "ReduceSum":  # takes its axes as an input in this opset
            return step.builder.add(op, [*x, step.builder.whole_numbers(*axes)], keepdims=keepdims)
        return step.builder.add(op, x, axes=axes, keepdims=keepdims)

    return translate


def _pooled(op: str) -> Translate:
    def translate(step: Translation, node: GraphNode) -> str:
        _check_order(node)
        x = step.builder.add("Transpose", [step.tensor(node.inputs[0])], perm=TO_CHANNELS_FIRST)
        size, strides = _strides(node, "ksize"), _strides(node)
        x = step.builder.add(op, [x], kernel_shape=size, strides=strides, **_padding(node))
        return step.builder.add("Transpose", [x], perm=TO_CHANNELS_LAST)

    return translate


def _padded(step: Translation, node: GraphNode) -> str:
    pads = step.value(node, 1).reshape(-1, 2)
    mode = {"REFLECT": "reflect", "SYMMETRIC": ""}.get(node.attributes.get("mode", ""), "constant")
    if not mode:
        raise EncoderFileError(f"{node.name} pads symmetrically, which is not read")
    inputs = [step.tensor(node.inputs[0]), step.builder.whole_numbers(*pads.T.reshape(-1).tolist())]
    if node.op == "PadV2":
        inputs.append(step.tensor(node.inputs[2]))
    return step.builder.add("Pad", inputs, mode=mode)


def _as_int64(step: Translation, name: str) -> str:
    if name in step.values:
        return step.builder.constant(step.values[name].reshape(-1), np.int64)
    return step.builder.add("Cast", [step.tensor(name)], to=7)  # 7: int64


def _reshaped(step: Translation, node: GraphNode) -> str:
    return step.builder.add(
        "Reshape", [step.tensor(node.inputs[0]), _as_int64(step, node.inputs[1])]
    )


def _flattened(step: Translation, node: GraphNode) -> str:
    return step.builder.add("Flatten", [step.tensor(node.inputs[0])], axis=1)


def _squeezed(step: Translation, node: GraphNode) -> str:
    axes = [
        int(axis) for axis in node.attributes.get("squeeze_dims", node.attributes.get("axis", []))
    ]
    inputs = [step.tensor(node.inputs[0])]
    return step.builder.add(
        "Squeeze", inputs + ([step.builder.whole_numbers(*axes)] if axes else [])
    )


def _expanded(step: Translation, node: GraphNode) -> str:
    axis = int(step.value(node, 1).reshape(-1)[0])
    return step.builder.add(
        "Unsqueeze", [step.tensor(node.inputs[0]), step.builder.whole_numbers(axis)]
    )


def _joined(step: Translation, node: GraphNode) -> str:
    axis = int(step.value(node, len(node.inputs) - 1).reshape(-1)[0])
    return step.builder.add("Concat", [step.tensor(name) for name in node.inputs[:-1]], axis=axis)


def _packed(step: Translation, node: GraphNode) -> str:
    builder, axis = step.builder, int(node.attributes.get("axis", 0))
    each = [
        builder.add("Unsqueeze", [_cast(step, name), builder.whole_numbers(axis)])
        for name in node.inputs
    ]
    return builder.add("Concat", each, axis=axis)


def _cast(step: Translation, name: str) -> str:
    """Give whole-number constants the type of shapes."""
    is_whole = name in step.values and step.values[name].dtype.kind == "i"
    return step.builder.constant(step.values[name], np.int64) if is_whole else step.tensor(name)


def _sliced(step: Translation, node: GraphNode) -> str:
    """Translate a StridedSlice along the first axis, as graphs cut shapes."""
    begin, end, strides = (int(step.value(node, number).reshape(-1)[0]) for number in (1, 2, 3))
    builder = step.builder
    if node.attributes.get("end_mask"):
        end = np.iinfo(np.int64).max
    if node.attributes.get("begin_mask"):
        begin = 0
    if node.attributes.get("shrink_axis_mask"):
        return builder.add(
            "Gather", [step.tensor(node.inputs[0]), builder.constant(begin, np.int64)]
        )
    limits = [builder.whole_numbers(each) for each in (begin, end, 0, strides)]
    return builder.add("Slice", [step.tensor(node.inputs[0]), *limits])


def _transposed(step: Translation, node: GraphNode) -> str:
    perm = [int(axis) for axis in step.value(node, 1).reshape(-1)]
    return step.builder.add("Transpose", [step.tensor(node.inputs[0])], perm=perm)


def _squared(step: Translation, node: GraphNode) -> str:
    x = _inputs(step, node)[0]
    return step.builder.add("Mul", [x, x])


def _rsqrt(step: Translation, node: GraphNode) -> str:
    return step.builder.add("Reciprocal", [step.builder.add("Sqrt", _inputs(step, node))])


def _squared_difference(step: Translation, node: GraphNode) -> str:
    difference = step.builder.add("Sub", _inputs(step, node))
    return step.builder.add("Mul", [difference, difference])


def _leaky(step: Translation, node: GraphNode) -> str:
    return _activated(step, step.tensor(node.inputs[0]), node.op, node)


OPERATIONS: Mapping[str, Translate] = {
    **dict.fromkeys(("Identity", "StopGradient", "Cast", "PlaceholderWithDefault"), _unchanged),
    **dict.fromkeys(("Conv2D", "_FusedConv2D", "DepthwiseConv2dNative"), _convolution),
    **dict.fromkeys(("FusedDepthwiseConv2dNative", "_FusedDepthwiseConv2dNative"), _convolution),
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), _batch_norm),
    **dict.fromkeys(("BiasAdd", "Add", "AddV2"), _simple("Add")),
    **dict.fromkeys(("RealDiv", "Div", "DivNoNan"), _simple("Div")),
    **dict.fromkeys(("MatMul", "_FusedMatMul"), _product),
    **dict.fromkeys(("Pad", "PadV2", "MirrorPad"), _padded),
    **dict.fromkeys(("Relu6", "LeakyRelu"), _leaky),
    "AddN": _simple("Sum"), "Sub": _simple("Sub"), "Mul": _simple("Mul"), "Pow": _simple("Pow"),
    "Maximum": _simple("Max"), "Minimum": _simple("Min"), "Neg": _simple("Neg"), "Abs": _simple("Abs"),
    "Relu": _simple("Relu"), "Elu": _simple("Elu"), "Selu": _simple("Selu"), "Prelu": _simple("PRelu"),
    "Sigmoid": _simple("Sigmoid"), "Tanh": _simple("Tanh"), "Softplus": _simple("Softplus"),
    "Softmax": _simple("Softmax", axis=-1), "LogSoftmax": _simple("LogSoftmax", axis=-1),
    "Exp": _simple("Exp"), "Log": _simple("Log"), "Sqrt": _simple("Sqrt"), "Rsqrt": _rsqrt,
    "Square": _squared, "SquaredDifference": _squared_difference,
    "Mean": _reduced("ReduceMean"), "Max": _reduced("ReduceMax"), "Min": _reduced("ReduceMin"),
    "Sum": _reduced("ReduceSum"), "Prod": _reduced("ReduceProd"),
    "MaxPool": _pooled("MaxPool"), "AvgPool": _pooled("AveragePool"),
    "Reshape": _reshaped, "Flatten": _flattened, "Squeeze": _squeezed, "ExpandDims": _expanded,
    "ConcatV2": _joined, "Pack": _packed, "Shape": _simple("Shape"), "StridedSlice": _sliced,
    "Transpose": _transposed,
}  # fmt: skip
"""Operation -> its translation."""
