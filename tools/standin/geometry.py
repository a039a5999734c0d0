"""The end of BodyPose3DNet as published: from keypoints to its four outputs, in ONNX."""

from __future__ import annotations

import numpy as np

from bodypose3d_ros.body.skeleton import LENGTH_LIMBS, LENGTH_SLOTS

from .graph import Graph

_TINY = 1e-9
_FAR = 1e9
"""Sorts the limbs that are not seen behind all others."""


def four_outputs(g: Graph, xy: str, depth: str, confidence: str) -> None:
    """Append pose2d, pose2d_org_img, pose25d and pose3d.

    Reads the graph's inputs k_inv, t_form_inv and both limb lengths. The root depth is the upper
    median over the limbs seen, the scale least squares weighted by confidence.

    Args:
        g: The graph.
        xy: (N, 34, 2) crop pixels.
        depth: (N, 34, 1) relative to the pelvis, in units of the pelvis-neck distance.
        confidence: (N, 34, 1).
    """
    one = g.op("Add", g.op("Mul", confidence, g.constant(0)), g.constant(1))
    crop = g.op("Concat", xy, one, axis=2)
    image = _matrix(g, "t_form_inv", crop)
    rays = _matrix(g, "k_inv", image)
    first_two = (g.constant([0], np.int64), g.constant([2], np.int64), g.constant([2], np.int64))
    g.op("Concat", xy, confidence, axis=2, name="pose2d")
    g.op("Concat", g.op("Slice", image, *first_two), confidence, axis=2, name="pose2d_org_img")
    g.op("Concat", xy, depth, confidence, axis=2, name="pose25d")

    ends = [g.constant(end, np.int64) for end in LENGTH_LIMBS.T]
    weights = g.op("Mul", *(g.op("Gather", confidence, end, axis=1) for end in ends))
    root = _root_depth(g, rays, depth, weights, ends)
    z = g.op("Add", depth, root)
    body = g.op("Mul", rays, z)
    limbs = g.op("Sub", *(g.op("Gather", body, end, axis=1) for end in ends))
    found = g.op("Sqrt", _dot(g, limbs, limbs))
    wanted = _lengths(g, "mean_limb_lengths")
    weighted = g.op("Mul", weights, found)
    scale = g.op(
        "Div",
        _sum_limbs(g, g.op("Mul", weighted, wanted)),
        g.op("Max", _sum_limbs(g, g.op("Mul", weighted, found)), g.constant(_TINY)),
    )
    g.op("Mul", body, scale, name="pose3d")


def _root_depth(g: Graph, rays: str, depth: str, weights: str, ends: list[str]) -> str:
    """(N, 1, 1): a Z^2 + 2 b Z + c = 0 for each limb, then the median over those seen."""
    planar = g.op("Mul", rays, g.constant([1, 1, 0]))
    offsets = g.op("Mul", planar, depth)
    across = g.op("Sub", *(g.op("Gather", planar, end, axis=1) for end in ends))
    offset = g.op("Sub", *(g.op("Gather", offsets, end, axis=1) for end in ends))
    deeper = g.op("Sub", *(g.op("Gather", depth, end, axis=1) for end in ends))
    length = _lengths(g, "scale_normalized_mean_limb_lengths")
    a = g.op("Max", _dot(g, across, across), g.constant(_TINY))
    b = _dot(g, across, offset)
    c = g.op("Add", _dot(g, offset, offset), g.op("Mul", deeper, deeper))
    c = g.op("Sub", c, g.op("Mul", length, length))
    discriminant = g.op("Sub", g.op("Mul", b, b), g.op("Mul", a, c))
    root = g.op("Sqrt", g.op("Max", discriminant, g.constant(_TINY)))
    z = g.op("Div", g.op("Sub", root, b), a)

    seen = g.op("Greater", weights, g.constant(0))
    z = g.op("Where", seen, z, g.constant(_FAR))
    limbs = len(LENGTH_LIMBS)
    ordered = g.op("TopK", z, g.constant([limbs], np.int64), outputs=2, axis=1, largest=0)
    count = _sum_limbs(g, g.op("Cast", seen, to=1))
    middle = g.op("Floor", g.op("Mul", count, g.constant(0.5)))
    middle = g.op("Cast", g.op("Min", middle, g.constant(limbs - 1)), to=7)
    return g.op("GatherElements", ordered, middle, axis=1)


def _matrix(g: Graph, matrix: str, vectors: str) -> str:
    """Matrices (N, 3, 3) times vectors (N, 34, 3)."""
    return g.op("MatMul", vectors, g.op("Transpose", matrix, perm=[0, 2, 1]))


def _dot(g: Graph, u: str, v: str) -> str:
    return g.op("ReduceSum", g.op("Mul", u, v), g.constant([2], np.int64), keepdims=1)


def _sum_limbs(g: Graph, values: str) -> str:
    return g.op("ReduceSum", values, g.constant([1], np.int64), keepdims=1)


def _lengths(g: Graph, name: str) -> str:
    """(N, 17, 1) of the 36 slots."""
    used = g.op("Gather", name, g.constant(LENGTH_SLOTS, np.int64), axis=1)
    return g.op("Unsqueeze", used, g.constant([2], np.int64))
