"""Joints painted into an image so that the contract network can read them exactly.

A marker is a Gaussian blob on black. Its blue is the blob itself, red over blue says which joint it
is, green over blue how deep it lies. Backgrounds must be darker in blue than ``MIN_BLUE``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.skeleton import INDEX, JOINT_COUNT

SIGMA = 0.012
"""Metres: about one pixel of the crop of a grown-up."""
MIN_BLUE = 0.5
RED = (np.arange(JOINT_COUNT) + 0.5) / JOINT_COUNT
"""(34,) red over blue of each joint."""
GREEN_MIDDLE, GREEN_PER_UNIT = 0.5, 0.28
"""Green over blue is their sum with depth in units of the pelvis-neck distance: +-1.5 units."""


def paint(image: NDArray[np.uint8], joints: NDArray[np.float64], camera: Camera) -> None:
    """Paint people (N, 34, 3), metres in the optical frame, into a BGR image.

    Where markers overlap the pixel belongs to the nearer one. NaN joints are left out.
    """
    best = np.zeros(image.shape[:2])
    for person in joints:
        unit = np.linalg.norm(person[INDEX["neck"]] - person[INDEX["pelvis"]])
        depths = (person[:, 2] - person[INDEX["pelvis"], 2]) / unit
        for joint, (pixel, z) in enumerate(zip(camera.project(person), person[:, 2], strict=True)):
            if np.isfinite(pixel).all():
                sigma = SIGMA * np.sqrt(abs(np.linalg.det(camera.matrix[:2, :2]))) / z
                _paint_one(image, best, pixel, sigma, joint, depths[joint])


def _paint_one(
    image: NDArray[np.uint8],
    best: NDArray[np.float64],
    pixel: NDArray[np.float64],
    sigma: float,
    joint: int,
    depth: float,
) -> None:
    reach = int(np.ceil(4 * sigma))
    column, row = np.round(pixel).astype(int)
    height, width = image.shape[:2]
    rows = slice(np.clip(row - reach, 0, height), np.clip(row + reach + 1, 0, height))
    columns = slice(np.clip(column - reach, 0, width), np.clip(column + reach + 1, 0, width))
    y, x = np.mgrid[rows, columns]
    squared = (x - pixel[0]) ** 2 + (y - pixel[1]) ** 2
    blob = np.exp(-squared / (2 * sigma**2))
    green = GREEN_MIDDLE + GREEN_PER_UNIT * depth
    color = np.round(255 * blob[..., None] * (1, green, RED[joint])).astype(np.uint8)
    mine = blob > best[rows, columns]
    image[rows, columns][mine] = color[mine]
    best[rows, columns][mine] = blob[mine]
