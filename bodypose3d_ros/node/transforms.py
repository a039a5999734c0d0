"""People in another frame than the camera's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ..errors import Bodypose3dError
from ..wire.messages import Message

Array = NDArray[np.float64]


class TransformError(Bodypose3dError):
    """A transform that TF does not know, or does not know at that time."""


def matrix_of(message: Message) -> Array:
    """The matrix (4, 4) of a ``geometry_msgs/Transform``."""
    t, q = message.translation, message.rotation
    homogeneous = np.eye(4)
    homogeneous[:3, :3] = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
    homogeneous[:3, 3] = t.x, t.y, t.z
    return homogeneous


def inverse(matrix: Array) -> Array:
    """The way back: of a matrix (4, 4)."""
    return np.asarray(np.linalg.inv(matrix), np.float64)
