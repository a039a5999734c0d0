"""BlazePose's landmark network: 33 landmarks in pixels and about the hips in metres.

Steps and constants follow MediaPipe's graph pose_landmark_cpu (Bazarevsky et al. 2020,
arXiv 2006.10204; model card BlazePose GHUM 3D), checked against mediapipe 0.10.21 by
``benchmarks/mediapipe_peer.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from ...body.people import Frame, Keypoints, Regions
from ...body.skeleton import BLAZEPOSE_GIVEN, BLAZEPOSE_LANDMARKS, BLAZEPOSE_WEIGHTS
from ...engines import Engine, TensorInfo, Tensors, models
from ...errors import OutputError
from ..contract import check_finite
from ..crop import apply, as_input, cut, image_from_crop
from ..detection import HipCircles
from ..lifting.shape_model import BLAZEPOSE_FULL, ShapeModel
from . import person_height, regions_of

Array = NDArray[np.float64]

CROP = 256
MARGIN = 1.18
"""How much wider than the person the crop is. MediaPipe's graph has 1.25; but the less of others
and of the background is in it, and the larger the person, the better: on five films, in the cell's
four views and in four of a real film keypoints are 2 to 28 % nearer with 1.18 (5 % in the median;
full, limb joints), and nobody is lost. With 1.125 some are."""
LANDMARKS = 39
"""33 joints, two points for the next region, four that are not used."""
REFINED, HEATMAP = "refined", "heatmap"
"""What a network gives that refines landmarks itself, and what one that leaves it to us."""
MIN_PRESENCE = 0.5
"""Below it a landmark lies outside what the network saw: its place would be invented."""
_REGION_CENTER, _REGION_EDGE = 33, 34
_PROBABILITIES = -0.01, 1.01
"""With room for what quantised networks round to."""
_FARTHEST = 5.0
"""Metres from the hips: no joint is farther from them."""
_VALUE_RANGE = models.BLAZEPOSE.parts[1].value_range
_READ = "landmarks", "presence", HEATMAP, "world"
_READ_REFINED = "landmarks", "presence", REFINED, "world"
_SHAPES = {
    "input": (3, CROP, CROP),
    "landmarks": (LANDMARKS * 5,),
    "presence": (1,),
    HEATMAP: (LANDMARKS, CROP // 4, CROP // 4),
    REFINED: (LANDMARKS, 2),
    "world": (LANDMARKS * 3,),
}
"""Of the tensors of one person."""

_REACH = np.arange(-models.BLAZEPOSE_REFINEMENT.reach, models.BLAZEPOSE_REFINEMENT.reach + 1)
_REFINE_MIN = models.BLAZEPOSE_REFINEMENT.least
# (81, 3) from the cells around a landmark, row by row, to their sum and its moments in x and y.
_MOMENTS = np.stack(
    [
        np.ones(_REACH.size**2),
        np.tile(_REACH, _REACH.size),
        np.repeat(_REACH, _REACH.size),
    ],
    axis=1,
)

# (34, 4) the landmarks each joint is made of, repeated where they are fewer than four.
_SOURCES = np.array([np.resize(np.flatnonzero(row), 4) for row in BLAZEPOSE_WEIGHTS])


@dataclass(frozen=True)
class Settings:
    """What may be chosen about the people that BlazePose sees."""

    person_height: float = person_height()


class BlazePose:
    """The landmark network, its crops and what is read out of its answers."""

    # In our films and photographs people score over 0.95, half a body taken for a whole one 0.7.
    sure_score = 0.85

    def __init__(self, engine: Engine, shape: ShapeModel = BLAZEPOSE_FULL) -> None:
        self.engine = engine
        self.shape = shape

    def estimate(self, frame: Frame, regions: Regions) -> Keypoints:
        """Find 30 of the 34 joints of the person in each region, all regions as one batch.

        Raises:
            EngineError: The network could not be run.
            OutputError: It gave NaN or infinity, or what is nobody's.
        """
        side = regions.size.max(axis=1, initial=0) * MARGIN
        to_image = image_from_crop(
            regions.center, side[:, None].repeat(2, axis=1), regions.rotation, (CROP, CROP)
        )
        crops = cut(frame.image, to_image, (CROP, CROP), cv2.BORDER_REPLICATE)
        tensor = as_input(self.engine.inputs[0], crops, _VALUE_RANGE)
        answer = self.engine.infer({"input": tensor})
        check_finite(answer, _READ_REFINED if REFINED in answer else _READ)
        _check_person(answer)

        landmarks = _refined(answer)
        pixels = apply(to_image, landmarks[..., :2])
        visible, present = sigmoid(landmarks[..., 3]), sigmoid(landmarks[..., 4])
        present *= frame.camera.in_image(pixels)
        present = _to_joints_least(present)
        unknown = ~(BLAZEPOSE_GIVEN & (present >= MIN_PRESENCE))
        world = answer["world"].reshape(-1, LANDMARKS, 3).astype(np.float64)
        world = _to_joints(world, unknown) - self.shape.asymmetry
        world[..., :2] = turn(world[..., :2], regions.rotation)
        return Keypoints(
            pixels=_to_joints(pixels, unknown),
            confidence=np.where(unknown, 0, _to_joints_least(visible)),
            score=answer["presence"][:, 0].astype(np.float64),
            regions=regions,
            following=regions_of(
                HipCircles.from_points(
                    pixels[:, _REGION_CENTER], pixels[:, _REGION_EDGE], answer["presence"][:, 0]
                )
            ),
            world=world,
        )

    def close(self) -> None:
        """Give the engine's memory back."""
        self.engine.close()


def check_contract(inputs: tuple[TensorInfo, ...], outputs: tuple[TensorInfo, ...]) -> list[str]:
    """What differs between a network's tensors and those of this one, a phrase each."""
    given = {tensor.name: tensor.shape[1:] for tensor in (*inputs, *outputs)}
    read = _READ_REFINED if REFINED in given else _READ
    return [
        f"{name} is not of N, {', '.join(map(str, _SHAPES[name]))}"
        if name in given
        else f"{name} is missing"
        for name in ("input", *read)
        if given.get(name) != _SHAPES[name]
    ]


def _check_person(answer: Tensors) -> None:
    """Refuse probabilities that are none and bodies larger than houses: the engine is broken.

    Raises:
        OutputError: Somebody is so.
    """
    presence, reach = answer["presence"], np.abs(answer["world"]).max(initial=0)
    low, high = _PROBABILITIES
    if (presence < low).any() or (presence > high).any() or reach > _FARTHEST:
        raise OutputError(
            f"the network gave probabilities up to {np.abs(presence).max():g} and joints "
            f"{reach:g} m from the hips, which is nobody: this image is left out. If it happens "
            "again and again, fetch the model again, or take another engine"
        )


def _refined(answer: Tensors) -> Array:
    """(N, 39, 5) landmarks in the crop, refined by the network itself or here by its heatmaps.

    On a server the network does it (``engines/refinement.py``), unless it is a plan or was exported
    before networks could.
    """
    landmarks = answer["landmarks"].reshape(-1, LANDMARKS, 5).astype(np.float64)
    if REFINED in answer:
        landmarks[..., :2] = answer[REFINED]
    else:
        landmarks[..., :2] = refine(landmarks[..., :2] / CROP, answer[HEATMAP]) * CROP
    return landmarks


def refine(points: Array, heatmap: NDArray[np.floating]) -> Array:
    """Move landmarks to the centre of mass of the heatmap around them.

    Args:
        points: (N, L, 2) in 0..1 of the crop.
        heatmap: (N, L, H, W) logits.

    Returns:
        (N, L, 2); a landmark whose surroundings are nowhere sure stays where it is.
    """
    count, landmarks, height, width = heatmap.shape
    size = np.array([width, height])
    # Truncation towards zero, as MediaPipe's cast to int.
    cell = np.trunc(points * size).astype(np.int64)
    around = cell[..., None] + _REACH  # (N, L, 2, 9) columns and rows
    nearest = np.minimum(np.maximum(around, 0), size[:, None] - 1)
    exists = nearest == around
    inside = exists[..., _REACH.size // 2].all(axis=2)
    first = np.arange(count * landmarks).reshape(count, landmarks, 1) * (height * width)
    rows = first + nearest[:, :, 1] * width
    logits = heatmap.take(rows[..., None] + nearest[:, :, 0, None])
    mass = np.where(exists[:, :, 1, :, None] & exists[:, :, 0, None], sigmoid(logits), 0)
    mass = mass.reshape(count, landmarks, len(_MOMENTS))
    sums = mass @ _MOMENTS
    moved = (cell + sums[..., 1:] / np.maximum(sums[..., :1], 1e-12)) / size
    sure = inside & (mass.max(axis=2) >= _REFINE_MIN)
    return np.where(sure[..., None], moved, points)


def turn(points: Array, rotation: Array) -> Array:
    """Vectors (N, M, 2) turned by (N,) radians, clockwise in the image."""
    cos, sin = np.cos(rotation)[:, None], np.sin(rotation)[:, None]
    x, y = points[..., 0], points[..., 1]
    turned = np.empty_like(points)
    turned[..., 0], turned[..., 1] = cos * x - sin * y, sin * x + cos * y
    return turned


def sigmoid(logits: NDArray[np.floating]) -> Array:
    """Logits to probabilities."""
    return np.asarray(expit(logits.astype(np.float64)))


def _to_joints(landmarks: Array, unknown: NDArray[np.bool_]) -> Array:
    """(N, 39, D) landmarks to (N, 34, D) joints, NaN where unknown."""
    joints = np.asarray(BLAZEPOSE_WEIGHTS @ landmarks[:, :BLAZEPOSE_LANDMARKS])
    joints[unknown] = np.nan
    return joints


def _to_joints_least(values: Array) -> Array:
    """(N, 39) to (N, 34): a joint made of several landmarks is as sure as the least of them."""
    return np.where(BLAZEPOSE_GIVEN, values[:, _SOURCES].min(axis=2), 0)
