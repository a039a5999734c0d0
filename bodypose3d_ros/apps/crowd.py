"""Pictures of any number of people, pasted together of the film of one."""

from __future__ import annotations

import cv2
import numpy as np

from ..body.people import Image
from ..media import film

_FILM = "one_person"
_ROW = 4  # people side by side
_MARGIN = 1.15
# Of the largest extent of the person's joints in the film.
_OUT_OF_STEP = 7  # frames by which neighbours differ


def pictures(people: int, size: tuple[int, int]) -> list[Image]:
    """People in rows of four, as many frames as the film has; neighbours move out of step.

    Each person is a cut-out of the film that stays about the person and keeps its scale.

    Args:
        people: How many.
        size: Width and height of the pictures, in pixels.
    """
    shown = film.load(_FILM)
    frames = [frame.image for frame in shown.frames()]
    low, high = shown.pixels[:, 0].min(axis=1), shown.pixels[:, 0].max(axis=1)
    largest = (high - low).max(axis=0) * _MARGIN
    cells = _cells(people, size)
    pasted = [np.zeros((size[1], size[0], 3), np.uint8) for _ in frames]
    for number, picture in enumerate(pasted):
        for person, (x, y, width, height) in enumerate(cells):
            moment = _there_and_back(number + _OUT_OF_STEP * person, len(frames))
            scale = min(width / largest[0], height / largest[1])
            shift = np.array([width, height]) / 2 - scale * (low[moment] + high[moment]) / 2
            matrix = np.column_stack([scale * np.eye(2), shift])
            picture[y : y + height, x : x + width] = cv2.warpAffine(
                frames[moment], matrix, (width, height), borderMode=cv2.BORDER_REPLICATE
            )
    return pasted


def _cells(people: int, size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """x, y, width and height of the part of a picture that each person has."""
    rows = -(-people // _ROW)
    columns = -(-people // rows)
    width, height = size[0] // columns, size[1] // rows
    places = ((n % columns * width, n // columns * height) for n in range(people))
    return [(x, y, width, height) for x, y in places]


def _there_and_back(number: int, count: int) -> int:
    """The film forwards and backwards for ever, without a jump."""
    number %= 2 * count - 2
    return min(number, 2 * count - 2 - number)
