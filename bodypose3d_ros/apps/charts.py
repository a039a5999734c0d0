"""Charts of a benchmark as PNG files, drawn with OpenCV: no window system, no plotting library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..media.outputs import writing

_SIZE = (900, 560)
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 30, 60, 80
_COLORS = ((180, 90, 20), (30, 120, 230), (60, 160, 60), (150, 60, 160), (70, 70, 70))
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_INK = (40, 40, 40)
_GRID = (225, 225, 225)
_TICKS = 5


Point = tuple[float, float]


@dataclass(frozen=True)
class Axes:
    """What a chart is about: its title and the names of its axes, with units."""

    title: str
    x: str
    y: str


def lines(
    path: Path, axes: Axes, series: Mapping[str, Sequence[Point]], *, dots: bool = True
) -> None:
    """Lines through points, one a name, the points themselves as dots."""
    high = np.max([point for line in series.values() for point in line], axis=0).tolist()
    picture = _paper(axes, high)
    for number, (name, line) in enumerate(series.items()):
        color = _COLORS[number % len(_COLORS)]
        drawn = _to_pixels(np.array(line), high)
        cv2.polylines(picture, [drawn], False, color, 2, cv2.LINE_AA)
        for x, y in drawn.tolist() if dots else ():
            cv2.circle(picture, (x, y), 4, color, -1, cv2.LINE_AA)
        _legend(picture, number, name, color)
    _keep(path, picture)


def histogram(path: Path, axes: Axes, samples: Mapping[str, Sequence[float]], bins: int) -> None:
    """How often values are how large, in parts of all, one outline a name."""
    last = max(max(values) for values in samples.values())
    series = {}
    for name, values in samples.items():
        counts, edges = np.histogram(values, bins, (0, last))
        share = np.repeat(counts / max(len(values), 1), 2)
        series[name] = list(zip(np.repeat(edges, 2)[1:-1].tolist(), share.tolist(), strict=True))
    lines(path, axes, series, dots=False)


def _paper(axes: Axes, high: tuple[float, float]) -> NDArray[np.uint8]:
    width, height = _SIZE
    picture = np.full((height, width, 3), 255, np.uint8)
    for tick in range(_TICKS + 1):
        share = tick / _TICKS
        x = round(_LEFT + share * (width - _LEFT - _RIGHT))
        y = round(height - _BOTTOM - share * (height - _TOP - _BOTTOM))
        cv2.line(picture, (_LEFT, y), (width - _RIGHT, y), _GRID, 1)
        cv2.line(picture, (x, _TOP), (x, height - _BOTTOM), _GRID, 1)
        _write(picture, f"{share * high[1]:.3g}", (10, y + 5))
        _write(picture, f"{share * high[0]:.3g}", (x - 15, height - _BOTTOM + 22))
    cv2.rectangle(picture, (_LEFT, _TOP), (width - _RIGHT, height - _BOTTOM), _INK, 1)
    _write(picture, axes.title, (_LEFT, 25), 0.65)
    _write(picture, axes.y, (10, _TOP - 12))
    _write(picture, axes.x, (width // 2 - 60, height - 20))
    return picture


def _to_pixels(points: NDArray[np.float64], high: tuple[float, float]) -> NDArray[np.int32]:
    width, height = _SIZE
    share = points / np.maximum(high, 1e-12)
    room = np.array([width - _LEFT - _RIGHT, height - _TOP - _BOTTOM])
    place = np.array([_LEFT, height - _BOTTOM]) + share * room * (1, -1)
    return np.asarray(np.rint(place), np.int32)


def _legend(
    picture: NDArray[np.uint8], number: int, name: str, color: tuple[int, int, int]
) -> None:
    y = _TOP + 22 + 22 * number
    x = _SIZE[0] - _RIGHT - 230
    cv2.line(picture, (x, y - 5), (x + 25, y - 5), color, 2, cv2.LINE_AA)
    _write(picture, name, (x + 35, y))


def _write(picture: NDArray[np.uint8], text: str, at: tuple[int, int], size: float = 0.5) -> None:
    cv2.putText(picture, text, at, _FONT, size, _INK, 1, cv2.LINE_AA)


def _keep(path: Path, picture: NDArray[np.uint8]) -> None:
    with writing(path):
        path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
