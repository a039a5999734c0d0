"""People in 3D on the screen, live: the node's topics in Rerun's viewer.

rerun-sdk is an optional extra: ``pip install 'bodypose3d_ros[view]'``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rerun as rr
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ..body.camera import Camera
from ..body.people import Bodies
from ..body.skeleton import INDEX, LIMBS, SIDE_COLORS, SIDES, known
from ..wire.messages import Message
from ..wire.pose_cdr import read
from ..wire.stamps import stamp_of

Array = NDArray[np.float64]

_CAMERA, _IMAGE = "camera", "camera/image"
_COLORS = np.array([SIDE_COLORS[int(side)] for side in SIDES])
_JOINT_RADIUS, _LIMB_RADIUS, _AXIS_LENGTH = 0.025, 0.012, 0.15
_WITH_AXES = [INDEX[name] for name in ("pelvis", "neck", "left_wrist", "right_wrist")]
_AXIS_COLORS = np.eye(3)


class Viewer:
    """Shows what it is told, at the images' times."""

    def __init__(self, save: Path | None = None) -> None:
        """Open Rerun's viewer, or write what it would show into an .rrd file."""
        rr.init("bodypose3d")
        if save is None:
            rr.spawn()
        else:
            rr.save(save)
        rr.log(_CAMERA, rr.ViewCoordinates.RDF, static=True)  # an optical frame
        self._camera_shown = False
        self.heard = False
        """Whether poses have come."""

    def close(self) -> None:
        """Write what is still to be written."""
        rr.disconnect()

    def camera_info(self, info: Message) -> None:
        """Put the camera there, once.

        Raises:
            CameraError: It cannot be used.
        """
        if self._camera_shown:
            return
        camera = Camera.from_camera_info(info)
        size = [camera.width, camera.height]
        pinhole = rr.Pinhole(image_from_camera=camera.matrix, resolution=size)
        rr.log(_IMAGE, pinhole, static=True)
        self._camera_shown = True

    def overlay(self, image: Message) -> None:
        """Show a JPEG image with people drawn in."""
        self._at(stamp_of(image))
        content = np.asarray(image.data).tobytes()
        rr.log(_IMAGE, rr.EncodedImage(contents=content, media_type="image/jpeg"))

    def poses(self, cdr: bytes) -> None:
        """Show everybody of a ``Pose3DArray`` in the camera's frame.

        Raises:
            InputError: It is none.
        """
        heard = read(cdr)
        self.heard = True
        self._at(heard.stamp)
        bodies = heard.bodies
        is_known = known(bodies.joints)
        colors = np.broadcast_to(_COLORS, (len(bodies), *_COLORS.shape))
        joints = rr.Points3D(bodies.joints[is_known], colors=colors[is_known], radii=_JOINT_RADIUS)
        rr.log(f"{_CAMERA}/people/joints", joints)
        limbs = is_known[:, LIMBS].all(axis=2)
        lines = rr.LineStrips3D(
            list(bodies.joints[:, LIMBS][limbs]),
            colors=colors[:, LIMBS[:, 1]][limbs],
            radii=_LIMB_RADIUS,
        )
        rr.log(f"{_CAMERA}/people/limbs", lines)
        noses = bodies.joints[:, INDEX["nose"]]
        there = known(noses)
        names = [str(identity) for identity in bodies.track_id[there]]
        above = noses[there] - (0, 0.25, 0)
        rr.log(f"{_CAMERA}/people/ids", rr.Points3D(above, labels=names, radii=0.001))
        rr.log(f"{_CAMERA}/people/frames", _axes(bodies))

    def _at(self, stamp: int) -> None:
        rr.set_time("image", timestamp=stamp / 1e9)


def _axes(bodies: Bodies) -> rr.Arrows3D:
    """Joint frames as three arrows each: x red, y green, z blue."""
    origins = bodies.joints[:, _WITH_AXES].reshape(-1, 3)
    turns = Rotation.from_quat(bodies.orientation[:, _WITH_AXES].reshape(-1, 4)).as_matrix()
    is_known = known(origins)
    vectors = turns[is_known].transpose(0, 2, 1).reshape(-1, 3) * _AXIS_LENGTH
    colors = np.tile(_AXIS_COLORS, (int(is_known.sum()), 1))
    return rr.Arrows3D(
        origins=np.repeat(origins[is_known], 3, axis=0), vectors=vectors, colors=colors
    )
