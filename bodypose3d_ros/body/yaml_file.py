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
        return next(yaml.safe_load_all(path.read_text(encoding="utf-8")), None)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except _NO_YAML as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: is not a YAML file: {reason}") from error
