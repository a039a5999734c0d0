"""A long recording in parts: people measured by several workers, tracked as one.

Finding people and their joints takes nearly all of the time, and needs no more of the past than
where they were a moment ago. So parts are measured apart, each warmed up on the images before it.
One tracker then goes over all that was measured: identities, velocities and filtered metres know
nothing of parts.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np

from ..body.people import Bodies, Frame
from ..errors import InputError, OutputError
from ..media.outputs import beside, writing
from ..media.sources import Source
from ..perception.lifting.flat import without_guesses
from ..perception.pipeline import Pipeline
from ..perception.tracking.tracker import Tracker
from ..perception.tracking.tracks import Step

WARM_UP = 30
"""Images before a part on which people are found who are followed into it."""
_PAGE = 500
"""Images whose people are held in memory, and written together."""


@dataclass(frozen=True)
class Part:
    """Some of the images of a source, by their number among those that can be used."""

    first: int
    end: int | None
    """The number after the last one; None: to the source's end."""

    def folder(self, parts: Path) -> Path:
        """Where what was measured is kept; it is there when all of it is."""
        return parts / f"{self.first:09}"


def parts_of(images: int, longest: int) -> tuple[Part, ...]:
    """Equal parts of so many images; none where they are few enough for one, or ``longest`` is 0.

    Args:
        images: How many there are, as far as the source says.
        longest: The most that are one part.
    """
    if not longest or images <= longest:
        return ()
    number = math.ceil(images / longest)
    edges = [round(n * images / number) for n in range(number)]
    return tuple(Part(a, b) for a, b in zip(edges, [*edges[1:], None], strict=True))


def measure(source: Source, part: Part, pipeline: Pipeline, parts: Path) -> None:
    """Write what is measured in a part, unless that is done already.

    Where the source cannot be read to its end, what was read is kept: who puts the parts together
    meets the same end.

    Args:
        source: Read from its beginning, whatever the part.
        part: Which images.
        pipeline: Without a tracker, with guesses.
        parts: The folder of all the source's parts.

    Raises:
        EngineError: A network could not be run.
        WriteError: It cannot be written.
    """
    place = part.folder(parts)
    if place.is_dir():
        return
    begun = beside(place)
    shutil.rmtree(begun, ignore_errors=True)
    with writing(begun):
        begun.mkdir(parents=True)
    pipeline.reset()
    numbered = _frames(source, max(part.first - WARM_UP, 0), part.end)
    moments = ((number, _measured(frame, pipeline)) for number, frame in numbered)
    own = (moment for number, moment in moments if number >= part.first)
    for number in count():
        if not (page := list(islice(own, _PAGE))):
            break
        _write(page, begun / f"{number:06}.npz")
    with writing(place):
        begun.replace(place)


class Joined:
    """The parts of a source as a pipeline that gives what was measured, tracked as one."""

    def __init__(self, parts: Sequence[Part], folder: Path, tracker: Tracker) -> None:
        self.milliseconds: dict[str, float] = {}
        """What the last frame took by stage, when it was measured and now."""
        self.tracker = tracker
        self._folders = [part.folder(folder) for part in parts]
        self._moments = self._read()

    def __call__(self, frame: Frame) -> Bodies:
        """Everybody in the next frame.

        Raises:
            OutputError: There was no answer to it when it was measured.
            InputError: It is another one than was measured next.
        """
        moment = next(self._moments, None)
        if moment is None or moment.stamp != frame.stamp:
            raise InputError(f"{frame.source}: has changed while it was worked on: do it again")
        if moment.problem:
            raise OutputError(moment.problem)
        start = time.perf_counter()
        bodies = self.tracker.update(moment.bodies, frame.stamp, frame.place)
        spent = (time.perf_counter() - start) * 1000
        self.milliseconds = {**moment.milliseconds, "track": spent}
        return without_guesses(bodies)

    @property
    def ended(self) -> tuple[int, ...]:
        """Ids of the tracks that ended with the last frame."""
        return self.tracker.ended

    @property
    def step(self) -> Step | None:
        """What the last frame made of everybody."""
        return self.tracker.step

    def reset(self) -> None:
        """Begin again."""
        self.tracker.reset()
        self._moments = self._read()

    def _read(self) -> Iterator[_Moment]:
        for folder in self._folders:
            for page in sorted(folder.glob("*.npz")):
                yield from _read_page(page)


@dataclass(frozen=True)
class _Moment:
    """What was measured in one image."""

    stamp: int
    bodies: Bodies
    milliseconds: Mapping[str, float]
    problem: str = ""


def _frames(source: Source, first: int, end: int | None) -> Iterator[tuple[int, Frame]]:
    """Images that can be used, with their numbers, up to where the source can be read."""
    usable = (item.frame for item in source.items() if item.frame is not None)
    try:
        yield from enumerate(islice(usable, first, end), first)
    except InputError:
        return


def _measured(frame: Frame, pipeline: Pipeline) -> _Moment:
    try:
        bodies = pipeline(frame)
    except OutputError as error:
        return _Moment(frame.stamp, Bodies.none(), {}, str(error))
    return _Moment(frame.stamp, bodies, dict(pipeline.milliseconds))


def _write(page: Sequence[_Moment], path: Path) -> None:
    """A file of moments, people of all of them in one array a field."""
    people: dict[str, Any] = {
        each.name: np.concatenate([getattr(moment.bodies, each.name) for moment in page])
        for each in fields(Bodies)
    }
    about = [[m.stamp, len(m.bodies), dict(m.milliseconds), m.problem] for m in page]
    with writing(path):
        np.savez_compressed(path, about=np.array(json.dumps(about)), **people)


def _read_page(path: Path) -> Iterator[_Moment]:
    with np.load(path) as content:
        about: list[Any] = json.loads(str(content["about"]))
        people = {each.name: content[each.name] for each in fields(Bodies)}
    first = 0
    for stamp, persons, milliseconds, problem in about:
        own = slice(first, first + persons)
        first += persons
        bodies = Bodies(**{name: values[own] for name, values in people.items()})
        yield _Moment(stamp, bodies, milliseconds, problem)
