"""The accuracy report as one picture that a person reads at a glance."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..body.people import Image
from ..body.skeleton import JOINTS
from .accuracy import Accuracy

Array = NDArray[np.float64]
Color = tuple[int, int, int]

_SIZE = (1280, 868)
_BLACK, _GREY, _LIGHT = (40, 40, 40), (130, 130, 130), (225, 225, 225)
_ALIGNED, _PROCRUSTES = (170, 170, 120), (110, 90, 40)  # not those of left and right
_TRUTH, _ESTIMATE = (90, 90, 90), (60, 60, 220)
_ELLIPSE = (230, 190, 150)
_ELLIPSE_EVERY = 7  # estimates: all would hide each other; several people take turns in them
_CHI2_95_OF_2 = 5.991
_ROW, _TOP, _LEFT, _BARS = 22, 92, 190, 380


def picture(accuracy: Accuracy) -> Image:
    """BGR: left the error of each joint, right where the pelvis went, seen from above."""
    canvas = np.full((_SIZE[1], _SIZE[0], 3), 255, np.uint8)
    figures = accuracy.to_json()
    limbs, root = figures["limb_joints"], figures["root_mm"]
    title = f"{accuracy.film}: {accuracy.found} of {accuracy.expected} person-frames found"
    told = (
        f"twelve limb joints: {limbs['pixels']} px in the image, {limbs['root_aligned_mm']} mm "
        f"with pelvis on pelvis, {limbs['procrustes_mm']} mm Procrustes; pelvis: {root['mean']} mm"
    )
    if figures["covered_95"] is not None:
        told += f"; {figures['covered_95'] * 100:.0f} % of joints in 95 % ellipsoids"
    _text(canvas, title, (24, 28), _BLACK, 0.62)
    _text(canvas, told, (24, 50), _GREY, 0.48)
    _draw_bars(canvas, accuracy)
    _draw_from_above(canvas, accuracy, (640, _TOP, 610, _SIZE[1] - _TOP - 40))
    return canvas


def _draw_bars(canvas: Image, accuracy: Accuracy) -> None:
    aligned, procrustes = (
        _column_means(errors) * 1000 for errors in (accuracy.root_aligned, accuracy.procrustes)
    )
    largest = max(np.nanmax([*aligned, *procrustes, 50.0]), 1.0)
    scale = _BARS / largest
    for millimetres in range(0, int(largest) + 1, 50):
        x = round(_LEFT + millimetres * scale)
        cv2.line(canvas, (x, _TOP - 10), (x, _TOP + _ROW * len(JOINTS)), _LIGHT, 1)
        _text(canvas, f"{millimetres} mm", (x - 10, _TOP - 14), _GREY, 0.4)
    for n, name in enumerate(JOINTS):
        y = _TOP + n * _ROW
        _text(canvas, name.replace("_", " "), (24, y + 15), _BLACK, 0.45)
        if np.isnan(aligned[n]):
            _text(canvas, "not given", (_LEFT + 6, y + 15), _GREY, 0.4)
            continue
        for value, color, at in ((aligned[n], _ALIGNED, 3), (procrustes[n], _PROCRUSTES, 11)):
            end = (round(_LEFT + value * scale), y + at + 7)
            cv2.rectangle(canvas, (_LEFT, y + at), end, color, -1)
    y = _SIZE[1] - 12
    _legend(canvas, (_LEFT, y), _ALIGNED, "mean error, pelvis on pelvis")
    _legend(canvas, (_LEFT + 230, y), _PROCRUSTES, "Procrustes")


def _draw_from_above(canvas: Image, accuracy: Accuracy, box: tuple[int, int, int, int]) -> None:
    x, y, width, height = box
    title = "the pelvis from above; circles: metres from the camera"
    _text(canvas, title, (x, y - 14), _GREY, 0.45)
    # OpenCV draws nothing beyond the edge of an array.
    _draw_paths(canvas[y : y + height, x : x + width], accuracy)
    cv2.rectangle(canvas, (x, y), (x + width, y + height), _LIGHT, 1)
    _legend(canvas, (x, _SIZE[1] - 12), _TRUTH, "truth")
    _legend(canvas, (x + 90, _SIZE[1] - 12), _ESTIMATE, "estimate")
    _legend(canvas, (x + 200, _SIZE[1] - 12), _ELLIPSE, "stated 95 %, now and then")


def _draw_paths(floor: Image, accuracy: Accuracy) -> None:
    """Where everybody went, and was said to go, over circles of equal distance."""
    height, width = floor.shape[:2]
    points = accuracy.roots[..., [0, 2]]
    if not len(points):
        return
    deepest = max(float(points[..., 1].max()) * 1.1, 1.0)
    widest = max(float(np.abs(points[..., 0]).max()) * 1.2, 0.5)
    scale = min((height - 30) / deepest, width / 2 / widest)
    origin = np.array([width / 2, height - 12])

    def at(point: Array) -> tuple[int, int]:
        column, row = origin + point * (scale, -scale)
        return round(column), round(row)

    for metres in range(1, int(deepest) + 1):
        cv2.circle(floor, at(np.zeros(2)), round(metres * scale), _LIGHT, 1, cv2.LINE_AA)
    view = np.array([at(np.array(corner)) for corner in ((0, 0), (-0.12, 0.2), (0.12, 0.2))])
    cv2.polylines(floor, [view.astype(np.int32)], True, _GREY, 1, cv2.LINE_AA)
    _text(floor, "camera", at(np.array([0.16, 0.04])), _GREY, 0.4)
    for (_, estimate), covariance in zip(
        points[::_ELLIPSE_EVERY], accuracy.root_covariances[::_ELLIPSE_EVERY], strict=True
    ):
        outline = _ellipse(estimate, covariance[np.ix_([0, 2], [0, 2])])
        if np.isfinite(outline).all():
            corners = np.array([at(point) for point in outline], np.int32)
            cv2.polylines(floor, [corners], True, _ELLIPSE, 1, cv2.LINE_AA)
    for truth, estimate in points:
        cv2.line(floor, at(truth), at(estimate), _LIGHT, 1, cv2.LINE_AA)
    for truth, estimate in points:
        cv2.circle(floor, at(truth), 3, _TRUTH, -1, cv2.LINE_AA)
        cv2.circle(floor, at(estimate), 3, _ESTIMATE, -1, cv2.LINE_AA)
    for metres in range(1, int(deepest) + 1):  # last, on paper: people go where they are written
        left, below = at(np.array([0, metres]))
        cv2.rectangle(floor, (left - 14, below - 9), (left + 14, below + 5), (255, 255, 255), -1)
        _text(floor, f"{metres} m", (left - 10, below + 3), _GREY, 0.4)


def _ellipse(center: Array, covariance: Array) -> Array:
    """(32, 2) points about a centre (2,) within which 95 % of the truths should lie."""
    variances, axes = np.linalg.eigh(covariance)
    turn = np.linspace(0, 2 * np.pi, 32)
    circle = np.stack([np.cos(turn), np.sin(turn)], 1)
    radii = np.sqrt(_CHI2_95_OF_2 * np.maximum(variances, 0))
    return np.asarray(center + circle * radii @ axes.T)


def _column_means(errors: Array) -> Array:
    there = np.isfinite(errors)
    total = np.where(there, errors, 0).sum(axis=0)
    return np.where(there.any(axis=0), total / np.maximum(there.sum(axis=0), 1), np.nan)


def _legend(canvas: Image, at: tuple[int, int], color: Color, text: str) -> None:
    cv2.rectangle(canvas, (at[0], at[1] - 10), (at[0] + 10, at[1]), color, -1)
    _text(canvas, text, (at[0] + 16, at[1]), _BLACK, 0.45)


def _text(canvas: Image, text: str, at: tuple[int, int], color: Color, size: float) -> None:
    cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, color, 1, cv2.LINE_AA)
