"""The project's own films: rendered people whose joints are known exactly.

``tools/film`` renders them; here they are read, as frames with their camera and their truth.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from ..body.camera import Camera
from ..body.depth import DepthImage
from ..body.people import Frame
from ..errors import InputError
from .video import Video

Array = NDArray[np.float64]

FOLDER = Path(__file__).parents[1] / "data"
FRAME_ID = "film_camera_optical_frame"
RIGS = {"cell": ("cell_front", "cell_left", "cell_back", "cell_right")}
"""Scenes that several cameras look at: each camera's film has its own view, stamps and truth."""
WORLD = "world"
"""The frame the camera stands in: z up, the floor at z = 0."""

ABSENT, VISIBLE, OCCLUDED_BY_BODY, OCCLUDED_BY_OTHER, OUTSIDE = range(5)
"""Codes of a joint's visibility. Absent is who has not a single joint in the image."""

# A structured-light camera of this size: disparity noise of an eighth of a pixel.
_BASELINE, _DISPARITY_NOISE = 0.05, 0.125
_HOLES = 0.02
_SHADOW_STEP = 0.3  # metres between neighbours at which a projector's shadow leaves a hole


@dataclass(frozen=True)
class Film:
    """One film: F frames of P people, and everything that is known of them."""

    name: str
    camera: Camera
    rate: float
    """Frames a second."""
    joints_world: Array
    """(F, P, 34, 3) metres, z up, floor at z = 0; NaN where a person is absent."""
    visibility: NDArray[np.uint8]
    """(F, P, 34) ABSENT, VISIBLE, OCCLUDED_BY_BODY, OCCLUDED_BY_OTHER or OUTSIDE."""
    rotation: Array
    """(3, 3) x_camera = rotation @ x_world + translation."""
    translation: Array
    """(3,) metres."""
    height: float
    """Of the camera above the floor, metres."""
    tilt: float
    """Degrees by which the camera looks down."""
    start: float = 0.0
    """Seconds at which the first frame was taken, on the clock that the films of a rig share."""

    def __len__(self) -> int:
        return len(self.joints_world)

    @cached_property
    def joints(self) -> Array:
        """(F, P, 34, 3) metres in the camera's optical frame; NaN where a person is absent."""
        return self.joints_world @ self.rotation.T + self.translation

    @cached_property
    def pixels(self) -> Array:
        """(F, P, 34, 2) in the raw image, also outside it; NaN where a person is absent."""
        return self.camera.project(self.joints)

    @property
    def depth_camera(self) -> Camera:
        """Of the depth images' own pixels: every fourth of the image's, from the third on."""
        to_quarter = np.array([[1 / 4, 0, -2 / 4], [0, 1 / 4, -2 / 4], [0, 0, 1]])
        return replace(
            self.camera,
            width=self.camera.width // 4,
            height=self.camera.height // 4,
            matrix=to_quarter @ self.camera.matrix,
        )

    @property
    def inside(self) -> NDArray[np.bool_]:
        """(F, P, 34) whether each joint is in the image, hidden or not."""
        return ~np.isin(self.visibility, (ABSENT, OUTSIDE))

    @property
    def place(self) -> Array:
        """(4, 4) from the optical frame to the world: where the camera stands."""
        back = self.rotation.T
        return np.block([[back, -back @ self.translation[:, None]], [np.eye(4)[3:]]])

    @property
    def in_rig(self) -> bool:
        """Whether other films show the same people at the same time."""
        return any(self.name in cameras for cameras in RIGS.values())

    @property
    def frame_id(self) -> str:
        """The camera's optical frame, of its own where several look on."""
        return f"{self.name}_optical_frame" if self.in_rig else FRAME_ID

    @property
    def duration(self) -> int:
        """Nanoseconds after which it can begin again, as the other films of its rig."""
        return round(len(self) / self.rate * 1e9)

    def stamp(self, frame: int) -> int:
        """The time at which a frame was taken, in nanoseconds."""
        return round((self.start + frame / self.rate) * 1e9)

    def frames(self) -> Iterator[Frame]:
        """Every image with its camera."""
        for number, (_, image) in enumerate(Video(FOLDER / f"{self.name}.mp4").frames()):
            if isinstance(image, str):
                raise InputError(f"the film {self.name} is damaged ({image}): install it again")
            yield Frame(image, self.camera, self.stamp(number), self.frame_id, self.name)

    def depth(self, *, noisy: bool = False) -> Iterator[NDArray[np.uint16]]:
        """The depth images (H/4, W/4) of every frame, millimetres along the optical axis.

        Pixel (column, row) is the raw image's pixel (4 column + 2, 4 row + 2).

        Args:
            noisy: As a structured-light camera gives it: noise that grows with the square of the
                depth (Khoshelham & Elberink 2012, doi 10.3390/s120201437), nothing beside
                edges, and holes. 0 is unknown.

        Raises:
            InputError: The film has none: those of a rig.
        """
        path = FOLDER / f"{self.name}.depth.zip"
        if not path.is_file():
            raise InputError(f"the film {self.name!r} has no depth images: {', '.join(names())} do")
        with zipfile.ZipFile(path) as archive:

            def read(name: str) -> NDArray[np.uint16]:
                content = np.frombuffer(archive.read(name), np.uint8)
                return np.asarray(cv2.imdecode(content, cv2.IMREAD_UNCHANGED), np.uint16)

            room = read("room.png")
            for number in range(len(self)):
                people = read(f"{number:03}.png")
                depth = np.where(people > 0, people, room)
                yield self._as_measured(depth, number) if noisy else depth

    def depth_images(self, *, noisy: bool = False) -> Iterator[DepthImage]:
        """The same as a pipeline takes them, in metres, NaN where unknown."""
        camera = self.depth_camera
        for depth in self.depth(noisy=noisy):
            metres = depth.astype(np.float32) / 1000
            yield DepthImage(np.where(depth > 0, metres, np.float32(np.nan)), camera)

    def _as_measured(self, depth: NDArray[np.uint16], seed: int) -> NDArray[np.uint16]:
        rng = np.random.default_rng(seed)
        metres = depth / 1000
        sigma = metres**2 * _DISPARITY_NOISE / (self.camera.matrix[0, 0] * _BASELINE)
        measured = metres + rng.normal(size=depth.shape) * sigma
        step = np.abs(np.diff(metres, axis=1, prepend=metres[:, :1]))
        missing = (step > _SHADOW_STEP) | (rng.random(depth.shape) < _HOLES)
        return np.where(missing, 0, np.rint(measured * 1000)).astype(np.uint16)


def names() -> list[str]:
    """The films that one camera took, each on its own; those of several are in ``RIGS``."""
    of_rigs = {camera for cameras in RIGS.values() for camera in cameras}
    return sorted({path.stem for path in FOLDER.glob("*.mp4")} - of_rigs)


def all_names() -> list[str]:
    """Every film, those of each rig's cameras, too."""
    return [*names(), *(camera for cameras in RIGS.values() for camera in cameras)]


def load(name: str) -> Film:
    """A film by name: one of ``all_names()``.

    Raises:
        InputError: There is no such film.
    """
    if name not in all_names():
        raise InputError(f"there is no film {name!r}: choose one of {', '.join(all_names())}")
    with np.load(FOLDER / f"{name}.truth.npz") as truth:
        width, height = (int(size) for size in truth["size"])
        return Film(
            name=name,
            camera=Camera(width, height, truth["matrix"], "plumb_bob", truth["distortion"]),
            rate=truth["rate"].item(),
            joints_world=truth["joints"].astype(np.float64),
            visibility=cast("NDArray[np.uint8]", truth["visibility"]),
            rotation=truth["rotation"],
            translation=truth["translation"],
            height=truth["height"].item(),
            tilt=truth["tilt"].item(),
            start=truth["start"].item(),
        )
