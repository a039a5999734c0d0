"""The whole way on one of the project's films, with its accuracy against the truth."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2

from . import film
from .accuracy import Accuracy, measure
from .estimate import Estimation
from .people import Bodies, Frame
from .pipeline import Pipeline
from .report import picture
from .sources import Source


@dataclass(frozen=True)
class Demo:
    """What came out."""

    accuracy: Accuracy
    estimation: Estimation


def run(name: str, pipeline: Pipeline, out: Path, on_frame: Callable[[], None]) -> Demo:
    """Estimate a film as if it were anybody's, and compare with its truth.

    Besides what ``estimate`` writes there are ``report.json`` and ``report.png``.

    Args:
        name: One of ``film.names()``.
        pipeline: What estimates.
        out: The folder to write into.
        on_frame: Called after each frame.

    Raises:
        InputError: There is no such film, or the folder cannot be written to.
    """
    shown = film.load(name)
    people: list[Bodies] = []

    def keep(_: Frame, bodies: Bodies) -> None:
        people.append(bodies)
        on_frame()

    source = Source(film.FOLDER / f"{name}.mp4", True, len(shown), shown.rate, shown.frames)
    estimation = Estimation(pipeline, out)
    with contextlib.closing(estimation):
        estimation.run(source, "overlay", keep)
    accuracy = measure(shown, people)
    for path in (out / "report.json", out / "report.png"):
        estimation.written.append(path)
    (out / "report.json").write_text(json.dumps(accuracy.to_json(), indent=2) + "\n")
    cv2.imwrite(str(out / "report.png"), picture(accuracy))
    return Demo(accuracy, estimation)
