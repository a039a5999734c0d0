"""One image message to everything the node publishes about it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..body.camera import Camera, is_calibrated
from ..body.people import Bodies, Frame, nearest, transform
from ..body.skeleton import INDEX, JOINT_COUNT, JOINTS
from ..errors import CameraError
from ..media import overlay
from ..perception.detection import Boxes
from ..perception.pipeline import Pipeline
from ..wire import images
from ..wire.messages import Message, Messages
from ..wire.pose_cdr import PoseCdr
from ..wire.stamps import stamp_of
from .diagnostics import Diagnostics
from .host import Host
from .interface import MARKERS, OVERLAY, OVERLAY_COMPRESSED, POSE, POSES, TF
from .parameters import Parameters

_SOMEBODY = Bodies(
    joints=np.full((1, JOINT_COUNT, 3), np.nan),
    pixels=np.full((1, JOINT_COUNT, 2), np.nan),
    confidence=np.zeros((1, JOINT_COUNT)),
    score=np.zeros(1),
    scale_source=np.zeros(1, np.uint8),
)


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
        self._ended: list[int] = []
        """Ids whose markers have still to be deleted: their last images were skipped."""

    def warm_up(self) -> None:
        """Do once what only the first image has to wait for: imports."""
        header = self._messages.header(0, "")
        images.from_message(self._messages.image(np.zeros((2, 2, 3), np.uint8), header))
        PoseCdr(_SOMEBODY, 0, "", (2, 2)).array()

    def __call__(
        self,
        message: Message,
        camera_infos: Mapping[str, Message],
        p: Parameters,
        boxes: Boxes | None = None,
    ) -> None:
        """Estimate, publish, and only then look for newcomers for the next image.

        Args:
            message: An ``Image`` or ``CompressedImage``.
            camera_infos: The last ``CameraInfo`` of each frame.
            p: What the node is told to do.
            boxes: Where people are, when somebody else detects them.

        Raises:
            Bodypose3dError: This image cannot be used; the next one may.
        """
        frame = _frame(message, camera_infos, p)
        bodies = self.pipeline.estimate(frame, boxes)
        self._ended += self.pipeline.ended
        self._publish_bodies(self._in_target_frame(bodies, frame, p), frame, p)
        self._publish_overlay(frame, bodies, p)
        if boxes is None:
            self.pipeline.search(frame)
        self.milliseconds = dict(self.pipeline.milliseconds)
        self._diagnostics.worked(self.milliseconds)

    def _in_target_frame(self, bodies: Bodies, frame: Frame, p: Parameters) -> Bodies:
        if p.target_frame in ("", frame.frame_id):
            return bodies
        matrix = self._host.lookup_transform(
            p.target_frame, frame.frame_id, frame.stamp, p.transform_timeout
        )
        return transform(bodies, matrix)

    def _publish_bodies(self, bodies: Bodies, frame: Frame, p: Parameters) -> None:
        frame_id = p.target_frame or frame.frame_id
        size = (frame.camera.width, frame.camera.height)
        poses = PoseCdr(bodies, frame.stamp, frame_id, size)
        self._host.publish(POSES, poses.array())
        latency = (self._host.now() - frame.stamp) / 1e9
        self._diagnostics.published(latency, self.pipeline.milliseconds.get("network", 0) / 1e3)
        first = nearest(bodies)
        if first is not None:
            self._host.publish(POSE, poses.pose(first))
        header = self._messages.header(frame.stamp, frame_id)
        if p.publish_tf:
            joints = [INDEX[name] for name in p.tf_joints or JOINTS]
            self._host.publish(TF, self._messages.transforms(bodies, header, joints))
        if p.publish_markers:
            self._host.publish(MARKERS, self._messages.markers(bodies, header, self._ended))
        self._ended.clear()

    def _publish_overlay(self, frame: Frame, bodies: Bodies, p: Parameters) -> None:
        raw, jpeg = self._host.subscribers(OVERLAY), self._host.subscribers(OVERLAY_COMPRESSED)
        if not raw and not jpeg:
            return
        header = self._messages.header(frame.stamp, frame.frame_id)
        canvas = overlay.draw(frame.image, bodies)
        if raw:
            self._host.publish(OVERLAY, self._messages.image(canvas, header))
        if jpeg:
            content = images.encode_jpeg(canvas)
            self._host.publish(OVERLAY_COMPRESSED, self._messages.compressed_image(content, header))


def _frame(message: Message, camera_infos: Mapping[str, Message], p: Parameters) -> Frame:
    image = images.from_message(message)
    frame_id = str(message.header.frame_id)
    camera = _camera(camera_infos, frame_id, image, p)
    return Frame(image, camera, stamp_of(message), frame_id)


def _camera(
    camera_infos: Mapping[str, Message], frame_id: str, image: NDArray[np.uint8], p: Parameters
) -> Camera:
    info = camera_infos.get(frame_id)
    if info is not None and (is_calibrated(info) or not p.hfov):
        size = image.shape[1], image.shape[0]
        return Camera.from_camera_info(info, rectified=p.rectified, image_size=size)
    if p.hfov:
        return Camera.from_hfov(image.shape[1], image.shape[0], p.hfov)
    others = ", ".join(map(repr, camera_infos)) or "none at all"
    raise CameraError(
        f"no CameraInfo of the image's frame {frame_id!r} has come (there is: {others}): "
        "remap camera_info to the camera's, or set hfov"
    )
