"""Charts of a benchmark as PNG files, drawn with OpenCV: no window system, no plotting library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..body.people import Image
from ..media.outputs import writing

_SIZE = (1120, 560)
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 250, 60, 80  # right of the paper are the names
_COLORS = ((180, 90, 20), (30, 120, 230), (60, 160, 60), (150, 60, 160), (70, 70, 70))
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_INK = (40, 40, 40)
_GRID = (225, 225, 225)
_TICKS = 6  # at most, beside 0
_ROUND = (1, 2, 5, 10)


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
    last = np.max([point for line in series.values() for point in line], axis=0).tolist()
    ticks = [_ticks(each) for each in last]
    high = (ticks[0][-1], ticks[1][-1])
    picture = _paper(axes, *ticks)
    for number, (name, line) in enumerate(series.items()):
        color = _COLORS[number % len(_COLORS)]
        drawn = _to_pixels(np.array(line), high)
        cv2.polylines(picture, [drawn], False, color, 2, cv2.LINE_AA)
        for x, y in drawn.tolist() if dots else ():
            cv2.circle(picture, (x, y), 4, color, -1, cv2.LINE_AA)
        _legend(picture, number, name, color)
    _keep(path, picture)


def histogram(path: Path, axes: Axes, samples: Mapping[str, Sequence[float]], bins: int) -> None:
    """How often values are how large, in per cent of all, one outline a name."""
    last = max(max(values) for values in samples.values())
    series = {}
    for name, values in samples.items():
        counts, edges = np.histogram(values, bins, (0, last))
        share = np.repeat(100 * counts / max(len(values), 1), 2)
        series[name] = list(zip(np.repeat(edges, 2)[1:-1].tolist(), share.tolist(), strict=True))
    lines(path, axes, series, dots=False)


def _ticks(last: float) -> list[float]:
    """Round numbers from 0 to the first that is not below the last value."""
    power = float(10.0 ** np.floor(np.log10(max(last, 1e-9) / _TICKS)))
    step = next(power * each for each in _ROUND if power * each * _TICKS >= last * (1 - 1e-9))
    return [step * n for n in range(max(int(np.ceil(last / step - 1e-9)), 1) + 1)]


def _paper(axes: Axes, across: Sequence[float], up: Sequence[float]) -> Image:
    width, height = _SIZE
    picture = np.full((height, width, 3), 255, np.uint8)
    high = (across[-1], up[-1])
    at = _to_pixels(np.array([(tick, 0) for tick in across]), high).tolist()
    for (x, y), tick in zip(at, across, strict=True):
        cv2.line(picture, (x, _TOP), (x, y), _GRID, 1)
        _write(picture, f"{tick:g}", (x, y + 22), before=0.5)
    at = _to_pixels(np.array([(0, tick) for tick in up]), high).tolist()
    for (x, y), tick in zip(at, up, strict=True):
        cv2.line(picture, (x, y), (width - _RIGHT, y), _GRID, 1)
        _write(picture, f"{tick:g}", (x - 10, y + 5), before=1)
    cv2.rectangle(picture, (_LEFT, _TOP), (width - _RIGHT, height - _BOTTOM), _INK, 1)
    _write(picture, axes.title, (_LEFT, 25), 0.65)
    _write(picture, axes.y, (10, _TOP - 12))
    _write(picture, axes.x, ((_LEFT + width - _RIGHT) // 2, height - 20), before=0.5)
    return picture


def _to_pixels(points: NDArray[np.float64], high: tuple[float, float]) -> NDArray[np.int32]:
    width, height = _SIZE
    share = points / np.maximum(high, 1e-12)
    room = np.array([width - _LEFT - _RIGHT, height - _TOP - _BOTTOM])
    place = np.array([_LEFT, height - _BOTTOM]) + share * room * (1, -1)
    return np.asarray(np.rint(place), np.int32)


def _legend(picture: Image, number: int, name: str, color: tuple[int, int, int]) -> None:
    y = _TOP + 22 + 22 * number
    x = _SIZE[0] - _RIGHT + 15
    cv2.line(picture, (x, y - 5), (x + 25, y - 5), color, 2, cv2.LINE_AA)
    _write(picture, name, (x + 35, y))


def _write(
    picture: Image, text: str, at: tuple[int, int], size: float = 0.5, before: float = 0
) -> None:
    """Write a text of which so much, of 1, lies before the point."""
    (long, _), _ = cv2.getTextSize(text, _FONT, size, 1)
    place = at[0] - round(before * long), at[1]
    cv2.putText(picture, text, place, _FONT, size, _INK, 1, cv2.LINE_AA)


def _keep(path: Path, picture: Image) -> None:
    with writing(path):
        path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
