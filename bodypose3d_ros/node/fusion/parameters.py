"""The fusion node's parameters, declared as the other node's are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...errors import InputError
from ...perception.settings import Setting, checked, declared, setting
from .. import parameters

CAMERA = "{camera}"
"""Stands for each camera's name in the names of topics."""


def _as_there(name: str) -> Any:  # noqa: ANN401 - a field of the default's type
    """A parameter that the other node has, too."""
    about = parameters.DECLARATIONS[name]
    return field(default=about.default, metadata={"setting": about})


@dataclass(frozen=True)
class Parameters:
    """What the fusion node is told to do. Every value has been checked."""

    cameras: tuple[str, ...] = setting(
        (), "The cameras' names: [front, left] for example.", read_only=True
    )
    poses_topic: str = setting(
        "{camera}/bodypose3d/poses",
        "Where each camera's poses are: those of a bodypose3d node with tracking: false.",
        read_only=True,
    )
    camera_info_topic: str = setting(
        "{camera}/camera_info",
        "Where each camera's calibration is, which tells what it can see and how large a pixel "
        "is; empty: nowhere.",
        read_only=True,
    )
    rectified: bool = _as_there("rectified")
    fixed_frame: str = setting(
        "world",
        "The frame that people are tracked and given in; TF knows where each camera is in it.",
        read_only=True,
    )
    wait: float = setting(
        0.1,
        "How long poses wait for those of other cameras that are about to come, an image's time at "
        "most: that gives one answer an image; 0: each camera's are fused as they come.",
        unit="s",
        minimum=0.0,
        maximum=1.0,
    )
    transform_timeout: float = setting(
        0.1,
        "How long poses wait for where their camera is, while other cameras' go on.",
        unit="s",
        minimum=0.0,
        maximum=5.0,
    )
    extrinsics_tolerance: float = setting(
        1.0,
        "Diagnostics warn of a camera whose people are so far from where the others see them, "
        "over ten seconds: its place in TF is wrong.",
        unit="degrees",
        minimum=0.1,
        maximum=45.0,
    )
    coast_time: float = _as_there("coast_time")
    remember_time: float = _as_there("remember_time")
    publish_tf: bool = _as_there("publish_tf")
    tf_prefix: str = _as_there("tf_prefix")
    tf_joints: tuple[str, ...] = _as_there("tf_joints")
    publish_markers: bool = _as_there("publish_markers")
    stale_after: float = setting(
        0.8,
        "Without poses from a camera for so long, diagnostics warn; from all of them, they say "
        "error.",
        unit="s",
        minimum=0.1,
        maximum=3600.0,
    )
    alive_timeout: float = _as_there("alive_timeout")
    autostart: bool = _as_there("autostart")

    def changed(self, values: Mapping[str, object], *, running: bool = False) -> Parameters:
        """These parameters with other values.

        Args:
            values: By parameter name.
            running: The node is configured, so that read-only parameters stay what they are.

        Raises:
            InputError: A parameter that does not exist, cannot be changed now, or a bad value;
                nothing has changed.
        """
        parameters.check_names(values, DECLARATIONS)
        given: dict[str, Any] = checked(declared(Parameters), values)
        changed = replace(self, **given)
        changed.check()
        if running:
            others = [name for name in values if getattr(changed, name) != getattr(self, name)]
            parameters.check_may_change(others, DECLARATIONS)
        return changed

    def check(self) -> None:
        """Look whether they go together.

        Raises:
            InputError: They do not.
        """
        parameters.check_cameras(self.cameras)
        for name in ("poses_topic", "camera_info_topic"):
            topic = getattr(self, name)
            if len(self.cameras) > 1 and topic and CAMERA not in topic:
                raise InputError(f"{name}: {topic!r} is one for all: write {CAMERA} into it")
        if not self.fixed_frame:
            raise InputError("fixed_frame: name the frame that all cameras have a place in")


DECLARATIONS: dict[str, Setting] = {each.name: each for each in declared(Parameters)}
"""Every parameter by its name, in the order they are documented."""
