"""Half precision for a network's convolutions, not for its geometry.

Converters that exist (onnxruntime's, onnxconverter-common's) put a cast to FP16 and back between
any two nodes that are to stay in FP32, which takes from the geometry what it was to keep; NVIDIA's
ModelOpt needs PyTorch and data to decide what one rule decides here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..errors import ModelError

_CONVOLUTIONS = ("Conv", "ConvTranspose")
_ALWAYS_FULL = {"Resize": (1, 2), "Upsample": (1,)}
"""Inputs, by number, that ONNX wants in FP32 whatever the data are in."""


@dataclass(frozen=True)
class Layer:
    """What the choice of a layer's precision rests on, whatever format the network is in."""

    convolves: bool
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def up_to_convolutions(layers: Sequence[Layer]) -> list[bool]:
    """Of each layer, whether it is a convolution or one depends on it: these go to FP16.

    What follows the convolutions (the place of a maximum, rays, square roots of differences of
    squares, millimetres) needs more than the 11 bits of FP16.

    Args:
        layers: Sorted: a layer comes after those it depends on.
    """
    needed: set[str] = set()
    found = []
    for layer in reversed(layers):
        found.append(layer.convolves or not needed.isdisjoint(layer.outputs))
        if found[-1]:
            needed.update(layer.inputs)
    return found[::-1]


def half_precision(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that computes in FP16 up to its last convolution, and in FP32 after it.

    Inputs and outputs stay FP32.

    Raises:
        ModelError: The network cannot be converted.
    """
    model = onnx.shape_inference.infer_shapes(model)
    graph = model.graph
    floats = _floats(graph)
    halved = up_to_convolutions([_layer(node) for node in graph.node])
    nodes: list[onnx.NodeProto] = []
    for node, is_halved in zip(graph.node, halved, strict=True):
        nodes.append(_half_node(node, floats) if is_halved else node)
    used = {name for node in nodes for name in node.input} | {t.name for t in graph.output}
    _halve_constants(graph, floats & used, used)
    nodes = _with_casts(graph, nodes, used)
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(
            f"the network cannot be converted to half precision ({error}): build it with --fp32"
        ) from error
    return model


def _half(name: str) -> str:
    return f"{name}.half"


def _floats(graph: onnx.GraphProto) -> set[str]:
    """Names of all FP32 tensors."""
    values = (*graph.input, *graph.output, *graph.value_info)
    found = {v.name for v in values if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    return found | {t.name for t in graph.initializer if t.data_type == TensorProto.FLOAT}


def _layer(node: onnx.NodeProto) -> Layer:
    return Layer(node.op_type in _CONVOLUTIONS, tuple(node.input), tuple(node.output))


def _half_node(node: onnx.NodeProto, floats: set[str]) -> onnx.NodeProto:
    """The node with its FP32 tensors replaced by their halves."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    full = _ALWAYS_FULL.get(node.op_type, ())
    for index, name in enumerate(node.input):
        if name in floats and index not in full:
            copy.input[index] = _half(name)
    copy.output[:] = [_half(name) if name in floats else name for name in node.output]
    for attribute in copy.attribute:
        if node.op_type == "Cast" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16
        if attribute.t.data_type == TensorProto.FLOAT:  # Constant, ConstantOfShape
            attribute.t.CopyFrom(_half_tensor(attribute.t))
    return copy


def _half_tensor(tensor: onnx.TensorProto, name: str = "") -> onnx.TensorProto:
    largest = np.finfo(np.float16).max
    values = np.clip(numpy_helper.to_array(tensor), -largest, largest)
    return numpy_helper.from_array(values.astype(np.float16), name)


def _halve_constants(graph: onnx.GraphProto, full: set[str], used: set[str]) -> None:
    """Give each constant in the precisions that it is used in."""
    constants = []
    for tensor in graph.initializer:
        if _half(tensor.name) in used:
            constants.append(_half_tensor(tensor, _half(tensor.name)))
        if tensor.name in full or tensor.data_type != TensorProto.FLOAT:
            constants.append(tensor)
    del graph.initializer[:]
    graph.initializer.extend(constants)


def _with_casts(
    graph: onnx.GraphProto, nodes: list[onnx.NodeProto], used: set[str]
) -> list[onnx.NodeProto]:
    """Casts where a tensor is made in one precision and used in the other."""
    result = [
        helper.make_node("Cast", [tensor.name], [_half(tensor.name)], to=TensorProto.FLOAT16)
        for tensor in graph.input
        if _half(tensor.name) in used
    ]
    halves = {_half(name): name for name in used}
    for node in nodes:
        result.append(node)
        result += [
            helper.make_node("Cast", [name], [halves[name]], to=TensorProto.FLOAT)
            for name in node.output
            if name in halves
        ]
    return result
