"""Detectors that answer with their likeliest candidates alone.

Of BlazePose's 2254 hardly more than a dozen are likely, and the others are nobody's: a server keeps
them to itself.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper, parser

_GRAPH = """
likeliest (float[batch, {candidates}, {values}] boxes, float[batch, {candidates}, 1] scores)
    => (float[batch, {count}, {values}] likeliest_boxes, float[batch, {count}, 1] likeliest_scores,
        int64[batch, {count}, 1] likeliest_anchors)
{{
    best, likeliest_anchors = TopK <axis = 1> (scores, likeliest_count)
    best_boxes = GatherND <batch_dims = 1> (boxes, likeliest_anchors)

    all_scores = ReduceSum (scores, each_candidate)
    all_boxes = ReduceSum (boxes, each_candidate)
    no_score_or_nan = Mul (all_scores, nothing)
    no_box_or_nan = Mul (all_boxes, nothing)
    likeliest_scores = Add (best, no_score_or_nan)
    likeliest_boxes = Add (best_boxes, no_box_or_nan)
}}
"""


def of_the_likeliest(network: onnx.ModelProto, count: int) -> onnx.ModelProto:
    """The network with its ``count`` likeliest candidates for its outputs ``boxes`` and ``scores``.

    ``likeliest_boxes`` and ``likeliest_scores``, the best first, and ``likeliest_anchors``, the
    candidates' numbers. NaN or infinity in any candidate is NaN in all of them: who asked is to see
    that the network is broken. The network that was handed in is changed.
    """
    graph = network.graph
    sizes = {
        tensor.name: [dimension.dim_value for dimension in tensor.type.tensor_type.shape.dim]
        for tensor in graph.output
    }
    _, candidates, values = sizes["boxes"]
    added = parser.parse_graph(_GRAPH.format(candidates=candidates, values=values, count=count))
    for name, value in (
        ("likeliest_count", np.array([count])),
        ("each_candidate", np.array([1])),
        ("nothing", np.float32(0)),
    ):
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    graph.node.extend(added.node)
    del graph.output[:]
    graph.output.extend(added.output)
    onnx.checker.check_model(network, full_check=True)
    return network
