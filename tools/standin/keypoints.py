"""A SimCC network that finds painted markers, and so can be checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.perception.crop import MEAN, STD
from bodypose3d_ros.perception.pose.simcc import OUTPUTS, WEIGHTS

from .contract import peaks
from .graph import Graph

SIZE = (192, 256)
SPLIT = 2
"""Places of an output for a pixel of the crop."""
_SPREAD = 3.0
"""Places: standard deviation of what is given about the place found."""


def simcc_network(path: Path, keypoints: int = 17, batch: int | str = "N") -> Path:
    """Write the network: 17, 26 or 133 keypoints, those that are joints of ours.

    Its input is RGB, normalised as MMPose does; keypoints that are no joint, as those of the face,
    are never found.
    """
    g = Graph()
    # What the painted markers were: BGR, 0 to 1.
    scale, shift = (np.reshape(each, (3, 1, 1)) / 255 for each in (STD, MEAN))
    rgb = g.op("Add", g.op("Mul", "input", g.constant(scale)), g.constant(shift))
    bgr = g.op("Gather", rgb, g.constant([2, 1, 0], np.int64), axis=1)
    place, seen = peaks(g, bgr)
    joints, keys = np.nonzero(WEIGHTS[keypoints] == 1)
    joint_of = np.full(keypoints, INDEX["pelvis"])
    joint_of[keys] = joints
    which = g.constant(joint_of, np.int64)
    place, seen = (g.op("Gather", each, which, axis=1) for each in (place, seen))
    is_joint = np.isin(np.arange(keypoints), keys).astype(float)
    value = g.op("Mul", seen, g.constant(is_joint[:, None]))
    width = g.constant(SIZE[0], np.int64)
    row = g.op("Div", place, width)
    column = g.op("Sub", place, g.op("Mul", row, width))
    for name, pixel, side in zip(OUTPUTS, (column, row), SIZE, strict=True):
        _around(g, g.op("Cast", pixel, to=1), value, side, name)
    places = {name: (keypoints, SPLIT * side) for name, side in zip(OUTPUTS, SIZE, strict=True)}
    return g.save(path, "simcc", {"input": (3, SIZE[1], SIZE[0])}, places, batch)


def _around(g: Graph, pixel: str, value: str, side: int, name: str) -> None:
    """(N, K, places) high about the pixel (N, K), up to the value (N, K, 1)."""
    middle = g.op("Unsqueeze", g.op("Mul", pixel, g.constant(SPLIT)), g.constant([2], np.int64))
    off = g.op("Sub", g.constant(np.arange(SPLIT * side)), middle)
    squares = g.op("Mul", g.op("Mul", off, off), g.constant(-1 / (2 * _SPREAD**2)))
    g.op("Mul", g.op("Exp", squares), value, name=name)
