"""The folder where models and engines are kept: its user's alone."""

from __future__ import annotations

import functools
import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import EngineError

_log = logging.getLogger(__name__)
# No download and no build of an engine takes so long.
_ABANDONED_S = 24 * 3600.0


def cache_folder() -> Path:
    """Where models are kept: $BODYPOSE3D_CACHE, else $XDG_CACHE_HOME or ~/.cache/bodypose3d."""
    if chosen := os.environ.get("BODYPOSE3D_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "bodypose3d"


def make_private(folder: Path) -> None:
    """Make a folder and those above it that are missing, each with mode 0700.

    ``mkdir(parents=True)`` gives parents the umask's mode: with 002, Ubuntu's default, others could
    write to them.

    Raises:
        OSError: It cannot be made.
    """
    for level in (*reversed(folder.parents), folder):
        if not level.is_dir():
            level.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def scratch_folder(prefix: str, folder: Path) -> Iterator[Path]:
    """A folder for what is not whole yet, beside what it becomes; gone when the block ends.

    Besides, those that killed processes have left there with that prefix go.

    Raises:
        OSError: It cannot be made.
    """
    for left in folder.glob(f"{prefix}*"):
        with suppress(OSError):  # another process may be faster
            if time.time() - left.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=folder) as scratch:
        yield Path(scratch)


def check_ownership(path: Path) -> None:
    """Refuse a file that another user could have written or replaced, as ssh does with its keys.

    Raises:
        EngineError: It, or a folder above it, belongs to or can be written by somebody else.
    """
    path = path.resolve()
    for place in (path, *path.parents):
        status = place.stat()
        if status.st_uid not in (0, os.getuid()):
            raise EngineError(
                f"{place}: belongs to another user, who could put a program into an engine: "
                f"chown {os.getuid()} {place}, or set BODYPOSE3D_CACHE to a folder of yours"
            )
        others_write = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        shared = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
        if others_write and not shared:
            raise EngineError(
                f"{place}: other users can write to it and could put a program into an engine: "
                f"chmod go-w {place}"
            )


def engines_folder() -> Path:
    """Where TensorRT engines are kept."""
    return cache_folder() / "engines"


def prepare(folder: Path) -> None:
    """Make a folder of engines, for its user alone.

    Raises:
        EngineError: It cannot be made, or others can write to it.
    """
    try:
        make_private(folder)
    except OSError as error:
        raise EngineError(
            f"{folder}: cannot be made ({error.strerror}): set BODYPOSE3D_CACHE to a folder that "
            "can be written to"
        ) from error
    check_ownership(folder)


def can_keep_engines(folder: Path | None = None) -> bool:
    """Whether engines can be kept, in ``engines_folder`` or another; why not is logged."""
    try:
        prepare(folder or engines_folder())
    except EngineError as error:
        say_not_kept(str(error))
        return False
    return True


@functools.cache
def say_not_kept(why: str) -> None:
    """Log that engines are not kept; the same reason once."""
    _log.warning("TensorRT engines are not kept, each start builds them anew: %s", why)
