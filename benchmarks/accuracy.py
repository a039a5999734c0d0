"""Accuracy on every frame of the project's films, as the README's table has it.

python -m benchmarks.accuracy [FILM ...]
"""

import sys

from bodypose3d_ros.apps.accuracy import measure
from bodypose3d_ros.media import film
from bodypose3d_ros.perception.networks import load_networks
from bodypose3d_ros.perception.tracking.tracker import Tracker


def main() -> None:
    """Print a row a film."""
    pipeline = load_networks().pipeline(Tracker())
    print("| film | found | in the image | pelvis on pelvis | Procrustes | pelvis, absolute |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in sys.argv[1:] or film.names():
        shown = film.load(name)
        pipeline.reset()
        accuracy = measure(shown, dict(enumerate(map(pipeline, shown.frames()))))
        figures = accuracy.to_json()
        limbs = figures["limb_joints"]
        print(
            f"| `{name}` | {accuracy.found} of {accuracy.expected} | {limbs['pixels']:.1f} px | "
            f"{limbs['root_aligned_mm']:.0f} mm | {limbs['procrustes_mm']:.0f} mm | "
            f"{figures['root_mm']['mean']:.0f} mm |"
        )


if __name__ == "__main__":
    main()
