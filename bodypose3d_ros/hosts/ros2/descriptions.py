"""Bodies' URDFs (REP 155), from the package human_description where it is installed.

REP 155 puts each on ROS 1's parameter server as ``human_description_<id>``. ROS 2 has none: it is a
parameter of our node, and a latched topic, as hri_body_detect does it there.
"""

from __future__ import annotations

from rclpy.node import Node

from ...body.skeleton import MEAN_STATURE

_PARAMETER = "human_description_{id}"
_ID = "BODY_ID"
"""Stands for the id: a template is expanded once, which takes as long as many images."""


class Descriptions:
    """Gives every body a URDF, as a parameter as long as the body is there."""

    def __init__(self, node: Node) -> None:
        """Expand human_description's template, or say that bodies have to do without."""
        self._node = node
        self._urdf = ""
        try:
            self._urdf = _expanded()
        except (ImportError, LookupError):
            node.get_logger().warning(
                "bodies get no URDF: human_description or xacro is not installed here"
            )

    def of(self, body: str) -> str | None:
        """The URDF of a body who has come, by its id; None where there is none."""
        if not self._urdf:
            return None
        urdf = self._urdf.replace(_ID, body)
        self._node.declare_parameter(_PARAMETER.format(id=body), urdf)
        return urdf

    def drop(self, body: str) -> None:
        """A body has gone."""
        if self._node.has_parameter(name := _PARAMETER.format(id=body)):
            self._node.undeclare_parameter(name)


def _expanded() -> str:
    """The URDF of a person of mean stature whose id is ``BODY_ID``.

    Raises:
        ImportError: xacro is not installed.
        LookupError: human_description is not.
    """
    import xacro
    from ament_index_python.packages import get_package_share_path

    template = get_package_share_path("human_description") / "urdf" / "human-tpl.xacro"
    mappings = {"id": _ID, "height": str(MEAN_STATURE)}
    return str(xacro.process_file(str(template), mappings=mappings).toxml())
