"""The message definitions of the packages installed here, for rosbags to write them.

Its serialisation takes a tenth of rclpy's time, and a package's own .msg files say what its fields
are in this distribution, so that no layout is guessed.
"""

from __future__ import annotations

from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_share_path
from rosbags.interfaces import Nodetype
from rosbags.typesys import get_types_from_msg
from rosbags.typesys.store import Typestore


def define(types: Typestore, name: str) -> None:
    """Add a type, ``people_msgs/msg/Person``, and all that it is made of.

    Raises:
        ModuleNotFoundError: The package, named in the error, is not installed.
    """
    package, _, short = name.split("/")
    try:
        share = get_package_share_path(package)
    except PackageNotFoundError as error:
        raise ModuleNotFoundError(f"no package {package}", name=package) from error
    text = (share / "msg" / f"{short}.msg").read_text(encoding="utf-8")
    defined = get_types_from_msg(text, name)
    types.register(defined)
    for _, fields in defined.values():
        for part in filter(None, (_made_of(description) for _, description in fields)):
            if part not in types.fielddefs:
                define(types, part)


def _made_of(description: tuple[Any, Any]) -> str:
    """The message type of a field or of its elements; empty: it is none."""
    kind, what = description
    if kind in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        kind, what = what[0]
    return str(what) if kind == Nodetype.NAME else ""
