"""How a program is asked to stop, and what it says of what it leaves."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click

from ..errors import printable
from ..media.outputs import Outputs


@contextmanager
def asked_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let SIGINT and SIGTERM ask: what is being written is finished first.

    Who asks a second time is not asking: the signal then acts as it did before.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, _: FrameType | None) -> None:
        signal.signal(number, before[signal.Signals(number)])
        stop()

    for number in before:
        signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def unfinished_is_said(outputs: Outputs) -> Iterator[None]:
    """Say where the pieces are when a run does not come to its end."""
    try:
        yield
    except BaseException:
        for part in outputs.left():
            click.echo(f"left unfinished: {printable(part)}", err=True)
        raise
