"""What the bridge does, whatever carries its messages: the node's poses in, other programs' out.

Each output speaks the language of one kind of consumer (``wire.consumers``). None repeats old
people as new: when poses stop, outputs stop or say that nobody is known, by the rule of each.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..body.people import Image, transform
from ..body.skeleton import JOINTS
from ..errors import InputError
from ..wire.consumers import Make, Output, Ready
from ..wire.consumers.clearing import Clearing
from ..wire.consumers.cloud import Cloud
from ..wire.consumers.collision_objects import CollisionObjects
from ..wire.consumers.detections import Detections
from ..wire.consumers.humans import Humans
from ..wire.consumers.people import People
from ..wire.consumers.points import Points
from ..wire.pose_cdr import Poses, read
from .diagnostics import ERROR, OK, WARN, Report
from .transforms import TransformError

OUTPUTS = (
    "people", "points", "cloud", "clearing", "collision_objects", "detections", "humans",
)  # fmt: skip

_SOON_S = 0.01
"""Between two looks where something is waited for: each takes a millisecond of rclpy's."""

_FIRST_S = 5.0
"""Nodes that are started together take so long; before that nobody waits for poses."""

_PICTURES_KEPT = 8
"""Images that wait for the people in them, for ``humans``."""


@dataclass(frozen=True)
class Settings:
    """What the bridge is told to do.

    Raises:
        InputError: A value is not one of those possible.
    """

    outputs: tuple[str, ...] = ()
    """Of OUTPUTS."""
    frame: str = ""
    """The frame to speak in, for ``people`` and ``clearing`` with z up, and for ``people`` with the
    floor at 0; empty: the poses'."""
    joints: tuple[str, ...] = ()
    """Those of ``points``; none named: all."""
    stale_after: float = 0.5
    """Seconds without poses after which outputs fall silent."""
    transform_timeout: float = 0.2
    """Seconds that poses wait for their transform to ``frame``."""
    collision_rate: float = 10.0
    """Updates of the planning scene a second, at most."""

    def __post_init__(self) -> None:
        for name, values, choices in (
            ("outputs", self.outputs, OUTPUTS),
            ("joints", self.joints, JOINTS),
        ):
            if wrong := [value for value in values if value not in choices]:
                raise InputError(f"{name}: {', '.join(wrong)}: choose among {', '.join(choices)}")
        for name in ("stale_after", "collision_rate"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name}: {getattr(self, name):g} is not above 0")


class BridgeHost(Protocol):
    """Sends messages, knows the time and the frames."""

    def send(self, topic: str, message: Ready) -> None:
        """Publish a message; the topic appears with its first."""

    def retire(self, prefix: str) -> None:
        """Take all topics away whose name begins so."""

    def describe(self, body: str) -> str | None:
        """The URDF of a body of REP 155 that has come, kept until it is retired; None: none."""

    def wanted(self, topic: str) -> bool:
        """Whether somebody reads a topic, or nobody can yet: it appears with its first message."""

    def now(self) -> int:
        """ROS time in nanoseconds."""

    def log(self, level: int, text: str) -> None:
        """Say something, at a level of ``logging``."""

    def lookup_transform(self, target: str, source: str, stamp: int) -> NDArray[np.float64]:
        """The matrix (4, 4) from ``source`` to ``target`` at a time, as far as it is known now.

        Raises:
            TransformError: TF does not know it (yet).
        """


class Pictures:
    """The last images, as whoever reads them gives them, for people to be cut out of."""

    def __init__(self) -> None:
        self.size = (0, 0)
        """Width and height of the newest."""
        self._kept: dict[int, Callable[[], Image]] = {}

    def add(self, stamp: int, size: tuple[int, int], decode: Callable[[], Image]) -> None:
        """An image has come; it is decoded when it is wanted."""
        self.size = size
        self._kept[stamp] = decode
        while len(self._kept) > _PICTURES_KEPT:
            del self._kept[next(iter(self._kept))]

    def forget(self) -> None:
        """The next image may be of another size."""
        self.size = (0, 0)
        self._kept.clear()

    def __call__(self, stamp: int) -> Image | None:
        """The image of a stamp, if it is there."""
        decode = self._kept.get(stamp)
        return decode() if decode is not None else None


class Bridge:
    """Tells other programs who is there."""

    def __init__(self, host: BridgeHost, make: Make, settings: Settings) -> None:
        """Make the outputs.

        Raises:
            InputError: An output's message package is not installed; the message names it.
        """
        self.pictures = Pictures()
        self._host = host
        self._settings = settings
        self._outputs = {name: self._made(name, make) for name in settings.outputs}
        self._waiting: deque[tuple[float, Poses]] = deque()
        self._last_stamp: int | None = None
        self._sent = 0.0
        self._awaited: float | None = time.monotonic() + _FIRST_S
        """When it is told that no poses have ever come; None: some have, or it was told."""
        self._silent = True
        self._overdue = False
        self._problem = ""
        self._counts = {"poses received": 0, "poses sent on": 0, "poses without transform": 0,
                        "poses repeated or out of order": 0, "damaged poses": 0}  # fmt: skip

    def _made(self, name: str, make: Make) -> Output:
        settings = self._settings
        makers: dict[str, Callable[[], Output]] = {
            "people": lambda: People(make),
            "points": lambda: Points(make, settings.joints),
            "cloud": lambda: Cloud(make),
            "clearing": lambda: Clearing(make),
            "collision_objects": lambda: CollisionObjects(make, settings.collision_rate),
            "detections": lambda: Detections(make),
            "humans": lambda: Humans(make, self.pictures, self._host),
        }
        try:
            return makers[name]()
        except ImportError as error:
            package = (error.name or str(error)).split(".")[0]
            raise InputError(
                f"the output {name} needs the package {package}, which is not installed here: "
                "docs/consumers.md says where it comes from"
            ) from error

    # -- in ---------------------------------------------------------------------------------

    def poses(self, cdr: bytes) -> None:
        """A ``Pose3DArray`` has come."""
        self._counts["poses received"] += 1
        self._awaited = None
        try:
            poses = read(cdr)
        except InputError as error:
            self._counts["damaged poses"] += 1
            self._say(str(error))
            return
        if self._last_stamp is not None and 0 <= self._last_stamp - poses.stamp < 10**9:
            self._counts["poses repeated or out of order"] += 1
            return
        self._last_stamp = poses.stamp
        self._waiting.append((time.monotonic(), poses))
        self.look()

    def look(self) -> None:
        """Send on what waits for its transform, and notice that poses have stopped.

        To be called when ``next_look`` says so.
        """
        now = time.monotonic()
        if self._awaited is not None and now > self._awaited:
            self._tell_of_none()
        while self._waiting:
            since, poses = self._waiting[0]
            try:
                in_frame = self._in_frame(poses)
            except TransformError as error:
                if now - since <= self._settings.transform_timeout:
                    break
                self._counts["poses without transform"] += 1
                self._say(str(error))
            else:
                self._send(in_frame)
            self._waiting.popleft()
        # Twice in a row: a process that was kept from running has poses to read first.
        overdue = not self._silent and now - self._sent > self._settings.stale_after
        if overdue and self._overdue:
            self._fall_silent()
        self._overdue = overdue and not self._silent

    def next_look(self) -> float | None:
        """Seconds until ``look`` is to be called; none: not before poses come.

        Asked for anew after each look and all poses: a clock that ticks every ``stale_after`` ends
        a moment before poses are late that took a moment to send, and then a whole period later.
        """
        if self._waiting or self._overdue:
            return _SOON_S
        end = self._awaited if self._silent else self._sent + self._settings.stale_after
        return None if end is None else max(end - time.monotonic(), 0.0) + _SOON_S

    def _in_frame(self, poses: Poses) -> Poses:
        target = self._settings.frame
        if target in ("", poses.frame_id):
            return poses
        matrix = self._host.lookup_transform(target, poses.frame_id, poses.stamp)
        return replace(poses, frame_id=target, bodies=transform(poses.bodies, matrix))

    # -- out --------------------------------------------------------------------------------

    def _send(self, poses: Poses) -> None:
        outputs = self._outputs.values()
        # All at once: readers who fall asleep between two have to be woken by who sends.
        for topic, message in [sent for output in outputs for sent in output(poses)]:
            self._host.send(topic, message)
        for prefix in [prefix for output in outputs for prefix in output.ended]:
            self._host.retire(prefix)
        self._counts["poses sent on"] += 1
        self._sent, self._silent, self._problem = time.monotonic(), False, ""

    def _fall_silent(self) -> None:
        self._silent = True
        self.pictures.forget()
        self._host.log(
            logging.ERROR,
            f"no poses for {self._settings.stale_after:g} s: is the node or its camera dead? "
            "Outputs are silent until poses come again",
        )
        for output in self._outputs.values():
            for topic, message in output.silent(self._host.now()):
                self._host.send(topic, message)
            for prefix in output.ended:
                self._host.retire(prefix)

    def _tell_of_none(self) -> None:
        self._awaited = None
        self._host.log(
            logging.WARNING,
            f"no poses have come for {_FIRST_S:g} s yet: does the node run, and are they read from "
            "its topic?",
        )

    def _say(self, text: str) -> None:
        if text != self._problem:
            self._host.log(logging.WARNING, text)
        self._problem = text

    def diagnose(self) -> Report:
        """How the bridge is now, for ``/diagnostics``."""
        values = {name: str(count) for name, count in self._counts.items()}
        values["outputs"] = ", ".join(self._outputs) or "none: set outputs"
        return Report(*self._level(), values)

    def _level(self) -> tuple[int, str]:
        if self._problem:
            return ERROR, self._problem
        if not self._counts["poses sent on"]:
            return WARN, "no poses have come yet"
        if self._silent:
            return ERROR, f"no poses for {time.monotonic() - self._sent:.1f} s"
        return OK, "poses are sent on"
