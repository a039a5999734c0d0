"""The nodes' parameters in ``config/`` and ``docs/``, made of their declarations.

python -m tools.parameters
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bodypose3d_ros.body.skeleton import JOINTS
from bodypose3d_ros.node import parameters
from bodypose3d_ros.node.fusion import parameters as fusion
from bodypose3d_ros.perception.settings import Setting, Value

_ROOT = Path(__file__).parents[1]
_TABLE = re.compile(r"\| parameter \| type \| .*\n(?:\| .*\n)+")


@dataclass(frozen=True)
class Described:
    """A node's parameters, and where they are told of."""

    declarations: Mapping[str, Setting]
    made_from: str
    """The files that declare them."""
    file: Path
    """Every default, for ``--params-file``."""
    page: Path
    """With their table."""


NODES = (
    Described(
        parameters.DECLARATIONS,
        "bodypose3d_ros/node/parameters.py and bodypose3d_ros/perception/networks.py",
        _ROOT / "config" / "bodypose3d.yaml",
        _ROOT / "docs" / "ros2.md",
    ),
    Described(
        fusion.DECLARATIONS,
        "bodypose3d_ros/node/fusion/parameters.py",
        _ROOT / "config" / "bodypose3d_fusion.yaml",
        _ROOT / "docs" / "cells.md",
    ),
)


def main() -> None:
    """Write the files, and the tables on the pages."""
    for node in NODES:
        node.file.write_text(yaml_file(node), encoding="utf-8")
        page, table = node.page.read_text(encoding="utf-8"), markdown_table(node)
        before, after = _TABLE.split(page)
        node.page.write_text(before + table + after, encoding="utf-8")


def markdown_table(node: Described) -> str:
    """A row a parameter."""
    rows = ["| parameter | type | default | allowed | meaning |", "| --- | --- | --- | --- | --- |"]
    for each in node.declarations.values():
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


def yaml_file(node: Described) -> str:
    """Every parameter with its default and a comment."""
    lines = [
        "# Every parameter of the node with its default. Made from the declarations in",
        f"# {node.made_from}.",
        "/**:",
        "  ros__parameters:",
    ]
    for each in node.declarations.values():
        allowed = _allowed(each)
        lines += [
            "",
            f"    # {each.description}",
            *([f"    # Allowed: {allowed}"] if allowed else []),
            f"    {each.name}: {_yaml(each.default)}",
        ]
    return "\n".join(lines) + "\n"


def _allowed(each: Setting) -> str:
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


if __name__ == "__main__":
    main()
