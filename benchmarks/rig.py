"""How near a calibration from people is to the truth, laid onto it as a whole.

python -m benchmarks.rig                           calibrates the project's own cell by its people
python -m benchmarks.rig FOUND.yaml TRUE.yaml      compares two rig files
python -m benchmarks.rig --parts [TRUE.yaml FILM...]   counts right, wrong and refused answers of
                                                   all cameras, fewer and pairs, all the time,
                                                   halves and thirds of it; else of the cell
"""

import argparse
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from benchmarks.fusion import cell
from bodypose3d_ros.apps.calibrate_rig import seen
from bodypose3d_ros.errors import InputError
from bodypose3d_ros.media import rig
from bodypose3d_ros.media.feeds import Feed, of_films
from bodypose3d_ros.perception.calibration.alignment import aligned
from bodypose3d_ros.perception.calibration.calibrate import calibrate
from bodypose3d_ros.perception.calibration.scale import Known
from bodypose3d_ros.perception.calibration.tracks import Recorded
from bodypose3d_ros.perception.networks import Options, load_networks

Array = NDArray[np.float64]
Places = dict[str, Array]
Views = Mapping[str, Recorded]

_TIMES = {"all": 1, "halves": 2, "thirds": 3}
_FAR_OFF, _SIGMAS = 2.0, 3.0
"""An answer is wrong that is off by more degrees and by more than so many of its own sigmas."""


def off(found: Places, true: Places) -> tuple[Array, Array, float]:
    """Degrees and metres (V,) by which cameras are off, laid onto the truth, and the scale."""
    places, truth = (np.array([each[name] for name in true]) for each in (found, true))
    size = [np.linalg.norm(p[1:, :3, 3] - p[:1, :3, 3], axis=1).sum() for p in (places, truth)]
    laid = aligned(places, truth)
    turned = Rotation.from_matrix(laid[:, :3, :3].swapaxes(1, 2) @ truth[:, :3, :3]).magnitude()
    moved = np.linalg.norm(laid[:, :3, 3] - truth[:, :3, 3], axis=1)
    return np.degrees(turned), moved, float(size[0] / size[1])


def compare(found: Places, true: Places) -> None:
    """Print a row a camera: how far its direction and position are off."""
    turned, moved, scale = off(found, true)
    print(f"scale: {100 * (scale - 1):+.1f} %")
    print("| camera | direction | position |")
    print("| --- | --- | --- |")
    for name, degrees, metres in zip(true, turned, moved, strict=True):
        print(f"| {name} | {degrees:.2f} degrees | {100 * metres:.1f} cm |")


def parts(views: Views, true: Places) -> None:
    """Print a row for each number of cameras and part of the time, and one for all of them."""
    print("| cameras | time | right | wrong | refused | degrees off, said | inside 95 % | "
          "cm off, said | inside 95 % | at most |")  # fmt: skip
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    every = []
    for size, (when, count) in itertools.product(range(len(views), 1, -1), _TIMES.items()):
        answers = [
            answered(part, true)
            for names in itertools.combinations(views, size)
            for part in cut({name: views[name] for name in names}, count)
        ]
        every += answers
        print(f"| {size} | {when} | {row(answers)} |", flush=True)
    print(f"| all | all | {row(every)} |")


def row(answers: Sequence[Array | None]) -> str:
    """What a table says of answers: medians, and how often the truth is within two sigmas."""
    given = [answer for answer in answers if answer is not None]
    wrong = sum(
        bool(((turned > _FAR_OFF) & (turned > _SIGMAS * said)).any())
        for turned, said, _, _ in given
    )
    told = [str(len(given) - wrong), str(wrong), str(len(answers) - len(given))]
    turned, degrees, moved, metres = (
        np.concatenate(given, axis=1) if given else np.full((4, 1), np.nan)
    )
    for far, said, places in ((turned, degrees, 2), (100 * moved, 100 * metres, 1)):
        told.append(f"{np.median(far):.{places}f}, {np.median(said):.{places}f}")
        told.append(f"{100 * (far < 2 * said).mean():.0f} %")
    return " | ".join([*told, f"{turned.max():.1f} degrees"])


def answered(views: Views, true: Places) -> Array | None:
    """(4, V) degrees off and said, metres off and said; None where the answer is refused."""
    try:
        found = calibrate(views).cameras
    except InputError:
        return None
    places = {name: camera.place for name, camera in found.items()}
    turned, moved, _ = off(places, {name: true[name] for name in places})
    said = np.array([[camera.degrees, camera.metres] for camera in found.values()]).T
    return np.array([turned, said[0], moved, said[1]])


def cut(views: Views, count: int) -> Iterator[Views]:
    """What was seen in each of so many parts of the time."""
    first = min(view.stamps[0] for view in views.values())
    last = max(view.stamps[-1] for view in views.values())
    edges = np.linspace(first, last + 1, count + 1)
    for start, end in itertools.pairwise(edges):
        yield {name: between(view, start, end) for name, view in views.items()}


def between(view: Recorded, start: float, end: float) -> Recorded:
    """What a camera saw from one time to another."""
    kept = [n for n, stamp in enumerate(view.stamps) if start <= stamp < end]
    return replace(
        view, stamps=[view.stamps[n] for n in kept], bodies=[view.bodies[n] for n in kept]
    )


def sightings(feeds: list[Feed], model: str) -> tuple[Views, Places]:
    """What cameras see, and where they stand."""
    with load_networks(Options(model=model)) as networks:
        views = {feed.camera.name: seen(networks, feed) for feed in feeds}
    return views, {feed.camera.name: feed.camera.place for feed in feeds}


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--parts", action="store_true", help="cameras and times left out")
    parser.add_argument("--model", default=Options.model, help="the pose network")
    options = parser.parse_args()
    if len(options.files) == 2 and not options.parts:
        both = [rig.read(path) for path in options.files]
        found, true = ({c.name: c.place for c in each.cameras} for each in both)
        compare(found, true)
        return
    if options.files:
        feeds = list(of_films(rig.read(options.files[0]), options.files[1:]))
    else:
        feeds, _ = cell()
    views, true = sightings(feeds, options.model)
    if options.parts:
        parts(views, true)
        return
    first = feeds[0].camera
    answer = calibrate(views, Known(camera_height=(first.name, float(first.place[2, 3]))))
    compare({name: camera.place for name, camera in answer.cameras.items()}, true)


if __name__ == "__main__":
    main()
