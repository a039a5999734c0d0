"""What metres a network has that gives pixels alone, as docs/models.md has them.

python -m benchmarks.keypoints [--errors] [FILM ...]

BlazePose's keypoints, cut down to the 17 of COCO and without its shape, go the way of a 2D network:
with nothing besides, with the floor (right, and its tilt wrong by half a degree), with a depth
image, a noisy one, both, and through the cameras of the project's cell. ``--errors`` prints what
perception/lifting/shape_model.py says of such bodies.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks import fusion
from benchmarks.accuracy import accuracy_of
from benchmarks.fit_noise import errors_of
from bodypose3d_ros.body.people import Frame, Keypoints, Regions
from bodypose3d_ros.body.skeleton import JOINTS, LIMB_JOINTS
from bodypose3d_ros.media import film
from bodypose3d_ros.perception.lifting.shape_model import FLAT
from bodypose3d_ros.perception.networks import Networks, load_networks
from bodypose3d_ros.perception.pose import PoseModel
from bodypose3d_ros.perception.pose.simcc import WEIGHTS

SOURCES = ("nothing", "floor", "floor, 0.5 deg wrong", "depth", "noisy depth", "floor, noisy depth")
GIVEN = np.asarray(WEIGHTS[17].any(axis=1))


class OnlyKeypoints:
    """A network that is asked for what a 2D network of 17 keypoints gives, and nothing else."""

    def __init__(self, pose: PoseModel) -> None:
        self.engine, self.sure_score, self.close = pose.engine, pose.sure_score, pose.close
        # BlazePose draws hips lower than the hip joints are.
        self.shape = replace(FLAT, raise_hips=pose.shape.raise_hips)
        self._pose = pose

    def estimate(self, frame: Frame, regions: Regions) -> Keypoints:
        """BlazePose's answer, without what a 2D network does not give."""
        found = self._pose.estimate(frame, regions)
        return replace(
            found,
            pixels=np.where(GIVEN[:, None], found.pixels, np.nan),
            confidence=np.where(GIVEN, found.confidence, 0),
            world=None,
        )


def main() -> None:
    options = [argument for argument in sys.argv[1:] if argument.startswith("--")]
    names = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    with load_networks() as loaded:
        networks = Networks(OnlyKeypoints(loaded.pose), loaded.detector)
        if "--errors" in options:
            errors(networks, names or film.names())
            return
        table(networks, names or film.names())
        print()
        feeds, truths = fusion.cell()
        fusion.print_rows(networks, feeds, truths, range(len(feeds), 1, -1), floor_frame="")


def table(networks: Networks, names: list[str]) -> None:
    """A row for what is known besides the picture, over all films."""
    print("| known besides | found | with metres | ids changed | pelvis | limb joints | 95 % of "
          "them under | in the 95 % ellipsoid | error squared, of its expectation |")  # fmt: skip
    print("| --- " * 9 + "|")
    for source in SOURCES:
        found = [accuracy_of(networks, name, source) for name in names]
        roots = [np.linalg.norm(each.roots[:, 1] - each.roots[:, 0], axis=1) for each in found]
        joints = [np.linalg.norm(each.absolute, axis=2)[:, LIMB_JOINTS] for each in found]
        squared = [each.normalised[np.isfinite(each.normalised)] for each in found]
        people = sum(each.found for each in found)
        placed = sum(np.isfinite(each.absolute).any(axis=(1, 2)).sum() for each in found)
        matched = sum(len(each.absolute) for each in found)
        figures = (
            f"{mean(roots)} mm | {mean(joints)} mm | {high(joints)} mm | "
            f"{100 * average([s < 7.815 for s in squared]):.0f} % | {average(squared) / 3:.2f}"
        )
        print(f"| {source} | {people} of {sum(each.expected for each in found)} | "
              f"{100 * placed / matched:.0f} % | {sum(each.switches for each in found)} | "
              f"{figures if placed else ' | '.join(['none'] * 5)} |", flush=True)  # fmt: skip


def average(films: Sequence[NDArray[np.floating | np.bool_]]) -> float:
    """Each film counts the same."""
    return float(np.mean([np.nanmean(each) for each in films if np.isfinite(each).any()] or np.nan))


def mean(films: list[NDArray[np.floating]]) -> str:
    return f"{1000 * average(films):.0f}"


def high(films: list[NDArray[np.floating]]) -> str:
    known = [each[np.isfinite(each)] for each in films]
    return f"{1000 * average([np.percentile(each, 95) for each in known if len(each)]):.0f}"


def errors(networks: Networks, names: list[str]) -> None:
    """Per joint the errors across and along the ray, and the size of the guess."""
    guessing = Networks(networks.pose, networks.detector)
    found = [errors_of(guessing, name, guesses=True) for name in names]
    print("| joint | across | along |")
    print("| --- | --- | --- |")
    for joint in np.flatnonzero(GIVEN):
        across, along = (
            np.sqrt(np.mean([np.nanmean(getattr(each, kind)[:, joint] ** 2) for each in found]))
            for kind in ("across", "along")
        )
        print(f"| {JOINTS[joint]} | {1000 * across:.0f} mm | {1000 * along:.0f} mm |")
    for name, each in zip(names, found, strict=True):
        print(f"{name}: size {np.exp(each.log_size.mean()):.3f} of what is guessed, "
              f"spread {each.log_size.std():.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
