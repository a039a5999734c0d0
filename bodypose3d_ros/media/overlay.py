"""Skeletons drawn over the picture they were found in."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from ..body.camera import Camera
from ..body.people import STATE_COASTING, STATE_NAMES, Bodies, Image
from ..body.skeleton import INDEX, LIMBS, SIDE_COLORS, SIDES, known

_SUBPIXEL_BITS = 4  # OpenCV draws at 1/16 pixel
_FAINTEST = 0.3
_COLORS = np.array([SIDE_COLORS[int(side)][::-1] for side in SIDES]) * 255
_ANTI_ALIASED = cv2.LINE_AA
_DARK, _EDGE = (25, 25, 25), 3  # the edge of a limb, pixels on both sides together
_INNER = np.isin(np.arange(len(SIDES)), LIMBS[:, 0])  # joints from which limbs go on
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_HEAD = [INDEX[name] for name in ("nose", "left_eye", "right_eye", "left_ear", "right_ear")]
_HEAD_SIZE = 1.5  # of how far these lie apart at most, with hair and chin

_Box = tuple[int, int, int, int]
"""x and y of the top left corner, width and height, in pixels."""


def draw(image: Image, bodies: Bodies, camera: Camera | None = None) -> Image:
    """A copy of the BGR image (H, W, 3) with every person's joints, limbs, id and distance.

    Left is orange, right is blue; the more transparent, the less confident. Who is not seen but
    predicted is drawn as thin lines where the camera would see them.

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
    for person in np.flatnonzero(known(pixels).any(axis=1)).tolist():
        thickness = 1 if predicted[person] else width
        _draw_skeleton(canvas, pixels[person], bodies.confidence[person], thickness)
    boxes = [_around_head(head[known(head)]) for head in pixels[:, _HEAD] if known(head).any()]
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
    canvas: Image, pixels: NDArray[np.float64], confidence: NDArray[np.float64], width: int
) -> None:
    """Blend limbs and joints into the canvas, the surest over the others.

    All have a dark edge, which tells them from any ground.
    """
    is_known = known(pixels)
    corner, ground = _around(canvas, pixels[is_known], 2 * width)
    if not ground.size:
        return
    # OpenCV's coordinates are 32 bit with the sub-pixel bits taken off.
    fixed = np.where(is_known[:, None], np.clip(pixels - corner, -1e6, 1e6) * 2**_SUBPIXEL_BITS, 0)
    points = fixed.round().astype(int).tolist()
    sure = np.maximum(np.where(is_known, confidence, 0), _FAINTEST)
    drawn, opacity = ground.copy(), np.zeros(ground.shape[:2], np.float32)
    edge = min(_EDGE, width)  # of a thin line hardly more than the edge would be seen
    limbs = LIMBS[is_known[LIMBS].all(axis=1)]
    weakest = sure[limbs].min(axis=1)
    for limb in np.argsort(weakest, kind="stable").tolist():
        (parent, child), shown = limbs[limb].tolist(), float(weakest[limb])
        line = points[parent], points[child]
        cv2.line(opacity, *line, shown, width + edge, _ANTI_ALIASED, _SUBPIXEL_BITS)
        cv2.line(drawn, *line, _DARK, width + edge, _ANTI_ALIASED, _SUBPIXEL_BITS)
        cv2.line(drawn, *line, _COLORS[child].tolist(), width, _ANTI_ALIASED, _SUBPIXEL_BITS)
    for joint in np.flatnonzero(is_known & _INNER).tolist():
        at, radius = points[joint], width << _SUBPIXEL_BITS
        cv2.circle(opacity, at, radius, float(sure[joint]), -1, _ANTI_ALIASED, _SUBPIXEL_BITS)
        cv2.circle(drawn, at, radius, _COLORS[joint].tolist(), -1, _ANTI_ALIASED, _SUBPIXEL_BITS)
    ground[:] = cv2.blendLinear(drawn, ground, opacity, 1 - opacity)


def _around(
    canvas: Image, points: NDArray[np.float64], margin: int
) -> tuple[NDArray[np.intp], Image]:
    """The part of a canvas in which points (n, 2) lie, and its upper left corner (2,)."""
    height, width = canvas.shape[:2]
    ends = np.array([points.min(axis=0) - margin, points.max(axis=0) + margin + 1])
    (left, top), (right, bottom) = np.clip(ends, 0, (width, height)).astype(int)
    return np.array([left, top]), canvas[top:bottom, left:right]


def _around_head(points: NDArray[np.float64]) -> _Box:
    """Where no label is to lie: a square over those of a head's points (n, 2) that are known."""
    size = _HEAD_SIZE * np.ptp(points, axis=0).max()
    corner = (points.min(axis=0) + points.max(axis=0) - size) / 2
    x, y, side = np.clip([*corner, size], -1e6, 1e6).round().astype(int).tolist()
    return x, y, side, side


def _draw_label(canvas: Image, pixels: NDArray[np.float64], text: str, boxes: list[_Box]) -> None:
    """Write a text above a person's pixels (34, 2), clear of all boxes, and add its own to them."""
    points = pixels[known(pixels)]
    if not len(points):
        return
    height, width = canvas.shape[:2]
    scale = max(max(height, width) / 1000, 0.45)
    (text_width, _), _ = cv2.getTextSize(text, _FONT, scale, 1)
    tall = _digit_height(scale)
    pad = tall // 2
    box_width, box_height = text_width + 2 * pad, tall + 2 * pad
    x = np.clip(points[:, 0].mean() - box_width / 2, 0, max(width - box_width, 0))
    y = np.clip(points[:, 1].min() - box_height - 2 * tall, 0, max(height - box_height, 0))
    x, y, _, _ = box = _beside(boxes, (int(x), int(y), box_width, box_height), height)
    boxes.append(box)
    cv2.rectangle(canvas, (x, y), (x + box_width, y + box_height), (0, 0, 0), -1)
    corner, white = (x + pad, y + pad + tall), (255, 255, 255)
    cv2.putText(canvas, text, corner, _FONT, scale, white, 1, _ANTI_ALIASED)


@cache
def _digit_height(scale: float) -> int:
    """Pixels that a digit is tall: what OpenCV tells of a text differs from version to version."""
    paper = np.zeros((200, 200), np.uint8)
    cv2.putText(paper, "0", (20, 150), _FONT, scale, 255, 1)
    return int(np.ptp(np.flatnonzero(paper.any(axis=1)))) + 1


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
