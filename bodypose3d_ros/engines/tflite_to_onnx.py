"""Convert BlazePose's .tflite files to ONNX, without TensorFlow.

Covers what those two networks use: float or fp16 weights, dense or sparse, in the eleven
operators of ``_OPERATORS``. Tensors of rank 4 become NCHW, the batch dimension becomes free.
The flatbuffer schema is TensorFlow Lite's (the ``tflite`` package).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
import tflite
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ..errors import ModelError

Weights = NDArray[Any]

OPSET = 13
IR_VERSION = 8
_DTYPES = {0: np.float32, 1: np.float16, 2: np.int32, 4: np.int64}
_OPERATOR_NAMES = {
    code: name for name, code in vars(tflite.BuiltinOperator).items() if not name.startswith("_")
}
_NHWC_TO_NCHW = (0, 3, 1, 2)
_NCHW_TO_NHWC = (0, 2, 3, 1)


def convert(content: bytes, outputs: Mapping[str, str]) -> onnx.ModelProto:
    """Convert one .tflite file.

    Args:
        content: The file's bytes.
        outputs: The outputs to keep, by their name in the file, and their names in the result.
            What no kept output needs is left out.

    Raises:
        ModelError: The file is not a .tflite file or uses an operator not known here.
    """
    if content[4:8] != b"TFL3":
        raise ModelError("this is not a .tflite file")
    return _Conversion(content).model(outputs)


class _Conversion:
    """One subgraph on its way: constants by tensor index, ONNX names of what is computed."""

    def __init__(self, content: bytes) -> None:
        self.file = tflite.Model.GetRootAsModel(content, 0)
        self.graph = self.file.Subgraphs(0)
        self.constants: dict[int, Weights] = {}
        self.names: dict[int, str] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}
        for index in range(self.graph.TensorsLength()):
            self._read_constant(index)

    def model(self, outputs: Mapping[str, str]) -> onnx.ModelProto:
        (source,) = (int(i) for i in self.graph.InputsAsNumpy())
        self.names[source] = "input"
        for position in range(self.graph.OperatorsLength()):
            self._convert_operator(self.graph.Operators(position))
        inputs = [_value("input", self.shape(source))]
        results = []
        for index in (int(i) for i in self.graph.OutputsAsNumpy()):
            name = outputs.get(self.graph.Tensors(index).Name().decode())
            if name is not None:
                self.nodes.append(helper.make_node("Identity", [self.names[index]], [name]))
                results.append(_value(name, self.shape(index)))
        nodes, needed = _reachable(self.nodes, {value.name for value in results})
        weights = [tensor for name, tensor in self.weights.items() if name in needed]
        model = helper.make_model(
            helper.make_graph(nodes, "blazepose", inputs, results, weights),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="bodypose3d_ros",
        )
        onnx.checker.check_model(model, full_check=True)
        return model

    def shape(self, index: int) -> list[int]:
        shape = self.graph.Tensors(index).ShapeAsNumpy()
        return [] if isinstance(shape, int) else [int(size) for size in shape]

    def _read_constant(self, index: int) -> None:
        tensor = self.graph.Tensors(index)
        buffer = self.file.Buffers(tensor.Buffer())
        if not buffer.DataLength():
            return
        values = np.frombuffer(buffer.DataAsNumpy().tobytes(), _DTYPES[tensor.Type()])
        sparsity = tensor.Sparsity()
        shape = self.shape(index)
        dense = _densify(values, shape, sparsity) if sparsity else values.reshape(shape)
        self.constants[index] = dense

    def _convert_operator(self, operator: Any) -> None:  # noqa: ANN401 - tflite has no types
        code = self.file.OperatorCodes(operator.OpcodeIndex())
        kind = _OPERATOR_NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs = [int(i) for i in operator.InputsAsNumpy()]
        output = int(operator.OutputsAsNumpy()[0])
        if kind == "DENSIFY":
            self.constants[output] = self.constants[inputs[0]]
        elif kind == "DEQUANTIZE":
            self.constants[output] = self.constants[inputs[0]].astype(np.float32)
        elif kind in _OPERATORS:
            self.names[output] = _OPERATORS[kind](self, operator, inputs, output)
        else:
            raise ModelError(f"the network uses {kind}, which is not converted here")

    # -- building blocks of the operators below ---------------------------------------------

    def emit(self, kind: str, inputs: list[str], **attributes: Any) -> str:  # noqa: ANN401
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def weight(self, values: Weights) -> str:
        name = f"weight_{len(self.weights)}"
        self.weights[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def tensor(self, index: int) -> str:
        """The ONNX name of a tensor, computed or constant, in NCHW."""
        if index not in self.constants:
            return self.names[index]
        values = self.constants[index]
        return self.weight(values.transpose(_NHWC_TO_NCHW) if values.ndim == 4 else values)

    def activate(self, name: str, activation: int) -> str:
        kinds = tflite.ActivationFunctionType
        if activation == kinds.NONE:
            return name
        if activation == kinds.RELU:
            return self.emit("Relu", [name])
        if activation == kinds.RELU6:
            limits = [self.weight(np.array(0, np.float32)), self.weight(np.array(6, np.float32))]
            return self.emit("Clip", [name, *limits])
        raise ModelError(f"the network uses activation {activation}, which is not converted here")


def _options(operator: Any, kind: type) -> Any:  # noqa: ANN401
    options, table = kind(), operator.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    return options


def _convolution(to: _Conversion, operator: Any, inputs: list[int], _output: int) -> str:  # noqa: ANN401
    options = _options(operator, tflite.Conv2DOptions)
    # OHWI, one group
    weights = to.constants[inputs[1]].astype(np.float32).transpose(0, 3, 1, 2)
    return _emit_convolution(to, options, inputs, weights, groups=1)


def _depthwise_convolution(to: _Conversion, operator: Any, inputs: list[int], _output: int) -> str:  # noqa: ANN401
    options = _options(operator, tflite.DepthwiseConv2DOptions)
    # 1HWO, as many groups as input channels
    weights = to.constants[inputs[1]].astype(np.float32).transpose(3, 0, 1, 2)
    return _emit_convolution(to, options, inputs, weights, groups=to.shape(inputs[0])[3])


def _emit_convolution(
    to: _Conversion,
    options: Any,  # noqa: ANN401
    inputs: list[int],
    weights: Weights,
    groups: int,
) -> str:
    kernel = list(weights.shape[2:])
    strides = [options.StrideH(), options.StrideW()]
    dilations = [options.DilationHFactor(), options.DilationWFactor()]
    size = to.shape(inputs[0])[1:3]
    arguments = [to.tensor(inputs[0]), to.weight(weights)]
    if len(inputs) > 2 and inputs[2] >= 0:
        arguments.append(to.weight(to.constants[inputs[2]].astype(np.float32)))
    name = to.emit(
        "Conv",
        arguments,
        kernel_shape=kernel,
        strides=strides,
        dilations=dilations,
        pads=_pads(options.Padding(), size, kernel, strides, dilations),
        group=groups,
    )
    return to.activate(name, options.FusedActivationFunction())


def _pads(
    padding: int, size: list[int], kernel: list[int], strides: list[int], dilations: list[int]
) -> list[int]:
    """TensorFlow's SAME puts the odd pixel at the end, so ONNX needs the numbers."""
    if padding == tflite.Padding.VALID:
        return [0, 0, 0, 0]
    total = [
        max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        for n, k, s, d in zip(size, kernel, strides, dilations, strict=True)
    ]
    return [t // 2 for t in total] + [t - t // 2 for t in total]


def _add(to: _Conversion, operator: Any, inputs: list[int], _output: int) -> str:  # noqa: ANN401
    options = _options(operator, tflite.AddOptions)
    name = to.emit("Add", [to.tensor(i) for i in inputs])
    return to.activate(name, options.FusedActivationFunction())


def _pad(to: _Conversion, _operator: Any, inputs: list[int], _output: int) -> str:  # noqa: ANN401
    amounts = to.constants[inputs[1]][list(_NHWC_TO_NCHW)].T.astype(np.int64)
    return to.emit("Pad", [to.tensor(inputs[0]), to.weight(amounts.reshape(-1))])


def _resize(to: _Conversion, operator: Any, inputs: list[int], output: int) -> str:  # noqa: ANN401
    options = _options(operator, tflite.ResizeBilinearOptions)
    if not options.HalfPixelCenters() or options.AlignCorners():
        raise ModelError("the network resizes without half pixel centres, not converted here")
    before, after = to.shape(inputs[0]), to.shape(output)
    scales = np.array([1, 1, after[1] / before[1], after[2] / before[2]], np.float32)
    return to.emit(
        "Resize",
        [to.tensor(inputs[0]), "", to.weight(scales)],
        mode="linear",
        coordinate_transformation_mode="half_pixel",
    )


def _max_pool(to: _Conversion, operator: Any, inputs: list[int], _output: int) -> str:  # noqa: ANN401
    options = _options(operator, tflite.Pool2DOptions)
    kernel = [options.FilterHeight(), options.FilterWidth()]
    strides = [options.StrideH(), options.StrideW()]
    pads = _pads(options.Padding(), to.shape(inputs[0])[1:3], kernel, strides, [1, 1])
    name = to.emit(
        "MaxPool", [to.tensor(inputs[0])], kernel_shape=kernel, strides=strides, pads=pads
    )
    return to.activate(name, options.FusedActivationFunction())


def _depth_to_space(to: _Conversion, operator: Any, inputs: list[int], _output: int) -> str:  # noqa: ANN401
    options = _options(operator, tflite.DepthToSpaceOptions)
    return to.emit(
        "DepthToSpace", [to.tensor(inputs[0])], mode="DCR", blocksize=options.BlockSize()
    )


def _reshape(to: _Conversion, _operator: Any, inputs: list[int], output: int) -> str:  # noqa: ANN401
    name = to.tensor(inputs[0])
    if len(to.shape(inputs[0])) == 4:  # elements are counted in TensorFlow's order
        name = to.emit("Transpose", [name], perm=list(_NCHW_TO_NHWC))
    copied_batch = [0, *to.shape(output)[1:]]
    return to.emit("Reshape", [name, to.weight(np.array(copied_batch, np.int64))])


def _concatenation(to: _Conversion, operator: Any, inputs: list[int], output: int) -> str:  # noqa: ANN401
    rank = len(to.shape(output))
    axis = _options(operator, tflite.ConcatenationOptions).Axis() % rank
    axis = _NHWC_TO_NCHW.index(axis) if rank == 4 else axis
    return to.emit("Concat", [to.tensor(i) for i in inputs], axis=axis)


def _logistic(to: _Conversion, _operator: Any, inputs: list[int], _output: int) -> str:  # noqa: ANN401
    return to.emit("Sigmoid", [to.tensor(inputs[0])])


_OPERATORS: dict[str, Callable[[_Conversion, Any, list[int], int], str]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise_convolution,
    "ADD": _add,
    "PAD": _pad,
    "RESIZE_BILINEAR": _resize,
    "MAX_POOL_2D": _max_pool,
    "DEPTH_TO_SPACE": _depth_to_space,
    "RESHAPE": _reshape,
    "CONCATENATION": _concatenation,
    "LOGISTIC": _logistic,
}


def _value(name: str, shape: list[int]) -> onnx.ValueInfoProto:
    if len(shape) == 4:
        shape = [shape[i] for i in _NHWC_TO_NCHW]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape[1:]])


def _reachable(
    nodes: list[onnx.NodeProto], outputs: set[str]
) -> tuple[list[onnx.NodeProto], set[str]]:
    needed, kept = set(outputs), []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    return kept[::-1], needed


def _densify(values: Weights, shape: list[int], sparsity: Any) -> Weights:  # noqa: ANN401
    """Spread sparse values, stored dimension by dimension (CSR where sparse), into zeros."""
    order = sparsity.TraversalOrderAsNumpy().tolist()
    if order != list(range(len(shape))) or sparsity.BlockMapLength():
        raise ModelError("the network stores sparse blocks, which are not converted here")
    # One row of indices per value found so far, grown by one dimension at a time.
    rows: NDArray[np.int64] = np.zeros((1, 0), np.int64)
    for level, size in enumerate(shape):
        metadata = sparsity.DimMetadata(level)
        if metadata.Format() == tflite.DimensionType.DENSE:
            counts = np.full(len(rows), size)
            indices = np.tile(np.arange(size), len(rows))
        else:
            segments = _vector(metadata.ArraySegmentsType(), metadata.ArraySegments())
            counts = np.diff(segments)
            indices = _vector(metadata.ArrayIndicesType(), metadata.ArrayIndices())
        rows = np.column_stack([np.repeat(rows, counts, axis=0), indices])
    dense = np.zeros(shape, values.dtype)
    dense[tuple(rows.T)] = values[: len(rows)]
    return dense


def _vector(kind: int, table: Any) -> NDArray[np.int64]:  # noqa: ANN401
    kinds = {1: tflite.Int32Vector, 2: tflite.Uint16Vector, 3: tflite.Uint8Vector}
    vector = kinds[kind]()
    vector.Init(table.Bytes, table.Pos)
    return np.asarray(vector.ValuesAsNumpy(), np.int64)
