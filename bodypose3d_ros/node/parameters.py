"""The node's parameters: declared here once, for every host, the documentation and the YAML file.

Each field of ``Parameters`` is a parameter; what ROS 2 wants to know about it lies in the field.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Any

from ..body.skeleton import JOINTS
from ..errors import InputError

Value = bool | int | float | str | tuple[str, ...]


@dataclass(frozen=True)
class Declaration:
    """One parameter, as ``rcl_interfaces/ParameterDescriptor`` describes it."""

    name: str
    default: Value
    description: str
    unit: str
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...]
    read_only: bool
    """It is read when the node is configured and cannot be changed while it runs."""

    @property
    def type(self) -> type[Any]:
        """bool, int, float, str, or tuple for a list of strings."""
        return type(self.default)

    @property
    def type_name(self) -> str:
        """The type as ``ros2 param`` calls it."""
        return _TYPE_NAMES[self.type]

    def check(self, value: object) -> Value:
        """The value, as the parameter's own type.

        Raises:
            InputError: It is of another type, or outside what is allowed.
        """
        converted = self._converted(value)
        if isinstance(converted, (int, float)) and not isinstance(converted, bool):
            self._check_range(converted)
        if self.choices:
            self._check_choices(converted if isinstance(converted, tuple) else (converted,))
        return converted

    def _converted(self, value: object) -> Value:
        if self.type is tuple and isinstance(value, (list, tuple)):
            if all(isinstance(item, str) for item in value):
                return tuple(value)
        elif self.type is float and isinstance(value, (int, float)) and type(value) is not bool:
            return float(value)
        elif type(value) is self.type:
            return value  # type: ignore[return-value]  # its type is the default's, a Value
        raise InputError(f"{self.name}: {value!r} is not a {self.type_name}")

    def _check_choices(self, values: tuple[object, ...]) -> None:
        for value in values:
            if value not in self.choices:
                raise InputError(f"{self.name}: {value!r} is not one of {', '.join(self.choices)}")

    def _check_range(self, value: float) -> None:
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        if not low <= value <= high:
            raise InputError(f"{self.name}: {value:g} is not between {low:g} and {high:g}")


_TYPE_NAMES = {bool: "bool", int: "integer", float: "double", str: "string", tuple: "string array"}


def _parameter(
    default: Value,
    description: str,
    *,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    read_only: bool = False,
) -> Any:  # noqa: ANN401 - a field of the default's type
    about = (default, description, unit, minimum, maximum, choices, read_only)
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True)
class Parameters:
    """What the node is told to do. Every value has been checked."""

    model: str = _parameter(
        "blazepose",
        "The pose network: a name that `bodypose3d models` lists, or the path of an ONNX file.",
        read_only=True,
    )
    engine: str = _parameter(
        "auto",
        "What runs the networks; auto takes TensorRT where it is.",
        choices=("auto", "onnxruntime", "tensorrt"),
        read_only=True,
    )
    threads: int = _parameter(
        0,
        "Threads of a network on the CPU; 0 takes all cores.",
        minimum=0,
        maximum=256,
        read_only=True,
    )
    lift: str = _parameter(
        "reference",
        "How BodyPose3DNet's answer becomes metres: reference (relative depths and limb lengths) "
        "or network (its own metres).",
        choices=("reference", "network"),
        read_only=True,
    )
    person_height: float = _parameter(
        0.0,
        "How tall the people are, for BodyPose3DNet; 0: as the mean person it was trained on.",
        unit="m",
        minimum=0.0,
        maximum=2.7,
        read_only=True,
    )
    channels: str = _parameter(
        "BGR",
        "The order of colours that a BodyPose3DNet file was trained with.",
        choices=("BGR", "RGB"),
        read_only=True,
    )
    value_low: float = _parameter(
        0.0,
        "What black becomes at BodyPose3DNet's input.",
        minimum=-255.0,
        maximum=255.0,
        read_only=True,
    )
    value_high: float = _parameter(
        1.0,
        "What white becomes at BodyPose3DNet's input.",
        minimum=-255.0,
        maximum=255.0,
        read_only=True,
    )
    min_confidence: float = _parameter(
        0.3,
        "BodyPose3DNet's joints below it are unknown.",
        minimum=0.0,
        maximum=1.0,
        read_only=True,
    )
    image_transport: str = _parameter(
        "raw",
        "Which image topic is read: image, or image/compressed (JPEG, PNG).",
        choices=("raw", "compressed"),
        read_only=True,
    )
    use_detections: bool = _parameter(
        False,
        "Look where the detections topic says instead of searching. An image is used when the "
        "detections with its stamp arrive.",
        read_only=True,
    )
    detection_class: str = _parameter(
        "", "Only detections of this class_id are people; empty: all of them."
    )
    rectified: bool = _parameter(
        False, "The image is rectified (image_rect): the camera is P of CameraInfo, without lens."
    )
    hfov: float = _parameter(
        0.0,
        "Horizontal field of view assumed for a camera that publishes no CameraInfo; 0: wait "
        "for its CameraInfo.",
        unit="degrees",
        minimum=0.0,
        maximum=179.0,
    )
    max_people: int = _parameter(
        8, "The most people looked for.", minimum=1, maximum=32, read_only=True
    )
    target_frame: str = _parameter(
        "",
        "The frame that poses, markers and TF are given in; empty: the camera's optical frame.",
    )
    transform_timeout: float = _parameter(
        0.1,
        "How long an image waits for its transform to target_frame.",
        unit="s",
        minimum=0.0,
        maximum=5.0,
    )
    publish_tf: bool = _parameter(True, "Send a TF frame per joint, body_<track id>/<joint>.")
    tf_joints: tuple[str, ...] = _parameter(
        (), "The joints that get a TF frame; empty: all 34.", choices=JOINTS
    )
    publish_markers: bool = _parameter(True, "Publish skeletons and labels for RViz.")
    stale_after: float = _parameter(
        2.0,
        "Without an image for so long, diagnostics warn.",
        unit="s",
        minimum=0.1,
        maximum=3600.0,
    )
    autostart: bool = _parameter(
        True,
        "Configure and activate at start; false leaves that to a lifecycle manager (ROS 2 only).",
        read_only=True,
    )

    def changed(self, values: Mapping[str, object], *, running: bool = False) -> Parameters:
        """These parameters with other values.

        Args:
            values: By parameter name.
            running: The node is configured, so that read-only parameters stay what they are.

        Raises:
            InputError: A parameter that does not exist, cannot be changed now, or a bad value;
                nothing has changed.
        """
        checked: dict[str, Any] = {}
        for name, value in values.items():
            if name not in DECLARATIONS:
                raise InputError(f"there is no parameter {name!r}: {_nearest(name)}")
            checked[name] = DECLARATIONS[name].check(value)
            if running and DECLARATIONS[name].read_only and checked[name] != getattr(self, name):
                raise InputError(f"{name} is read when the node is configured: start it again")
        return replace(self, **checked)


DECLARATIONS: dict[str, Declaration] = {
    f.name: Declaration(f.name, *f.metadata["about"]) for f in fields(Parameters)
}
"""Every parameter by its name, in the order they are documented."""


def markdown_table() -> str:
    """The documentation's table of parameters."""
    rows = ["| parameter | type | default | allowed | meaning |", "| --- | --- | --- | --- | --- |"]
    for each in DECLARATIONS.values():
        meaning = each.description + (" Read at configuration only." if each.read_only else "")
        cells = (
            f"`{each.name}`",
            each.type_name,
            f"`{_yaml(each.default)}`",
            _allowed(each),
            meaning,
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def yaml_file() -> str:
    """``config/bodypose3d.yaml``: every parameter with its default and a comment."""
    lines = [
        "# Every parameter of the node with its default. Made from the declarations in",
        "# bodypose3d_ros/node/parameters.py.",
        "/**:",
        "  ros__parameters:",
    ]
    for each in DECLARATIONS.values():
        allowed = _allowed(each)
        lines += [
            "",
            f"    # {each.description}",
            *([f"    # Allowed: {allowed}"] if allowed else []),
            f"    {each.name}: {_yaml(each.default)}",
        ]
    return "\n".join(lines) + "\n"


def _allowed(each: Declaration) -> str:
    if each.choices == JOINTS:
        return "joint names"
    if each.choices:
        return ", ".join(each.choices)
    if each.minimum is None or each.maximum is None:
        return each.unit
    return f"{each.minimum:g} to {each.maximum:g} {each.unit}".rstrip()


def _yaml(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _nearest(name: str) -> str:
    near = get_close_matches(name, DECLARATIONS, 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(DECLARATIONS)}"
