"""Cameras that see the same people, calibrated by them: a rig file, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rich.table import Table

from ..body.camera import Camera
from ..body.people import Bodies, Frame
from ..media import rig, rig_launch
from ..media.feeds import Feed
from ..media.outputs import SUMMARY, Outputs, writing
from ..media.rig import Rig, RigCamera, file_name
from ..perception.calibration.calibrate import Calibration
from ..perception.calibration.tracks import Recorded
from ..perception.networks import Networks
from ..perception.tracking.tracker import Tracker

RIG, LAUNCH = "rig.yaml", "rig.launch.py"
FILES = (RIG, LAUNCH, SUMMARY)


def cameras_of(chosen: Sequence[tuple[str, Path]], fixed_frame: str) -> Rig:
    """Cameras by name and calibration file, whose places are still to be found.

    Raises:
        CameraError: A calibration cannot be used.
    """
    return Rig(
        fixed_frame,
        tuple(RigCamera(name, Camera.from_yaml(path), np.eye(4), path) for name, path in chosen),
    )


def rig_of(
    cameras: Mapping[str, Camera], frames: Mapping[str, str], folder: Path, fixed_frame: str
) -> Rig:
    """Cameras whose calibrations are to lie in a folder, and whose places are to be found.

    Args:
        cameras: By name.
        frames: What their images call their optical frames, by name.
        folder: Where the calibrations are to be.
        fixed_frame: The frame that they will have places in.
    """
    return Rig(
        fixed_frame,
        tuple(
            RigCamera(name, camera, np.eye(4), folder / calibration_name(name), frames[name])
            for name, camera in cameras.items()
        ),
    )


def calibration_name(camera: str) -> str:
    """The file of a camera's calibration, where one is written."""
    return f"{file_name(camera)}.yaml"


def seen(networks: Networks, feed: Feed) -> Recorded:
    """What one camera sees of whom, in its own optical frame."""
    pipeline = networks.pipeline(Tracker(), guesses=True)
    stamps: list[int] = []
    bodies: list[Bodies] = []
    for frame in feed.frames():
        own = Frame(frame.image, frame.camera, frame.stamp, frame.frame_id, frame.source)
        stamps.append(frame.stamp)
        bodies.append(pipeline(own))
    return Recorded(feed.camera.camera, stamps, bodies)


def found_rig(cameras: Rig, calibration: Calibration) -> Rig:
    """The cameras at the places that were found."""
    return Rig(
        cameras.fixed_frame,
        tuple(
            replace(each, place=calibration.cameras[each.name].place) for each in cameras.cameras
        ),
    )


def write(cameras: Rig, calibration: Calibration, outputs: Outputs) -> None:
    """Write the rig, the launch file and how sure it all is.

    Raises:
        WriteError: A file cannot be written.
    """
    found = found_rig(cameras, calibration)
    rig.write(found, outputs.part(RIG))
    rig_launch.write(found, outputs.part(LAUNCH))
    outputs.describe(SUMMARY, summary(calibration))


def write_calibrations(cameras: Rig, outputs: Outputs) -> None:
    """Write the calibration of each camera beside its rig.

    Raises:
        WriteError: A file cannot be written.
    """
    for each in cameras.cameras:
        _write_calibration(each.camera, outputs.part(calibration_name(each.name)))


def summary(calibration: Calibration) -> Mapping[str, Any]:
    """How sure a calibration is, as ``summary.json`` has it."""
    return {
        "scale": {
            "source": calibration.scale_source,
            "sigma_percent": round(100 * calibration.scale_sigma, 1),
        },
        "up": {
            "source": calibration.ground.source,
            "sigma_degrees": round(calibration.ground.degrees, 2),
        },
        "cameras": {
            name: {
                "sigma_degrees": round(camera.degrees, 3),
                "sigma_metres": round(camera.metres, 4),
                "median_residual_pixels": round(camera.pixels, 2),
                "person_moments": camera.moments,
                "coverage": round(camera.coverage, 2),
            }
            for name, camera in calibration.cameras.items()
        },
    }


def table(calibration: Calibration) -> Table:
    """For the terminal."""
    told = Table("camera", "direction ±", "position ±", "residual", "seen", "of the image")
    for name, camera in calibration.cameras.items():
        told.add_row(
            name,
            f"{camera.degrees:.2f} degrees",
            f"{100 * camera.metres:.1f} cm",
            f"{camera.pixels:.1f} px",
            f"{camera.moments} times",
            f"{100 * camera.coverage:.0f} %",
        )
    return told


def _write_calibration(camera: Camera, path: Path) -> None:
    """As ROS' camera_calibration does."""
    content = {
        "image_width": camera.width,
        "image_height": camera.height,
        "camera_matrix": {"rows": 3, "cols": 3, "data": camera.matrix.ravel().tolist()},
        "distortion_model": camera.distortion_model,
        "distortion_coefficients": {
            "rows": 1,
            "cols": len(camera.distortion),
            "data": camera.distortion.tolist(),
        },
    }
    with writing(path):
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
