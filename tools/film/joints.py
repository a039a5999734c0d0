"""The 34 joints of a posed body: exact truth, from the rig's bones and a few skin vertices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bodypose3d_ros.body.skeleton import INDEX, JOINT_COUNT
from bodypose3d_ros.media.film import ABSENT, OCCLUDED_BY_BODY, OCCLUDED_BY_OTHER, OUTSIDE, VISIBLE

from .body import Body
from .person import Posed
from .scene import Picture, View

Array = NDArray[np.float64]

HEADS = {
    "hip": "upperleg01", "knee": "lowerleg01", "ankle": "foot", "shoulder": "upperarm01",
    "elbow": "lowerarm01", "wrist": "wrist", "eye": "eye", "pinky_knuckle": "finger5-1",
    "index_knuckle": "finger2-1",
}  # fmt: skip
"""Joints where a bone begins."""
TAILS = {
    "big_toe": "toe1-2", "small_toe": "toe5-3", "middle_tip": "finger3-3", "thumb_tip": "finger1-3",
}  # fmt: skip
"""Joints where a bone ends."""

_THICKNESS = 0.16
"""How far below the skin a joint can lie, in metres: deeper means that something is before it."""


class Joints:
    """Finds the joints of one body, posed."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._skin = {
            INDEX[name]: self._vertex(point) for name, point in self._points_on_skin().items()
        }

    def __call__(self, posed: Posed) -> Array:
        """(34, 3) world, metres."""
        body, bones = self._body, posed.bones
        tails = body.tails_posed(bones)
        joints = np.zeros((JOINT_COUNT, 3))
        for side, suffix in (("left", "L"), ("right", "R")):
            for name, bone in HEADS.items():
                joints[INDEX[f"{side}_{name}"]] = bones.heads[body.index[f"{bone}.{suffix}"]]
            for name, bone in TAILS.items():
                joints[INDEX[f"{side}_{name}"]] = tails[body.index[f"{bone}.{suffix}"]]
        vertices = np.array(list(self._skin.values()))
        joints[list(self._skin)] = body.skin(bones, vertices, body.rest[vertices])

        def middle(one: str, other: str) -> Array:
            return np.asarray((joints[INDEX[one]] + joints[INDEX[other]]) / 2)

        joints[INDEX["pelvis"]] = middle("left_hip", "right_hip")
        joints[INDEX["neck"]] = middle("left_shoulder", "right_shoulder")
        joints[INDEX["torso"]] = middle("pelvis", "neck")
        return joints

    def _points_on_skin(self) -> dict[str, Array]:
        """Where nose, ears and heels are in the rest pose, before snapping to the skin."""
        eyes = (self._body.head("eye.L") + self._body.head("eye.R")) / 2
        points = {"nose": eyes + np.array([0, -0.06, -0.042])}
        for side, out, suffix in (("left", 1, "L"), ("right", -1, "R")):
            points[f"{side}_ear"] = eyes + np.array([out * 0.072, 0.088, -0.022])
            ankle = self._body.head(f"foot.{suffix}")
            points[f"{side}_heel"] = np.array([ankle[0], ankle[1] + 0.05, 0.02])
        return points

    def _vertex(self, point: Array) -> int:
        body = self._body
        skin = np.unique(body.faces[body.groups == "body"])
        return int(skin[np.linalg.norm(body.rest[skin] - point, axis=1).argmin()])


def visibility(
    joints: Array, picture: Picture, view: View, present: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """(P, 34) which joints the image shows, and why it does not show the others.

    Args:
        joints: (P, 34, 3) world.
        picture: The image with its depth and who is where.
        view: The camera.
        present: (P,) who is in the room.
    """
    in_camera = view.to_camera(joints)
    pixels = np.rint(np.nan_to_num(view.camera.project(in_camera), nan=-1e6)).astype(int)
    height, width = picture.depth.shape
    inside = ((pixels >= 0) & (pixels < (width, height))).all(axis=2)
    column, row = np.clip(pixels, 0, (width - 1, height - 1)).transpose(2, 0, 1)
    before = in_camera[..., 2] - picture.depth[row, column]
    who = picture.person[row, column]
    others = (who >= 0) & (who != np.arange(len(joints))[:, None]) & (before > 0)
    codes = np.full(inside.shape, VISIBLE, np.uint8)
    codes[before > _THICKNESS] = OCCLUDED_BY_BODY
    codes[others] = OCCLUDED_BY_OTHER
    codes[~inside] = OUTSIDE
    codes[~present] = ABSENT
    return codes
