"""What the node does with one camera, whatever carries its messages: images in, people out.

A host (rclpy, or our own DDS runtime) brings messages to ``inputs``, whose methods only store;
``estimation`` publishes through it, in one worker thread. ``configure``, ``activate``,
``deactivate`` and ``cleanup`` are those of a managed node; ``cameras`` has the networks.
"""

from __future__ import annotations

import logging
import math
import traceback
from collections.abc import Callable
from dataclasses import replace

from ..errors import Bodypose3dError, EngineError, ImageError, InputError
from ..perception.networks import Networks
from ..perception.tracking.tracker import Tracker
from ..wire.markers_cdr import no_markers
from ..wire.messages import Lookup, Message, Messages
from ..wire.stamps import stamp_of
from . import interface
from .diagnostics import ERROR, LONGEST_TEXT, Diagnostics, Report, State
from .estimation import Estimation
from .host import Host
from .inputs import UNSEEN, Inputs, Shot
from .interface import ALIVE, MARKERS, Topic
from .overtaken import Overtaken
from .parameters import Parameters
from .qos import SENSOR_DATA
from .silence import Silence
from .worker import Worker

# Stamps that builtin_interfaces/Time can hold, with room for a wait before and after them.
_STAMPS = 0, (2**31 - 3600) * 10**9
PATIENCE_S = 6.0
"""Longer than an image waits for TF, or a slow network takes."""
# A network that does not answer for so long is told of.
_HANGS_S = 1.0
# So many images in a row that fail for no known reason: the next ones will, too.
_MOST_DEFECTS = 10


class Core:
    """The node without its host, for one camera."""

    def __init__(self, host: Host, lookup: Lookup, parameters: Parameters | None = None) -> None:
        """``lookup`` gives the host's message class of a full name, ``sensor_msgs/msg/Image``."""
        self.parameters = parameters or Parameters()
        """May be replaced at any time; the next image is treated accordingly."""
        self._host = host
        self.messages = Messages(lookup)
        """Builds messages of the host's classes."""
        self._diagnostics = Diagnostics()
        self._silence = Silence(host, "images")
        self._inputs = Inputs(lambda: self.parameters, self._put, self._unmatched)
        self._tracker = Tracker()
        """Outlives the networks: ids are not used twice, whatever the life cycle does."""
        self._networks: Networks | None = None
        self._estimation: Estimation | None = None
        self._worker: Worker[Shot] | None = None
        self._overtaken = Overtaken()
        self.when_free: Callable[[], None] = lambda: None
        """Called, in the thread that works, whenever an image is wanted that was not before."""
        self._dropped = 0
        self._defects = self._damaged = 0
        self._said_nameless = False

    # -- life -------------------------------------------------------------------------------

    def configure(self, networks: Networks) -> None:
        """Get ready to work with networks, which stay the caller's."""
        p, self._networks = self.parameters, networks
        tracker = self._tracker if p.tracking else None
        pipeline = networks.pipeline(tracker, max_people=p.perception.max_people, live=True)
        self._estimation = Estimation(self._host, self.messages, pipeline, self._diagnostics)
        self._estimation.warm_up()

    def activate(self) -> None:
        """Begin to work on images."""
        self._defects = 0
        self._diagnostics.restart()
        self._worker = Worker(self._work, "estimation", lambda: self.when_free())
        self._host.log(logging.INFO, f"images are read from {self._host.topic_name(self._images)}")

    def deactivate(self, patience: float = PATIENCE_S) -> None:
        """Stop working on images; forget who was seen.

        Args:
            patience: Seconds after which an image that is still in work is left alone.
        """
        if self._worker is not None:
            worker, self._worker = self._worker, None
            if not worker.stop(patience):
                self._skip(EngineError("it was in work when the network was given up"))
            self._dropped += worker.dropped
            # RViz would show for ever what was seen last.
            self._host.publish(MARKERS, no_markers(self._host.now(), ""))
        self._inputs.clear()
        if self._estimation is not None:
            self._estimation.reset()

    def cleanup(self, patience: float = PATIENCE_S) -> None:
        """Let go of the networks."""
        self.deactivate(patience)
        self._estimation = self._networks = None

    def check(self) -> None:
        """Raise what has ended the worker, if anything did: a defect, not bad input."""
        if self._worker is not None:
            self._worker.check()

    def diagnose(self) -> Report:
        """How the node is now, for ``/diagnostics``."""
        p, worker, estimation = self.parameters, self._worker, self._estimation
        if worker is not None:
            seconds, ever = self._diagnostics.silence()
            self._silence.look(self._images, seconds, p.stale_after, ever=ever)
            if other := self._diagnostics.news_of_clock():
                self._host.log(
                    logging.WARNING,
                    f"{other}: are all machines' clocks the same? A recording needs use_sim_time, "
                    "and a player that sends /clock",
                )
        facts = {
            "model": p.perception.model,
            "target frame": p.target_frame,
            "fixed frame": p.fixed_frame or p.target_frame,
            "images out of order": str(self._tracker.late),
        }
        if estimation is not None:
            facts["engine"] = estimation.pipeline.pose.engine.description
            stages = estimation.milliseconds
            facts |= {f"{stage} (ms)": f"{ms:.1f}" for stage, ms in stages.items()}
            if (off := estimation.pitch_off) is not None:
                facts["camera looks down farther than told (deg)"] = "{:.1f} +- {:.1f}".format(*off)
        report = self._diagnostics.report(
            stale_after=p.stale_after,
            dropped=self._dropped + (worker.dropped if worker else 0),
            # A damaged message has no stamp: its CameraInfo seems to have come alone.
            overtaken=max(self._overtaken.count - self._damaged, 0),
            facts=facts,
            waited_for=self._inputs.waited_for,
        )
        hangs = self._hangs()
        return replace(report, level=ERROR, message=hangs) if hangs else report

    def tell_alive(self) -> None:
        """Publish whether the poses can be relied on now: for hosts to call often."""
        state, reason = self._diagnostics.state(self.parameters.alive_timeout)
        now, newest = self._host.now(), self._diagnostics.newest
        age = math.inf if newest is None else (now - newest) / 1e9
        if state < State.BLIND and age > self.parameters.alive_timeout:
            state, reason = State.STALE, f"images are {age:.1f} s old when their poses leave"
        if hangs := self._hangs():
            state, reason = max(state, State.BLIND), hangs
        header = self.messages.header(now, "")
        text = "" if state is State.OK else reason
        self._host.publish(ALIVE, self.messages.alive(header, int(state), age, text))

    def _hangs(self) -> str:
        """What to say of a network that does not answer; nothing while it does."""
        networks = self._networks
        seconds = 0.0 if networks is None else networks.silent_for
        if seconds < min(_HANGS_S, self.parameters.engine_timeout):
            return ""
        return f"a network has not answered for {seconds:.1f} s"

    # -- messages in: these only store ------------------------------------------------------

    def inputs(self) -> dict[Topic, Callable[[Message], None]]:
        """What takes the messages of each topic that the parameters ask for, TF left to hosts."""
        p, inputs = self.parameters, self._inputs
        images = self._images
        if p.pairs_images:
            images = replace(images, qos=SENSOR_DATA)
        # Where both are ready hosts take the calibration first.
        topics: dict[Topic, Callable[[Message], None]] = {
            interface.CAMERA_INFO: self.camera_info,
            interface.CAMERA_INFO_LATCHED: inputs.camera_info,
            images: self.image,
        }
        if p.use_detections:
            topics[interface.DETECTIONS] = inputs.detections
        if p.uses_depth:
            raw = p.depth_transport == "raw"
            topics[interface.DEPTH if raw else interface.DEPTH_COMPRESSED] = inputs.depth
            topics[interface.DEPTH_CAMERA_INFO] = inputs.depth_info
        return topics

    @property
    def _images(self) -> Topic:
        compressed = self.parameters.image_transport == "compressed"
        return interface.IMAGE_COMPRESSED if compressed else interface.IMAGE

    def image(self, message: Message) -> None:
        """An ``Image`` or ``CompressedImage`` has come."""
        stamp = stamp_of(message)
        self._overtaken.image(stamp)
        self._diagnostics.received((self._host.now() - stamp) / 1e9)
        first, last = _STAMPS
        if not first <= stamp <= last:
            self._skip(InputError(f"a stamp of {stamp / 1e9:.0f} s is no time: mend the camera's"))
            return
        if not message.header.frame_id and not self._said_nameless:
            self._said_nameless = True
            self._host.log(
                logging.WARNING,
                "images come with an empty frame_id: name the camera's optical frame in its "
                "driver, or TF and RViz cannot tell where people are",
            )
        self._inputs.image(message)

    def camera_info(self, message: Message) -> None:
        """A ``CameraInfo`` has come."""
        worker = self._worker
        self._overtaken.camera_info(stamp_of(message))
        self._diagnostics.calibrated(waiting=worker is None or worker.idle)
        self._inputs.camera_info(message)

    @property
    def wants_image(self) -> bool:
        """Whether an image that comes now is worked on at once, or needed for what belongs to it.

        Hosts may leave the others where they are until it is: receiving them takes time from work.
        """
        worker, p = self._worker, self.parameters
        return worker is None or worker.free or p.pairs_images

    def lost(self, count: int) -> None:
        """Images were lost between the camera and this node, so many more."""
        if self._diagnostics.lost(count):
            self._host.log(
                logging.WARNING,
                "images are lost between the camera and this node (diagnostics count them): "
                'docs/ros2.md, "Images that are lost", tells what helps',
            )

    def damaged(self) -> None:
        """An image's message has come whose bytes are none."""
        self._damaged += 1
        self._skip(ImageError("the message of an image is damaged: its publisher is at fault"))

    @property
    def lacks_camera_info(self) -> bool:
        """Images come, but no ``CameraInfo`` of their frame: perhaps it was latched long ago."""
        return self._inputs.lacks_camera_info

    def _unmatched(self, kind: str) -> None:
        # Detectors are often slower than cameras, depth cameras faster: that is no trouble.
        if self._diagnostics.unmatched(kind, trouble=kind == UNSEEN):
            self._host.log(
                logging.WARNING,
                f"{kind} have come (diagnostics count them): are their stamps the images' own, "
                "and do they come within a second?",
            )

    def _put(self, shot: Shot) -> None:
        worker = self._worker
        if worker is not None:
            worker.put(shot)
        else:  # the networks are being loaded again
            self._dropped += 1

    # -- work: in the worker's thread -------------------------------------------------------

    def _work(self, shot: Shot) -> None:
        estimation, worker = self._estimation, self._worker
        if estimation is None or worker is None:
            return
        p, tracker, restarts = self.parameters, self._tracker, self._tracker.restarts
        tracker.coast_time, tracker.remember_time = p.coast_time, p.remember_time
        try:
            estimation(shot, p, lambda: worker.behind)
        except Bodypose3dError as error:
            if self._worker is worker:  # else it was given up, and has been told of
                self._skip(error)
        except Exception as error:  # a defect, which costs this image but not the node
            self._defects += 1
            if self._defects == _MOST_DEFECTS:
                raise
            if self._diagnostics.skipped(error):
                self._host.log(logging.ERROR, traceback.format_exc())
        else:
            self._defects = 0
        if tracker.restarts > restarts:
            self._host.log(logging.WARNING, "the images' time jumped back: everybody is new")

    def _skip(self, error: Bodypose3dError) -> None:
        if self._diagnostics.skipped(error):
            self._host.log(logging.WARNING, f"image skipped: {str(error)[:LONGEST_TEXT]}")
