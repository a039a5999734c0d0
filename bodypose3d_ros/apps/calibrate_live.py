"""What cameras' nodes say of people who walk before them, heard for a while, to calibrate by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..body.camera import Camera
from ..body.people import Bodies
from ..errors import CameraError, InputError
from ..node.fusion.usable import usable
from ..perception.calibration.tracks import Recorded
from ..perception.lifting.size import prior
from ..perception.tracking.tracker import Tracker
from ..wire.messages import Message
from ..wire.pose_cdr import read

_SIZE_SIGMA = 0.06
"""Of the logarithm of a person's size, where a node does not say."""


class Heard:
    """The poses and calibrations of cameras, as they come."""

    def __init__(self, cameras: Sequence[str]) -> None:
        self.problems: set[str] = set()
        """Why messages could not be used; it is no trouble as long as others could."""
        self._bodies: dict[str, dict[int, Bodies]] = {name: {} for name in cameras}
        """By camera and stamp."""
        self._cameras: dict[str, Camera] = {}
        self.frames: dict[str, str] = {}
        """What each camera's poses call its optical frame."""

    @property
    def counts(self) -> dict[str, int]:
        """How many images' poses of each camera have come."""
        return {name: len(bodies) for name, bodies in self._bodies.items()}

    def poses(self, camera: str, cdr: bytes) -> None:
        """A ``Pose3DArray`` has come, in the camera's optical frame."""
        try:
            poses = read(cdr)
            self._bodies[camera][poses.stamp] = usable(poses.bodies)
            self.frames[camera] = poses.frame_id
        except InputError as error:
            self.problems.add(f"{camera}: {error}")

    def camera_info(self, camera: str, message: Message) -> None:
        """A ``CameraInfo`` has come."""
        try:
            self._cameras[camera] = Camera.from_camera_info(message)
        except CameraError as error:
            self.problems.add(f"{camera}: {error}")

    def views(self) -> dict[str, Recorded]:
        """What each camera saw of whom, in its own optical frame.

        Raises:
            InputError: A camera was not heard, or not its calibration.
        """
        missing = set()
        for name, bodies in self._bodies.items():
            if not bodies:
                missing.add(
                    f"{name}: no poses have come: does its node run, and is --poses-topic right?"
                )
            if name not in self._cameras:
                missing.add(f"{name}: no CameraInfo has come: is --camera-info-topic right?")
        if missing:
            raise InputError("; ".join(sorted(missing | self.problems)))
        return {name: self._tracked(name) for name in self._bodies}

    def _tracked(self, name: str) -> Recorded:
        tracker, stamps = Tracker(), sorted(self._bodies[name])
        bodies = [tracker.update(_as_seen(self._bodies[name][s]), s) for s in stamps]
        return Recorded(self._cameras[name], stamps, bodies)


def _as_seen(bodies: Bodies) -> Bodies:
    """People of the size that the network believes in, whom nobody has followed."""
    larger = np.exp(np.nan_to_num(bodies.log_size))
    sigma = np.where(np.isfinite(bodies.size_sigma), bodies.size_sigma, _SIZE_SIGMA)
    evidence = prior(len(bodies), 0.0, sigma)
    return replace(
        bodies,
        joints=bodies.joints / larger[:, None, None],
        covariance=bodies.covariance / larger[:, None, None, None] ** 2,
        velocity=np.full_like(bodies.velocity, np.nan),
        velocity_covariance=np.full_like(bodies.velocity_covariance, np.nan),
        track_id=np.zeros(len(bodies), np.uint32),
        log_size=np.zeros(len(bodies)),
        size_sigma=sigma,
        evidence=evidence,
    )
