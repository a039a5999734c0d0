"""Rigs: cameras that stand still to each other, and the file that says where.

The file, with paths of calibrations as seen from it::

    fixed_frame: world
    cameras:
      front: {calibration: front.yaml, translation: [x, y, z], rotation: [x, y, z, w]}

``translation`` (metres) and ``rotation`` (a unit quaternion) are the camera's optical frame in the
fixed frame, as a static transform from ``fixed_frame`` to the optical frame has them. A camera
whose images bear another frame than ``front_optical_frame`` has that as its ``frame``, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ..body import yaml_file
from ..body.camera import Camera
from ..errors import CameraError, InputError
from .outputs import writing

Array = NDArray[np.float64]

_UNIT = 1e-2
"""How far from 1 a quaternion's length may be: what a person types has a few digits."""


@dataclass(frozen=True)
class RigCamera:
    """One camera and where it stands."""

    name: str
    camera: Camera
    place: Array
    """(4, 4) from the optical frame to the fixed frame."""
    calibration: Path | None = None
    """The file its camera was read from."""
    frame: str = ""
    """What its images call its optical frame; empty: after its name."""

    @property
    def optical_frame(self) -> str:
        """The name of its optical frame."""
        return self.frame or f"{self.name}_optical_frame"

    @property
    def translation(self) -> list[float]:
        """X, y and z of the optical frame in the fixed frame, metres."""
        return [float(value) for value in self.place[:3, 3]]

    @property
    def rotation(self) -> list[float]:
        """The quaternion x, y, z, w that turns the optical frame's axes to the fixed frame's."""
        quaternion = Rotation.from_matrix(self.place[:3, :3]).as_quat(canonical=True)
        return [float(value) for value in quaternion]


@dataclass(frozen=True)
class Rig:
    """Cameras in one fixed frame."""

    fixed_frame: str
    cameras: tuple[RigCamera, ...]

    def __len__(self) -> int:
        return len(self.cameras)


def file_name(camera: str) -> str:
    """A camera's name as a part of files': a name may be a namespace, or come from a frame's."""
    return camera.strip("/").replace("/", "_")


def place_of(translation: list[float], rotation: list[float]) -> Array:
    """(4, 4) from x, y, z in metres and a quaternion x, y, z, w."""
    place = np.eye(4)
    place[:3, :3] = Rotation.from_quat(rotation).as_matrix()
    place[:3, 3] = translation
    return place


def read(path: Path) -> Rig:
    """A rig with the calibrations that it names.

    Raises:
        InputError: The file is missing or is not a rig; the message says what is wrong where.
        CameraError: A calibration cannot be used.
    """
    content = yaml_file.read(path)
    try:
        _only(content, ("fixed_frame", "cameras"), "a rig")
        if not isinstance(content["fixed_frame"], str) or not content["fixed_frame"]:
            raise InputError("fixed_frame has to be the name of a frame")
        cameras = content["cameras"]
        if not isinstance(cameras, dict) or not cameras:
            raise InputError("cameras has to name at least one camera")
        return Rig(
            content["fixed_frame"],
            tuple(_camera(str(name), entry, path.parent) for name, entry in cameras.items()),
        )
    except CameraError:
        raise
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def write(rig: Rig, path: Path) -> None:
    """Write a rig whose cameras came from calibration files, replacing what was there.

    Raises:
        InputError: A camera has no calibration file.
        WriteError: The file cannot be written.
    """
    cameras: dict[str, dict[str, Any]] = {}
    for each in rig.cameras:
        if each.calibration is None:
            raise InputError(f"the camera {each.name} has no calibration file to be named")
        cameras[each.name] = {
            "calibration": _seen_from(path.parent, each.calibration),
            "translation": [round(value, 6) for value in each.translation],
            "rotation": [round(value, 8) for value in each.rotation],
        }
        if each.optical_frame != replace(each, frame="").optical_frame:
            cameras[each.name]["frame"] = each.frame
    text = yaml.safe_dump(
        {"fixed_frame": rig.fixed_frame, "cameras": cameras}, sort_keys=False, width=200
    )
    with writing(path):
        path.write_text(text, encoding="utf-8")


def _camera(name: str, entry: Any, folder: Path) -> RigCamera:  # noqa: ANN401 - YAML
    where = f"the camera {name}"
    _only(entry, ("calibration", "translation", "rotation"), where, ("frame",))
    frame = entry.get("frame", "")
    if not isinstance(frame, str):
        raise InputError(f"frame of {where} has to be the name of its images' frame")
    translation = _numbers(entry["translation"], 3, f"translation of {where}")
    rotation = _numbers(entry["rotation"], 4, f"rotation of {where}")
    if abs(float(np.linalg.norm(rotation)) - 1) > _UNIT:
        raise InputError(
            f"rotation of {where} is not a unit quaternion x, y, z, w: its length is "
            f"{np.linalg.norm(rotation):.3f}"
        )
    calibration = folder / str(entry["calibration"])
    camera = Camera.from_yaml(calibration)
    return RigCamera(name, camera, place_of(translation, rotation), calibration, frame)


def _only(
    entry: Any,  # noqa: ANN401 - YAML
    keys: tuple[str, ...],
    what: str,
    optional: tuple[str, ...] = (),
) -> None:
    """Refuse anything but a mapping with exactly these keys, and perhaps the optional ones."""
    if not isinstance(entry, Mapping):
        raise InputError(f"{what} has to have {', '.join(keys)}")
    if missing := [key for key in keys if key not in entry]:
        raise InputError(f"{what} has no {' and no '.join(missing)}")
    if unknown := [str(key) for key in entry if key not in (*keys, *optional)]:
        raise InputError(f"{what} has {', '.join(unknown)}, which is not known")


def _numbers(values: Any, count: int, what: str) -> list[float]:  # noqa: ANN401 - YAML
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{what} has to be {count} numbers") from error
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise InputError(f"{what} has to be {count} finite numbers")
    return numbers


def _seen_from(folder: Path, file: Path) -> str:
    """A path relative to a folder where it lies below it, else an absolute one."""
    file, folder = file.resolve(), folder.resolve()
    return str(file.relative_to(folder)) if file.is_relative_to(folder) else str(file)
