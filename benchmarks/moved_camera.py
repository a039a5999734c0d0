"""Whether the fusion notices that a camera was moved: the cell's films, with one place wrong.

    python -m benchmarks.moved_camera [--degrees D]

BlazePose looks at each camera's film once; then the views are fused as live, with all places right
and with each camera in turn turned by D degrees about each of the world's axes. Printed are degrees
by which each camera is said to be off: at the end of the film's 6 s, and the most at any time.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from bodypose3d_ros.body.people import transform
from bodypose3d_ros.media import film
from bodypose3d_ros.perception.fusion.fit import Fit
from bodypose3d_ros.perception.fusion.fusion import Fusion, View
from bodypose3d_ros.perception.networks import Options, load_networks
from bodypose3d_ros.perception.tracking.tracker import Tracker

CELL = film.RIGS["cell"]
TOLERANCE = 1.0

Seen = tuple[str, View]
Array = NDArray[np.float64]


def look() -> Iterator[Seen]:
    """What each camera sees in each of its frames."""
    with load_networks(Options()) as networks:
        for name in CELL:
            shown, pipeline = film.load(name), networks.pipeline(None)
            for frame in shown.frames():
                placed = replace(frame, place=shown.place)
                yield name, View.of(placed, pipeline(placed))


def turned(view: View, rotation: Array) -> View:
    """The same if TF had the camera turned where it stands."""
    change = np.eye(4)
    change[:3, :3] = rotation
    change[:3, 3] = view.place[:3, 3] - rotation @ view.place[:3, 3]
    return replace(view, place=change @ view.place, bodies=transform(view.bodies, change))


def judged(seen: Sequence[Seen], cameras: Sequence[str]) -> Array:
    """(looks, cameras) degrees by which each is said to be off, in the course of the film."""
    fusion, fit, said = Fusion(Tracker), Fit(cameras), []
    for stamp, together in groupby(seen, lambda each: each[1].stamp):
        people = fusion.update(dict(together), stamp)
        fit.add(fusion.views, people, stamp, TOLERANCE)
        said.append([fit.degrees_off[name] for name in cameras])
    return np.array(said)


def tell(what: str, cameras: Sequence[str], said: Array) -> None:
    """A line of the table."""
    cells = [
        f"{name.removeprefix('cell_')} {end:.1f} ({most:.1f})"
        for name, end, most in zip(cameras, said[-1], np.nanmax(said, axis=0), strict=True)
    ]
    print(f"{what:28}{', '.join(cells)}")


def main(degrees: float) -> None:
    """Print the table, for all four cameras and for three of them."""
    everything = sorted(look(), key=lambda each: each[1].stamp)
    for cameras in (CELL, CELL[:3], CELL[:2]):
        seen = [(name, view) for name, view in everything if name in cameras]
        tell(f"{len(cameras)} cameras, all right", cameras, judged(seen, cameras))
        for moved in cameras:
            for axis, unit in zip("xyz", np.eye(3), strict=True):
                rotation = Rotation.from_rotvec(np.radians(degrees) * unit).as_matrix()
                wrong = [(n, turned(view, rotation) if n == moved else view) for n, view in seen]
                tell(
                    f"{moved.removeprefix('cell_')} {degrees:g} degrees, {axis}",
                    cameras,
                    judged(wrong, cameras),
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--degrees", type=float, default=2.0)
    main(parser.parse_args().degrees)
