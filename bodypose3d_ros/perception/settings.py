"""What a user may choose, declared once: parameters, options and documentation are made of it.

A setting is a field of a dataclass, made with ``setting``; ``declared`` lists those of a class.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..errors import InputError

Value = bool | int | float | str | tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """One thing to choose, as ``rcl_interfaces/ParameterDescriptor`` describes it."""

    name: str
    default: Value
    description: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    read_only: bool = False
    """It is read at the start and cannot be changed afterwards."""

    @property
    def type(self) -> type[Any]:
        """bool, int, float, str, or tuple for a list of strings."""
        return type(self.default)

    @property
    def type_name(self) -> str:
        """The type as ``ros2 param`` calls it."""
        return _TYPE_NAMES[self.type]

    def check(self, value: object) -> Value:
        """The value, as the setting's own type.

        Raises:
            InputError: It is of another type, or outside what is allowed.
        """
        try:
            converted = self._converted(value)
            if isinstance(converted, (int, float)) and not isinstance(converted, bool):
                self._check_range(converted)
        except OverflowError as error:  # a whole number of hundreds of digits
            raise InputError(f"{self.name}: no number is as large as that") from error
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


def setting(
    default: Value,
    description: str,
    *,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    read_only: bool = False,
) -> Any:  # noqa: ANN401 - a field of the default's type
    """A dataclass field that is a setting."""
    about = Setting("", default, description, unit, minimum, maximum, choices, read_only)
    return field(default=default, metadata={"setting": about})


def declared(dataclass_type: type[Any]) -> tuple[Setting, ...]:
    """The settings of a class; fields that are none are left out."""
    return tuple(
        replace(f.metadata["setting"], name=f.name)
        for f in fields(dataclass_type)
        if "setting" in f.metadata
    )


def checked(settings: tuple[Setting, ...], values: Mapping[str, object]) -> dict[str, Value]:
    """Those of the values that belong to some settings, each as its setting's own type.

    Raises:
        InputError: A value is of another type, or outside what is allowed.
    """
    return {each.name: each.check(values[each.name]) for each in settings if each.name in values}
