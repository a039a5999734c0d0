"""Frames for TF as they go over the wire: hundreds of small objects a message take longer to make.

Every joint of everybody has one in each image, laid out as ``pose_cdr`` does it with poses.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..body.people import Bodies
from ..body.skeleton import JOINTS, known
from .cdr import ENCAPSULATION, header, text

Array = NDArray[np.float64]

TF_TYPE = "tf2_msgs/msg/TFMessage"


def frames(
    stamp: int, parents: Sequence[str], children: Sequence[str], places: Array, turns: Array
) -> bytes:
    """A ``TFMessage`` of F frames.

    Args:
        stamp: Nanoseconds.
        parents: The frame that each is given in.
        children: Their names.
        places: (F, 3) metres.
        turns: (F, 4) quaternions x y z w.
    """
    message = bytearray(struct.pack("<I", len(children)))
    headers = {parent: header(stamp, parent) for parent in set(parents)}
    numbers = np.concatenate([places, turns], axis=1).astype("<f8", order="C")
    for parent, child, transform in zip(parents, children, numbers, strict=True):
        message += headers[parent] + text(child)
        message += bytes(-len(message) % 8) + transform.tobytes()
    return ENCAPSULATION + bytes(message)


def joint_frames(
    bodies: Bodies,
    stamp: int,
    frame_id: str,
    joints: Sequence[int] = range(len(JOINTS)),
    prefix: str = "",
) -> bytes:
    """A ``TFMessage`` with a frame ``body_<track_id>/<joint>`` for every known joint.

    Args:
        bodies: People; who has no track id gets no frame: it could be anybody's.
        stamp: The image's, in nanoseconds.
        frame_id: The frame that the joints are in.
        joints: Those that get a frame.
        prefix: What the frames' names begin with.
    """
    wanted = known(bodies.joints[:, joints]) & (bodies.track_id > 0)[:, None]
    person, index = np.nonzero(wanted)
    joint = np.asarray(joints)[index]
    children = [
        f"{prefix}body_{track}/{JOINTS[j]}"
        for track, j in zip(bodies.track_id[person].tolist(), joint.tolist(), strict=True)
    ]
    places, turns = bodies.joints[person, joint], bodies.orientation[person, joint]
    return frames(stamp, [frame_id] * len(children), children, places, turns)
