"""The room, its light, and one image of it with people in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bodypose3d_ros.body.camera import Camera

from .motion import turn
from .person import Posed
from .raster import Fragments, noise, rasterise, vertex_normals

Array = NDArray[np.float64]
ScalarT = TypeVar("ScalarT", bound=np.generic)

SUPERSAMPLING = 2
_SHADOW_SIZE = 768
_TO_LIGHT = np.array([-0.45, -0.75, 1.0]) / np.linalg.norm([-0.45, -0.75, 1.0])
_KEY = np.array([1.25, 1.20, 1.10])
_SKY, _GROUND = np.array([0.53, 0.56, 0.61]), np.array([0.32, 0.29, 0.26])
_FILL_FROM, _FILL = np.array([0.55, -0.8, 0.2]), np.array([0.30, 0.31, 0.34])
_SENSOR_NOISE = 2.0  # grey levels


@dataclass(frozen=True)
class View:
    """A camera standing in the room: x_camera = rotation @ x_world + translation."""

    camera: Camera
    rotation: Array
    translation: Array

    @classmethod
    def from_tripod(cls, camera: Camera, at: Array, heading: float, tilt: float) -> View:
        """Standing at (3,) metres.

        Args:
            camera: The camera.
            at: Where.
            heading: Degrees from +y towards -x.
            tilt: Degrees down.
        """
        cos, sin = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
        forward, down = np.array([0, cos, -sin]), np.array([0, -sin, -cos])
        ahead = np.stack([np.array([1.0, 0, 0]), down, forward])
        rotation = ahead @ turn(np.array([0, 0, 1.0]), -heading)
        return cls(camera, rotation, -rotation @ at)

    @property
    def position(self) -> Array:
        """(3,) world."""
        return -self.rotation.T @ self.translation

    def to_camera(self, points: Array) -> Array:
        """World points (..., 3) to the camera's optical frame."""
        return points @ self.rotation.T + self.translation


@dataclass(frozen=True)
class Surface:
    """What is seen at each of M samples."""

    points: Array
    normals: Array
    colors: Array


@dataclass(frozen=True)
class Picture:
    """One rendered image, and what is known of it."""

    image: NDArray[np.uint8]
    """(H, W, 3) BGR."""
    depth: Array
    """(H, W) metres along the optical axis."""
    person: NDArray[np.intp]
    """(H, W) index of the person seen, -1 for the room."""


@dataclass(frozen=True)
class Walls:
    """Where a room's walls are, metres: the back at y, two sides at x, perhaps a front at y."""

    back: float
    half_width: float = 3.2
    front: float = -np.inf


class Room:
    """A floor at z = 0 and walls, seen by one view."""

    def __init__(self, view: View, walls: Walls) -> None:
        self.view = view
        self.width = view.camera.width * SUPERSAMPLING
        self.height = view.camera.height * SUPERSAMPLING
        self._walls = walls
        columns, rows = np.meshgrid(np.arange(self.width), np.arange(self.height))
        pixels = (np.stack([columns, rows], -1).reshape(-1, 2) + 0.5) / SUPERSAMPLING - 0.5
        rays = np.concatenate([view.camera.rays(pixels), np.ones((len(pixels), 1))], axis=1)
        self.surface, self.depth = self._see(rays @ view.rotation)
        self._lit, self._shaded = (
            shade(self.surface, view.position, np.full(len(pixels), light)) for light in (1.0, 0.0)
        )

    def _see(self, rays: Array) -> tuple[Surface, Array]:
        origin = self.view.position
        normals = np.array([[0, 0, 1.0], [0, -1, 0], [-1, 0, 0], [1, 0, 0], [0, 1, 0]])
        side = -self._walls.half_width
        offsets = np.array([0, -self._walls.back, side, side, self._walls.front])
        with np.errstate(divide="ignore"):
            along = (offsets - normals @ origin) / (rays @ normals.T)
        along[along <= 0] = np.inf
        plane, nearest = along.argmin(axis=1), along.min(axis=1)
        points = origin + rays * nearest[:, None]
        colors = np.where((plane == 0)[:, None], _planks(points), _paint(points, plane))
        return Surface(points, normals[plane], colors), nearest

    def render(self, people: list[Posed], frame: int) -> Picture:
        """One image with people in it; ``frame`` seeds the sensor's noise."""
        seen, surface = self._people(people)
        shadow = _Shadow(people)
        light = self._lit * shadow.light(self.surface.points, 0.02)[:, None]
        light += self._shaded * (1 - shadow.light(self.surface.points, 0.02))[:, None]
        depth, person = self.depth.copy(), np.full(len(self.depth), -1)
        if seen is not None:
            lit = shadow.light(surface.points + 0.006 * surface.normals, 0.01)
            light[seen.sample] = shade(surface, self.view.position, lit)
            depth[seen.sample] = 1 / seen.key
            person[seen.sample] = np.searchsorted(_ends(people), seen.triangle, side="right")
        return Picture(
            _develop(self._average(light), frame), self._center(depth), self._center(person)
        )

    def _people(self, people: list[Posed]) -> tuple[Fragments | None, Surface]:
        """What is seen of people where they stand before the room."""
        empty = Surface(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 3)))
        if not people:
            return None, empty
        vertices = np.concatenate([posed.vertices for posed in people])
        starts = np.cumsum([0, *(len(posed.vertices) for posed in people)])
        faces = np.concatenate([p.person.faces + s for p, s in zip(people, starts, strict=False)])
        in_camera = self.view.to_camera(vertices)
        pixels = (self.view.camera.project(in_camera) + 0.5) * SUPERSAMPLING - 0.5
        keys = np.where(in_camera[:, 2] > 0.1, 1 / np.maximum(in_camera[:, 2], 0.1), np.nan)
        seen = rasterise(pixels, keys, faces, self.width, self.height)
        before = seen.key > 1 / self.depth[seen.sample]
        seen = Fragments(*(part[before] for part in vars(seen).values()))
        corners = faces[seen.triangle]
        # Weights are affine in the image: perspective makes them affine on the triangle.
        weights = seen.corner_weights * keys[corners]
        weights /= weights.sum(axis=1, keepdims=True)

        def at_samples(values: Array) -> Array:
            return np.asarray(np.einsum("mk,mkc->mc", weights, values[corners]))

        normals = np.concatenate([vertex_normals(p.vertices, p.person.faces) for p in people])
        normals = at_samples(normals)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        rest = at_samples(np.concatenate([posed.person.rest for posed in people]))
        colors = np.zeros((len(corners), 3))
        which = np.searchsorted(_ends(people), seen.triangle, side="right")
        material = np.concatenate([posed.person.material for posed in people])[seen.triangle]
        for n, posed in enumerate(people):
            colors[which == n] = posed.person.albedo(rest[which == n], material[which == n])
        return seen, Surface(at_samples(vertices), normals, colors)

    def _average(self, samples: Array) -> Array:
        blocks = samples.reshape(
            self.height // SUPERSAMPLING, SUPERSAMPLING, self.width // SUPERSAMPLING,
            SUPERSAMPLING, -1,
        )  # fmt: skip
        return np.asarray(blocks.mean(axis=(1, 3)))

    def _center(self, samples: NDArray[ScalarT]) -> NDArray[ScalarT]:
        """Depth and identity cannot be averaged: one of each pixel's samples stands for it."""
        grid = samples.reshape(self.height, self.width)
        return grid[SUPERSAMPLING // 2 :: SUPERSAMPLING, SUPERSAMPLING // 2 :: SUPERSAMPLING]


def shade(surface: Surface, eye: Array, light: Array) -> Array:
    """Linear RGB (M, 3); ``light`` (M,) is how much of the lamp reaches each point."""
    normals = surface.normals
    upward = 0.5 + 0.5 * normals[:, 2:]
    ambient = _SKY * upward + _GROUND * (1 - upward)
    fill = np.maximum(normals @ _FILL_FROM, 0)[:, None] * _FILL
    lamp = (np.maximum(normals @ _TO_LIGHT, 0) * light)[:, None] * _KEY
    to_eye = eye - surface.points
    to_eye /= np.linalg.norm(to_eye, axis=1, keepdims=True)
    half = to_eye + _TO_LIGHT
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    gloss = 0.06 * np.maximum((normals * half).sum(axis=1), 0) ** 24 * light
    return np.asarray(surface.colors**2.2 * (lamp + ambient + fill) + gloss[:, None])


class _Shadow:
    """Where the lamp does not reach because of people: their depth as the lamp sees them."""

    def __init__(self, people: list[Posed]) -> None:
        self._x = np.cross([0.0, 0, 1], _TO_LIGHT)
        self._x /= np.linalg.norm(self._x)
        self._y = np.cross(_TO_LIGHT, self._x)
        self._empty = not people
        if self._empty:
            return
        vertices = np.concatenate([posed.vertices for posed in people])
        starts = np.cumsum([0, *(len(posed.vertices) for posed in people)])
        faces = np.concatenate([p.person.faces + s for p, s in zip(people, starts, strict=False)])
        flat = np.stack([vertices @ self._x, vertices @ self._y], 1)
        self._low = flat.min(axis=0) - 0.05
        self._scale = _SHADOW_SIZE / (flat.max(axis=0) + 0.05 - self._low).max()
        seen = rasterise(
            (flat - self._low) * self._scale,
            vertices @ _TO_LIGHT,
            faces,
            _SHADOW_SIZE,
            _SHADOW_SIZE,
        )
        self._depth = np.full(_SHADOW_SIZE**2, -np.inf)
        self._depth[seen.sample] = seen.key

    def light(self, points: Array, bias: float) -> Array:
        """(M,) 0 in the shadow, 1 in the light, soft between."""
        light = np.ones(len(points))
        if self._empty:
            return light
        flat = (np.stack([points @ self._x, points @ self._y], 1) - self._low) * self._scale
        near = np.flatnonzero(((flat > -8) & (flat < _SHADOW_SIZE + 8)).all(axis=1))
        depth, reach = points[near] @ _TO_LIGHT + bias, 0.02 * self._scale
        steps = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (0.7, 0.7), (-0.7, 0.7), (0.7, -0.7),
                 (-0.7, -0.7)]  # fmt: skip
        total = np.zeros(len(near))
        for step in steps:
            cell = np.rint(flat[near] + np.array(step) * reach).astype(np.int64)
            inside = ((cell >= 0) & (cell < _SHADOW_SIZE)).all(axis=1)
            cell = np.clip(cell, 0, _SHADOW_SIZE - 1)
            blocked = inside & (self._depth[cell[:, 1] * _SHADOW_SIZE + cell[:, 0]] > depth)
            total += ~blocked
        light[near] = total / len(steps)
        return light


def _ends(people: list[Posed]) -> NDArray[np.intp]:
    """(P,) one past the last triangle of each person."""
    return np.asarray(np.cumsum([len(posed.person.faces) for posed in people]))


def _paint(points: Array, plane: NDArray[np.intp]) -> Array:
    """Colours of points on the walls: a skirting board, and a door and a picture on the back."""
    x, z = points[:, 0], points[:, 2]
    mottled = 0.93 + 0.08 * noise(points, 2, 11) + 0.04 * noise(points, 14, 12)
    colors = np.array([0.66, 0.66, 0.60]) * mottled[:, None]
    colors[z < 0.10] = (0.82, 0.81, 0.78)
    on_back = plane == 1
    frame = on_back & (np.abs(x - 1.45) < 0.52) & (z < 2.12)
    door = on_back & (np.abs(x - 1.45) < 0.45) & (z < 2.05)
    colors[frame] = (0.80, 0.79, 0.75)
    grain = 0.85 + 0.3 * noise(points[door] * (1, 1, 0.08), 40, 21)
    colors[door] = np.array([0.42, 0.30, 0.20]) * grain[:, None]
    picture = on_back & (np.abs(x + 1.25) < 0.345) & (np.abs(z - 1.60) < 0.265)
    colors[picture] = (0.10, 0.09, 0.08)
    canvas = on_back & (np.abs(x + 1.25) < 0.31) & (np.abs(z - 1.60) < 0.23)
    hill = z < 1.55 + 0.07 * np.sin(9 * (x + 1.25))
    colors[canvas] = (0.55, 0.68, 0.80)
    colors[canvas & hill] = (0.25, 0.38, 0.20)
    return colors


def _planks(points: Array) -> Array:
    row = np.floor(points[:, 0] / 0.14)
    board = np.floor(points[:, 1] / 1.1 + row * 0.37 % 1)
    tone = 0.8 + 0.35 * ((row * 73 + board * 151) % 17) / 17
    grain = 0.8 + 0.35 * noise(points * (1, 0.06, 1), 60, 14)
    colors: Array = np.array([0.46, 0.33, 0.22]) * (tone * grain)[:, None]
    colors[np.abs(points[:, 0] / 0.14 % 1 - 0.5) > 0.487] *= 0.55
    return colors


def _develop(light: Array, frame: int) -> NDArray[np.uint8]:
    """Linear RGB (H, W, 3) to a BGR image with a camera's gamma and noise."""
    grey = np.clip(light / (1 + 0.18 * light), 0, 1) ** (1 / 2.2) * 255
    grey += np.random.default_rng(frame).normal(0, _SENSOR_NOISE, grey.shape)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)[..., ::-1]
