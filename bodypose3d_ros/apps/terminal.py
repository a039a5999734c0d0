"""What commands say: results on standard output, all else on standard error."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from ..errors import printable

out = Console()
err = Console(stderr=True, soft_wrap=True, highlight=False)


def escaped(text: object) -> str:
    """A text that may hold a file's name, for the consoles: none of it is markup."""
    return printable(text).replace("[", r"\[")


def listed(paths: Iterable[Path]) -> None:
    """Say which files were written, a line each."""
    for path in paths:
        out.print(f"  {escaped(path)}", soft_wrap=True)


def log_to_terminal(level: int) -> None:
    """Show what modules log, from a level on, above the bars."""
    logging.basicConfig(level=level, format="%(message)s", handlers=[_AboveBars()])


class _AboveBars(logging.Handler):
    """Writes a message as one line, which terminals wrap and files and searches keep whole."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one."""
        err.print(escaped(self.format(record)))


def progress(*columns: ProgressColumn, quiet: bool = False) -> Progress:
    """Bars that are gone in the end; none where nobody looks on."""
    hidden = quiet or not err.is_terminal  # all that came of them would be empty lines
    return Progress(*columns, console=err, transient=True, disable=hidden)


def counted(*, quiet: bool) -> Progress:
    """Bars of images: how many of them, how fast, and how long it will take."""
    return progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
        TimeRemainingColumn(),
        quiet=quiet,
    )
