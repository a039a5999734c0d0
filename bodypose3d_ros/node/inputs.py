"""What belongs together: an image, its calibration, its detections and its depths, by stamp."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..wire.messages import Message
from ..wire.stamps import stamp_of
from .parameters import Parameters

# How many messages wait for what belongs to them: a second at 30 Hz; depth images are large.
_IMAGES_KEPT = 30
_DETECTIONS_KEPT = 30
_DEPTHS_KEPT = 8
# Of so many frames the last CameraInfo is kept, those heard of last: a topic has one or two.
_CALIBRATIONS_KEPT = 16
# No image waits for a depth camera that has been silent for so long.
_DEPTH_DEAD_S = 1.0

UNDETECTED = "images without detections"
UNSEEN = "detections without an image"
SHALLOW = "images without depth"
UNUSED = "depth images without an image"


@dataclass(eq=False)
class Shot:
    """An image and what came with it."""

    image: Message
    """An ``Image`` or ``CompressedImage``."""
    camera_infos: Mapping[str, Message] = field(default_factory=dict)
    """The last ``CameraInfo`` of each frame."""
    detections: Message | None = None
    """A ``Detection2DArray``: where people are in it, when somebody else detects them."""
    depth: Message | None = None
    """An ``Image`` or ``CompressedImage`` of depths."""
    depth_info: Message | None = None
    """The ``CameraInfo`` of ``depth``, when it has one of its own."""

    @property
    def stamp(self) -> int:
        """Nanoseconds."""
        return stamp_of(self.image)

    @property
    def frame_id(self) -> str:
        """The image's."""
        return str(self.image.header.frame_id)


class Inputs:
    """Pairs messages that come in any order, and hands on each image that has all it needs.

    An image waits for its detections as long as another thirty do. For its CameraInfo, which
    drivers send right behind it, and for its depth it waits until the next image comes: then it
    goes on without. Whatever finds no partner is counted.
    """

    def __init__(
        self,
        parameters: Callable[[], Parameters],
        ready: Callable[[Shot], None],
        unmatched: Callable[[str], None],
    ) -> None:
        """Begin with nothing.

        Args:
            parameters: What is told to the node now.
            ready: Takes every image that is complete.
            unmatched: Is told what found no partner: UNDETECTED, UNSEEN, SHALLOW or UNUSED.
        """
        self._parameters = parameters
        self._ready = ready
        self._unmatched = unmatched
        self._camera_infos: dict[str, Message] = {}
        self._depth_info: Message | None = None
        self._images: list[Shot] = []
        self._detections: list[Message] = []
        self._depths: list[Message] = []
        self._frame_id: str | None = None
        self._depth_came = -_DEPTH_DEAD_S
        self._depth_stamp = 0

    # -- in ---------------------------------------------------------------------------------

    def image(self, message: Message) -> None:
        """An ``Image`` or ``CompressedImage``."""
        shot = Shot(message)
        self._frame_id = shot.frame_id
        shot.detections = self._taken(self._detections, shot.stamp)
        shot.depth = self._taken(self._depths, shot.stamp)
        self._images.append(shot)
        self._hand_on()
        if len(self._images) > _IMAGES_KEPT:
            del self._images[0]
            self._unmatched(UNDETECTED)

    def camera_info(self, message: Message) -> None:
        """A ``CameraInfo``: the last one of a frame counts."""
        frame_id = str(message.header.frame_id)
        self._camera_infos.pop(frame_id, None)
        self._camera_infos[frame_id] = message
        if len(self._camera_infos) > _CALIBRATIONS_KEPT:
            del self._camera_infos[next(iter(self._camera_infos))]
        self._hand_on()

    def detections(self, message: Message) -> None:
        """A ``Detection2DArray``: where people are in the image of its stamp."""
        lacking = [shot for shot in self._images if shot.detections is None]
        if (shot := self._nearest(lacking, stamp_of(message))) is not None:
            shot.detections = message
            self._hand_on()
            return
        self._detections.append(message)
        if len(self._detections) > _DETECTIONS_KEPT:
            del self._detections[0]
            self._unmatched(UNSEEN)

    def depth(self, message: Message) -> None:
        """A depth image, of the image of its stamp."""
        self._depth_came, self._depth_stamp = time.monotonic(), stamp_of(message)
        lacking = [shot for shot in self._images if shot.depth is None]
        shot = self._nearest(lacking, self._depth_stamp)
        if shot is not None:
            shot.depth = message
        else:
            self._depths.append(message)
        if len(self._depths) > _DEPTHS_KEPT:
            del self._depths[0]
            self._unmatched(UNUSED)
        self._hand_on()

    def depth_info(self, message: Message) -> None:
        """The ``CameraInfo`` of the depth images: the last one counts."""
        self._depth_info = message

    def clear(self) -> None:
        """Forget what waits; calibrations are kept."""
        for waiting in (self._images, self._detections, self._depths):
            waiting.clear()

    # -- what is missing --------------------------------------------------------------------

    @property
    def lacks_camera_info(self) -> bool:
        """Images come, but no ``CameraInfo`` of their frame: perhaps it was latched long ago."""
        return self._frame_id is not None and self._frame_id not in self._camera_infos

    @property
    def waited_for(self) -> str:
        """What the images wait for that have come; nothing when none waits."""
        # Asked from another thread than the one that brings images: looked at once.
        oldest = next(iter(self._images), None)
        if oldest is None:
            return ""
        if oldest.detections is None and self._parameters().use_detections:
            return "detections with their stamps"
        return "a CameraInfo of their frame" if self.lacks_camera_info else "their depth images"

    # -- pairing ----------------------------------------------------------------------------

    def _taken(self, messages: list[Message], stamp: int) -> Message | None:
        """The message that belongs to an image, taken out of those that came before it."""
        at = self._nearest_at([stamp_of(message) for message in messages], stamp)
        return None if at is None else messages.pop(at)

    def _nearest(self, shots: Sequence[Shot], stamp: int) -> Shot | None:
        at = self._nearest_at([shot.stamp for shot in shots], stamp)
        return None if at is None else shots[at]

    def _nearest_at(self, stamps: Sequence[int], stamp: int) -> int | None:
        if not stamps:
            return None
        apart = [abs(other - stamp) for other in stamps]
        nearest = min(apart)
        within = nearest <= self._parameters().pairing_tolerance * 1e9
        return apart.index(nearest) if within else None

    def _hand_on(self) -> None:
        newest = self._images[-1] if self._images else None
        complete = [shot for shot in self._images if self._is_complete(shot, shot is newest)]
        self._images = [shot for shot in self._images if shot not in complete]
        for shot in complete:
            shot.camera_infos, shot.depth_info = dict(self._camera_infos), self._depth_info
            if shot.depth is None and self._parameters().uses_depth:
                self._unmatched(SHALLOW)
            self._ready(shot)

    def _is_complete(self, shot: Shot, is_newest: bool) -> bool:
        p = self._parameters()
        if p.use_detections and shot.detections is None:
            return False
        if not is_newest:
            return True
        calibrated = shot.frame_id in self._camera_infos or p.hfov > 0
        return calibrated and not (shot.depth is None and self._depth_may_come(shot))

    def _depth_may_come(self, shot: Shot) -> bool:
        p = self._parameters()
        alive = time.monotonic() - self._depth_came < _DEPTH_DEAD_S
        passed = self._depth_stamp > shot.stamp + p.pairing_tolerance * 1e9
        return p.uses_depth and alive and not passed
