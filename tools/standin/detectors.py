"""Networks with the tensors of person detectors that find painted people, and so can be checked.

A person is whatever has one of two colours: of the image's green, or of its red, nothing else is
bright. So each network finds two people at most, exactly.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from bodypose3d_ros.perception.crop import MEAN, STD
from bodypose3d_ros.perception.detection.boxes import cells

from .graph import Graph

Size = tuple[int, int]
Shapes = dict[str, tuple[int, ...]]
"""Of outputs, without the batch."""
PAINTS = ((0, 255, 0), (0, 0, 255))
"""BGR of the one and the other."""
_BRIGHT = 0.75
_FAR = 1e6


def detector_network(
    path: Path, kind: str, size: Size = (320, 256), batch: int | str = "N"
) -> Path:
    """Write a network of one of ``KINDS``.

    Args:
        path: Where to.
        kind: Decides its outputs, and how its input is scaled.
        size: Width and height of its input.
        batch: A number for a network of that batch only.
    """
    g = Graph()
    low, high, seen = _boxes(g, _scaled(g, kind), size)
    outputs = KINDS[kind](g, low, high, seen, size)
    return g.save(path, kind, {"images": (3, size[1], size[0])}, outputs, batch, ("labels",))


def _scaled(g: Graph, kind: str) -> str:
    """The two paints' colours (N, 2, H, W), 0 to 1, of an input as its kind has it."""
    scalings: dict[str, tuple[ArrayLike, ArrayLike, list[int]]] = {
        "yolox": (1 / 255, 0.0, [1, 2]),
        "rtmdet": (np.array(STD)[[1, 0]] / 255, np.array(MEAN)[[1, 0]] / 255, [1, 2]),
        "peoplenet": (1.0, 0.0, [1, 0]),
    }
    scale, shift, green_red = scalings[kind]
    planes = g.op("Gather", "images", g.constant(green_red, np.int64), axis=1)
    scaled = g.op("Mul", planes, g.constant(np.reshape(scale, (-1, 1, 1))))
    return g.op("Add", scaled, g.constant(np.reshape(shift, (-1, 1, 1))))


def _boxes(g: Graph, planes: str, size: Size) -> tuple[str, str, str]:
    """Corners (N, 2, 1, 2) of what is bright, and whether anything is (N, 2, 1, 1)."""
    bright = g.op("Cast", g.op("Greater", planes, g.constant(_BRIGHT)), to=1)
    low, high = [], []
    for axis, side in ((3, size[0]), (2, size[1])):
        line = g.op("ReduceMax", bright, axes=[5 - axis], keepdims=0)  # (N, 2, side)
        there = g.op("Greater", line, g.constant(0))
        places = g.constant(np.arange(side))
        first = g.op("Where", there, places, g.constant(_FAR))
        last = g.op("Where", there, g.op("Add", places, g.constant(1)), g.constant(-_FAR))
        low.append(g.op("ReduceMin", first, axes=[2], keepdims=1))
        high.append(g.op("ReduceMax", last, axes=[2], keepdims=1))
    third = g.constant([2], np.int64)
    low_xy, high_xy = (
        g.op("Unsqueeze", g.op("Concat", *part, axis=2), third) for part in (low, high)
    )
    return low_xy, high_xy, g.op("ReduceMax", bright, axes=[2, 3], keepdims=1)


def _yolox(g: Graph, low: str, high: str, seen: str, size: Size) -> Shapes:
    """In every grid the cell that holds a person's middle tells of the person."""
    origin, stride = cells(size)
    half = g.constant(0.5)
    middle = g.op("Div", g.op("Mul", g.op("Add", low, high), half), g.constant(stride))
    offset = g.op("Sub", middle, g.constant(origin))  # (N, 2, A, 2)
    extent = g.op("Max", g.op("Sub", high, low), g.constant(1e-3))
    logs = g.op("Log", g.op("Div", extent, g.constant(stride)))
    inside = g.op("Equal", g.op("Floor", middle), g.constant(origin))
    inside = g.op("ReduceMin", g.op("Cast", inside, to=1), axes=[3], keepdims=1)
    object_score = g.op("Mul", g.op("Mul", inside, seen), g.constant(0.9))
    classes = g.op("Mul", inside, g.constant([[1, 0]]))
    told = g.op("Concat", offset, logs, object_score, classes, axis=3)
    one = g.op("Split", told, outputs=2, axis=1)
    first = g.constant([1], np.int64)
    one, other = (g.op("Squeeze", each, first) for each in (one, f"{one}_1"))
    has = g.op("Slice", one, *(g.constant([n], np.int64) for n in (4, 5, 2)))
    g.op("Where", g.op("Greater", has, g.constant(0)), one, other, name="output")
    return {"output": (len(origin), 7)}


def _rtmdet(g: Graph, low: str, high: str, seen: str, size: Size) -> Shapes:
    """The people, and again the same boxes as something surer that is nobody."""
    second = g.constant([2], np.int64)
    people = g.op(
        "Squeeze", g.op("Concat", low, high, g.op("Mul", seen, g.constant(0.9)), axis=3), second
    )
    others = g.op("Squeeze", g.op("Concat", low, high, seen, axis=3), second)
    dets = g.op("Concat", people, others, axis=1, name="dets")
    score = g.op("Slice", dets, *(g.constant([n], np.int64) for n in (4, 5, 2)))
    zeros = g.op("Cast", g.op("Mul", g.op("Squeeze", score, second), g.constant(0)), to=7)
    g.op("Add", zeros, g.constant([0, 0, 1, 1], np.int64), name="labels")
    return {"dets": (4, 5), "labels": (4,)}


def _peoplenet(g: Graph, low: str, high: str, seen: str, size: Size) -> Shapes:
    """Every cell whose middle lies in a person tells of the person: many of one."""
    columns, rows = size[0] // 16, size[1] // 16
    row, column = np.mgrid[:rows, :columns]
    middle = g.constant(16 * np.stack([column.ravel(), row.ravel()], 1) + 0.5)  # (cells, 2)
    left, right = g.op("Sub", middle, low), g.op("Sub", high, middle)  # (N, 2, cells, 2)
    sides = g.op("Div", g.op("Concat", left, right, axis=3), g.constant(35))
    inside = g.op("Cast", g.op("Greater", sides, g.constant(0)), to=1)
    inside = g.op("Mul", g.op("ReduceMin", inside, axes=[3], keepdims=1), seen)
    told = g.op("Concat", sides, inside, axis=3)
    one = g.op("Split", told, outputs=2, axis=1)
    first = g.constant([1], np.int64)
    one, other = (g.op("Squeeze", each, first) for each in (one, f"{one}_1"))
    has = g.op("Slice", one, *(g.constant([n], np.int64) for n in (4, 5, 2)))
    both = g.op("Where", g.op("Greater", has, g.constant(0)), one, other)  # (N, cells, 5)
    grid = g.op("Reshape", g.op("Transpose", both, perm=[0, 2, 1]),
                g.constant([0, 5, rows, columns], np.int64))  # fmt: skip
    bbox = g.op("Slice", grid, *(g.constant([n], np.int64) for n in (0, 4, 1)))
    cov = g.op("Slice", grid, *(g.constant([n], np.int64) for n in (4, 5, 1)))
    nothing = g.op("Mul", bbox, g.constant(0))
    g.op("Concat", bbox, nothing, nothing, axis=1, name="output_bbox/BiasAdd:0")
    two = g.op("Slice", nothing, *(g.constant([n], np.int64) for n in (0, 2, 1)))
    g.op("Concat", cov, two, axis=1, name="output_cov/Sigmoid:0")
    return {
        "output_bbox/BiasAdd:0": (12, rows, columns),
        "output_cov/Sigmoid:0": (3, rows, columns),
    }


KINDS = {"yolox": _yolox, "rtmdet": _rtmdet, "peoplenet": _peoplenet}
