"""Networks that move their landmarks to the centre of mass of the heatmaps themselves.

Heatmaps are for nothing else and 300 times as large as the rest: a server keeps them to itself.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper, parser

from .models import Refinement

# In float64: a hair beside, landmarks make the next crop lie a hair beside, some of its pixels are
# rounded to other bytes, and the joints seen there are 0.01 pixel elsewhere.
_GRAPH = """
refinement (float[batch, {values}] landmarks, float[batch, {count}, {rows}, {columns}] heatmap)
    => (double[batch, {count}, 2] refined)
{{
    separate = Reshape (landmarks, a_line_each)
    given = Slice (separate, axis_0, axis_2, axis_2)
    pixels = Cast <to = 11> (given)
    points = Mul (pixels, cells_a_pixel)
    whole = Cast <to = 7> (points)
    truncated = Cast <to = 11> (whole)
    not_negative = Max (truncated, zero)
    cells = Min (not_negative, last)

    padded = Pad (heatmap, margins, cold)
    lines = Reshape (padded, a_line_each)
    corner = MatMul (cells, strides)
    places = Add (corner, window)
    index = Cast <to = 7> (places)
    around = GatherElements <axis = 2> (lines, index)
    logits = Cast <to = 11> (around)

    mass = Sigmoid (logits)
    sums = MatMul (mass, moments)
    total, moment = Split <axis = 2> (sums, one_and_two)
    offset = Div (moment, total)
    centroid = Add (cells, offset)
    moved = Mul (centroid, pixels_a_cell)

    hottest = ReduceMax <axes = [2]> (logits)
    hot = GreaterOrEqual (hottest, least)
    after_begin = Greater (points, begin)
    before_end = Less (points, end)
    there = And (after_begin, before_end)
    in_columns, in_rows = Split <axis = 2> (there, one_and_one)
    in_map = And (in_columns, in_rows)
    sure = And (in_map, hot)
    chosen = Where (sure, moved, pixels)

    all_heat = ReduceSum <keepdims = 0> (heatmap, axis_2_and_3)
    all_heat_each = Unsqueeze (all_heat, axis_2)
    finite = Cast <to = 11> (all_heat_each)
    nothing_or_nan = Mul (finite, zero)
    refined = Add (chosen, nothing_or_nan)
}}
"""
_COLD = -1000.0
"""A logit of no mass, for what lies outside the heatmap."""


def refining(network: onnx.ModelProto, how: Refinement) -> onnx.ModelProto:
    """The network with ``refined`` for its output ``heatmap``: (N, L, 2) pixels of the crop.

    They are what ``perception/pose/blazepose.py`` makes of ``landmarks`` and ``heatmap``. NaN or
    infinity anywhere in a heatmap makes its landmark NaN: who asked is to see that the network is
    broken. The network that was handed in is changed.
    """
    sizes = {
        tensor.name: [dimension.dim_value for dimension in tensor.type.tensor_type.shape.dim]
        for tensor in (*network.graph.input, *network.graph.output)
    }
    values, crop = sizes["landmarks"][1], np.array(sizes["input"][:1:-1])
    count, rows, columns = sizes["heatmap"][1:]
    text = _GRAPH.format(values=values, count=count, rows=rows, columns=columns)
    added = parser.parse_graph(text)
    size, padded_columns = np.array([columns, rows]), columns + 2 * how.reach
    steps = np.arange(-how.reach, how.reach + 1)
    y, x = (each.ravel() for each in np.meshgrid(steps, steps, indexing="ij"))
    constants = {
        "zero": 0.0,
        "cells_a_pixel": size / crop,
        "pixels_a_cell": crop / size,
        "last": size - 1.0,
        "begin": -1.0,
        "end": size + 0.0,
        "strides": np.array([[1.0], [padded_columns]]),
        "window": (y + how.reach) * padded_columns + x + how.reach + 0.0,
        "moments": np.stack([np.ones(len(x)), x, y], axis=1),
        "least": np.log(how.least / (1 - how.least)),
        "cold": np.float32(_COLD),
        "margins": [0, 0, how.reach, how.reach] * 2,
        "a_line_each": [0, count, -1],
        "one_and_one": [1, 1],
        "one_and_two": [1, 2],
        "axis_0": [0],
        "axis_2": [2],
        "axis_2_and_3": [2, 3],
    }
    graph = network.graph
    for name, value in constants.items():
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    graph.node.extend(added.node)
    kept = [each for each in graph.output if each.name != "heatmap"]
    del graph.output[:]
    graph.output.extend([*kept, *added.output])
    onnx.checker.check_model(network, full_check=True)
    return network
