"""A posable human body: MakeHuman's base mesh, shaped by targets, skinned to its rig.

World frame: metres, z up, floor at z = 0; in the rest pose the body faces -y and its left is +x.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .assets import Assets

Array = NDArray[np.float64]
Pose = dict[str, Array]
"""Rotations (3, 3) in world axes of the rest pose, by bone, about the bone's head."""

_WEIGHTS_KEPT = 8  # bones a vertex follows


@dataclass(frozen=True)
class Bones:
    """Where bones are: (B, 3, 4) rotations and heads, in the world."""

    matrices: Array

    @property
    def heads(self) -> Array:
        """(B, 3) metres."""
        return self.matrices[:, :, 3]


class Body:
    """One person's shape."""

    def __init__(self, assets: Assets, targets: Mapping[str, float]) -> None:
        """``targets`` are MakeHuman's morph targets and how much of each."""
        vertices, self.faces, groups = _read_obj(assets.read("3dobjs/base.obj").decode())
        for name, amount in targets.items():
            vertices += amount * _read_target(assets, name, len(vertices))
        # MakeHuman: decimetres, y up
        vertices = np.stack([vertices[:, 0], -vertices[:, 2], vertices[:, 1]], 1) * 0.1
        drawn = ~np.char.startswith(groups, "joint-")
        self.faces, self.groups = self.faces[drawn], groups[drawn]
        vertices[:, 2] -= vertices[np.unique(self.faces[self.groups == "body"]), 2].min()
        self.rest = vertices
        self._read_rig(assets)

    def _read_rig(self, assets: Assets) -> None:
        rig = json.loads(assets.read("rigs/standard/rig.default.json"))
        groups = json.loads(assets.read("mesh_metadata/basemesh_vertex_groups.json"))
        self.bones = _parents_first(rig)
        self.index = {bone: i for i, bone in enumerate(self.bones)}
        self.parents = [self.index.get(rig[bone]["parent"], -1) for bone in self.bones]
        self.heads, self.tails = (
            np.array([self._anchor(rig[bone][end], groups) for bone in self.bones])
            for end in ("head", "tail")
        )
        weights = np.zeros((len(self.rest), len(self.bones)))
        listed = json.loads(assets.read("rigs/standard/weights.default.json"))["weights"]
        for bone, pairs in listed.items():
            for vertex, weight in pairs:
                weights[vertex, self.index[bone]] += weight
        self.weighted_bones = np.argsort(-weights, axis=1, kind="stable")[:, :_WEIGHTS_KEPT]
        kept = np.take_along_axis(weights, self.weighted_bones, axis=1)
        self.weights = kept / np.maximum(kept.sum(axis=1, keepdims=True), 1e-9)

    def _anchor(self, anchor: dict[str, Any], groups: dict[str, list[list[int]]]) -> Array:
        strategy = anchor["strategy"]
        if strategy == "VERTEX":
            vertices = [anchor["vertex_index"]]
        elif strategy == "CUBE":
            ranges = groups[anchor["cube_name"]]
            vertices = [vertex for first, last in ranges for vertex in range(first, last + 1)]
        else:
            vertices = anchor["vertex_indices"]
        return np.asarray(self.rest[vertices].mean(axis=0))

    def head(self, bone: str) -> Array:
        """(3,) where a bone begins in the rest pose."""
        return np.asarray(self.heads[self.index[bone]])

    def bones_posed(self, pose: Pose, turn: Array, move: Array) -> Bones:
        """Forward kinematics; the whole body turned by (3, 3) and moved by (3,) metres."""
        matrices = np.zeros((len(self.bones), 3, 4))
        for i, bone in enumerate(self.bones):
            parent = self.parents[i]
            if parent < 0:
                around, at = turn, move + turn @ self.heads[i]
            else:
                around = matrices[parent, :, :3]
                at = around @ (self.heads[i] - self.heads[parent]) + matrices[parent, :, 3]
            matrices[i, :, :3] = around @ pose[bone] if bone in pose else around
            matrices[i, :, 3] = at
        return Bones(matrices)

    def skin(self, bones: Bones, vertices: NDArray[np.intp], rest: Array) -> Array:
        """Points (V, 3), given by their place in the rest pose, carried along by their bones.

        Args:
            bones: Where the bones are.
            vertices: (V,) which vertices' weights the points follow.
            rest: (V, 3) where they are in the rest pose.
        """
        from_rest = bones.matrices.copy()
        from_rest[:, :, 3] -= np.einsum("bij,bj->bi", from_rest[:, :, :3], self.heads)
        mixed = np.einsum(
            "vk,vkij->vij", self.weights[vertices], from_rest[self.weighted_bones[vertices]]
        )
        return np.asarray(np.einsum("vij,vj->vi", mixed[:, :, :3], rest) + mixed[:, :, 3])

    def tails_posed(self, bones: Bones) -> Array:
        """(B, 3) where bones end."""
        along = self.tails - self.heads
        return np.asarray(bones.heads + np.einsum("bij,bj->bi", bones.matrices[:, :, :3], along))


def _read_obj(text: str) -> tuple[Array, NDArray[np.intp], NDArray[np.str_]]:
    """Vertices (V, 3), triangles (T, 3) and the group of each triangle (T,)."""
    vertices, faces, groups, group = [], [], [], ""
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            vertices.append([float(value) for value in rest.split()[:3]])
        elif kind == "g":
            group = rest.strip()
        elif kind == "f":
            corners = [int(corner.split("/")[0]) - 1 for corner in rest.split()]
            for k in range(1, len(corners) - 1):
                faces.append((corners[0], corners[k], corners[k + 1]))
                groups.append(group)
    return np.array(vertices), np.array(faces), np.array(groups)


def _read_target(assets: Assets, name: str, count: int) -> Array:
    moved = np.zeros((count, 3))
    text = gzip.decompress(assets.read(f"targets/{name}.target.gz")).decode()
    for line in text.splitlines():
        values = line.split()
        if len(values) == 4 and not line.startswith("#"):
            moved[int(values[0])] = [float(value) for value in values[1:]]
    return moved


def _parents_first(rig: dict[str, dict[str, str]]) -> list[str]:
    ordered: list[str] = []
    waiting = list(rig)
    while waiting:
        ready = [bone for bone in waiting if rig[bone]["parent"] in ("", None, *ordered)]
        ordered += ready
        waiting = [bone for bone in waiting if bone not in ready]
    return ordered
