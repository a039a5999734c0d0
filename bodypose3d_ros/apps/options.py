"""Settings as options of the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from ..perception.settings import Setting

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def options_of(settings: Iterable[Setting]) -> Callable[[CommandT], CommandT]:
    """A decorator that gives a command an option for each setting, named as the setting."""
    chosen = [_option(each) for each in settings]

    def decorate(command: CommandT) -> CommandT:
        for option in reversed(chosen):  # decorators are applied from the last to the first
            command = option(command)
        return command

    return decorate


def _option(each: Setting) -> Callable[[CommandT], CommandT]:
    flag = each.name.replace("_", "-")
    name = f"--{flag}/--no-{flag}" if each.type is bool else f"--{flag}"
    return click.option(
        name,
        each.name,
        type=_type(each),
        default=each.default,
        show_default=True,
        metavar=each.unit.upper() or None,
        help=each.description,
    )


def _type(each: Setting) -> click.ParamType[Any] | type[Any]:
    if each.choices:
        return click.Choice(each.choices)
    if each.type is int:
        return click.IntRange(_whole(each.minimum), _whole(each.maximum))
    if each.type is float:
        return click.FloatRange(each.minimum, each.maximum)
    return each.type


def _whole(limit: float | None) -> int | None:
    return None if limit is None else int(limit)
