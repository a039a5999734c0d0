"""The films: who is in them, what they do, and what camera looks on.

The films of a rig are one scene from several cameras: each film is one camera of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bodypose3d_ros.body.camera import Camera

from . import motion
from .person import Look, Person, Posed
from .scene import View, Walls

Array = NDArray[np.float64]

RATE = 15.0
SIZE = (640, 480)
FOCAL = 600.0

HIM = Look()
HER = Look(
    sex="female", taller=0.10, skin=(0.66, 0.44, 0.33), hair=(0.05, 0.035, 0.03),
    shirt=(0.62, 0.16, 0.17), trim=(0.9, 0.88, 0.82), trousers=(0.36, 0.38, 0.42),
    shoes=(0.55, 0.52, 0.5), sleeve=1.85,
)  # fmt: skip
THE_THIRD = Look(
    taller=0.0, skin=(0.30, 0.18, 0.12), hair=(0.02, 0.015, 0.012), shirt=(0.20, 0.42, 0.22),
    trim=(0.85, 0.72, 0.20), trousers=(0.30, 0.24, 0.17), shoes=(0.7, 0.7, 0.68), sleeve=1.2,
)  # fmt: skip

Move = Callable[[list[Person], float], list[Posed]]


@dataclass(frozen=True)
class Tripod:
    """Where a camera stands and where it looks."""

    x: float
    y: float
    height: float = 1.2
    heading: float = 0
    """Degrees from +y towards -x, counter-clockwise seen from above."""
    tilt: float = 0
    """Degrees down."""


@dataclass(frozen=True)
class Script:
    """One film before it is rendered."""

    name: str
    looks: tuple[Look, ...]
    frames: int
    tripod: Tripod
    walls: Walls
    move: Move
    """From the people and the time in seconds to where they are."""
    distortion: tuple[float, ...] = (0, 0, 0, 0, 0)
    focal: float = FOCAL
    rate: float = RATE
    start: float = 0.0
    """Seconds at which the first frame is taken."""
    has_depth: bool = True

    def view(self) -> View:
        """The camera on its tripod."""
        width, height = SIZE
        matrix = np.array(
            [[self.focal, 0, (width - 1) / 2], [0, self.focal, (height - 1) / 2], [0, 0, 1]]
        )
        camera = Camera(width, height, matrix, "plumb_bob", np.array(self.distortion))
        at = np.array([self.tripod.x, self.tripod.y, self.tripod.height])
        return View.from_tripod(camera, at, self.tripod.heading, self.tripod.tilt)

    def time(self, frame: int) -> float:
        """When a frame is taken, in seconds."""
        return self.start + frame / self.rate


def _step_turn_wave(people: list[Person], t: float) -> list[Posed]:
    pose, yaw = motion.walk_turn_wave(people[0].body, t)
    return [people[0].posed(pose, yaw, np.zeros(2))]


def _pass_behind(people: list[Person], t: float) -> list[Posed]:
    """He stands in front; she walks by behind him from left to right, hidden for a moment."""
    him, her = people
    distance = 0.85 * t
    at, yaw = motion.along(np.array([[-2.1, 1.3], [0, 1.3], [3.5, 1.3]]), distance)
    # Small steps: with large ones a foot is always to be seen beside him.
    pose = motion.walk(her.body, distance / motion.STRIDE / 0.4, stride=0.3)
    return [
        him.posed(motion.stand(him.body, t), 0, np.array([0.0, -1.25])),
        her.posed(pose, yaw, at),
    ]


def _walk_through(people: list[Person], t: float) -> list[Posed]:
    """In from the right at 5 m, towards the camera to 1.5 m, out to the left."""
    path = np.array([[3.4, 1.6], [1.6, 1.5], [0.5, 0.6], [0.25, -1.0], [-0.2, -1.9], [-1.6, -2.1],
                     [-3.0, -2.1]])  # fmt: skip
    distance = 1.35 * t
    at, yaw = motion.along(path, distance)
    pose = motion.walk(people[0].body, distance / motion.STRIDE)
    return [people[0].posed(pose, yaw, at)]


def _cross_twice(people: list[Person], t: float) -> list[Posed]:
    """He and she walk there and back on lanes one behind the other, against each other.

    A third strolls behind both, so that everybody passes everybody.
    """
    near = np.array([[-1.5, -0.7], [1.1, -0.7], [1.45, -0.45], [1.1, -0.2], [-1.9, -0.2]])
    far = np.array([[1.6, 0.5], [-1.2, 0.5], [-1.55, 0.75], [-1.2, 1.0], [1.9, 1.0]])
    behind = np.array([[1.3, 1.9], [-1.6, 1.9]])
    posed = []
    for person, path, speed, stride in zip(
        people, (near, far, behind), (1.05, 1.0, 0.42), (0.84, 0.8, 0.45), strict=True
    ):
        at, yaw = motion.along(path, speed * t)
        pose = motion.walk(person.body, speed * t / motion.STRIDE / stride, stride=stride)
        posed.append(person.posed(pose, yaw, at))
    return posed


def _cross_in_the_cell(people: list[Person], t: float) -> list[Posed]:
    """They come from two corners, pass each other in the middle and go on round the cell."""
    paths = (
        np.array([[-1.4, -1.0], [-0.3, -0.35], [0.6, 0.3], [1.1, 0.9], [0.3, 1.3], [-1.2, 1.2]]),
        np.array([[1.3, -0.9], [0.5, -0.3], [-0.2, 0.4], [-1.1, 0.5], [-1.3, -0.5], [0.2, -1.3]]),
    )
    posed = []
    for person, path in zip(people, paths, strict=True):
        distance = 0.8 * t
        at, yaw = motion.along(path, distance)
        pose = motion.walk(person.body, distance / motion.STRIDE / 0.65, stride=0.65)
        posed.append(person.posed(pose, yaw, at))
    return posed


_STUDIO, _HALL = Walls(back=2.0), Walls(back=2.6)
_CELL = Walls(back=3.7, front=-3.7, half_width=3.7)


def _of_the_cell(name: str, tripod: Tripod, rate: float = RATE, start: float = 0.0) -> Script:
    """One camera of the cell, for six seconds; wide, as the cell is small."""
    frames = round(6 * rate)
    return Script(
        name, (HIM, HER), frames, tripod, _CELL, _cross_in_the_cell,
        focal=480.0, rate=rate, start=start, has_depth=False,
    )  # fmt: skip


SCRIPTS = {
    script.name: script
    for script in (
        Script("one_person", (HIM,), 60, Tripod(0, -3.4), _STUDIO, _step_turn_wave),
        Script("one_person_distorted", (HIM,), 60, Tripod(0, -3.4), _STUDIO, _step_turn_wave,
               (-0.25, 0, 0, 0, 0)),
        Script("two_people", (HIM, HER), 74, Tripod(0, -3.6, tilt=7), _HALL, _pass_behind),
        Script("three_people", (HIM, HER, THE_THIRD), 90, Tripod(0, -4.3, 1.4, tilt=6),
               Walls(back=3.0), _cross_twice),
        Script("walk_through", (HER,), 84, Tripod(0, -3.5, tilt=5), _HALL, _walk_through),
        _of_the_cell("cell_front", Tripod(0.5, -3.5, 2.3, heading=8, tilt=20)),
        _of_the_cell("cell_left", Tripod(-3.5, -0.4, 2.1, heading=-83, tilt=18)),
        _of_the_cell("cell_back", Tripod(-0.9, 3.5, 2.4, heading=-166, tilt=21)),
        _of_the_cell("cell_right", Tripod(3.5, 0.8, 2.2, heading=103, tilt=19), rate=10,
                     start=0.04),
    )
}  # fmt: skip
