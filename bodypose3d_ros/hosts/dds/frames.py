"""TF without tf2: where frames are to each other, lately and for ever.

The smallest part of tf2's buffer that serves ``target_frame``: a tree of frames, interpolation
between stamps, no extrapolation.
"""

from __future__ import annotations

import logging
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from ...node.transforms import TransformError, matrix_of
from ...wire.messages import Message
from ...wire.stamps import stamp_of

Array = NDArray[np.float64]

KEPT_NS = 10 * 10**9
"""How long moving transforms are remembered, as in tf2."""

# Frames of people come and go, each under a new name: those silent for so long are forgotten, and
# nobody needs more than so many.
_SILENT_S = 20.0
_MOST_FRAMES = 10_000
_MOST_SAID = 100

# As in tf2: how far the square of a rotation's norm may be from 1.
_NORM_TOLERANCE = 0.01


@dataclass
class _Link:
    """A frame's place in its parent, at increasing stamps; one of no stamp when it never moves."""

    parent: str
    static: bool
    stamps: list[int] = field(default_factory=list)
    matrices: list[Array] = field(default_factory=list)
    heard: float = 0.0
    """When it was told last, on this machine's monotonic clock."""

    def add(self, stamp: int, matrix: Array) -> None:
        if self.static:
            self.stamps, self.matrices = [stamp], [matrix]
            return
        if self.stamps and stamp < self.stamps[-1] - KEPT_NS:
            # The clock was set back, or was wrong for a moment: nothing could be added any more.
            self.stamps, self.matrices = [], []
        at = bisect_left(self.stamps, stamp)
        self.stamps.insert(at, stamp)
        self.matrices.insert(at, matrix)
        old = bisect_left(self.stamps, self.stamps[-1] - KEPT_NS)
        del self.stamps[:old], self.matrices[:old]

    def at(self, stamp: int, child: str) -> Array:
        if self.static:
            return self.matrices[0]
        after = bisect_left(self.stamps, stamp)
        if after == len(self.stamps) or stamp < self.stamps[0]:
            side = "newest" if after else "oldest"
            gap = (stamp - self.stamps[-1 if after else 0]) / 1e9
            raise TransformError(
                f"the {side} transform of {child!r} is {gap:+.3f} s from the image: is whoever "
                "sends it alive and on the camera's clock?"
            )
        if self.stamps[after] == stamp:
            return self.matrices[after]
        return _between(self.stamps[after - 1 :], self.matrices[after - 1 :], stamp)


class FrameBuffer:
    """What ``/tf`` and ``/tf_static`` have said. Any thread may ask."""

    def __init__(self, log: Callable[[int, str], None] | None = None) -> None:
        """``log`` is told, at a level of ``logging``, of transforms that cannot be used."""
        self.dropped = 0
        """Transforms that were none: of no rotation, not a number, in a loop."""
        self._log = log or (lambda _level, _text: None)
        self._links: dict[str, _Link] = {}
        self._changed = threading.Condition()
        self._said: set[str] = set()
        self._looked = time.monotonic()

    def add(self, message: Message, *, static: bool = False) -> None:
        """Remember a ``TFMessage``; drop and count what tf2 would not take, either."""
        with self._changed:
            self._forget_the_silent()
            for transform in message.transforms:
                # tf2 takes the slash of ROS 1 off, too.
                parent = transform.header.frame_id.removeprefix("/")
                child = transform.child_frame_id.removeprefix("/")
                if fault := self._fault(parent, child, transform.transform):
                    self.dropped += 1
                    self._say(f"the transform of {child!r} in {parent!r} is dropped: {fault}")
                    continue
                self._add(parent, child, transform, static=static)
            self._changed.notify_all()

    def clear(self) -> None:
        """Forget everything that moves: time begins anew."""
        with self._changed:
            self._links = {child: link for child, link in self._links.items() if link.static}

    def _add(self, parent: str, child: str, transform: Message, *, static: bool) -> None:
        link = self._links.get(child)
        if link is None or (link.parent, link.static) != (parent, static):
            link = self._links[child] = _Link(parent, static)
        stamp = stamp_of(transform)
        if link.stamps and not static and link.stamps[-1] - KEPT_NS > stamp:
            self._say(
                f"the transform of {child!r} was more than {KEPT_NS // 10**9} s ahead of what "
                "comes now: what was known of it is forgotten"
            )
        link.add(stamp, matrix_of(transform.transform))
        link.heard = time.monotonic()

    def _forget_the_silent(self) -> None:
        """Once in a while: what moved and is told of no more."""
        now = time.monotonic()
        if now - self._looked < _SILENT_S:
            return
        self._looked = now
        self._links = {
            child: link
            for child, link in self._links.items()
            if link.static or now - link.heard < _SILENT_S
        }

    def _fault(self, parent: str, child: str, transform: Message) -> str:
        """Why tf2 does not take a transform (BufferCore::setTransform), or nothing."""
        t, q = transform.translation, transform.rotation
        numbers = np.array([t.x, t.y, t.z, q.x, q.y, q.z, q.w])
        if not parent or not child:
            return "one of them has no name"
        if not np.isfinite(numbers).all():
            return "it is not a number"
        with np.errstate(over="ignore"):
            squared = numbers[3:] @ numbers[3:]
        if abs(squared - 1) > _NORM_TOLERANCE:
            return "its rotation is no unit quaternion"
        if child not in self._links and len(self._links) >= _MOST_FRAMES:
            return f"there are {_MOST_FRAMES} frames already"
        if child in self._chain(parent):
            return "the frames would be in a loop"
        return ""

    def _say(self, text: str) -> None:
        if text not in self._said and len(self._said) < _MOST_SAID:
            self._said.add(text)
            self._log(logging.WARNING, text)

    def lookup(self, target: str, source: str, stamp: int, timeout: float = 0.0) -> Array:
        """The matrix (4, 4) from points in ``source`` to points in ``target``.

        Raises:
            TransformError: The frames are not connected at that time, after ``timeout`` seconds.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._knows(target, source, stamp), timeout)
            return self._lookup(target, source, stamp)

    def _knows(self, target: str, source: str, stamp: int) -> bool:
        try:
            self._lookup(target, source, stamp)
        except TransformError:
            return False
        return True

    def _lookup(self, target: str, source: str, stamp: int) -> Array:
        up, down = self._chain(source), self._chain(target)
        common = next((frame for frame in up if frame in down), None)
        if common is None:
            raise TransformError(
                f"TF does not connect {source!r} with {target!r}: publish the camera's place, "
                "for example with tf2_ros static_transform_publisher"
            )
        to_common = self._along(up[: up.index(common)], stamp)
        from_common = self._along(down[: down.index(common)], stamp)
        return np.asarray(np.linalg.inv(from_common) @ to_common)

    def _chain(self, frame: str) -> list[str]:
        chain = [frame]
        while link := self._links.get(chain[-1]):
            chain.append(link.parent)
        return chain

    def _along(self, frames: Sequence[str], stamp: int) -> Array:
        """From the first frame to the parent of the last."""
        matrix = np.eye(4)
        for frame in frames:
            matrix = self._links[frame].at(stamp, frame) @ matrix
        return matrix


def _between(stamps: Sequence[int], matrices: Sequence[Array], stamp: int) -> Array:
    part = (stamp - stamps[0]) / (stamps[1] - stamps[0])
    ends = np.stack(matrices[:2])
    matrix = np.eye(4)
    matrix[:3, :3] = Slerp([0, 1], Rotation.from_matrix(ends[:, :3, :3]))(part).as_matrix()
    matrix[:3, 3] = (1 - part) * ends[0, :3, 3] + part * ends[1, :3, 3]
    return matrix
