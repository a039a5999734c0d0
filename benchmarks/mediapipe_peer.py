"""Our BlazePose against mediapipe.solutions.pose, picture by picture: equal, or not.

    python -m benchmarks.mediapipe_peer [PICTURE ...]

Needs mediapipe 0.10.21 (Python 3.9 to 3.12, numpy below 2): ``make peer`` makes an environment
of its own for it. Without pictures, every fifth frame of the film one_person. Our own crops are
closer than MediaPipe's, and keypoints nearer to the truth for it; here they are as wide, for all
else to be compared. Exits with 1 where the two differ by more than 0.02 % of the person's height in
the image or 0.5 mm in the world.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.people import Frame, Image, select
from bodypose3d_ros.body.skeleton import BLAZEPOSE_WEIGHTS, known
from bodypose3d_ros.engines import models
from bodypose3d_ros.engines.onnxruntime import OnnxRuntimeEngine
from bodypose3d_ros.media import film, pictures
from bodypose3d_ros.perception.detection.blazepose import BlazePoseDetector
from bodypose3d_ros.perception.pose import regions_of
from bodypose3d_ros.perception.pose.blazepose import MARGIN, BlazePose

Array = NDArray[np.float64]

MOST_PIXELS = 0.0002
"""Of the person's height in the image."""
MOST_METRES = 0.0005
THEIR_MARGIN = 1.25
"""Of a person's size: how large a crop MediaPipe cuts, scale_x of its pose_landmark graphs."""


def theirs(image: Image) -> tuple[Array, Array] | None:
    """MediaPipe's landmarks (33, 2) in pixels and (33, 3) in metres, or nobody."""
    import mediapipe

    pose = mediapipe.solutions.pose.Pose(static_image_mode=True, model_complexity=1)
    with contextlib.closing(pose):
        found = pose.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    if found.pose_landmarks is None:
        return None
    size = np.array([image.shape[1], image.shape[0]])
    pixels = np.array([(p.x, p.y) for p in found.pose_landmarks.landmark]) * size
    world = np.array([(p.x, p.y, p.z) for p in found.pose_world_landmarks.landmark])
    return pixels, world


def ours(image: Image, detector: BlazePoseDetector, pose: BlazePose) -> tuple[Array, Array] | None:
    """Our joints (34, 2) and (34, 3), the whole image as the only tile, as MediaPipe does it."""
    height, width = image.shape[:2]
    regions = regions_of(detector.detect(image, np.array([[0, 0, width, height]])))
    if not len(regions):
        return None
    frame = Frame(image, Camera.from_hfov(width, height, 60), 0)
    one = select(regions, slice(0, 1))
    found = pose.estimate(frame, replace(one, size=one.size * THEIR_MARGIN / MARGIN))
    return (found.pixels[0], found.world[0]) if found.world is not None else None


def differences(image: Image, detector: BlazePoseDetector, pose: BlazePose) -> Array | None:
    """Mean difference in parts of the person's height, and in metres; None if neither sees any."""
    one, other = ours(image, detector, pose), theirs(image)
    if one is None or other is None:
        return None if one is other else np.array([np.inf, np.inf])
    pixels, world = (BLAZEPOSE_WEIGHTS @ landmarks for landmarks in other)
    both = known(one[0])
    height = np.ptp(other[0][:, 1])
    return np.array(
        [
            np.linalg.norm(one[0] - pixels, axis=1)[both].mean() / height,
            np.linalg.norm(one[1] - world, axis=1)[both].mean(),
        ]
    )


def main() -> None:
    """Compare, print a line a picture, and fail where the two differ."""
    detector, pose = (
        kind(OnnxRuntimeEngine(path))
        for kind, path in zip(
            (BlazePoseDetector, BlazePose), models.paths("blazepose"), strict=True
        )
    )
    chosen = {path: pictures.read(Path(path)) for path in sys.argv[1:]} or {
        f"one_person {n}": frame.image
        for n, frame in enumerate(film.load("one_person").frames())
        if n % 5 == 0
    }
    worst = np.zeros(2)
    for name, image in chosen.items():
        difference = differences(image, detector, pose)
        if difference is None:
            print(f"{name}: nobody, for both")
            continue
        worst = np.maximum(worst, difference)
        print(f"{name}: {difference[0]:.4%} of the height, {difference[1] * 1000:.3f} mm")
    print(f"worst: {worst[0]:.4%} of the height, {worst[1] * 1000:.3f} mm")
    if (worst > (MOST_PIXELS, MOST_METRES)).any():
        sys.exit(1)


if __name__ == "__main__":
    main()
