"""The films: who is in them, what they do, and what camera looks on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bodypose3d_ros.body.camera import Camera

from . import motion
from .assets import Assets
from .person import Look, Person, Posed
from .scene import View

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

Move = Callable[[list[Person], float], list[Posed]]


@dataclass(frozen=True)
class Script:
    """One film before it is rendered."""

    name: str
    looks: tuple[Look, ...]
    frames: int
    camera_y: float
    tilt: float
    back_wall: float
    move: Move
    """From the people and the time in seconds to where they are."""
    distortion: tuple[float, ...] = (0, 0, 0, 0, 0)
    height: float = 1.2

    def cast(self, assets: Assets) -> list[Person]:
        """The people, dressed."""
        return [Person(assets, look) for look in self.looks]

    def view(self) -> View:
        """The camera on its tripod."""
        width, height = SIZE
        matrix = np.array([[FOCAL, 0, (width - 1) / 2], [0, FOCAL, (height - 1) / 2], [0, 0, 1]])
        camera = Camera(width, height, matrix, "plumb_bob", np.array(self.distortion))
        return View.from_tripod(camera, self.camera_y, self.height, self.tilt)


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


SCRIPTS = {
    script.name: script
    for script in (
        Script("one_person", (HIM,), 60, -3.4, 0, 2.0, _step_turn_wave),
        Script("one_person_distorted", (HIM,), 60, -3.4, 0, 2.0, _step_turn_wave,
               (-0.25, 0, 0, 0, 0)),
        Script("two_people", (HIM, HER), 74, -3.6, 7, 2.6, _pass_behind),
        Script("walk_through", (HER,), 84, -3.5, 5, 2.6, _walk_through),
    )
}  # fmt: skip
