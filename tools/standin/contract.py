"""A network with BodyPose3DNet's tensors that finds painted markers, and so can be checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bodypose3d_ros.body.skeleton import JOINT_COUNT
from bodypose3d_ros.perception.pose.bodypose3dnet import CROP, INPUTS, OUTPUTS

from .geometry import four_outputs
from .graph import Graph
from .markers import GREEN_MIDDLE, GREEN_PER_UNIT, MIN_BLUE, RED

_WIDTH, _HEIGHT = CROP
_CROSS = np.array([0, -1, 1, -_WIDTH, _WIDTH])
"""A pixel and its four neighbours, in a crop laid out row by row."""
_NOWHERE = -10.0
_PREFER_MIDDLE = 0.01
"""A pixel; the crop is about one person, others at its edge are not meant."""


def contract_network(path: Path, batch: int | str = "N") -> Path:
    """Write the network.

    Args:
        path: Where to.
        batch: A number for a network of that batch only.
    """
    g = Graph()
    blue = g.op("Gather", "input0", g.constant(0, np.int64), axis=1)
    green = g.op("Gather", "input0", g.constant(1, np.int64), axis=1)
    flat = g.constant([0, _WIDTH * _HEIGHT], np.int64)
    blue, green = g.op("Reshape", blue, flat), g.op("Reshape", green, flat)
    peak, seen = peaks(g, "input0")

    around = g.op("Add", g.op("Unsqueeze", peak, g.constant([2], np.int64)),
                  g.constant(_CROSS, np.int64))  # fmt: skip
    # Max and Min, for TensorRT's Clip takes no integers.
    around = g.op("Max", around, g.constant(0, np.int64))
    around = g.op("Min", around, g.constant(_WIDTH * _HEIGHT - 1, np.int64))
    blues, greens = _gather(g, blue, around), _gather(g, green, around)
    confidence = g.op("Mul", seen, g.op("ReduceMax", blues, axes=[2], keepdims=1))
    xy = g.op("Add", _pixel(g, peak), _within_pixel(g, blues))
    ratio = g.op("Div", _sum(g, greens), g.op("Max", _sum(g, blues), g.constant(1e-6)))
    depth = g.op("Mul", g.op("Sub", ratio, g.constant(GREEN_MIDDLE)),
                 g.constant(1 / GREEN_PER_UNIT))  # fmt: skip
    four_outputs(g, xy, depth, confidence)
    return g.save(path, "contract", INPUTS, OUTPUTS, batch)


def peaks(g: Graph, crops: str) -> tuple[str, str]:
    """The brightest pixel of each joint's colour (N, 34), and whether there is any (N, 34, 1).

    Args:
        g: The graph.
        crops: (N, 3, 256, 192) BGR, 0 to 1.
    """
    blue = g.op("Gather", crops, g.constant(0, np.int64), axis=1)
    blue = g.op("Reshape", blue, g.constant([0, _WIDTH * _HEIGHT], np.int64))
    color = np.zeros((JOINT_COUNT, 3, 1, 1))
    color[:, 0, 0, 0], color[:, 2, 0, 0] = -RED, 1  # red - RED blue: zero for the joint's colour
    off = g.op("Abs", g.op("Conv", crops, g.constant(color)))
    off = g.op("Reshape", off, g.constant([0, JOINT_COUNT, _WIDTH * _HEIGHT], np.int64))
    bright = g.op("Unsqueeze", blue, g.constant([1], np.int64))
    tolerance = 0.45 * (RED[1] - RED[0])
    same = g.op("Less", off, g.op("Mul", bright, g.constant(tolerance)))
    same = g.op("And", same, g.op("Greater", bright, g.constant(MIN_BLUE)))
    y, x = np.mgrid[:_HEIGHT, :_WIDTH] - np.array([_HEIGHT / 2, _WIDTH / 2])[:, None, None]
    penalty = g.constant(_PREFER_MIDDLE * np.hypot(x, y).reshape(1, 1, -1))
    score = g.op("Where", same, g.op("Sub", bright, penalty), g.constant(_NOWHERE))
    best = g.op("ReduceMax", score, axes=[2], keepdims=1)
    seen = g.op("Cast", g.op("Greater", best, g.constant(_NOWHERE / 2)), to=1)
    return g.op("ArgMax", score, axis=2, keepdims=0), seen


def _gather(g: Graph, flat: str, index: str) -> str:
    """(N, 34, 5) values of a flat crop (N, pixels) at indices (N, 34, 5)."""
    rows = g.op("Reshape", index, g.constant([0, JOINT_COUNT * len(_CROSS)], np.int64))
    values = g.op("GatherElements", flat, rows, axis=1)
    return g.op("Reshape", values, g.constant([0, JOINT_COUNT, len(_CROSS)], np.int64))


def _pixel(g: Graph, peak: str) -> str:
    """(N, 34, 2) column and row of flat indices (N, 34)."""
    width, last = g.constant(_WIDTH, np.int64), g.constant([2], np.int64)
    row = g.op("Div", peak, width)
    column = g.op("Sub", peak, g.op("Mul", row, width))
    both = (g.op("Unsqueeze", part, last) for part in (column, row))
    return g.op("Cast", g.op("Concat", *both, axis=2), to=1)


def _within_pixel(g: Graph, blues: str) -> str:
    """(N, 34, 2) from the brightest pixel to the blob's middle.

    That is the vertex of the parabola through the logarithms of three neighbours, which is exact
    for a Gaussian.
    """
    logs = g.op("Log", g.op("Max", blues, g.constant(1 / 512)))
    # Rows: l(-1) - l(+1) and 2 l(0) - l(-1) - l(+1), each for x and y, of _CROSS.
    slope = np.array([[0, 1, -1, 0, 0], [0, 0, 0, 1, -1]]).T
    bend = np.array([[2, -1, -1, 0, 0], [2, 0, 0, -1, -1]]).T
    slope_xy, bend_xy = (g.op("MatMul", logs, g.constant(m)) for m in (slope, bend))
    shift = g.op("Div", slope_xy, g.op("Max", bend_xy, g.constant(1e-3)))
    return g.op("Mul", shift, g.constant(-0.5))


def _sum(g: Graph, values: str) -> str:
    return g.op("ReduceSum", values, g.constant([2], np.int64), keepdims=1)
