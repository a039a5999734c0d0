"""How near fused people are to the truth: all cameras of a rig, one left out, pairs, one alone.

python -m benchmarks.fusion                            the project's own cell, whose truth is exact
python -m benchmarks.fusion RIG.yaml TRUTH.npz FILM... a rig of one's own

TRUTH.npz holds joints_world (F, 34, 3) or (F, P, 34, 3), metres in the rig's fixed frame, NaN where
unknown. With --keypoints it holds the network's own keypoints, triangulated: then its hips are
moved to where people have them, as an estimate's are.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.transform import Rotation

from bodypose3d_ros.apps.accuracy import mahalanobis
from bodypose3d_ros.apps.fuse import CameraFusion, fused
from bodypose3d_ros.body.orientation import orientations
from bodypose3d_ros.body.people import Bodies, Frame
from bodypose3d_ros.body.skeleton import INDEX, LIMB_JOINTS, known
from bodypose3d_ros.media import film, rig
from bodypose3d_ros.media.feeds import Feed, of_films
from bodypose3d_ros.media.rig import RigCamera
from bodypose3d_ros.perception.lifting import anatomical
from bodypose3d_ros.perception.lifting.shape_model import BLAZEPOSE_FULL
from bodypose3d_ros.perception.networks import Networks, Options, load_networks
from bodypose3d_ros.perception.tracking.smoothing import Smoother

Array = NDArray[np.float64]
Truth = Mapping[int, Array]
"""By stamp: joints (P, 34, 3) in the fixed frame."""

_FAR = 0.5
"""Metres: mean distance of joints from which an estimate is nobody's."""
_INSIDE = 7.815
"""Chi-square of three degrees of freedom, 95 %."""
_PELVIS = INDEX["pelvis"]


@dataclass
class Errors:
    """What is measured over all moments."""

    expected: int = 0
    invented: int = 0
    switches: int = 0
    off: list[Array] = field(default_factory=list)
    """(34, 3) estimate less truth of everybody found."""
    turned: list[Array] = field(default_factory=list)
    """The same in the true pelvis' frame."""
    surprise: list[Array] = field(default_factory=list)
    """(34,) squared Mahalanobis distances of the truth."""
    astray: list[Array] = field(default_factory=list)
    """The same of its velocity."""
    faster: list[Array] = field(default_factory=list)
    """(34, 3) metres a second, estimate less truth."""
    ids: dict[int, int] = field(default_factory=dict)

    def add(self, bodies: Bodies, truth: Array, velocity: Array) -> None:
        """Compare one moment's people with the truth (P, 34, 3), and how fast that moves."""
        there = np.flatnonzero(np.isfinite(truth).any(axis=(1, 2)))
        self.expected += len(there)
        off = bodies.joints[:, None] - truth[None, there]
        distance = np.linalg.norm(off, axis=3)[..., LIMB_JOINTS]
        count = np.maximum(np.isfinite(distance).sum(axis=2), 1)
        mean = np.where(np.isfinite(distance).any(axis=2), np.nansum(distance, axis=2) / count, 1e3)
        rows, columns = linear_sum_assignment(mean)
        pairs = [(n, p) for n, p in zip(rows, columns, strict=True) if mean[n, p] < _FAR]
        self.invented += len(bodies) - len(pairs)
        for body, person in pairs:
            error = off[body, person]
            pelvis = orientations(truth[None, there[person]])[0, _PELVIS]
            self.off.append(error)
            self.turned.append(error @ Rotation.from_quat(pelvis).as_matrix())
            self.surprise.append(mahalanobis(error, bodies.covariance[body]))
            faster = bodies.velocity[body] - velocity[there[person]]
            self.faster.append(faster)
            self.astray.append(mahalanobis(faster, bodies.velocity_covariance[body]))
            track = int(bodies.track_id[body])
            self.switches += self.ids.get(int(there[person]), track) != track
            self.ids[int(there[person])] = track

    def row(self) -> str:
        """The figures, as a row of a table in Markdown."""
        off, turned = np.array(self.off), np.array(self.turned)
        limbs = np.linalg.norm(off, axis=2)[:, LIMB_JOINTS] * 1000
        root = np.linalg.norm(off[:, _PELVIS], axis=1) * 1000
        there = known(turned)[..., None]
        mean = np.where(there, turned, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
        rest = np.linalg.norm(turned - mean, axis=2) * 1000
        faster = np.linalg.norm(np.array(self.faster), axis=2)
        return " | ".join(
            (
                f"{np.nanmean(limbs):.0f}, {np.nanmedian(limbs):.0f}, "
                f"{np.nanpercentile(limbs, 95):.0f}",
                f"{np.nanmean(rest[:, LIMB_JOINTS]):.0f}",
                f"{np.nanmean(root):.0f}, {np.nanmean(rest[:, _PELVIS]):.0f}",
                f"{100 * len(self.off) / max(self.expected, 1):.0f} %",
                str(self.invented),
                str(self.switches),
                _promise(self.surprise),
                _promise(self.astray),
                f"{np.nanmean(faster[:, LIMB_JOINTS]):.2f}, {np.nanmean(faster[:, _PELVIS]):.2f}",
            )
        )


def _promise(distances: list[Array]) -> str:
    """How many of the limb joints are in their 95 % ellipsoids; squares over their expectation."""
    squared = np.array(distances)[:, LIMB_JOINTS]
    squared = squared[np.isfinite(squared)]
    return f"{100 * (squared < _INSIDE).mean():.0f} %, {squared.mean() / 3:.2f}"


HEADER = (
    "| cameras | joints: mean, median, 95 % mm | without offsets | root, without offset mm | "
    "people found | nobody's | ids changed | inside 95 %, squared error | velocities: the same | "
    "off by, limbs and pelvis, m/s | fusing, ms |"
)


def measure(
    networks: Networks,
    feeds: Sequence[Feed],
    truth: Truth,
    floor_frame: str = "",
    *,
    smooth: bool = False,
) -> tuple[Errors, float]:
    """The errors at every moment whose truth is known, and a moment's milliseconds of fusing."""
    errors, velocity = Errors(), _velocities(truth)
    fusion, smoother = CameraFusion(networks, feeds, floor_frame=floor_frame), Smoother[int]()
    people: dict[int, Bodies] = {}
    for stamp, _, bodies in fused(feeds, fusion):
        people[stamp] = bodies
        if smooth:
            people.update(smoother.add(stamp, bodies, fusion.step))
    people.update(smoother.rest())
    for stamp, bodies in people.items():
        if stamp in truth:
            errors.add(bodies, truth[stamp], velocity[stamp])
    return errors, fusion.seconds / max(len(people), 1) * 1000


def _velocities(truth: Truth) -> Truth:
    """Metres a second, by differences: noise where the truth has noise."""
    stamps = sorted(truth)
    seconds = np.array(stamps) / 1e9
    speeds = np.gradient(np.stack([truth[stamp] for stamp in stamps]), seconds, axis=0)
    return dict(zip(stamps, speeds, strict=True))


def cell() -> tuple[list[Feed], dict[str, Truth]]:
    """The cameras of the project's cell, and what is true when each shoots."""
    feeds: list[Feed] = []
    truths: dict[str, Truth] = {}
    for name in film.RIGS["cell"]:
        shown = film.load(name)
        camera = RigCamera(name, shown.camera, shown.place)
        feeds.append(Feed(camera, len(shown), shown.rate, partial(_shot, shown, camera)))
        truths[name] = {shown.stamp(n): joints for n, joints in enumerate(shown.joints_world)}
    return feeds, truths


def _shot(shown: film.Film, camera: RigCamera) -> Iterator[Frame]:
    for frame in shown.frames():
        yield replace(frame, place=camera.place)


def of_files(
    path: Path, truth: Path, films: list[Path], keypoints: bool
) -> tuple[list[Feed], dict[str, Truth]]:
    """The cameras of a rig file, and the truth of a file."""
    feeds = of_films(rig.read(path), films)
    with np.load(truth) as content:
        joints = content["joints_world"].astype(np.float64)
    joints = joints[:, None] if joints.ndim == 3 else joints
    if keypoints:
        joints = np.stack([anatomical(people, BLAZEPOSE_FULL) for people in joints])
    at = {round(n * 1e9 / feeds[0].rate): people for n, people in enumerate(joints)}
    return feeds, {feed.camera.name: at for feed in feeds}


def main() -> None:
    """Print a row a choice of cameras."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rig", nargs="?", type=Path)
    parser.add_argument("truth", nargs="?", type=Path)
    parser.add_argument("films", nargs="*", type=Path)
    parser.add_argument("--keypoints", action="store_true")
    parser.add_argument("--all-only", action="store_true", help="no cameras left out")
    parser.add_argument("--smooth", action="store_true", help="what comes after tells, too")
    parser.add_argument("--floor", action="store_true", help="people stand on the fixed frame's 0")
    parser.add_argument("--model", default=Options.model, help="the pose network")
    options = parser.parse_args()
    if options.rig:
        feeds, truths = of_files(options.rig, options.truth, options.films, options.keypoints)
    else:
        feeds, truths = cell()
    sizes = [len(feeds)]
    if not options.all_only:
        sizes += [size for size in (len(feeds) - 1, 2, 1) if 0 < size < len(feeds)]
    with load_networks(Options(model=options.model)) as networks:
        floor_frame = "world" if options.floor else ""
        print_rows(networks, feeds, truths, sizes, floor_frame, smooth=options.smooth)


def print_rows(
    networks: Networks,
    feeds: list[Feed],
    truths: dict[str, Truth],
    sizes: Sequence[int],
    floor_frame: str,
    *,
    smooth: bool = False,
) -> None:
    print(HEADER)
    print("| --- " * HEADER.count(" | ") + "| --- |")
    for size in dict.fromkeys(sizes):
        for chosen in itertools.combinations(feeds, size):
            names = [feed.camera.name for feed in chosen]
            truth = {stamp: at for name in names for stamp, at in truths[name].items()}
            errors, milliseconds = measure(networks, chosen, truth, floor_frame, smooth=smooth)
            print(f"| {', '.join(names)} | {errors.row()} | {milliseconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
