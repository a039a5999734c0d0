"""Regions from a topic: any detector's ``vision_msgs/Detection2DArray``."""

from __future__ import annotations

import numpy as np

from ..body.people import Regions, select
from ..wire.messages import Message


def regions(message: Message, class_id: str = "") -> Regions:
    """Where people are.

    Args:
        message: A ``Detection2DArray`` (vision_msgs 4, Humble and later), of either host's class.
        class_id: What the detector calls a person; empty: everything it has found is one.
    """
    boxes = [d.bbox for d in message.detections]
    results = [
        [r.hypothesis.score for r in d.results if class_id in ("", r.hypothesis.class_id)]
        for d in message.detections
    ]
    every = Regions(
        center=np.array([[b.center.position.x, b.center.position.y] for b in boxes]).reshape(-1, 2),
        size=np.array([[b.size_x, b.size_y] for b in boxes], float).reshape(-1, 2),
        rotation=np.array([b.center.theta for b in boxes], float),
        score=np.array([max(scores, default=np.nan) for scores in results], float),
    )
    usable = np.isfinite(every.score) & (every.size > 0).all(axis=1)
    return select(every, usable & np.isfinite(every.center).all(axis=1))
