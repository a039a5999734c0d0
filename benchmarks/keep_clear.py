"""Whether the shapes that planners keep clear of hold the people of the films.

    python -m benchmarks.keep_clear [FILM ...]

Of everybody who is found: in how many images all joints of the truth lie inside the collision
objects, hidden joints and joints outside the image included, and how many of all joints do. Then
how large the shapes are: a person in a box would always be held.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy import frames_with
from bodypose3d_ros.apps.accuracy import match_people
from bodypose3d_ros.body.people import Bodies
from bodypose3d_ros.body.shape import RADII, capsules
from bodypose3d_ros.media import film
from bodypose3d_ros.perception.networks import load_networks
from bodypose3d_ros.perception.tracking.tracker import Tracker
from bodypose3d_ros.wire.consumers.collision_objects import Solids, solids


@dataclass(frozen=True)
class Held:
    """Of everybody found in the images of a film."""

    whole: list[bool]
    """Whether every joint was inside."""
    joints: list[float]
    """The share of them that was."""
    spare: list[float]
    """Metres that the radii are larger than the body's, on average."""


def measure(shown: film.Film, estimates: Iterable[Bodies]) -> Held:
    """Compare with the truth, image by image; ``estimates`` begin with the first."""
    held = Held([], [], [])
    for number, bodies in enumerate(estimates):
        shapes = shapes_of(bodies)
        for person, estimate in match_people(shown, number, bodies):
            joints = shown.joints[number, person]
            inside = shapes[estimate].hold(joints[np.isfinite(joints).all(axis=1)])
            held.whole.append(bool(inside.all()))
            held.joints.append(float(inside.mean()))
            limbs = len(shapes[estimate].kind) // 3
            held.spare.append(float(shapes[estimate].size[:limbs, 0].mean() - RADII.mean()))
    return held


def shapes_of(bodies: Bodies) -> list[Solids]:
    """Everybody's, as the bridge sends them."""
    pairs = zip(bodies.joints, bodies.covariance, strict=True)
    return [solids(capsules(joints[None], covariance[None])) for joints, covariance in pairs]


def main() -> None:
    print("| film | known besides | people in images | wholly inside | joints inside | spare |")
    print("| --- " * 6 + "|")
    with load_networks() as networks:
        for name in sys.argv[1:] or film.names():
            shown = film.load(name)
            for source in ("nothing", "floor", "noisy depth"):
                pipeline = networks.pipeline(Tracker())
                held = measure(shown, map(pipeline, frames_with(shown, source)))
                print(
                    f"| `{name}` | {source} | {len(held.whole)} | {np.mean(held.whole):.1%} | "
                    f"{np.mean(held.joints):.2%} | {np.mean(held.spare):.2f} m |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
