"""Networks, and a pipeline on them, that find in an image what it says: for tests around them.

The first pixel's blue is fifty for each person, its green their distance in decimetres.
"""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np

from bodypose3d_ros.body.people import STATE_TRACKED, Bodies
from bodypose3d_ros.engines.shared import Shared

# 34 joints about the pelvis, metres, all different: x right, y down.
SHAPE = np.stack([np.linspace(-0.3, 0.3, 34), np.linspace(-0.8, 0.9, 34), np.zeros(34)], axis=1)
SHAPE -= SHAPE[0]


def picture(people: int = 1, distance: float = 2.0, size: tuple[int, int] = (64, 48)):
    """A BGR image that says so."""
    image = np.full((size[1], size[0], 3), 90, np.uint8)
    image[0, 0] = 50 * people, round(distance * 10), 0
    return image


class Slow:
    """An engine that takes its time for each run, however many are in it."""

    inputs = outputs = ()
    max_batch = None
    description = "none"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def infer(self, inputs):
        time.sleep(self.seconds)
        return inputs


class KnownPeople:
    def __init__(self, *_: object, seconds: float = 0.0, **__: object) -> None:
        self.ended: tuple[int, ...] = ()
        self.milliseconds = {"network": 0.0}
        self.pose = SimpleNamespace(engine=Shared(Slow(seconds)))
        self.tracker = None
        self.frames: list[tuple[int, object]] = []
        self.seen: list[object] = []
        self.resets = 0
        self.closed = False

    @property
    def silent_for(self) -> float:
        return self.pose.engine.silent_for

    def give_up(self) -> None:
        self.pose.engine.give_up()

    def pipeline(self, *_: object, **__: object) -> KnownPeople:
        return self

    def estimate(self, frame, boxes=None) -> Bodies:
        frame.camera.check_size(frame.image.shape[1], frame.image.shape[0])
        self.pose.engine.infer({"x": np.zeros(1)})
        self.frames.append((frame.stamp, boxes))
        self.seen.append(frame)
        blue, decimetres, _ = (int(value) for value in frame.image[0, 0])
        count = round(blue / 50)
        places = np.array([[n * 1.0, 0.0, decimetres / 10 + n] for n in range(count)])
        joints = (SHAPE + places.reshape(-1, 1, 3)).reshape(-1, 34, 3)
        return Bodies(
            joints,
            frame.camera.project(joints),
            np.full((count, 34), 0.9),
            np.full(count, 0.8),
            np.zeros(count, np.uint8),
            np.arange(1, count + 1, dtype=np.uint32),
            np.full(count, STATE_TRACKED, np.uint8),
            np.tile([0.0, 0.0, -1.0], (count, 34, 1)),
        )

    def search(self, frame, budget=None) -> None:
        pass

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        self.closed = True
