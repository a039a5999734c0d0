"""How near a calibration from people is to the truth, laid onto it as a whole.

python -m benchmarks.rig                        calibrates the project's own cell by its people
python -m benchmarks.rig FOUND.yaml TRUE.yaml   compares two rig files
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from benchmarks.fusion import cell
from bodypose3d_ros.apps.calibrate_rig import seen
from bodypose3d_ros.media import rig
from bodypose3d_ros.perception.calibration.calibrate import Known, aligned, calibrate
from bodypose3d_ros.perception.networks import load_networks

Places = dict[str, NDArray[np.float64]]


def compare(found: Places, true: Places) -> None:
    """Print a row a camera: how far its direction and position are off."""
    names = list(true)
    places, truth = (np.array([each[name] for name in names]) for each in (found, true))
    size = [np.linalg.norm(p[1:, :3, 3] - p[:1, :3, 3], axis=1).sum() for p in (places, truth)]
    laid = aligned(places, truth)
    turned = Rotation.from_matrix(laid[:, :3, :3].swapaxes(1, 2) @ truth[:, :3, :3]).magnitude()
    moved = np.linalg.norm(laid[:, :3, 3] - truth[:, :3, 3], axis=1)
    print(f"scale: {100 * (size[0] / size[1] - 1):+.1f} %")
    print("| camera | direction | position |")
    print("| --- | --- | --- |")
    for name, degrees, metres in zip(names, np.degrees(turned), moved, strict=True):
        print(f"| {name} | {degrees:.2f} degrees | {100 * metres:.1f} cm |")


def of_cell() -> tuple[Places, Places]:
    """The cell's cameras as its people tell, with one height known, and as they are."""
    feeds, _ = cell()
    true = {feed.camera.name: feed.camera.place for feed in feeds}
    first = feeds[0].camera
    with load_networks() as networks:
        views = {feed.camera.name: seen(networks, feed) for feed in feeds}
    found = calibrate(views, Known(camera_height=(first.name, float(first.place[2, 3]))))
    return {name: camera.place for name, camera in found.cameras.items()}, true


def main() -> None:
    """Compare."""
    if len(sys.argv) == 3:
        both = [rig.read(Path(path)) for path in sys.argv[1:]]
        found, true = ({c.name: c.place for c in each.cameras} for each in both)
    else:
        found, true = of_cell()
    compare(found, true)


if __name__ == "__main__":
    main()
