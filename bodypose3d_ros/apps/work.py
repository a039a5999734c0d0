"""What is to be done with many recordings, and what is done: tasks, their parts, the manifest.

What is done is told by the results themselves: a source whose folder holds a whole result, made of
the same file with the same choices, is not done again.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path, PurePath
from typing import Any

from ..errors import InputError, RefusedError, printable
from ..media.outputs import SUMMARY, Outputs, fitting, result, single
from ..media.sources import CameraChoice, Scene, Topics, labels, open_source
from ..perception.networks import Options
from ..version import __version__
from .estimate import file_names
from .parts import Part, parts_of

MANIFEST = "manifest.json"
"""What is done and what is not, of all sources of a folder of results."""
TABLE = "poses.parquet"
PARTS = ".parts-"
"""What folders of a long source's parts begin with."""

_FIGURES = ("frames", "person_frames", "tracks", "dropped_frames", "unreadable_frames", "seconds")

Figures = Mapping[str, Any]
"""What ``summary.json`` says of one source."""


@dataclass(frozen=True)
class Wanted:
    """What is to be done with every source."""

    cameras: CameraChoice = field(default_factory=CameraChoice)
    topics: Topics = field(default_factory=Topics)
    scene: Scene = field(default_factory=Scene)
    networks: Options = field(default_factory=Options)
    keep_images: bool = False
    smooth: bool = False
    longest: int = 0
    """The most images of a source that one worker takes in one go; 0: all of them."""
    choices: Mapping[str, Any] = field(default_factory=dict)
    """All of it as JSON has it: a result of other choices is not taken for this one's."""


@dataclass(frozen=True)
class Task:
    """One source, and where its results go."""

    path: Path
    outputs: Outputs
    overlay: str

    @property
    def source(self) -> str:
        """The source as the manifest names it."""
        return printable(self.path)

    def done(self) -> Figures | None:
        """What was found, where the result is whole and of this source as it is now."""
        summary = read(self.outputs.folder / SUMMARY)
        if any(summary.get(name) != value for name, value in self.outputs.about.items()):
            return None
        files = [str(name) for name in summary["files"]]
        there = all((self.outputs.folder / f).exists() for f in files if f != self.overlay)
        return summary if there and not replace(self.outputs, names=tuple(files)).left() else None

    @property
    def parts(self) -> Path:
        """Where the parts of a long source are kept until they are put together.

        Those of another source or of other choices are elsewhere.
        """
        made_of = json.dumps(self.outputs.about, sort_keys=True).encode()
        return self.outputs.folder / f"{PARTS}{hashlib.sha256(made_of).hexdigest()[:12]}"

    def give_up(self, problem: str) -> Figures:
        """Note that the source cannot be done, so that no later run tries it unasked.

        Raises:
            WriteError: That cannot be noted.
        """
        outputs = replace(result(self.outputs.folder, [SUMMARY]), about=self.outputs.about)
        figures = {**dict.fromkeys(_FIGURES, 0), "failures": [problem]}
        outputs.describe(SUMMARY, figures)
        outputs.keep()
        return figures


@dataclass(frozen=True)
class Job:
    """What a worker does in one go: a source, or a part of a long one."""

    task: Task
    parts: tuple[Part, ...] = ()
    """All that the source has, if it is long."""
    part: Part | None = None
    """The one to be measured; None: the whole source, of its parts if it has any."""


def plan(paths: Sequence[Path], folder: Path, wanted: Wanted) -> list[Task]:
    """A task for each source, in folders that stay theirs from run to run.

    Raises:
        RefusedError: Where a result would go is something that is none of ours.
    """
    known = {entry["source"]: entry["folder"] for entry in _earlier(folder)}
    taken = {MANIFEST, *known.values()}
    sources = list(dict.fromkeys(path.absolute() for path in paths))
    tasks = []
    for path, label in zip(sources, labels(sources), strict=True):
        # Each source is used up: two names that are not UTF-8 may look the same.
        name = known.pop(printable(path), None) or _free(label, taken)
        taken.add(name)
        names, (overlay,) = file_names([path], labels([path]))
        outputs = result(folder / name, [*names, TABLE], [path])
        made_of = {"source": printable(path), "of": state_of(path), "choices": wanted.choices}
        tasks.append(Task(path, replace(outputs, about={"batch": made_of}), overlay))
    return tasks


def _free(label: str, taken: set[str]) -> str:
    """A folder's name for a source, as short as it can be told from those that are taken."""
    whole = label.replace("/", "_")
    tries = chain([PurePath(label).stem, whole], map(f"{whole}_{{}}".format, count(2)))
    return next(name for name in (fitting(each, "") for each in tries) if name not in taken)


def state_of(path: Path) -> dict[str, int] | None:
    """What changes when a source does; None where there is none."""
    files = [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]
    try:
        found = [each.stat() for each in files]
    except OSError:
        return None
    times = [each.st_mtime_ns for each in found]
    return {"bytes": sum(each.st_size for each in found), "mtime_ns": max(times, default=0)}


class Queue:
    """What is still to be done: sources, long ones in parts, and what becomes of their parts."""

    def __init__(self, tasks: Sequence[Task], wanted: Wanted) -> None:
        self._wanted = wanted
        self._tasks = deque(tasks)
        self._ready: deque[Job] = deque()
        self._measuring: Counter[Path] = Counter()
        """Parts of each source that are not measured yet."""

    def __bool__(self) -> bool:
        return bool(self._tasks or self._ready)

    def next(self) -> Job:
        """The next thing to do; who begins a source goes on with it."""
        if not self._ready:
            task = self._tasks.popleft()
            self._ready.extend(jobs_of(task, self._wanted))
            self._measuring[task.path] = len(self._ready)
        return self._ready.popleft()

    def again(self, job: Job) -> None:
        """Nobody has done it."""
        self._ready.appendleft(job)

    def end(self, job: Job, figures: Figures | None) -> bool:
        """Something is done, or given up: whether that is the source's end."""
        if job.task.path not in self._measuring:
            return False  # given up because of another of its parts
        if figures is None:
            self._measuring[job.task.path] -= 1
            if not self._measuring[job.task.path]:
                self._ready.appendleft(Job(job.task, job.parts))
            return False
        del self._measuring[job.task.path]
        self._ready = deque(each for each in self._ready if each.task is not job.task)
        return True


def jobs_of(task: Task, wanted: Wanted) -> list[Job]:
    """What is to be done first: a source, or those parts of a long one that are not measured."""
    parts = _parts_of(task, wanted)
    undone = [part for part in parts if not part.folder(task.parts).is_dir()]
    return [Job(task, parts, part) for part in undone] or [Job(task, parts)]


def _parts_of(task: Task, wanted: Wanted) -> tuple[Part, ...]:
    if not wanted.longest:
        return ()
    try:
        source = open_source(task.path, wanted.cameras, wanted.topics)
    except InputError:
        return ()  # whoever is to estimate it tells why
    return parts_of(source.count, wanted.longest)


class Manifest:
    """The file that says how far all sources are, those of earlier runs included."""

    def __init__(self, folder: Path, tasks: Sequence[Task]) -> None:
        """Begin it, with what is done already.

        Raises:
            RefusedError: There is such a file, and it is none of ours.
        """
        self._path = folder / MANIFEST
        self._entries = {entry["source"]: dict(entry) for entry in _earlier(folder)}
        for task in tasks:
            self.note(task, task.done())

    def note(self, task: Task, figures: Figures | None) -> None:
        """A source's figures; None: it is still to be done."""
        entry = {"source": task.source, "folder": task.outputs.folder.name, "state": "waiting"}
        if figures is not None:
            entry["state"] = "failed" if figures["failures"] else "done"
            entry |= {name: figures[name] for name in (*_FIGURES, "failures")}
        self._entries[task.source] = entry

    def state(self, task: Task) -> str:
        """``done``, ``failed`` or ``waiting``."""
        return str(self._entries[task.source]["state"])

    def totals(self, tasks: Sequence[Task]) -> dict[str, float]:
        """Of some tasks: how many are in each state, and the sums of their figures."""
        entries = [self._entries[task.source] for task in tasks]
        states = [entry["state"] for entry in entries]
        sums = {name: sum(entry.get(name, 0) for entry in entries) for name in _FIGURES}
        counts = {state: states.count(state) for state in ("done", "failed", "waiting")}
        return {"sources": len(entries), **counts, **sums}

    def write(self, tasks: Sequence[Task]) -> None:
        """Replace the file.

        Raises:
            WriteError: It cannot be written.
        """
        content = {
            "written_by": f"bodypose3d {__version__}",
            "totals": self.totals(tasks),
            "sources": list(self._entries.values()),
        }
        outputs = single(self._path, overwrite=True)
        outputs.write(MANIFEST, json.dumps(content, indent=1) + "\n")
        outputs.keep()


def _earlier(folder: Path) -> list[dict[str, Any]]:
    """The sources of a manifest that is there already.

    Raises:
        RefusedError: It is none of ours.
    """
    path = folder / MANIFEST
    content = read(path)
    if not content and not path.exists():
        return []
    if not str(content.get("written_by")).startswith("bodypose3d"):
        raise RefusedError(f"{path}: is of no earlier run: choose another --out, or move it away")
    return list(content["sources"])


def read(path: Path) -> dict[str, Any]:
    """A JSON file; empty where there is none, or it is damaged or something else."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
