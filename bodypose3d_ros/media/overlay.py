"""Skeletons drawn over the picture they were found in."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..body.camera import Camera
from ..body.people import STATE_COASTING, STATE_NAMES, Bodies
from ..body.skeleton import INDEX, LIMBS, SIDE_COLORS, SIDES, known

_SUBPIXEL_BITS = 4  # OpenCV draws at 1/16 pixel
_FAINTEST = 0.25
_COLORS = np.array([SIDE_COLORS[int(side)][::-1] for side in SIDES]) * 255
_ANTI_ALIASED = cv2.LINE_AA
_PAD = 3  # pixels between a label's text and its edge

_Box = tuple[int, int, int, int]
"""x and y of the top left corner, width and height, in pixels."""


def draw(
    image: NDArray[np.uint8], bodies: Bodies, camera: Camera | None = None
) -> NDArray[np.uint8]:
    """A copy of the BGR image (H, W, 3) with every person's joints, limbs, id and distance.

    Left is orange, right is blue; the fainter, the less confident. Who is not seen but predicted
    is drawn as thin lines where the camera would see them.

    Args:
        image: What the people are in.
        bodies: People in the camera's optical frame.
        camera: The image's; without it who is only predicted is left out.
    """
    canvas = image.copy()
    width = max(2, round(max(image.shape[:2]) / 250))
    predicted = bodies.state == STATE_COASTING
    pixels = bodies.pixels
    if camera is not None and predicted.any():
        pixels = np.where(predicted[:, None, None], camera.project(bodies.joints), pixels)
    for person in range(len(bodies)):
        thickness = 1 if predicted[person] else width
        _draw_skeleton(canvas, pixels[person], bodies.confidence[person], thickness)
    boxes: list[_Box] = []
    for person in range(len(bodies)):  # labels last, so that no limb crosses them
        _draw_label(canvas, pixels[person], _label(bodies, person), boxes)
    return canvas


def _label(bodies: Bodies, person: int) -> str:
    identity = f"{bodies.track_id[person]}: " if bodies.track_id[person] else ""
    root = bodies.joints[person, INDEX["pelvis"]]
    away = f"{np.linalg.norm(root):.2f} m" if np.isfinite(root).all() else "?"
    coasting = bodies.state[person] == STATE_COASTING
    return f"{identity}{away}" + f" {STATE_NAMES[STATE_COASTING]}" * int(coasting)


def _draw_skeleton(
    canvas: NDArray[np.uint8],
    pixels: NDArray[np.float64],
    confidence: NDArray[np.float64],
    width: int,
) -> None:
    is_known = known(pixels)
    # OpenCV's coordinates are 32 bit with the sub-pixel bits taken off.
    fixed = np.where(is_known[:, None], np.clip(pixels, -1e6, 1e6) * 2**_SUBPIXEL_BITS, 0)
    points = fixed.round().astype(int).tolist()
    for parent, child in LIMBS:
        if is_known[parent] and is_known[child]:
            color = _shade(int(child), min(confidence[parent], confidence[child]))
            cv2.line(
                canvas, points[parent], points[child], color, width, _ANTI_ALIASED, _SUBPIXEL_BITS
            )
    for joint in np.flatnonzero(is_known):
        radius = width << _SUBPIXEL_BITS
        color = _shade(int(joint), confidence[joint])
        cv2.circle(canvas, points[joint], radius, color, -1, _ANTI_ALIASED, _SUBPIXEL_BITS)


def _shade(joint: int, confidence: float) -> tuple[float, ...]:
    return tuple((_COLORS[joint] * max(float(confidence), _FAINTEST)).tolist())


def _draw_label(
    canvas: NDArray[np.uint8], pixels: NDArray[np.float64], text: str, boxes: list[_Box]
) -> None:
    """Write a text above a person's pixels (34, 2), clear of other labels' boxes; add its own."""
    points = pixels[known(pixels)]
    if not len(points):
        return
    height, width = canvas.shape[:2]
    scale = max(max(height, width) / 1000, 0.45)
    (text_width, text_height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    box_width, box_height = text_width + 2 * _PAD, text_height + below + _PAD
    x = np.clip(points[:, 0].mean() - box_width / 2, 0, max(width - box_width, 0))
    y = np.clip(points[:, 1].min() - 3.5 * text_height, 0, max(height - box_height, 0))
    x, y, _, _ = box = _beside(boxes, (int(x), int(y), box_width, box_height), height)
    boxes.append(box)
    cv2.rectangle(canvas, (x, y), (x + box_width, y + box_height), (0, 0, 0), -1)
    corner, white = (x + _PAD, y + text_height + _PAD), (255, 255, 255)
    cv2.putText(canvas, text, corner, cv2.FONT_HERSHEY_SIMPLEX, scale, white, 1, _ANTI_ALIASED)


def _beside(boxes: list[_Box], wanted: _Box, room: int) -> _Box:
    """The box, moved up or down to the nearest place where no other lies, if there is one.

    Args:
        boxes: The others.
        wanted: Where it would be.
        room: The image's height.
    """
    x, y, width, height = wanted
    edges = [edge for _, top, _, tall in boxes for edge in (top - height - 1, top + tall + 1)]
    for row in sorted((y, *edges), key=lambda row: abs(row - y)):
        moved = (x, row, width, height)
        if 0 <= row <= room - height and not any(_overlap(moved, other) for other in boxes):
            return moved
    return wanted


def _overlap(one: _Box, other: _Box) -> bool:
    return all(
        one[axis] <= other[axis] + other[axis + 2] and other[axis] <= one[axis] + one[axis + 2]
        for axis in (0, 1)
    )
