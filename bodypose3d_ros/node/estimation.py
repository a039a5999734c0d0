"""One image message to everything the node publishes about it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..body.camera import Camera, is_calibrated
from ..body.depth import DepthImage
from ..body.floor import SURE, UNUSED, Floor
from ..body.people import SCALE_NONE, SCALES_OF_FLOOR, Bodies, Frame, transform
from ..body.skeleton import JOINT_COUNT
from ..errors import Bodypose3dError, CameraError, InputError
from ..media import overlay
from ..media.depth import registered
from ..perception.lifting.flat import NO_DISTANCE
from ..perception.pipeline import Pipeline
from ..perception.search import Budget
from ..perception.tracking.tracker import unfit
from ..wire import depth, images
from ..wire.messages import Messages
from ..wire.pose_cdr import PoseCdr
from .detections import boxes
from .diagnostics import MISSING_AFTER_S, Diagnostics
from .host import Host
from .inputs import Shot
from .interface import OVERLAY, OVERLAY_COMPRESSED
from .parameters import Parameters
from .publishing import Moment, PeoplePublisher
from .transforms import inverse

Array = NDArray[np.float64]

# Where newer images wait, the search for newcomers waits so many times as long.
_BEHIND = 2
_SOMEBODY = Bodies(
    joints=np.full((1, JOINT_COUNT, 3), np.nan),
    pixels=np.full((1, JOINT_COUNT, 2), np.nan),
    confidence=np.zeros((1, JOINT_COUNT)),
    score=np.zeros(1),
    scale_source=np.zeros(1, np.uint8),
)
# Who comes may not show feet at once.
_FEET_AFTER_S = 3.0
# OpenCV's remap numbers pixels with 16 bits (SHRT_MAX).
_LONGEST_SIDE = 32767


@dataclass(frozen=True)
class _Places:
    """Where the camera is, and where people are given, at an image's time."""

    fixed_frame: str
    """The frame that people are tracked in."""
    target_frame: str
    """The frame that they are published in."""
    camera: Array | None
    """(4, 4) from the optical frame to the fixed one; None: they are the same."""
    target: Array | None
    """(4, 4) from the fixed frame to the target; None: they are the same."""

    @property
    def viewpoint(self) -> Array:
        """(3,) the camera in the target frame, metres."""
        matrix = np.eye(4)
        for step in (self.camera, self.target):
            matrix = matrix if step is None else step @ matrix
        return np.asarray(matrix[:3, 3])


class Estimation:
    """Runs the pipeline on image messages and publishes who is in them."""

    def __init__(
        self, host: Host, messages: Messages, pipeline: Pipeline, diagnostics: Diagnostics
    ) -> None:
        self.pipeline = pipeline
        self.milliseconds: dict[str, float] = {}
        """What the last image took by stage."""
        self._host = host
        self._messages = messages
        self._diagnostics = diagnostics
        self._publisher = PeoplePublisher(host)
        self._fixed_frame: str | None = None
        self._floor_known = True
        self._floor: Floor | None = None
        """The last image's."""
        self._floor_counts = False
        """Whether anybody's metres have rested on it since it was told, or all was forgotten."""
        self._told_of_floor: tuple[str | float, ...] = ()

    def warm_up(self) -> None:
        """Do once what only the first image has to wait for: imports."""
        header = self._messages.header(0, "")
        images.from_message(self._messages.image(np.zeros((2, 2, 3), np.uint8), header))
        PoseCdr(_SOMEBODY, 0, "", (2, 2)).array()

    def reset(self) -> None:
        """Forget everybody, and say before what is forgotten of the floor with them."""
        self._say_pitch()
        self.pipeline.reset()
        self._publisher.reset()
        self._fixed_frame = None
        self._floor_counts = False

    def __call__(self, shot: Shot, p: Parameters, behind: Callable[[], bool]) -> None:
        """Estimate, publish, and only then look for newcomers for the next image.

        Args:
            shot: An image and what came with it.
            p: What the node is told to do.
            behind: Whether newer images wait.

        Raises:
            Bodypose3dError: This image cannot be used; the next one may.
        """
        frame = _frame(shot, p)
        places = self._places(frame, p)
        if self._fixed_frame not in (None, places.fixed_frame):
            self.pipeline.reset()
        self._fixed_frame = places.fixed_frame
        frame = replace(
            frame,
            place=places.camera,
            depth=self._depth(shot, frame.camera, p),
            floor=self._floor_of(frame, p),
        )
        self._floor = frame.floor
        found = None if shot.detections is None else boxes(shot.detections, p.detection_class)
        bodies = self.pipeline.estimate(frame, found)
        self._tell_of_unplaced(bodies)
        self._tell_of_floor(bodies)
        if self.pipeline.tracker is None and places.camera is not None:
            bodies = transform(bodies, places.camera)
        published = bodies if places.target is None else transform(bodies, places.target)
        self._publish_bodies(published, frame, places, p)
        self._publish_overlay(frame, bodies, places)
        if found is None:
            patience = _BEHIND if behind() else 1
            budget = Budget(p.search_time * patience, p.search_share / patience)
            self.pipeline.search(frame, budget)
        self.milliseconds = dict(self.pipeline.milliseconds)
        self._diagnostics.worked(self.milliseconds)

    @property
    def pitch_off(self) -> tuple[float, float] | None:
        """Degrees by which the camera looks farther down than was told, as people on the floor say.

        And their standard deviation; None where there is no floor, or nobody is followed.
        """
        floor, tracker = self._floor, self.pipeline.tracker
        return None if floor is None or tracker is None else tracker.pitch_off(floor)

    # -- what metres rest on ----------------------------------------------------------------

    def _places(self, frame: Frame, p: Parameters) -> _Places:
        """Looked up before anything else: without them nobody can be followed."""
        own = frame.frame_id
        target = p.target_frame or own
        fixed = p.fixed_frame or target
        camera = None if fixed == own else self._lookup(fixed, own, frame, p)
        if target == fixed:
            to_target = None
        elif target == own and camera is not None:
            to_target = inverse(camera)
        else:
            to_target = self._lookup(target, fixed, frame, p)
        return _Places(fixed, target, camera, to_target)

    def _lookup(self, target: str, source: str, frame: Frame, p: Parameters) -> Array:
        return self._host.lookup_transform(target, source, frame.stamp, p.transform_timeout)

    def _depth(self, shot: Shot, camera: Camera, p: Parameters) -> DepthImage | None:
        if not p.uses_depth:
            return None
        try:
            found = _depth_image(shot, camera, p)
        except Bodypose3dError as error:
            self._missing("depth", error)
            return None
        self._diagnostics.source("depth")
        return found

    def _floor_of(self, frame: Frame, p: Parameters) -> Floor | None:
        told = p.floor_frame, p.camera_height, p.camera_pitch, p.camera_roll, p.floor_tilt_sigma
        if told != self._told_of_floor and self.pipeline.tracker is not None:
            self.pipeline.tracker.forget_floor()
            self._floor_counts = False
        self._told_of_floor = told
        sigma = math.radians(p.floor_tilt_sigma)
        if p.floor_frame:
            # Images do not wait again and again for a frame that nobody sends.
            patience = p.transform_timeout if self._floor_known else 0.0
            try:
                matrix = self._host.lookup_transform(
                    p.floor_frame, frame.frame_id, frame.stamp, patience
                )
                floor = Floor.of_frame(matrix, p.floor_frame)
            except Bodypose3dError as error:
                self._floor_known = False
                self._missing("floor", error)
            else:
                self._floor_known = True
                self._diagnostics.source("floor")
                return replace(floor, tilt_sigma=sigma)
        if p.camera_height:
            mounted = Floor.from_mounting(p.camera_height, p.camera_pitch, p.camera_roll)
            return replace(mounted, tilt_sigma=sigma)
        return None

    def _tell_of_unplaced(self, bodies: Bodies) -> None:
        if (bodies.scale_source == SCALE_NONE).any():
            self._missing("distance", InputError(NO_DISTANCE))
        elif len(bodies):
            self._diagnostics.source("distance")

    def _tell_of_floor(self, bodies: Bodies) -> None:
        tracker = self.pipeline.tracker
        if self._floor is None or tracker is None:
            return
        if misfit := tracker.floor_misfit:
            self._missing("fitting floor", InputError(unfit(misfit)))
        else:
            self._diagnostics.source("fitting floor")
        self._floor_counts |= bool(np.isin(bodies.scale_source, SCALES_OF_FLOOR).any())
        if self._floor_counts:
            self._diagnostics.source("floor under feet")
        elif len(bodies):
            self._missing("floor under feet", InputError(UNUSED), _FEET_AFTER_S)

    def _say_pitch(self) -> None:
        if self.pitch_off is None:
            return
        off, sigma = self.pitch_off
        if abs(off) > SURE * sigma:
            self._host.log(
                logging.WARNING,
                f"by how large people are near and far, {off:+.1f} (+- {sigma:.1f}) degrees on "
                "camera_pitch, or on how far the camera looks down in TF, fit the floor better: "
                "this is forgotten now",
            )

    def _missing(self, name: str, why: Bodypose3dError, patience: float = MISSING_AFTER_S) -> None:
        if self._diagnostics.source(name, str(why), patience):
            self._host.log(logging.WARNING, f"metres do without the {name}: {why}")

    # -- out --------------------------------------------------------------------------------

    def _publish_bodies(self, bodies: Bodies, frame: Frame, places: _Places, p: Parameters) -> None:
        moment = Moment(
            frame.stamp,
            places.target_frame,
            (frame.camera.width, frame.camera.height),
            places.viewpoint,
        )
        network = self.pipeline.milliseconds.get("network", 0) / 1e3

        def left(latency: float) -> None:
            self._diagnostics.published(frame.stamp, latency, network)

        self._publisher(bodies, moment, p, left)

    def _publish_overlay(self, frame: Frame, bodies: Bodies, places: _Places) -> None:
        raw, jpeg = self._host.subscribers(OVERLAY), self._host.subscribers(OVERLAY_COMPRESSED)
        if not raw and not jpeg:
            return
        header = self._messages.header(frame.stamp, frame.frame_id)
        if places.camera is not None:  # its labels tell how far people are from the camera
            bodies = transform(bodies, inverse(places.camera))
        canvas = overlay.draw(frame.image, bodies, frame.camera)
        if raw:
            self._host.publish(OVERLAY, self._messages.image(canvas, header))
        if jpeg:
            content = images.encode_jpeg(canvas)
            self._host.publish(OVERLAY_COMPRESSED, self._messages.compressed_image(content, header))


def _frame(shot: Shot, p: Parameters) -> Frame:
    image = images.from_message(shot.image)
    height, width = image.shape[:2]
    if max(height, width) > _LONGEST_SIDE:
        raise InputError(
            f"an image of {width}x{height} pixels is too large: its sides may have "
            f"{_LONGEST_SIDE} at most"
        )
    return Frame(image, _camera(shot, image, p), shot.stamp, shot.frame_id)


def _camera(shot: Shot, image: NDArray[np.uint8], p: Parameters) -> Camera:
    info = shot.camera_infos.get(shot.frame_id)
    if info is not None and (is_calibrated(info) or not p.hfov):
        size = image.shape[1], image.shape[0]
        return Camera.from_camera_info(info, rectified=p.rectified, image_size=size)
    if p.hfov:
        return Camera.from_hfov(image.shape[1], image.shape[0], p.hfov)
    others = ", ".join(map(repr, shot.camera_infos)) or "none at all"
    raise CameraError(
        f"no CameraInfo of the image's frame {shot.frame_id!r} has come (there is: {others}): "
        "remap camera_info to the camera's, or set hfov"
    )


def _depth_image(shot: Shot, camera: Camera, p: Parameters) -> DepthImage:
    if shot.depth is None:
        raise InputError(
            "no depth image with the image's stamp has come: is the depth camera alive? "
            "pairing_tolerance says how far apart stamps may be"
        )
    if (frame_id := str(shot.depth.header.frame_id)) != shot.frame_id:
        raise InputError(
            f"the depth image is of the frame {frame_id!r}, the image of {shot.frame_id!r}: take "
            "the topic that is registered to the image (aligned_depth_to_color, depth_registered)"
        )
    values = depth.from_message(shot.depth)
    if shot.depth_info is None:
        return registered(values, camera)
    size = values.shape[1], values.shape[0]
    own = Camera.from_camera_info(shot.depth_info, rectified=p.rectified, image_size=size)
    own.check_size(*size)
    return DepthImage(values, own)
