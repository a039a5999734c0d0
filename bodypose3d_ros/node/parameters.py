"""The node's parameters: declared here once, for every host, the documentation and the YAML file.

Each setting of ``Parameters`` and of its ``perception`` is a parameter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from ..body.skeleton import JOINTS
from ..errors import InputError
from ..perception.networks import SETTINGS, Options
from ..perception.settings import Setting, Value, checked, declared, setting


@dataclass(frozen=True)
class Parameters:
    """What the node is told to do. Every value has been checked."""

    perception: Options = field(default_factory=Options)
    """Who is found and how: its settings are parameters, too, read at configuration."""
    own: Mapping[str, Value] = field(default_factory=dict)
    """What single cameras are told otherwise than all: ``front.hfov``, by name."""
    cameras: tuple[str, ...] = setting(
        (),
        "Names of several cameras, [front, left] for example, whose topics are front/image_raw, "
        "front/camera_info, ~/front/poses...; empty: one camera, on image and camera_info. Read "
        "when the process starts.",
    )
    image_transport: str = setting(
        "raw",
        "Which image topic is read: image, or image/compressed (JPEG, PNG).",
        choices=("raw", "compressed"),
        read_only=True,
    )
    use_detections: bool = setting(
        False,
        "Look where the detections topic says instead of searching. An image is used when the "
        "detections with its stamp arrive.",
        read_only=True,
    )
    detection_class: str = setting(
        "", "Only detections of this class_id are people; empty: all of them."
    )
    depth_transport: str = setting(
        "none",
        "Which depth topic is read: none, depth (raw), or depth/compressedDepth. Its images are "
        "registered to the camera's.",
        choices=("none", "raw", "compressedDepth"),
        read_only=True,
    )
    pairing_tolerance: float = setting(
        0.015,
        "How far the stamps of an image and of its detections or depth may be apart: less than "
        "the time between two images.",
        unit="s",
        minimum=0.0,
        maximum=1.0,
    )
    rectified: bool = setting(
        False, "The image is rectified (image_rect): the camera is P of CameraInfo, without lens."
    )
    hfov: float = setting(
        0.0,
        "Horizontal field of view assumed for a camera that publishes no CameraInfo; 0: wait "
        "for its CameraInfo.",
        unit="degrees",
        minimum=0.0,
        maximum=179.0,
    )
    target_frame: str = setting(
        "",
        "The frame that poses, markers and TF are given in; empty: the camera's optical frame.",
    )
    fixed_frame: str = setting(
        "",
        "A frame that does not move with the robot, in which people are tracked; empty: "
        "target_frame.",
    )
    transform_timeout: float = setting(
        0.1,
        "How long an image waits for its transforms.",
        unit="s",
        minimum=0.0,
        maximum=5.0,
    )
    tracking: bool = setting(
        True,
        "Follow people over time; false: publish what each image shows alone, with covariance and "
        "track_id 0.",
        read_only=True,
    )
    coast_time: float = setting(
        0.5,
        "How long somebody who is not seen is predicted and published.",
        unit="s",
        minimum=0.0,
        maximum=5.0,
    )
    remember_time: float = setting(
        5.0,
        "Within this time somebody who comes back gets the track id back.",
        unit="s",
        minimum=0.0,
        maximum=60.0,
    )
    search_time: float = setting(
        1.5,
        "How soon a newcomer is found while others are followed; twice as long while images come "
        "faster than they can be worked on.",
        unit="s",
        minimum=0.1,
        maximum=60.0,
    )
    search_share: float = setting(
        0.25,
        "The most of one processor core that the search for newcomers takes meanwhile, even if "
        "they are found later.",
        minimum=0.01,
        maximum=8.0,
    )
    floor_frame: str = setting(
        "",
        "A TF frame whose z = 0 is the floor that people stand on, base_footprint for example; "
        "empty: see camera_height.",
    )
    camera_height: float = setting(
        0.0,
        "Height of the camera above that floor; 0: unknown.",
        unit="m",
        minimum=0.0,
        maximum=100.0,
    )
    camera_pitch: float = setting(
        0.0,
        "How far the camera looks down, with camera_height.",
        unit="degrees",
        minimum=-90.0,
        maximum=90.0,
    )
    camera_roll: float = setting(
        0.0,
        'How far "up" leans to the right in the image, with camera_height.',
        unit="degrees",
        minimum=-180.0,
        maximum=180.0,
    )
    floor_tilt_sigma: float = setting(
        0.5,
        "Standard deviation of the floor's tilt: how well the mounting, or TF, is known.",
        unit="degrees",
        minimum=0.05,
        maximum=20.0,
    )
    publish_tf: bool = setting(True, "Send a TF frame per joint, body_<track id>/<joint>.")
    tf_prefix: str = setting(
        "", "What those frames begin with, left/ for example: set it where several nodes send TF."
    )
    tf_joints: tuple[str, ...] = setting(
        (), "The joints that get a TF frame; empty: all 34.", choices=JOINTS
    )
    publish_markers: bool = setting(True, "Publish skeletons and labels for RViz.")
    stale_after: float = setting(
        2.0,
        "Without an image for so long, diagnostics warn.",
        unit="s",
        minimum=0.1,
        maximum=3600.0,
    )
    alive_timeout: float = setting(
        0.5,
        "Without poses for so long, ~/alive says stale or blind.",
        unit="s",
        minimum=0.05,
        maximum=60.0,
    )
    engine_timeout: float = setting(
        5.0,
        "A network that does not answer for so long hangs: it is given up and loaded again. "
        "Diagnostics and ~/alive tell of it after one second.",
        unit="s",
        minimum=0.1,
        maximum=3600.0,
    )
    autostart: bool = setting(
        True,
        "Configure and activate at start; false leaves that to a lifecycle manager (ROS 2 only).",
        read_only=True,
    )

    @property
    def uses_depth(self) -> bool:
        """Whether images come with depth images."""
        return self.depth_transport != "none"

    @property
    def pairs_images(self) -> bool:
        """Whether images wait for other messages with their stamps, so that each is needed."""
        return self.use_detections or self.uses_depth

    @property
    def uses_tf(self) -> bool:
        """Whether any frame is to be looked up in TF."""
        return bool(self.target_frame or self.fixed_frame or self.floor_frame)

    def changed(self, values: Mapping[str, object], *, running: bool = False) -> Parameters:
        """These parameters with other values.

        Args:
            values: By parameter name.
            running: The node is configured, so that read-only parameters stay what they are.

        Raises:
            InputError: A parameter that does not exist, cannot be changed now, or a bad value;
                nothing has changed.
        """
        settings: dict[str, Any] = checked(declared(Parameters), values)
        changed = replace(self, perception=self.perception.changed(values), **settings)
        check_cameras(changed.cameras)
        known = DECLARATIONS | of_cameras(changed.cameras)
        check_names(values, known)
        own = checked(tuple(of_cameras(changed.cameras).values()), values)
        changed = replace(changed, own={**self.own, **own})
        if running:
            others = [name for name in values if changed.value(name) != self.value(name)]
            check_may_change(others, known)
        return changed

    def value(self, name: str) -> Value:
        """The value of any of ``DECLARATIONS``, or of one of ``of_cameras``."""
        camera, _, own = name.rpartition(".")
        value: Value
        if camera:
            value = getattr(self.of_camera(camera), own)
        else:
            value = self.perception.value(name) if name in SETTINGS else getattr(self, name)
        return value

    def of_camera(self, camera: str) -> Parameters:
        """What one of several cameras is told: what it is told alone goes before what all are.

        Its TF frames bear its name, and it has its part of the search.
        """
        told = {
            name.removeprefix(f"{camera}."): value
            for name, value in self.own.items()
            if name.startswith(f"{camera}.")
        }
        everyone: dict[str, Any] = {
            "tf_prefix": f"{self.tf_prefix}{camera}/",
            "search_share": self.search_share / len(self.cameras),
        }
        return replace(self, **everyone | told)


DECLARATIONS: dict[str, Setting] = {
    **{name: replace(each, read_only=True) for name, each in SETTINGS.items()},
    **{each.name: each for each in declared(Parameters)},
}
"""Every parameter by its name, in the order they are documented."""
_OF_PROCESS = {"cameras", "search_share", "engine_timeout", "autostart"}
_CAMERA_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def of_cameras(cameras: tuple[str, ...]) -> dict[str, Setting]:
    """The parameters that each of several cameras can be told alone: ``front.hfov``, by name."""
    return {
        f"{camera}.{each.name}": replace(each, name=f"{camera}.{each.name}")
        for camera in cameras
        for each in declared(Parameters)
        if each.name not in _OF_PROCESS
    }


def check_cameras(cameras: tuple[str, ...]) -> None:
    """Look whether cameras can be told apart by their names, in topics, too.

    Raises:
        InputError: They cannot.
    """
    for camera in cameras:
        if not _CAMERA_NAME.fullmatch(camera):
            raise InputError(
                f"cameras: {camera!r} cannot be part of a topic: use letters, digits, _"
            )
    if len(set(cameras)) < len(cameras):
        raise InputError(f"cameras: two have one name: {', '.join(cameras)}")


def check_names(names: Iterable[str], known: Mapping[str, Setting]) -> None:
    """Look whether there are such parameters.

    Raises:
        InputError: There is none of a name; the message says which is nearest.
    """
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 1)
            of_all = ", ".join(each for each in known if "." not in each)
            hint = f"did you mean {near[0]}?" if near else f"there are {of_all}"
            raise InputError(f"there is no parameter {name!r}: {hint}")


def check_may_change(names: Iterable[str], known: Mapping[str, Setting]) -> None:
    """Look whether parameters may change while the node is configured.

    Raises:
        InputError: One of them is read only.
    """
    for name in names:
        if known[name].read_only:
            raise InputError(f"{name} is read when the node is configured: start it again")
