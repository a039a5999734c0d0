"""The dataclasses that travel from stage to stage, arrays inside them batched over N people."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .orientation import orientations
from .skeleton import JOINT_COUNT

if TYPE_CHECKING:
    from .camera import Camera
    from .depth import DepthImage
    from .floor import Floor

Array = NDArray[np.float64]
Image = NDArray[np.uint8]
"""A picture (H, W, 3), BGR."""
BatchT = TypeVar("BatchT", "Regions", "Keypoints", "Bodies")

# Pose3D.msg's SCALE_* and STATE_* constants.
SCALE_LIMBS, SCALE_GROUND, SCALE_DEPTH, SCALE_NETWORK, SCALE_NONE = range(5)
SCALE_NAMES = ("limbs", "ground", "depth", "network", "none")
SCALES_OF_FLOOR = (SCALE_GROUND, SCALE_DEPTH)
"""What metres rest on where a floor is told: beside a depth image it hardly counts."""
STATE_NEW, STATE_TRACKED, STATE_COASTING = range(3)
STATE_NAMES = ("new", "tracked", "coasting")


@dataclass(frozen=True)
class Frame:
    """One image, the camera that took it, and when."""

    image: Image
    camera: Camera
    stamp: int
    """Nanoseconds, the image's own time."""
    frame_id: str = "camera"
    """The camera's optical frame: x right, y down, z forward (REP 103)."""
    source: str = ""
    """Where the image came from: a file name or a topic."""
    place: Array | None = None
    """(4, 4) from the optical frame to the fixed frame at the stamp; None: the optical frame is
    the fixed frame."""
    depth: DepthImage | None = None
    """How far what is in the image is, where a depth camera says so."""
    floor: Floor | None = None
    """The floor under the camera, where that is known."""


@dataclass(frozen=True)
class Regions:
    """Where in the image people are: N rotated rectangles that just hold each person."""

    center: Array
    """(N, 2) pixels."""
    size: Array
    """(N, 2) width and height in pixels, before any margin a network asks for."""
    rotation: Array
    """(N,) radians, clockwise in the image; 0 when the person is upright."""
    score: Array
    """(N,) 0 to 1."""

    def __len__(self) -> int:
        return len(self.score)

    @classmethod
    def none(cls) -> Regions:
        """No region at all."""
        return cls(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0), np.zeros(0))

    @classmethod
    def from_boxes(cls, boxes: Array, score: Array | None = None) -> Regions:
        """Upright regions from (N, 4) boxes x0, y0, x1, y1 in pixels."""
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        low, high = boxes[:, :2], boxes[:, 2:]
        count = len(boxes)
        return cls(
            (low + high) / 2,
            high - low,
            np.zeros(count),
            np.ones(count) if score is None else np.asarray(score, np.float64),
        )


@dataclass(frozen=True)
class Keypoints:
    """What a pose network saw: N people in pixels, and their shape as the network gives it.

    At most one of ``world``, ``depth`` and ``xyz`` is set; it decides how the lift finds metres. A
    network that gives keypoints alone sets none.
    """

    pixels: Array
    """(N, 34, 2) in the raw image, NaN where unknown."""
    confidence: Array
    """(N, 34) 0 to 1, 0 where unknown."""
    score: Array
    """(N,) how sure the network is that there is a person, 0 to 1."""
    regions: Regions
    """(N) the regions the network looked at."""
    following: Regions
    """(N) where to look for the same people in the next frame."""
    world: Array | None = None
    """(N, 34, 3) metres about the pelvis, as if the camera looked straight at the person."""
    depth: Array | None = None
    """(N, 34) relative to the pelvis, in units of the pelvis-neck distance (2.5D)."""
    limb_lengths: Array | None = None
    """(N, 17) metres, of the limbs in skeleton.LENGTH_LIMBS, where they are not the mean ones."""
    xyz: Array | None = None
    """(N, 34, 3) metres in the camera's optical frame, from the network itself."""

    def __len__(self) -> int:
        return len(self.score)


def _unset() -> Any:  # noqa: ANN401 - the default of arrays of several types
    """Becomes N neutral values in ``Bodies``."""
    return np.zeros(0)


_NEUTRAL: dict[str, tuple[tuple[int, ...], float, Any]] = {
    "track_id": ((), 0, np.uint32),
    "state": ((), 0, np.uint8),
    "velocity": ((JOINT_COUNT, 3), np.nan, np.float64),
    "covariance": ((JOINT_COUNT, 3, 3), np.nan, np.float64),
    "velocity_covariance": ((JOINT_COUNT, 3, 3), np.nan, np.float64),
    "log_size": ((), 0, np.float64),
    "size_sigma": ((), np.nan, np.float64),
    "evidence": ((3, 7), np.nan, np.float64),
}
"""Shape for one person, value and type of what nobody has said of somebody."""


@dataclass(frozen=True)
class Bodies:
    """N people as 34 joints in metres, in the camera's optical frame unless transformed."""

    joints: Array
    """(N, 34, 3) metres, NaN where unknown."""
    pixels: Array
    """(N, 34, 2) in the raw image, NaN where unknown."""
    confidence: Array
    """(N, 34) 0 to 1, 0 where unknown."""
    score: Array
    """(N,) confidence in the person, 0 to 1."""
    scale_source: NDArray[np.uint8]
    """(N,) what the metres rest on: SCALE_LIMBS, SCALE_GROUND, SCALE_DEPTH or SCALE_NETWORK;
    SCALE_NONE: on nothing but a guess."""
    track_id: NDArray[np.uint32] = field(default_factory=_unset)
    """(N,) identity over time, from 1; 0 for who is not tracked."""
    state: NDArray[np.uint8] = field(default_factory=_unset)
    """(N,) STATE_NEW, STATE_TRACKED or STATE_COASTING."""
    velocity: Array = field(default_factory=_unset)
    """(N, 34, 3) metres a second, NaN where unknown."""
    covariance: Array = field(default_factory=_unset)
    """(N, 34, 3, 3) of the joints in square metres, with everything in it; NaN where unknown."""
    velocity_covariance: Array = field(default_factory=_unset)
    """(N, 34, 3, 3) of the velocities in m^2/s^2; NaN where unknown."""
    log_size: Array = field(default_factory=_unset)
    """(N,) natural logarithm of the person's size over the size that the network's shape has."""
    size_sigma: Array = field(default_factory=_unset)
    """(N,) standard deviation of ``log_size``; NaN where unknown. All joints of a view share the
    error: seen from a camera at c it is ``size_sigma``^2 (x - c)(x - c)^T of the covariance."""

    evidence: Array = field(default_factory=_unset)
    """(N, 3, 7) of the size, as perception.lifting.size has it; NaN where there is none."""

    def __post_init__(self) -> None:
        count = len(self)
        for name, (shape, value, kind) in _NEUTRAL.items():
            if not len(getattr(self, name)):
                object.__setattr__(self, name, np.full((count, *shape), value, kind))

    def __len__(self) -> int:
        return len(self.score)

    @classmethod
    def none(cls) -> Bodies:
        """Nobody at all."""
        joints = (0, JOINT_COUNT)
        score, source = np.zeros(0), np.zeros(0, np.uint8)
        return cls(np.zeros((*joints, 3)), np.zeros((*joints, 2)), np.zeros(joints), score, source)

    @cached_property
    def orientation(self) -> Array:
        """(N, 34, 4) quaternions x y z w of the joints' frames; the identity where unknown."""
        return orientations(self.joints)


def transform(bodies: Bodies, matrix: Array) -> Bodies:
    """Joints, velocities and covariances in the frame that ``matrix`` (4, 4) maps points to."""
    rotation, translation = matrix[:3, :3], matrix[:3, 3]
    return replace(
        bodies,
        joints=bodies.joints @ rotation.T + translation,
        velocity=bodies.velocity @ rotation.T,
        covariance=rotation @ bodies.covariance @ rotation.T,
        velocity_covariance=rotation @ bodies.velocity_covariance @ rotation.T,
    )


def nearest(bodies: Bodies) -> int | None:
    """Who has the joint nearest to the origin of the joints' frame; None where that is nobody."""
    squares = (bodies.joints**2).sum(axis=2)
    if not np.isfinite(squares).any():
        return None
    return int(np.where(np.isnan(squares), np.inf, squares).min(axis=1).argmin())


def select(batch: BatchT, index: Any) -> BatchT:  # noqa: ANN401 - whatever numpy indexes with
    """Take some of the people of a batch: ``index`` is anything numpy indexes N with.

    No copy where that is everybody in order, as it mostly is.
    """
    if is_everybody(index, len(batch)):
        return batch
    taken: dict[str, Any] = {}
    for each in fields(batch):
        value = getattr(batch, each.name)
        if isinstance(value, Regions):
            taken[each.name] = select(value, index)
        else:
            taken[each.name] = None if value is None else value[index]
    return type(batch)(**taken)


def is_everybody(index: Any, count: int) -> bool:  # noqa: ANN401 - whatever numpy indexes with
    """Whether an index takes all of so many people, in order."""
    return bool(np.arange(count)[index].tolist() == list(range(count)))


def concatenate(batches: list[Regions]) -> Regions:
    """Several batches of regions as one."""
    if not batches:
        return Regions.none()
    return Regions(
        *(np.concatenate([getattr(b, f.name) for b in batches]) for f in fields(Regions))
    )
