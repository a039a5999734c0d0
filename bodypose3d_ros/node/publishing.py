"""People as they leave a node: poses, the nearest one, TF and markers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..body.people import Bodies, nearest
from ..body.skeleton import INDEX, JOINTS
from ..wire.markers_cdr import marker_ids, markers, no_markers
from ..wire.pose_cdr import PoseCdr
from ..wire.tf_cdr import joint_frames
from .host import Host
from .interface import MARKERS, POSE, POSES, TF

# Markers live for three images, within these bounds, in nanoseconds.
_LIFETIMES = 500_000_000, 5_000_000_000
_IMAGES_SHOWN = 3


class Shown(Protocol):
    """What of people is published besides poses: parameters of that name."""

    @property
    def publish_tf(self) -> bool: ...  # noqa: D102
    @property
    def tf_prefix(self) -> str: ...  # noqa: D102
    @property
    def tf_joints(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def publish_markers(self) -> bool: ...  # noqa: D102


@dataclass(frozen=True)
class Moment:
    """When and where people are."""

    stamp: int
    """Nanoseconds."""
    frame_id: str
    """The frame that their joints are in."""
    image_size: tuple[int, int] = (0, 0)
    """Width and height of the image they are in; 0, 0 where they are of several."""
    viewpoint: NDArray[np.float64] | None = None
    """(3,) the camera in that frame, metres; None where nobody is the nearest."""


class PeoplePublisher:
    """Sends who is there, the poses first."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._shown: set[int] = set()
        """Of whom there are markers."""
        self._shown_at: int | None = None

    def reset(self) -> None:
        """Forget who was shown."""
        self._shown.clear()
        self._shown_at = None

    def __call__(
        self, bodies: Bodies, moment: Moment, shown: Shown, left: Callable[[float], None]
    ) -> None:
        """Send everybody.

        Args:
            bodies: Who is there, in the moment's frame.
            moment: When and where.
            shown: What of them is sent besides poses.
            left: Told, once the poses have left, how many seconds after their stamp that was.
        """
        poses = PoseCdr(bodies, moment.stamp, moment.frame_id, moment.image_size)
        self._host.publish(POSES, poses.array())
        left((self._host.now() - moment.stamp) / 1e9)
        if moment.viewpoint is not None:
            first = nearest(replace(bodies, joints=bodies.joints - moment.viewpoint))
            if first is not None:
                self._host.publish(POSE, poses.pose(first))
        stamp, frame_id = moment.stamp, moment.frame_id
        if shown.publish_tf:
            joints = [INDEX[name] for name in shown.tf_joints or JOINTS]
            self._host.publish(TF, joint_frames(bodies, stamp, frame_id, joints, shown.tf_prefix))
        lifetime = self._lifetime(stamp)
        if shown.publish_markers and self._host.subscribers(MARKERS):
            ids = set(marker_ids(bodies).tolist())
            gone = sorted(self._shown - ids)
            self._host.publish(MARKERS, markers(bodies, stamp, frame_id, gone, lifetime))
            self._shown = ids
        elif self._shown:
            self._host.publish(MARKERS, no_markers(stamp, frame_id))
            self._shown = set()

    def _lifetime(self, stamp: int) -> int:
        gap = 0 if self._shown_at is None else stamp - self._shown_at
        self._shown_at = stamp
        shortest, longest = _LIFETIMES
        return min(max(_IMAGES_SHOWN * gap, shortest), longest)
