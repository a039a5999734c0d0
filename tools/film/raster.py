"""A z-buffer rasteriser in numpy: no GL, no compiled code, the same bytes on every machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_SIZES = (2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256, 512, 1024, 4096)
_FRAGMENTS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Fragments:
    """What is seen: for M of the image's samples the triangle in front."""

    sample: NDArray[np.intp]
    """(M,) row * width + column."""
    triangle: NDArray[np.intp]
    """(M,)"""
    corner_weights: Array
    """(M, 3) affine in the image."""
    key: Array
    """(M,) the depth key of what is seen."""


def rasterise(
    points: Array, keys: Array, faces: NDArray[np.intp], width: int, height: int
) -> Fragments:
    """Find the nearest triangle at every sample.

    Args:
        points: (V, 2) columns and rows; samples lie at whole numbers.
        keys: (V,) larger is nearer, affine in the image: 1/z of a perspective camera. NaN hides.
        faces: (T, 3).
        width: Samples a row.
        height: Rows.
    """
    corners, key = points[faces], keys[faces]
    known = np.isfinite(corners) & np.isfinite(key)[..., None]
    usable = np.asarray(known.all(axis=(1, 2)), np.bool_)
    low = np.ceil(np.where(usable[:, None], corners.min(axis=1), 0)).astype(np.int64)
    high = np.floor(np.where(usable[:, None], corners.max(axis=1), -1)).astype(np.int64)
    low, high = np.maximum(low, 0), np.minimum(high, (width - 1, height - 1))
    extent = (high - low + 1).max(axis=1)
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    usable &= (high >= low).all(axis=1) & (np.abs(area) > 1e-9)

    buffer = np.full(width * height, -np.inf)
    found: list[tuple[NDArray[np.intp], NDArray[np.intp], Array, Array]] = []
    smaller, largest = 0, extent[usable].max(initial=1)
    for size in _SIZES:
        if smaller >= largest:
            break
        triangles = np.flatnonzero(usable & (extent > smaller) & (extent <= size))
        smaller = size
        rows, columns = (grid.ravel() for grid in np.mgrid[:size, :size])
        for part in np.array_split(triangles, len(triangles) * size**2 // _FRAGMENTS_AT_ONCE + 1):
            x, y = low[part, :1] + columns, low[part, 1:] + rows
            dx, dy = x - corners[part, 0, :1], y - corners[part, 0, 1:]
            u = (dx * second[part, 1:] - dy * second[part, :1]) / area[part, None]
            v = (dy * first[part, :1] - dx * first[part, 1:]) / area[part, None]
            inside = (u >= 0) & (v >= 0) & (u + v <= 1) & (x < width) & (y < height)
            which, where = np.nonzero(inside)
            triangle, u, v = part[which], u[which, where], v[which, where]
            weights = np.stack([1 - u - v, u, v], 1)
            depth_key = (weights * key[triangle]).sum(axis=1)
            sample = y[which, where] * width + x[which, where]
            np.maximum.at(buffer, sample, depth_key)
            found.append((sample, triangle, weights, depth_key))
    sample, triangle, weights, depth_key = (
        np.concatenate(parts) for parts in zip(*found, strict=True)
    )
    front = np.flatnonzero(depth_key == buffer[sample])
    # Two triangles that share an edge may both be in front there: the first one is seen.
    _, once = np.unique(sample[front], return_index=True)
    front = front[once]
    return Fragments(sample[front], triangle[front], weights[front], depth_key[front])


def vertex_normals(vertices: Array, faces: NDArray[np.intp]) -> Array:
    """(V, 3) unit normals, each face weighing as its area."""
    a, b, c = vertices[faces].transpose(1, 0, 2)
    normals = np.zeros_like(vertices)
    face_normals = np.cross(b - a, c - a)
    for corner in range(3):
        for axis in range(3):
            normals[:, axis] += np.bincount(faces[:, corner], face_normals[:, axis], len(vertices))
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return normals


def noise(points: Array, scale: float, seed: int = 0) -> Array:
    """(N,) smooth value noise in 0..1 at points (N, 3), ``scale`` bumps a metre."""
    scaled = points * scale
    cell = np.floor(scaled).astype(np.int64)
    t = scaled - cell
    t = t * t * (3 - 2 * t)
    total = np.zeros(len(points))
    for corner in np.ndindex(2, 2, 2):
        x, y, z = np.where(corner, t, 1 - t).T
        total += x * y * z * _hash(cell + corner, seed)
    return total


def _hash(cells: NDArray[np.int64], seed: int) -> Array:
    mixed = cells @ np.array([374761393, 668265263, 2147483647]) + seed * 1442695041 & 0xFFFFFFFF
    mixed = (mixed ^ mixed >> 13) * 1274126177 & 0xFFFFFFFF
    return np.asarray(((mixed ^ mixed >> 16) & 0xFFFF) / 65535.0)
