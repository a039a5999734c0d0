"""The fusion node, whatever carries its messages: the poses of several cameras in, one truth out.

A host brings poses, which are only stored; one thread fuses them round by round and publishes
through the host, as the node of one camera does.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ...body.camera import Camera
from ...body.people import Bodies, transform
from ...errors import CameraError, InputError
from ...perception.fusion.fit import Fit
from ...perception.fusion.fusion import Fusion, View
from ...perception.tracking.tracker import Tracker
from ...wire.markers_cdr import no_markers
from ...wire.messages import Lookup, Message, Messages
from ...wire.pose_cdr import read
from .. import interface
from ..diagnostics import Report, State
from ..host import Host
from ..interface import ALIVE, MARKERS, Topic
from ..publishing import Moment, PeoplePublisher
from ..silence import Silence
from ..transforms import TransformError
from .gathering import AHEAD, LATE, PLACELESS, Arrival, Gathering, Patience, Placed, Round
from .health import DAMAGED, TRACKED, UNCALIBRATED, Health
from .parameters import CAMERA, Parameters
from .usable import usable

# How soon poses that wait are looked at again when none come.
_LOOK_S = 0.004
_NS = 1_000_000_000

OUTPUTS = (interface.POSES, MARKERS, interface.TF, ALIVE, interface.DIAGNOSTICS)

_WHY = {
    AHEAD: "its clock is ahead of the other cameras': are all machines' clocks the same?",
    LATE: "its poses are too late to be fused: is its node too slow, or its clock behind?",
}
"""What is said of poses that are not used; the other reasons are no trouble now and then."""


class FusionCore:
    """The fusion node without its host."""

    def __init__(self, host: Host, lookup: Lookup, parameters: Parameters | None = None) -> None:
        """``lookup`` gives the host's message class of a full name.

        Raises:
            InputError: No camera is named.
        """
        self.parameters = parameters or Parameters()
        """May be replaced at any time; the next round is treated accordingly."""
        if not self.parameters.cameras:
            raise InputError("cameras: name those to be fused, [front, left] for example")
        self.messages = Messages(lookup)
        """Builds messages of the host's classes."""
        self._host = host
        self._health = Health(self.parameters.cameras)
        self._silences = {n: Silence(host, f"{n}: its poses") for n in self.parameters.cameras}
        self._fusion = Fusion(Tracker)
        """Outlives deactivation: ids are not used twice."""
        self._fit = Fit(self.parameters.cameras)
        self._publisher = PeoplePublisher(host)
        self._gathering = Gathering(self.parameters.cameras)
        self._calibrations: dict[str, tuple[str, Camera]] = {}
        """By camera: its optical frame and its calibration."""
        self._frames: dict[str, str] = {}
        self._unplaced: dict[str, str] = {}
        """By camera: why its place was not known last."""
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._running = False

    # -- what hosts ask (node.kinds.NodeCore) -------------------------------------------------

    outputs = OUTPUTS
    uses_tf = True

    @property
    def autostart(self) -> bool:
        """Whether it is to begin by itself."""
        return self.parameters.autostart

    def change(self, values: Mapping[str, object], *, running: bool) -> None:
        """Set parameters.

        Raises:
            InputError: As ``Parameters.changed``, or other cameras; nothing has changed.
        """
        changed = self.parameters.changed(values, running=running)
        if changed.cameras != self.parameters.cameras:
            raise InputError("cameras is read when the process starts: start it again")
        self.parameters = changed

    def configure(self) -> None:
        """Nothing is to be loaded."""

    def activate(self) -> None:
        """Begin to fuse."""
        self._health.restart()
        self._running = True
        self._thread = threading.Thread(target=self._run, name="fusion", daemon=True)
        self._thread.start()
        topics = map(self._host.topic_name, map(self._poses_topic, self.parameters.cameras))
        self._host.log(logging.INFO, f"poses are read from {', '.join(topics)}")

    def deactivate(self) -> None:
        """Stop fusing; forget who was seen."""
        if self._thread is None:
            return
        with self._changed:
            self._running = False
            self._changed.notify()
        self._thread.join()
        self._thread = None
        self._forget()
        self._host.publish(MARKERS, no_markers(self._host.now(), ""))

    def cleanup(self) -> None:
        """End."""
        self.deactivate()

    def check(self) -> None:
        """Nothing ends the work: what cannot be fused is counted and said."""

    def wants(self, topic: Topic) -> bool:
        """All of them."""
        return True

    def when_wanted(self, call: Callable[[Sequence[Topic]], None]) -> None:
        """They always are."""

    def lacks(self, topic: Topic) -> bool:
        """Nothing is asked for that was latched."""
        return False

    def lost(self, topic: Topic, count: int) -> None:
        """Of no concern: poses that are lost are seen by their rate."""

    def damaged(self, topic: Topic) -> None:
        """Of no concern, for the same reason."""

    def statuses(self) -> Mapping[str, Callable[[], Report]]:
        """What tells how the node is now, by its name in ``/diagnostics``."""
        cameras = {name: partial(self.camera_report, name) for name in self.parameters.cameras}
        return {"fusion": self.diagnose, **cameras}

    def diagnose(self) -> Report:
        """How the fusion is now."""
        report = self._health.report(self.parameters.stale_after)
        values = {
            "fixed frame": self.parameters.fixed_frame,
            "time began anew": str(self._gathering.restarts),
        }
        return replace(report, values=report.values | values)

    def camera_report(self, camera: str) -> Report:
        """How one camera is now."""
        if self._running:
            seconds, ever = self._health.silence(camera)
            topic, patience = self._poses_topic(camera), self.parameters.stale_after
            self._silences[camera].look(topic, seconds, patience, ever=ever)
        with self._changed:
            unused = dict(self._gathering.counts[camera])
        frame = self._frames.get(camera, "")
        return self._health.camera_report(camera, self.parameters.stale_after, unused, frame)

    def tell_alive(self) -> None:
        """Publish whether the poses can be relied on now: for hosts to call often."""
        p = self.parameters
        state, reason = self._health.state(p.alive_timeout, p.stale_after)
        now, newest = self._host.now(), self._health.newest
        age = math.inf if newest is None else (now - newest) / _NS
        if state < State.BLIND and age > p.alive_timeout:
            state, reason = State.STALE, f"images are {age:.1f} s old when their poses leave"
        header = self.messages.header(now, "")
        self._host.publish(ALIVE, self.messages.alive(header, int(state), age, reason))

    # -- messages in: these only store ------------------------------------------------------

    def inputs(self) -> dict[Topic, Callable[[Message], None]]:
        """What takes the messages of each topic, TF left to hosts."""
        p = self.parameters
        topics: dict[Topic, Callable[[Message], None]] = {}
        for camera in p.cameras:
            topics[self._poses_topic(camera)] = partial(self.poses, camera)
            if p.camera_info_topic:
                name = p.camera_info_topic.replace(CAMERA, camera)
                info = replace(interface.CAMERA_INFO, name=name)
                topics[info] = partial(self.camera_info, camera)
        return topics

    def _poses_topic(self, camera: str) -> Topic:
        name = self.parameters.poses_topic.replace(CAMERA, camera)
        return replace(interface.POSES, name=name, raw=True)

    def poses(self, camera: str, cdr: bytes) -> None:
        """A camera's ``Pose3DArray`` has come."""
        try:
            poses = read(cdr)
            bodies = usable(poses.bodies)
        except InputError as error:
            self._say(camera, DAMAGED, str(error))
            return
        if (bodies.track_id > 0).any():
            self._say(camera, TRACKED, "its node follows people itself: set tracking: false there")
        age = (self._host.now() - poses.stamp) / _NS
        self._health.received(camera, age)
        arrival = Arrival(camera, replace(poses, bodies=bodies), time.monotonic(), age)
        with self._changed:
            problem = self._gathering.add(arrival)
            self._changed.notify()
        if problem in _WHY:
            self._say(camera, problem, _WHY[problem], counted=True)

    def camera_info(self, camera: str, message: Message) -> None:
        """A camera's ``CameraInfo`` has come."""
        try:
            calibration = Camera.from_camera_info(message, rectified=self.parameters.rectified)
        except CameraError as error:
            self._say(camera, UNCALIBRATED, str(error))
            return
        self._calibrations[camera] = str(message.header.frame_id), calibration

    # -- work: in a thread of its own ---------------------------------------------------------

    def _run(self) -> None:
        while self._running:
            self._work()

    def _work(self) -> None:
        try:
            self._fuse(self._next_round())
        except Exception as error:  # noqa: BLE001 - a defect, which costs this round but not the node
            if self._health.failed(f"{type(error).__name__}: {error}"):
                self._host.log(logging.ERROR, traceback.format_exc())
            self._forget()

    def _next_round(self) -> Round | None:
        """Wait for it; nothing at the end."""
        gathering = self._gathering
        with self._changed:
            while self._running:
                p, placeless = self.parameters, gathering.count(PLACELESS)
                patience = Patience(p.wait, p.transform_timeout)
                round_ = gathering.take(time.monotonic(), self._place, patience)
                for camera in gathering.count(PLACELESS) - placeless:
                    self._say(camera, PLACELESS, self._unplaced[camera], counted=True)
                if round_:
                    return round_
                self._changed.wait(_LOOK_S if gathering.busy else None)
        return None

    def _place(self, arrival: Arrival) -> Placed | None:
        """Where the camera was, as far as TF knows now."""
        own = arrival.poses.frame_id
        optical, _ = self._calibrations.get(arrival.camera, (own, None))
        try:
            poses_place = self._look_up(own, arrival.stamp)
            camera_place = poses_place if optical == own else self._look_up(optical, arrival.stamp)
        except TransformError as error:
            self._unplaced[arrival.camera] = str(error)
            return None
        self._frames[arrival.camera] = optical
        return Placed(arrival, poses_place, camera_place)

    def _look_up(self, frame: str, stamp: int) -> NDArray[np.float64]:
        fixed = self.parameters.fixed_frame
        return np.eye(4) if frame == fixed else self._host.lookup_transform(fixed, frame, stamp, 0)

    def _view(self, placed: Placed) -> View:
        arrival = placed.arrival
        _, calibration = self._calibrations.get(arrival.camera, ("", None))
        bodies = transform(arrival.poses.bodies, placed.poses_place)
        return View(calibration, placed.camera_place, arrival.stamp, bodies)

    def _fuse(self, round_: Round | None) -> None:
        if round_ is None:
            return
        views = {placed.arrival.camera: self._view(placed) for placed in round_.views}
        p, tracker = self.parameters, self._fusion.tracker
        tracker.coast_time, tracker.remember_time = p.coast_time, p.remember_time
        stamp, began = max(view.stamp for view in views.values()), time.perf_counter()
        people = self._fusion.update(views, stamp)
        seconds = time.perf_counter() - began
        if not round_.late:
            moment = Moment(stamp, p.fixed_frame)
            self._publisher(people, moment, p, partial(self._health.published, stamp))
        seen = {name: len(view.bodies) for name, view in views.items()}
        self._health.fused(seconds, len(people), seen)
        self._compare(people, stamp)

    def _compare(self, people: Bodies, stamp: int) -> None:
        """How far the views are from what was made of them."""
        tolerance = self.parameters.extrinsics_tolerance
        found = self._fit.add(self._fusion.views, people, stamp, tolerance)
        for name, sighting in found.items():
            for degrees, pixels in zip(*sighting.means(), strict=True):
                self._health.residuals(name, degrees, pixels)
        for name, off in self._fit.degrees_off.items():
            if self._health.fits(name, off, self._fit.since.get(name)):
                self._host.log(
                    logging.WARNING,
                    f"{name}: its place in TF is {off:.1f} degrees off, by what the cameras see "
                    "together: has it been moved? docs/cells.md tells how to calibrate it again",
                )

    def _forget(self) -> None:
        self._fusion.reset()
        self._publisher.reset()
        with self._changed:
            self._gathering.clear()

    def _say(self, camera: str, kind: str, why: str, *, counted: bool = False) -> None:
        if self._health.trouble(camera, kind, why, counted=counted):
            self._host.log(logging.WARNING, f"{camera}: {why}")
