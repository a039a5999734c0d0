"""Half precision written into a network: its convolutions, not its geometry."""

from __future__ import annotations

import onnx

_CONVOLUTIONS = ("Conv", "ConvTranspose")


def half_precision(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that computes in FP16 up to its last convolution, and in FP32 after it.

    What follows the convolutions (the place of a maximum, rays, square roots of differences of
    squares, millimetres) needs more than the 11 bits of FP16. Inputs and outputs stay FP32.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.ModelProto.FromString(model.SerializeToString())
    for index, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{index}"  # names are how nodes are kept out, all need one
    return convert_float_to_float16(
        model,
        keep_io_types=True,
        op_block_list=[],
        node_block_list=_after_convolutions(model.graph),
    )


def _after_convolutions(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes that no convolution depends on."""
    needed: set[str] = set()
    after = []
    for node in reversed(graph.node):  # sorted: a node comes after those it depends on
        if node.op_type in _CONVOLUTIONS or needed.intersection(node.output):
            needed.update(node.input)
        else:
            after.append(node.name)
    return after
