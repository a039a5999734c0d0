"""Networks that take pixels as bytes and bring them into their value range themselves."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from . import ValueRange


def taking_bytes(network: onnx.ModelProto, value_range: ValueRange) -> onnx.ModelProto:
    """The network with its only input in bytes, so that a crop's way to it is a quarter as long.

    It multiplies and adds as ``perception/crop.py`` does, in the same order and precision, so
    that answers are the same. The network that was handed in is changed.
    """
    graph = network.graph
    (image,) = graph.input
    bytes_in, scaled = image.name, f"{image.name}_in_range"
    for node in graph.node:
        node.input[:] = [scaled if name == bytes_in else name for name in node.input]
    image.type.tensor_type.elem_type = onnx.TensorProto.UINT8
    low, high = value_range
    scale, shift = f"{bytes_in}_scale", f"{bytes_in}_low"
    for name, value in ((scale, (high - low) / 255), (shift, low)):
        graph.initializer.append(numpy_helper.from_array(np.full(1, value, np.float32), name))
    whole, product = f"{bytes_in}_float", f"{bytes_in}_scaled"
    head = (
        helper.make_node("Cast", [bytes_in], [whole], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", [whole, scale], [product]),
        helper.make_node("Add", [product, shift], [scaled]),
    )
    for place, node in enumerate(head):
        graph.node.insert(place, node)
    onnx.checker.check_model(network)
    return network
