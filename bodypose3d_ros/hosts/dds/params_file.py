"""ROS 2 parameter files: the values that are meant for one node.

Rules: rcl_yaml_param_parser. Nodes are named by keys, nested or with slashes; ``*`` stands for
one name, ``**`` for any number of them; later entries go before earlier ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...body import yaml_file
from ...errors import InputError

_VALUES = "ros__parameters"


def read(path: Path, node: str) -> dict[str, Any]:
    """The parameters of the node with this full name, by name; groups joined by dots.

    Raises:
        InputError: The file cannot be read, or is not a parameter file.
    """
    content = yaml_file.read(path)
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: is not a parameter file: it names no node")
    values: dict[str, Any] = {}
    for pattern, entry in _entries(content, ""):
        if not isinstance(entry, Mapping):
            raise InputError(f"{path}: {_VALUES} of {pattern or '/'} are not names with values")
        if _pattern(pattern).fullmatch(node):
            values.update(_flat(entry, ""))
    return values


def _entries(content: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if key == _VALUES:
            yield prefix, value
        elif isinstance(value, Mapping):
            yield from _entries(value, f"{prefix}/{str(key).strip('/')}")


def _pattern(name: str) -> re.Pattern[str]:
    tokens = re.split(r"(/\*\*|/\*)", name)
    known = {"/**": "(/[^/]+)*", "/*": "/[^/]+"}
    return re.compile("".join(known.get(token) or re.escape(token) for token in tokens))


def _flat(entry: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in entry.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
