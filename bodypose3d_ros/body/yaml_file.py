"""YAML files: calibrations, rigs, parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ..errors import InputError

# PyYAML lets through what Python says of a date that is none, a number of too many digits, a tag
# with another kind of value, or brackets in brackets without end.
_NO_YAML = (
    yaml.YAMLError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


def read(path: Path) -> Any:  # noqa: ANN401 - YAML
    """The first document of a file; None where it holds nothing.

    ``ros2 topic echo`` ends a message with the mark that begins another document.

    Raises:
        InputError: It cannot be read, or is no YAML.
    """
    try:
        content = next(yaml.safe_load_all(path.read_text(encoding="utf-8")), None)
        _refuse_endless(content, set(), set())
        return content
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except _NO_YAML as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: is not a YAML file: {reason}") from error


def _refuse_endless(part: Any, around: set[int], done: set[int]) -> None:  # noqa: ANN401 - YAML
    """Aliases let a part hold itself, and who reads it would never come to its end.

    Args:
        part: Anything in the document.
        around: The ids of what it is in.
        done: The ids of what has been looked at.

    Raises:
        ValueError: It holds itself.
    """
    if not isinstance(part, dict | list) or id(part) in done:
        return
    if id(part) in around:
        raise ValueError("a part of it holds itself")
    for inner in part.values() if isinstance(part, dict) else part:
        _refuse_endless(inner, around | {id(part)}, done)
    done.add(id(part))
