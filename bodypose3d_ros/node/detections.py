"""Boxes from a topic: any detector's ``vision_msgs/Detection2DArray``."""

from __future__ import annotations

import numpy as np

from ..perception.detection import Boxes
from ..wire.messages import Message


def boxes(message: Message, class_id: str = "") -> Boxes:
    """Where people are.

    Args:
        message: A ``Detection2DArray`` (vision_msgs 4, Humble and later), of either host's class.
        class_id: What the detector calls a person; empty: everything it has found is one.
    """
    found = [d.bbox for d in message.detections]
    results = [
        [r.hypothesis.score for r in d.results if class_id in ("", r.hypothesis.class_id)]
        for d in message.detections
    ]
    center = np.array([[b.center.position.x, b.center.position.y] for b in found]).reshape(-1, 2)
    size = np.array([[b.size_x, b.size_y] for b in found], float).reshape(-1, 2)
    theta = np.array([b.center.theta for b in found], float)
    score = np.array([max(scores, default=np.nan) for scores in results], float)
    with np.errstate(invalid="ignore", over="ignore"):  # what is no number is left out below
        cos, sin = np.abs(np.cos(theta)), np.abs(np.sin(theta))
        # A box that is turned lies in an upright one.
        upright = np.stack(
            [size[:, 0] * cos + size[:, 1] * sin, size[:, 0] * sin + size[:, 1] * cos], 1
        )
        corners = np.concatenate([center - upright / 2, center + upright / 2], axis=1)
    usable = np.isfinite(score) & np.isfinite(corners).all(axis=1) & (size > 0).all(axis=1)
    return Boxes(corners[usable], score[usable])
