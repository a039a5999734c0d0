"""Files that are written: beside what they replace, and moved into place when they are whole.

Nothing that was there is destroyed: a file that was handed in, or that is not of an earlier result
of this program, is never replaced.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from ..errors import RefusedError, WriteError
from ..version import __version__

PART = ".part"
"""What a file's name ends with until it is whole."""

SUMMARY, REPORT = "summary.json", "report.json"
"""What results are described by; they list the result's files."""

_LONGEST_NAME = 255  # bytes, on every file system of Linux


@dataclass(frozen=True)
class Outputs:
    """Files that are written into one folder: begin them with ``result`` or ``single``."""

    folder: Path
    names: tuple[str, ...]
    earlier: frozenset[str] = frozenset()
    """Files of an earlier result in the folder, which this one replaces as a whole."""
    about: Mapping[str, Any] = field(default_factory=dict)
    """What else a later run is to know of how they were made, as JSON has it."""

    def check(self) -> None:
        """Find out before long work whether the folder can be made and written to.

        Raises:
            WriteError: It cannot.
        """
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            TemporaryFile(dir=self.folder).close()

    def part(self, name: str) -> Path:
        """The file to write instead of ``name``, until it is whole.

        Raises:
            WriteError: The folder cannot be made.
        """
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        path = beside(self.folder / name)
        if path.is_dir():
            raise WriteError(f"{path}: is a folder: move it away")
        return path

    def write(self, name: str, content: str | bytes) -> None:
        """Write the whole of a file.

        Raises:
            WriteError: It cannot be written.
        """
        path = self.part(name)
        with writing(path):
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def describe(self, name: str, found: Mapping[str, Any]) -> None:
        """Write ``SUMMARY`` or ``REPORT``: what was found, and whose result the files are.

        Raises:
            WriteError: It cannot be written.
        """
        result_of = {"written_by": f"bodypose3d {__version__}", "files": self.names, **self.about}
        self.write(name, json.dumps({**found, **result_of}, indent=2) + "\n")

    def keep(self) -> list[Path]:
        """Move every file that was written into its place; an earlier result's others go.

        Raises:
            WriteError: One cannot be moved.
        """
        kept = [name for name in self.names if beside(self.folder / name).exists()]
        # Who lists the others first: should this end in between, they can still be told.
        for name in sorted(kept, key=lambda name: name not in (SUMMARY, REPORT)):
            with writing(self.folder / name):
                beside(self.folder / name).replace(self.folder / name)
        for name in self.earlier - set(kept):
            (self.folder / name).unlink(missing_ok=True)
        return [self.folder / name for name in kept]

    def discard(self) -> None:
        """Take away what was begun; an earlier result stays as it is."""
        for part in self.left():
            part.unlink()

    def left(self) -> list[Path]:
        """What was begun and is not whole."""
        parts = (beside(self.folder / name) for name in self.names)
        return [part for part in parts if part.exists()]


def result(folder: Path, names: Sequence[str], sources: Sequence[Path] = ()) -> Outputs:
    """The files of one run, in a folder that may hold those of an earlier one.

    Nothing is touched yet.

    Args:
        folder: Where to write; made where missing.
        names: Of every file that may be written, ``SUMMARY`` or ``REPORT`` among them.
        sources: What was handed in, which must stay as it is.

    Raises:
        RefusedError: A file is there that was handed in, or that is of no earlier result; or two
            files have one name.
    """
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise RefusedError(f"{folder / twice[0]}: is the name of two files: call cameras otherwise")
    earlier = _earlier(folder)
    handed_in = {_identity(source) for source in sources} - {None}
    # A recording is a folder, in which nothing that is there may be replaced, either.
    above = {_identity(each) for each in (folder.resolve(), *folder.resolve().parents)}
    for path in (folder / name for name in {*names, *earlier}):
        if _is_there(path) and (_identity(path) in handed_in or above & handed_in):
            raise RefusedError(f"{path}: was handed in and would be replaced: choose another --out")
    for path in (folder / name for name in names if name not in earlier):
        if _is_there(path):
            raise RefusedError(
                f"{path}: exists already, and no {SUMMARY} or {REPORT} there says that it is an "
                "earlier result: choose another --out, or move it away"
            )
    return Outputs(folder, tuple(names), frozenset(earlier))


def single(path: Path, *, overwrite: bool) -> Outputs:
    """One file.

    Raises:
        RefusedError: It is there already, or what was left of it, and is not to be replaced.
    """
    for there in filter(_is_there, (path, beside(path))):
        if not overwrite:
            raise RefusedError(f"{there}: exists already: choose another name, or --overwrite it")
    return Outputs(path.parent, (path.name,))


def beside(path: Path) -> Path:
    """The name of a file until it is whole."""
    name = os.fsencode(path.name)[: _LONGEST_NAME - len(PART)]
    return path.with_name(os.fsdecode(name) + PART)


def fitting(name: str, suffix: str) -> str:
    """A file's name as short as file systems want it, with its suffix and ``PART``."""
    room = _LONGEST_NAME - len(suffix) - len(PART)
    return name.encode()[:room].decode(errors="ignore") + suffix


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say which file it is that cannot be written.

    Raises:
        WriteError: Instead of the operating system's error.
    """
    try:
        yield
    except OSError as error:
        raise WriteError(f"{path}: cannot be written to ({error.strerror})") from error


def _earlier(folder: Path) -> set[str]:
    """The files that an earlier result in a folder says it has."""
    names: set[str] = set()
    for name in (SUMMARY, REPORT):
        try:
            content = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(content, dict) and str(content.get("written_by")).startswith("bodypose3d"):
            files = map(str, content.get("files", ()))
            names |= {each for each in files if Path(each).name == each}
    return names


def _identity(path: Path) -> tuple[int, int] | None:
    """What a path leads to, under whatever name; None where nothing is there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()
