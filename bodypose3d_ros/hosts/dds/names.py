"""Names of nodes and topics: expansion, namespaces and remapping, as ROS 2 does them.

The rules are those of the design articles "Topic and Service Names" and "Static Remapping".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from ...errors import InputError

_TOKEN = r"[A-Za-z_][A-Za-z0-9_]*"  # noqa: S105 - of a name
_NODE = re.compile(_TOKEN)
_NAMESPACE = re.compile(rf"/|(/{_TOKEN})+")
_TOPIC = re.compile(rf"(~/|/)?{_TOKEN}(/{_TOKEN})*")


@dataclass(frozen=True)
class Names:
    """What a node and its topics are called.

    Raises:
        InputError: A name or a remapping rule that ROS 2 would not take.
    """

    node: str
    namespace: str = "/"
    remaps: dict[str, str] = field(default_factory=dict)
    """Topic as written or as expanded, to what it becomes."""

    def __post_init__(self) -> None:
        if not _NODE.fullmatch(self.node):
            raise InputError(f"{self.node!r} cannot be a node's name: use letters, digits and _")
        if not _NAMESPACE.fullmatch(self.namespace):
            raise InputError(f"{self.namespace!r} is not a namespace: write it like /front")

    @classmethod
    def from_rules(cls, node: str, namespace: str = "/", rules: Iterable[str] = ()) -> Names:
        """Names after rules ``from:=to``; ``__node`` and ``__ns`` rename the node itself."""
        remaps = dict(_parsed(rule) for rule in rules)
        node = remaps.pop("__name", remaps.pop("__node", node))
        namespace = remaps.pop("__ns", namespace)
        return cls(node, "/" + namespace.strip("/"), remaps)

    @property
    def full_node(self) -> str:
        """The node's name with its namespace, ``/front/bodypose3d``."""
        return f"{self.namespace.rstrip('/')}/{self.node}"

    def topic(self, name: str) -> str:
        """Expand and remap a topic's name: ``~/poses`` to ``/front/bodypose3d/poses``."""
        expanded = self._expanded(name)
        for source, target in self.remaps.items():
            if self._expanded(source) == expanded:
                return self._expanded(target)
        return expanded

    def _expanded(self, name: str) -> str:
        if not _TOPIC.fullmatch(name):
            raise InputError(
                f"{name!r} cannot be a topic's name: use letters, digits, _ and / between words"
            )
        if name.startswith("~/"):
            return f"{self.full_node}/{name[2:]}"
        if name.startswith("/"):
            return name
        return f"{self.namespace.rstrip('/')}/{name}"


def _parsed(rule: str) -> tuple[str, str]:
    source, separator, target = rule.partition(":=")
    if not (separator and source and target):
        raise InputError(
            f"{rule!r} is not a remapping rule: write it like image:=/camera/image_raw"
        )
    return source, target
