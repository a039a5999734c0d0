"""What the node does, whatever carries its messages: images in, people out.

A host (rclpy, or our own DDS runtime) brings messages to the methods ``image``, ``camera_info``
and ``detections``, which only store; ``estimation`` publishes through it, in one worker thread.
``configure``, ``activate``, ``deactivate`` and ``cleanup`` are those of a managed node.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import Bodypose3dError
from ..perception import networks
from ..perception.detection import Boxes
from ..perception.tracking.tracker import Tracker
from ..wire.messages import Lookup, Message, Messages
from ..wire.stamps import stamp_of
from . import heap
from .detections import boxes
from .diagnostics import Diagnostics, Report
from .estimation import Estimation
from .host import Host
from .interface import MARKERS
from .parameters import Parameters
from .worker import Worker

# Images that wait for their detections, when those come from elsewhere.
_IMAGES_KEPT = 30

Loader = Callable[[networks.Options], networks.Networks]


@dataclass(frozen=True)
class _Work:
    """One image and, when they come from elsewhere, where people are in it."""

    image: Message
    boxes: Boxes | None = None


class Core:
    """The node without its host."""

    def __init__(self, host: Host, lookup: Lookup, parameters: Parameters | None = None) -> None:
        """``lookup`` gives the host's message class of a full name, ``sensor_msgs/msg/Image``."""
        self.parameters = parameters or Parameters()
        """May be replaced at any time; the next image is treated accordingly."""
        self._host = host
        self.messages = Messages(lookup)
        """Builds messages of the host's classes."""
        self._diagnostics = Diagnostics()
        self._networks: networks.Networks | None = None
        self._tracker = Tracker()
        """Outlives the networks: ids are not used twice, whatever the life cycle does."""
        self._estimation: Estimation | None = None
        self._worker: Worker[_Work] | None = None
        self._dropped = 0
        self._camera_infos: dict[str, Message] = {}
        self._uncalibrated: _Work | None = None
        """The newest image, when the CameraInfo of its frame has not come yet."""
        self._image_frame: str | None = None
        self._waiting_images: OrderedDict[int, Message] = OrderedDict()

    # -- life -------------------------------------------------------------------------------

    def configure(self, load: Loader = networks.load_networks) -> None:
        """Load the networks, which takes seconds.

        Raises:
            InputError: The parameters do not go together.
            ModelError: The model is not here, or is not what it should be.
            EngineError: The engine is not here, or cannot run the model.
        """
        p = self.parameters
        model = p.perception.model
        self._host.log(logging.INFO, f"loading {model} ({p.perception.engine})")
        start = time.monotonic()
        self._networks = load(p.perception)
        most = p.perception.max_people
        pipeline = self._networks.pipeline(self._tracker, max_people=most, live=True)
        self._estimation = Estimation(self._host, self.messages, pipeline, self._diagnostics)
        self._estimation.warm_up()
        seconds = time.monotonic() - start
        self._host.log(logging.INFO, f"{model} is ready after {seconds:.1f} s")

    def activate(self) -> None:
        """Begin to work on images."""
        self._worker = Worker(self._work, "estimation")

    def deactivate(self) -> None:
        """Stop working on images; forget who was seen."""
        if self._worker is not None:
            self._worker.stop()
            self._dropped += self._worker.dropped
            self._worker = None
            # RViz would show for ever what was seen last.
            header = self.messages.header(self._host.now(), "")
            self._host.publish(MARKERS, self.messages.no_markers(header))
        self._waiting_images.clear()
        self._uncalibrated = None
        if self._estimation is not None:
            self._estimation.pipeline.reset()

    def cleanup(self) -> None:
        """Give the networks' memory back."""
        self.deactivate()
        self._estimation = None
        if self._networks is not None:
            self._networks.close()
            self._networks = None
            heap.give_back()

    def check(self) -> None:
        """Raise what has ended the worker, if anything did: a defect, not bad input."""
        if self._worker is not None:
            self._worker.check()

    def diagnose(self) -> Report:
        """How the node is now, for ``/diagnostics``."""
        p, worker = self.parameters, self._worker
        facts = {"model": p.perception.model, "target frame": p.target_frame}
        if self._estimation is not None:
            facts["engine"] = self._estimation.pipeline.pose.engine.description
            stages = self._estimation.milliseconds
            facts |= {f"{stage} (ms)": f"{ms:.1f}" for stage, ms in stages.items()}
        return self._diagnostics.report(
            stale_after=p.stale_after,
            dropped=self._dropped + (worker.dropped if worker else 0),
            facts=facts,
        )

    # -- messages in: these only store ------------------------------------------------------

    def image(self, message: Message) -> None:
        """An ``Image`` or ``CompressedImage`` has come."""
        self._diagnostics.received((self._host.now() - stamp_of(message)) / 1e9)
        self._image_frame = str(message.header.frame_id)
        if not self.parameters.use_detections:
            self._put(_Work(message))
            return
        self._waiting_images[stamp_of(message)] = message
        while len(self._waiting_images) > _IMAGES_KEPT:
            self._waiting_images.popitem(last=False)

    def lost(self, count: int) -> None:
        """Images were lost between the camera and this node, so many more."""
        if self._diagnostics.lost(count):
            self._host.log(
                logging.WARNING,
                "images are lost between the camera and this node (diagnostics count them): "
                'docs/ros2.md, "Images that are lost", tells what helps',
            )

    def camera_info(self, message: Message) -> None:
        """A ``CameraInfo`` has come: the last one of a frame counts."""
        self._camera_infos[message.header.frame_id] = message
        work, self._uncalibrated = self._uncalibrated, None
        if work is not None:
            self._put(work)

    @property
    def lacks_camera_info(self) -> bool:
        """Images come, but no ``CameraInfo`` of their frame: perhaps it was latched long ago."""
        return self._image_frame is not None and self._image_frame not in self._camera_infos

    def detections(self, message: Message) -> None:
        """A ``Detection2DArray`` has come: where people are in the image of its stamp."""
        image = self._waiting_images.pop(stamp_of(message), None)
        if image is not None:
            self._put(_Work(image, boxes(message, self.parameters.detection_class)))

    def _put(self, work: _Work) -> None:
        ready: _Work | None = work
        if not (work.image.header.frame_id in self._camera_infos or self.parameters.hfov):
            # Drivers publish an image first and its CameraInfo right behind it. Another image
            # means that none comes: the worker says so of the one before.
            ready, self._uncalibrated = self._uncalibrated, work
        if self._worker is not None and ready is not None:
            self._worker.put(ready)

    def _work(self, work: _Work) -> None:
        """In the worker's thread."""
        if self._estimation is None:
            return
        try:
            self._estimation(work.image, dict(self._camera_infos), self.parameters, work.boxes)
        except Bodypose3dError as error:
            if self._diagnostics.skipped(error):
                self._host.log(logging.WARNING, f"image skipped: {error}")
