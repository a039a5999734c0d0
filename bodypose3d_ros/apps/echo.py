"""People on the terminal: ``~/poses`` as a table."""

from __future__ import annotations

import time
from collections import deque

import numpy as np
from rich.table import Table

from ..body.people import STATE_NAMES
from ..body.skeleton import INDEX
from ..wire.messages import Message
from ..wire.stamps import stamp_of

_WINDOW = 30
_LATE_S = 1.0  # whoever was there then may be anywhere now


class Echo:
    """The last ``Pose3DArray``, how often they come and how old they are."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self.poses: Message | None = None
        self._arrivals: deque[float] = deque(maxlen=_WINDOW)
        self._ages: deque[float] = deque(maxlen=_WINDOW)

    def add(self, poses: Message) -> None:
        """A message has come."""
        self.poses = poses
        self._arrivals.append(time.monotonic())
        self._ages.append((time.time_ns() - stamp_of(poses)) / 1e6)

    @property
    def rate(self) -> float:
        """Messages a second; 0 of a single one."""
        if len(self._arrivals) < 2:
            return 0.0
        return (len(self._arrivals) - 1) / (self._arrivals[-1] - self._arrivals[0])

    def table(self) -> Table:
        """Everybody: id, distance, state, confidence and where the pelvis is.

        Nobody, and since when, where no message has come for a second.
        """
        table = Table(
            "id", "distance", "state", "confidence", "x, m", "y, m", "z, m", title=self._title()
        )
        for pose in self.poses.poses if self.poses and self._silent_s <= _LATE_S else ():
            p = pose.joints[INDEX["pelvis"]].position
            place = np.array([p.x, p.y, p.z])
            table.add_row(
                str(pose.track_id),
                f"{np.linalg.norm(place):.2f} m",
                STATE_NAMES[pose.state],
                f"{pose.confidence:.2f}",
                *(f"{value:+.2f}" for value in place),
            )
        return table

    @property
    def _silent_s(self) -> float:
        return time.monotonic() - self._arrivals[-1]

    def _title(self) -> str:
        if self.poses is None:
            return f"no poses yet on {self._topic}"
        if self._silent_s > _LATE_S:
            return f"no poses on {self._topic} for {self._silent_s:.0f} s"
        count = len(self.poses.poses)
        rate = f"{self.rate:.1f} Hz, " if self.rate else ""
        return (
            f"{count} {'person' if count == 1 else 'people'} in {self.poses.header.frame_id}, "
            f"{rate}{np.median(self._ages):.1f} ms old"
        )
