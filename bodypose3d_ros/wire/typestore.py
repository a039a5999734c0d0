"""The ROS 2 message types on a machine without ROS 2: rosbags' definitions and our own.

Our definitions are the files of ``msg/``. pip and colcon both install them into the package as
``share/msg``; in a source checkout they lie beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, TypesysError, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from ..errors import Bodypose3dError, InputError

DISTROS = ("humble", "iron", "jazzy", "kilted", "lyrical")
"""The ROS 2 distributions whose definitions can be asked for."""

DEFAULT_DISTRO = "jazzy"

PACKAGE = "bodypose3d_ros"

# vision_msgs 4 (Humble and later), which rosbags does not carry: fields only.
_VISION_MSGS = {
    "Point2D": "float64 x\nfloat64 y",
    "Pose2D": "vision_msgs/Point2D position\nfloat64 theta",
    "BoundingBox2D": "vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y",
    "ObjectHypothesis": "string class_id\nfloat64 score",
    "ObjectHypothesisWithPose": (
        "vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose"
    ),
    "Detection2D": (
        "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n"
        "vision_msgs/BoundingBox2D bbox\nstring id"
    ),
    "Detection2DArray": "std_msgs/Header header\nvision_msgs/Detection2D[] detections",
}


def definitions() -> dict[str, str]:
    """Text of our message definitions by their full name, ``bodypose3d_ros/msg/Pose3D``.

    Raises:
        Bodypose3dError: The definitions were not installed.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "share" / "msg", package.parent / "msg"):
        if files := sorted(folder.glob("*.msg")):
            return {f"{PACKAGE}/msg/{f.stem}": f.read_text(encoding="utf-8") for f in files}
    raise Bodypose3dError(
        f"the message definitions are missing from {package / 'share' / 'msg'}: "
        "install the package again"
    )


def of_another_version(types: Typestore, name: str, definition: str) -> bool:
    """Whether a type is one of ours, and not as ours are: its messages are laid out otherwise.

    Args:
        types: The types as they are.
        name: Of the type, ``bodypose3d_ros/msg/Pose3DArray``.
        definition: Its own and of what it is made of, as a recording has them. Comments count for
            nothing; an empty one is of nobody knows which version.
    """
    if not name.startswith(f"{PACKAGE}/"):
        return False
    try:
        recorded = get_types_from_msg(definition, name)
    except TypesysError:
        return True
    return any(types.fielddefs.get(each) != fields for each, fields in recorded.items())


def ros_types(distro: str = DEFAULT_DISTRO) -> Typestore:
    """Every message type this package uses, as a ROS 2 distribution defines it.

    Raises:
        InputError: The distribution is not one of ``DISTROS``.
        Bodypose3dError: Our own definitions were not installed.
    """
    if distro not in DISTROS:
        raise InputError(f"the ROS 2 distribution {distro!r} is not one of {', '.join(DISTROS)}")
    store = get_typestore(Stores[f"ROS2_{distro.upper()}"])
    texts = {f"vision_msgs/msg/{name}": text for name, text in _VISION_MSGS.items()}
    for name, text in {**texts, **definitions()}.items():
        store.register(get_types_from_msg(text, name))
    _char_is_uint8(store)
    return store


def _char_is_uint8(store: Typestore) -> None:
    """ROS 2 reads ``char`` as uint8; rosbags hashes it as IDL's char, a type hash ROS refuses."""
    for name, (constants, fields) in store.fielddefs.items():
        store.fielddefs[name] = (
            constants,
            [(field, cast("Any", _without_char(description))) for field, description in fields],
        )


def _without_char(description: tuple[Any, Any]) -> tuple[Any, Any]:
    kind, what = description
    if kind == Nodetype.BASE and what[0] == "char":
        return kind, ("uint8", 0)
    if kind in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        return kind, (_without_char(what[0]), what[1])
    return description
