"""What a network draws of everybody otherwise than from a mirror: ``asymmetry`` of shape_model.py.

python -m benchmarks.mirror [--model NAME] [--every N] [FILM ...]

Every person of the project's films (every fifth frame) is looked at as is and in a mirror, from
which a network should draw the mirror image. Half of the difference is its own, whoever it looks
at: medians by joint, no truth is needed. Then how much of the differences that explains, and how
alike it is film by film.
"""

import argparse

import numpy as np
from numpy.typing import NDArray

from bodypose3d_ros.body.people import Regions
from bodypose3d_ros.body.skeleton import JOINTS, LIMB_JOINTS, MIRRORED
from bodypose3d_ros.media import film
from bodypose3d_ros.perception.lifting.median import median
from bodypose3d_ros.perception.networks import Networks, Options, load_networks
from bodypose3d_ros.perception.pose.blazepose import turn
from bodypose3d_ros.perception.pose.second_look import look_in_mirror

Array = NDArray[np.float64]


def halves(networks: Networks, name: str, every: int) -> Array:
    """(M, 34, 3) metres in the upright crop: halves of a film's differences, nothing taken off."""
    shown, pose, found = film.load(name), networks.pose, []
    for number, frame in enumerate(shown.frames()):
        whole = shown.inside[number].all(axis=1)
        if number % every or not whole.any():
            continue
        pixels = shown.pixels[number][whole]
        boxes = np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1)
        regions = pose.estimate(frame, Regions.from_boxes(boxes)).following
        seen, mirrored = pose.estimate(frame, regions), look_in_mirror(pose, frame, regions)
        if seen.world is None or mirrored.world is None:
            raise SystemExit("this network draws no shape")
        half = (seen.world - mirrored.world) / 2
        half[..., :2] = turn(half[..., :2], -regions.rotation)
        found.append(half + pose.shape.asymmetry)
    return np.concatenate(found)


def common(half: Array) -> Array:
    """(34, 3) what all have in common, the opposite of its own mirror image."""
    middle = np.nan_to_num(median(half.transpose(1, 2, 0)))
    return np.asarray((middle - (middle * (-1, 1, 1))[MIRRORED]) / 2)


def main() -> None:
    """Print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("films", nargs="*", metavar="FILM", help="else all of the project's")
    parser.add_argument("--model", default=Options.model, help="the pose network")
    parser.add_argument("--every", type=int, default=5, help="of how many frames one is used")
    options = parser.parse_args()
    with load_networks(Options(options.model)) as networks:
        names = options.films or film.names()
        found = {name: halves(networks, name, options.every) for name in names}
    every = common(np.concatenate(list(found.values())))
    print("| joint, left or middle | x | y | z |")
    print("| --- " * 4 + "|")
    for joint, name in enumerate(JOINTS):
        if not name.startswith("right_") and every[joint].any():
            x, y, z = 1000 * every[joint]
            print(f"| {name.removeprefix('left_')} | {x:.0f} mm | {y:.0f} mm | {z:.0f} mm |")
    for name, half in found.items():
        own = common(half)
        print(
            f"{name}: {len(half)} people-frames, {rms(half):.0f} mm, without what films have in "
            f"common {rms(half - every):.0f}, that from its own {rms(own - every):.0f}"
        )


def rms(values: Array) -> float:
    """Of the limb joints, millimetres on each axis."""
    return float(1000 * np.sqrt(np.nanmean(values[..., LIMB_JOINTS, :] ** 2)))


if __name__ == "__main__":
    main()
