"""Skeletons for RViz as they go over the wire, laid out as ``pose_cdr`` does it with poses.

As objects, a point and a colour for every joint and every end of a limb, they took longer to make
than anything else that the node says of somebody.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..body.people import STATE_COASTING, STATE_NAMES, Bodies, select
from ..body.skeleton import INDEX, LIMBS, SIDE_COLORS, SIDES, known
from .cdr import ENCAPSULATION, header, text

Array = NDArray[np.float64]

MARKERS_TYPE = "visualization_msgs/msg/MarkerArray"

_JOINT_DIAMETER = 0.05
_LIMB_WIDTH = 0.025
_TEXT_HEIGHT = 0.18
_TEXT_ABOVE = 0.50
_AXIS_WIDTH = 0.008
_AXIS_COLOR = (1.0, 1.0, 0.4, 0.4)
_IN_95 = 2.795
"""Standard deviations to the surface of the ellipsoid that holds 95 %: chi-squared of 3 degrees."""
_LONGEST_AXIS = 0.3
"""Metres from a joint that its axes are drawn at most; a longer one is fainter by as much as it is
cut. Who is only predicted would fill the display otherwise: metres along the view, soon."""
_FADED = 0.35
"""Of the opacity of who is seen has who is only predicted."""
_SPHERE_LIST, _LINE_LIST, _TEXT_VIEW_FACING = 7, 5, 9  # visualization_msgs/Marker
_ADD, _DELETE, _DELETE_ALL = 0, 2, 3
_RGB = np.array([SIDE_COLORS[int(side)] for side in SIDES])
_PELVIS, _NECK = INDEX["pelvis"], INDEX["neck"]
_ENDS = [
    INDEX[name]
    for name in ("pelvis", "nose", "left_wrist", "right_wrist", "left_ankle", "right_ankle")
]
"""The joints whose covariance is shown: more would hide the skeleton."""
_UPRIGHT, _WHITE = (0, 0, 0, 1), (1, 1, 1, 1)
_NONE = struct.pack("<I", 0)
"""An array without elements."""
_NAMESPACES = ("joints", "limbs", "ids", "covariances")


@dataclass(frozen=True)
class _Shape:
    """What a marker shows."""

    kind: int
    size: float = 0.0
    points: Array = field(default_factory=lambda: np.zeros((0, 3)))
    colors: Array = field(default_factory=lambda: np.zeros((0, 4)))
    text: str = ""
    at: Sequence[float] = (0.0, 0.0, 0.0)


_NO_SHAPE = _Shape(_SPHERE_LIST)


def markers(
    bodies: Bodies, stamp: int, frame_id: str, ended: Iterable[int] = (), lifetime: int = 0
) -> bytes:
    """A ``MarkerArray`` for RViz: spheres, limbs, id and covariances of everybody.

    The fainter, the less confident; who is not seen but predicted is fainter still, and says so.
    Covariances are the axes of the ellipsoids that hold 95 %, at pelvis, nose, wrists and ankles:
    up to 0.3 m, and the fainter, the more of them is cut off.

    Args:
        bodies: People.
        stamp: The image's, in nanoseconds.
        frame_id: The frame that the joints are in.
        ended: Of ``marker_ids``, those whose markers are to be deleted.
        lifetime: Nanoseconds after which RViz takes the markers away by itself; 0: never.
    """
    there = known(bodies.joints).any(axis=1)
    bodies, identities = select(bodies, there), marker_ids(bodies)[there]
    array = _MarkerArray(header(stamp, frame_id))
    for n, identity in enumerate(identities.tolist()):
        for namespace, shape in _shapes(bodies, n).items():
            array.add(namespace, identity, shape, lifetime=lifetime)
    for identity in ended:
        for namespace in _NAMESPACES:
            array.add(namespace, identity, _NO_SHAPE, _DELETE)
    return array.cdr()


def no_markers(stamp: int, frame_id: str) -> bytes:
    """A ``MarkerArray`` that takes everything off the display; ``stamp`` in nanoseconds."""
    array = _MarkerArray(header(stamp, frame_id))
    array.add("", 0, _NO_SHAPE, _DELETE_ALL)
    return array.cdr()


class _MarkerArray:
    """Lays markers out one after the other, field by field of Marker.msg."""

    def __init__(self, header: bytes) -> None:
        """``header`` is that of all markers."""
        self._header = header
        self._count = 0
        self._bytes = bytearray(4)  # where their number goes

    def add(
        self, namespace: str, identity: int, shape: _Shape, action: int = _ADD, lifetime: int = 0
    ) -> None:
        """Append a marker; ``lifetime`` in nanoseconds."""
        self._count += 1
        self._append(4, self._header + text(namespace))
        self._append(4, struct.pack("<3i", identity, shape.kind, action))
        self._append(8, struct.pack("<7d", *shape.at, *_UPRIGHT))
        self._append(8, struct.pack("<3d4f", *[shape.size] * 3, *_WHITE))
        self._append(4, struct.pack("<iI?", lifetime // 10**9, lifetime % 10**9, False))
        self._append_array(shape.points.astype("<f8"))
        self._append_array(shape.colors.astype("<f4"))
        texture = text("") + self._header + text("") + _NONE  # its name, an empty image
        self._append(4, texture + _NONE + text(shape.text))
        self._append(4, text("") + text("") + _NONE + b"\0")  # no mesh

    def cdr(self) -> bytes:
        """The message."""
        self._bytes[:4] = struct.pack("<I", self._count)
        return ENCAPSULATION + bytes(self._bytes)

    def _append_array(self, rows: NDArray[np.floating]) -> None:
        self._append(4, struct.pack("<I", len(rows)))
        if len(rows):
            self._append(rows.itemsize, rows.tobytes())

    def _append(self, alignment: int, values: bytes) -> None:
        self._bytes += bytes(-len(self._bytes) % alignment) + values


def marker_ids(bodies: Bodies) -> NDArray[np.int64]:
    """(N,) what RViz knows people by: the track's id, or the place in the image's list."""
    tracked = bodies.track_id > 0
    return np.where(tracked, bodies.track_id, np.arange(1, len(bodies) + 1)).astype(np.int64)


def _shapes(bodies: Bodies, n: int) -> dict[str, _Shape]:
    """What is shown of one person in each namespace."""
    joints = bodies.joints[n]
    is_known = known(joints)
    limbs = LIMBS[is_known[LIMBS].all(axis=1)].ravel()
    opacity = np.clip(bodies.confidence[n], 0.15, 1)
    if bodies.state[n] == STATE_COASTING:
        opacity = opacity * _FADED
    colors = np.column_stack([_RGB, opacity])
    # A limb takes the side and the confidence of its child.
    limb_colors = colors[np.repeat(limbs[1::2], 2)]
    name = str(bodies.track_id[n] or "")
    if bodies.state[n] == STATE_COASTING:
        name = f"{name} {STATE_NAMES[STATE_COASTING]}"
    axes, axis_colors = _axes(joints[_ENDS], bodies.covariance[n, _ENDS])
    shapes = (
        _Shape(_SPHERE_LIST, _JOINT_DIAMETER, joints[is_known], colors[is_known]),
        _Shape(_LINE_LIST, _LIMB_WIDTH, joints[limbs], limb_colors),
        _Shape(_TEXT_VIEW_FACING, _TEXT_HEIGHT, text=name, at=_above(joints)),
        _Shape(_LINE_LIST, _AXIS_WIDTH, axes, axis_colors),
    )
    return dict(zip(_NAMESPACES, shapes, strict=True))


def _axes(places: Array, covariances: Array) -> tuple[Array, Array]:
    """(6 M, 3) both ends of the three axes of M known joints' ellipsoids, (6 M, 4) their RGBA."""
    is_known = known(places) & known(covariances.reshape(-1, 9))
    variances, directions = np.linalg.eigh(covariances[is_known])
    lengths = _IN_95 * np.sqrt(np.maximum(variances, 0))
    drawn = _LONGEST_AXIS / np.maximum(lengths, _LONGEST_AXIS)
    axes = (directions * (drawn * lengths)[:, None]).swapaxes(1, 2)
    ends = places[is_known][:, None, None] + axes[:, :, None] * np.array([[-1.0], [1.0]])
    colors = np.tile(_AXIS_COLOR, (2 * drawn.size, 1))
    colors[:, 3] *= np.repeat(drawn, 2)
    return np.asarray(ends.reshape(-1, 3)), colors


def _above(joints: Array) -> list[float]:
    """Where the label goes: on from the spine, over the head, whatever frame the joints are in."""
    neck, spine = joints[_NECK], joints[_NECK] - joints[_PELVIS]
    place = neck + spine / np.linalg.norm(spine) * _TEXT_ABOVE
    x, y, z = place if known(place) else joints[known(joints)].mean(axis=0)
    return [float(x), float(y), float(z)]
