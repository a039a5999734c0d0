"""Accuracy on every frame of the project's films, as the README's tables have it.

python -m benchmarks.accuracy [--live] [--table] [--untracked] [--smooth] [--cost] [FILM ...]

A part of every image is searched for newcomers; with ``--live`` of one now and then, as the node
does by default that has processor time to spare. With ``--smooth`` what comes after tells, too, as
`estimate --smooth` has it.

``--table`` gives each film with what a robot may know besides the picture: nothing, the floor, a
floor whose tilt is wrong by half a degree, by one and by three either way, a depth image, a noisy
one, and floor and noisy depth together; a rig's films have no depth images. ``--cost`` gives what
each of these takes to use, for the first film's first person four times over.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from bodypose3d_ros.apps.accuracy import Accuracy, measure
from bodypose3d_ros.body.depth import DepthImage
from bodypose3d_ros.body.floor import Floor
from bodypose3d_ros.body.people import Frame, select
from bodypose3d_ros.body.skeleton import LIMB_JOINTS
from bodypose3d_ros.media import film
from bodypose3d_ros.perception.lifting import lift
from bodypose3d_ros.perception.networks import Networks, load_networks
from bodypose3d_ros.perception.pose import regions_of
from bodypose3d_ros.perception.search import Budget
from bodypose3d_ros.perception.tracking.smoothing import Smoother
from bodypose3d_ros.perception.tracking.tracker import Tracker

_LIFTS = 200
SOURCES = (
    "nothing", "floor", "floor, 0.5 deg wrong", "floor, 1 deg wrong", "floor, -1 deg wrong",
    "floor, 3 deg wrong", "floor, -3 deg wrong",
    "depth", "noisy depth", "floor, noisy depth",
)  # fmt: skip


def frames_with(shown: film.Film, source: str) -> Iterator[Frame]:
    """A film's frames with what else is known of them."""
    wrong = float(source.split()[1]) if "wrong" in source else 0.0
    floor = Floor.from_mounting(shown.height, shown.tilt + wrong) if "floor" in source else None
    depths: Iterator[DepthImage | None] = iter(lambda: None, 0)
    if "depth" in source:
        depths = shown.depth_images(noisy="noisy" in source)
    for frame, depth in zip(shown.frames(), depths, strict=False):
        yield replace(frame, floor=floor, depth=depth)


def accuracy_of(
    networks: Networks,
    name: str,
    source: str,
    *,
    tracked: bool = True,
    live: bool = False,
    smooth: bool = False,
) -> Accuracy:
    """One film through a pipeline of its own."""
    shown = film.load(name)
    pipeline = networks.pipeline(Tracker() if tracked else None)
    budget = Budget(share=np.inf) if live else None
    estimates, smoother = {}, Smoother[int]()
    for number, frame in enumerate(frames_with(shown, source)):
        estimates[number] = pipeline.estimate(frame)
        pipeline.search(frame, budget)
        if smooth:
            estimates.update(smoother.add(number, estimates[number], pipeline.step))
    return measure(shown, {**estimates, **dict(smoother.rest())})


def summary(networks: Networks, names: list[str], **how: bool) -> None:
    """A row a film."""
    print("| film | found | invented | in the image | pelvis on pelvis | pelvis, absolute | "
          "in the 95 % ellipsoid | velocity, limbs / pelvis | in its 95 % ellipsoid, "
          "error squared | lag | ids changed |")  # fmt: skip
    print("| --- " * 11 + "|")
    for name in names:
        accuracy = accuracy_of(networks, name, "nothing", **how)
        figures = accuracy.to_json()
        limbs, speeds = figures["limb_joints"], figures["velocity_mps"]
        print(
            f"| `{name}` | {accuracy.found} of {accuracy.expected} | {accuracy.invented} | "
            f"{limbs['pixels']:.1f} px | {limbs['root_aligned_mm']:.0f} mm | "
            f"{figures['root_mm']['mean']:.0f} mm | {figures['covered_95'] * 100:.0f} % | "
            f"{speeds['limb_joints']} / {speeds['pelvis']} m/s | {promise(speeds)} | "
            f"{figures['lag_ms']} ms | {accuracy.switches} |"
        )


def promise(speeds: dict[str, float | None]) -> str:
    """How many true velocities are in the ellipsoids; squared errors over their expectation."""
    covered, squared = speeds["covered_95"], speeds["normalised_error"]
    return "unknown" if covered is None else f"{100 * covered:.0f} %, {squared}"


def table(networks: Networks, names: list[str], **how: bool) -> None:
    """Absolute errors of pelvis and limb joints by what is known, and the ellipsoids' promise."""
    print("| film | known besides | pelvis | limb joints | 95 % of them under | "
          "in the 95 % ellipsoid | error squared, of its expectation |")  # fmt: skip
    print("| --- " * 7 + "|")
    rows: dict[str, list[list[float]]] = {source: [] for source in SOURCES}
    for name in names:
        known = [s for s in SOURCES if "depth" not in s or not film.load(name).in_rig]
        for source in known:
            accuracy = accuracy_of(networks, name, source, **how)
            root = np.linalg.norm(accuracy.roots[:, 1] - accuracy.roots[:, 0], axis=1)
            joints = np.linalg.norm(accuracy.absolute, axis=2)[:, LIMB_JOINTS]
            figures = accuracy.to_json()
            row = [
                1000 * root.mean(),
                1000 * np.nanmean(joints),
                1000 * np.nanpercentile(joints, 95),
                100 * figures["covered_95"],
                figures["normalised_error"],
            ]
            rows[source].append(row)
            print_row(name, source, row)
    for source, found in rows.items():
        if found:
            print_row("all", source, list(np.mean(found, axis=0)))


def cost(networks: Networks, name: str) -> None:
    """Processor time of lifting one image's four people to metres, by what is known."""
    lifts = {}
    for source in ("nothing", "floor", "noisy depth", "floor, noisy depth"):
        frame = next(frames_with(film.load(name), source))
        areas = networks.detector.areas(*frame.image.shape[1::-1])
        found = regions_of(networks.detector.detect(frame.image, areas))
        four = networks.pose.estimate(frame, select(found, np.zeros(4, np.intp)))
        known = frame.camera, networks.pose.shape, frame.floor, frame.depth
        lifts[source] = partial(lift, four, *known)
    times: dict[str, list[float]] = {source: [] for source in lifts}
    for _ in range(_LIFTS):  # in turns: what else the machine does is the same for all
        for source, lift_them in lifts.items():
            start = time.process_time()
            lift_them()
            times[source].append(time.process_time() - start)
    print("| known besides | four people, ms |")
    print("| --- | --- |")
    for source, taken in times.items():
        print(f"| {source} | {1000 * np.median(taken):.2f} |")


def print_row(name: str, source: str, row: list[float]) -> None:
    """One line of the table."""
    print(f"| `{name}` | {source} | {row[0]:.0f} mm | {row[1]:.0f} mm | {row[2]:.0f} mm | "
          f"{row[3]:.0f} % | {row[4]:.2f} |")  # fmt: skip


def main() -> None:
    """Print what was asked for."""
    options = [argument for argument in sys.argv[1:] if argument.startswith("--")]
    names = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    how = {
        "tracked": "--untracked" not in options,
        "live": "--live" in options,
        "smooth": "--smooth" in options,
    }
    with load_networks() as networks:
        if "--table" in options:
            table(networks, names or film.names(), **how)
        elif "--cost" in options:
            cost(networks, (names or film.names())[0])
        else:
            summary(networks, names or film.names(), **how)


if __name__ == "__main__":
    main()
