"""A dressed person: which triangles are skin, hair and clothes, and what colour they have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .assets import Assets
from .body import Body, Bones, Pose
from .motion import turn
from .raster import noise, vertex_normals

Array = NDArray[np.float64]
Color = tuple[float, float, float]

SKIN, EYES, HAIR, SHIRT, TROUSERS, SHOES = range(6)

_RACES = {f"macrodetails/{race}-{{sex}}-young": 1 / 3 for race in ("caucasian", "asian", "african")}
_BUILD = "{sex}-young-averagemuscle-averageweight"


@dataclass(frozen=True)
class Look:
    """What a person wears and which colours it has; linear RGB, 0 to 1."""

    sex: str = "male"
    taller: float = 0.05
    """Towards MakeHuman's tallest."""
    skin: Color = (0.80, 0.56, 0.45)
    hair: Color = (0.10, 0.065, 0.045)
    iris: Color = (0.16, 0.10, 0.06)
    shirt: Color = (0.16, 0.30, 0.52)
    trim: Color = (0.75, 0.75, 0.72)
    trousers: Color = (0.16, 0.17, 0.21)
    shoes: Color = (0.12, 0.08, 0.06)
    sleeve: float = 0.62
    """How far down the arm: 1 is the elbow, 2 the wrist."""

    def targets(self) -> dict[str, float]:
        """MakeHuman's morph targets for this build."""
        build = _BUILD.format(sex=self.sex)
        return {
            **{name.format(sex=self.sex): amount for name, amount in _RACES.items()},
            f"macrodetails/proportions/{build}-idealproportions": 0.4,
            f"macrodetails/height/{build}-maxheight": self.taller,
        }


@dataclass(frozen=True)
class Posed:
    """A person at one moment."""

    person: Person
    vertices: Array
    """(V, 3) world, metres."""
    bones: Bones


class Person:
    """A body with clothes on. Parts of the mesh stay where they are, coloured and puffed out."""

    def __init__(self, assets: Assets, look: Look) -> None:
        self.look = look
        self.body = Body(assets, look.targets())
        self._eyes = (self.body.head("eye.L") + self.body.head("eye.R")) / 2
        faces, material, offset = self._dress()
        used, self.faces = np.unique(faces, return_inverse=True)
        self.faces = self.faces.reshape(-1, 3)
        self.material = material
        """(T,) of each triangle."""
        self._vertices = used
        normals = vertex_normals(self.body.rest, faces)
        self.rest = self.body.rest[used] + offset[used, None] * normals[used]
        """(V, 3) in the rest pose, clothes included."""
        self._soles = np.unique(self.faces[material == SHOES])

    def posed(self, pose: Pose, yaw: float, at: Array) -> Posed:
        """In a pose, turned by degrees about the vertical, the lower shoe on the floor.

        ``at`` is where on the floor (2,) the middle of the hips is above.
        """
        body, facing = self.body, turn(np.array([0.0, 0, 1]), yaw)
        bones = body.bones_posed(pose, facing, np.zeros(3))
        hips = bones.heads[[body.index["upperleg01.L"], body.index["upperleg01.R"]]].mean(axis=0)
        lowest = body.skin(bones, self._vertices[self._soles], self.rest[self._soles])[:, 2].min()
        move = np.array([at[0] - hips[0], at[1] - hips[1], -lowest])
        bones = body.bones_posed(pose, facing, move)
        return Posed(self, body.skin(bones, self._vertices, self.rest), bones)

    def _dress(self) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
        """Triangles (T, 3) of the base mesh, their material (T,), and how far vertices puff out."""
        body, rest, look = self.body, self.body.rest, self.look
        x, y, z = rest.T
        bone = np.array([b.split(".")[0].rstrip("0123456789-") for b in body.bones])
        follows = bone[body.weighted_bones[:, 0]]
        on_arm = np.isin(follows, ("upperarm", "lowerarm", "wrist", "metacarpal", "finger"))
        hips, ankles = body.head("upperleg01.L")[2], body.head("foot.L")[2]
        neck = body.head("neck01")
        down_arm = self._down_arm(rest)
        collar = neck[2] - 0.025 + 0.45 * (y - neck[1])
        hairline = z - self._eyes[2] - self._hairline(rest)
        is_ear = (np.abs(x) > 0.069) & (np.abs(y - self._eyes[1] - 0.096) < 0.03)

        def where(vertices: NDArray[np.bool_], group: NDArray[np.bool_]) -> NDArray[np.bool_]:
            return np.asarray(group & (vertices[body.faces].sum(axis=1) >= 2))

        suit = body.groups == "helper-tights"  # a second skin that lies over the first
        skin = body.groups == "body"
        in_shirt = np.where(on_arm, down_arm < look.sleeve, (z > hips - 0.06) & (z < collar))
        in_trousers = ~on_arm & (z < hips + 0.05) & (z > ankles - 0.015)
        in_shoes = ~on_arm & (z < ankles + 0.03)
        in_hair = (hairline > -0.004) & ~(is_ear & (z < self._eyes[2] + 0.02))
        covered = (in_shirt & (z < collar - 0.04)) | in_trousers | in_shoes
        parts = [
            (where(~covered, skin), SKIN),
            (np.isin(body.groups, ("helper-l-eye", "helper-r-eye")), EYES),
            (where(in_hair & (z > self._eyes[2] - 0.13), skin), HAIR),
            (where(in_shirt, suit), SHIRT),
            (where(in_trousers, suit), TROUSERS),
            (where(in_shoes, suit), SHOES),
        ]
        faces = np.concatenate([body.faces[chosen] for chosen, _ in parts])
        material = np.concatenate([np.full(chosen.sum(), kind) for chosen, kind in parts])
        is_suit = np.zeros(len(rest), bool)
        is_suit[body.faces[suit]] = True
        offset = np.where(is_suit, np.where(in_shirt & ~in_trousers, 0.010, 0.006), 0.0)
        offset[in_hair & ~is_suit] += 0.004 + 0.012 * np.clip(
            hairline[in_hair & ~is_suit] / 0.04, 0, 1
        )
        return faces, material, offset

    def _down_arm(self, rest: Array) -> Array:
        """0 at the shoulder, 1 at the elbow, 2 at the wrist."""
        mirrored = rest * np.where(rest[:, :1] < 0, (-1, 1, 1), (1, 1, 1))
        shoulder, elbow, wrist = (
            self.body.head(f"{bone}.L") for bone in ("upperarm01", "lowerarm01", "wrist")
        )

        def part(start: Array, end: Array) -> Array:
            along = end - start
            return np.asarray((mirrored - start) @ along / (along @ along))

        fore = part(elbow, wrist)
        return np.where(fore > 0, 1 + fore, np.minimum(part(shoulder, elbow), 1))

    def _hairline(self, rest: Array) -> Array:
        """Height above the eyes where hair begins: falls from the forehead to the nape."""
        back = rest[:, 1] - self._eyes[1]
        points = (0.035, 0.085, 0.105, 0.15), (0.070, -0.005, -0.005, -0.080)
        return np.asarray(np.interp(back, *points))

    def albedo(self, points: Array, material: NDArray[np.intp]) -> Array:
        """Linear RGB (M, 3) of points given by their place in the rest pose (M, 3)."""
        look = self.look
        flat = np.array(
            [look.skin, (0.86, 0.84, 0.82), look.hair, look.shirt, look.trousers, look.shoes]
        )
        mottled = 0.88 + 0.16 * noise(points, 25, 1) + 0.10 * noise(points, 260, 5)
        colors = flat[material] * mottled[:, None]
        self._paint_face(colors, points, material)
        self._paint_clothes(colors, points, material)
        return np.clip(colors, 0, 1)

    def _paint_face(self, colors: Array, points: Array, material: NDArray[np.intp]) -> None:
        skin, look = material == SKIN, self.look
        side = np.abs(points[:, 0]) - abs(self.body.head("eye.L")[0])
        up, back = points[:, 2] - self._eyes[2], points[:, 1] - self._eyes[1]
        front = skin & (back < 0.035)
        brow = front & (np.abs(side - 0.002) < 0.024) & (np.abs(up - 0.0215 - 0.1 * side) < 0.004)
        lips = front & (np.abs(points[:, 0]) < 0.024) & (np.abs(up + 0.076) < 0.008)
        beside_ear = (np.abs(points[:, 0]) > 0.068) & (up < 0.03)
        scalp = skin & (up > self._hairline(points)) & (up > -0.10) & ~beside_ear
        shade = np.exp(-((side / 0.02) ** 2) - ((up - 0.004) / 0.012) ** 2) * front
        colors *= 1 - 0.18 * shade[:, None]
        colors[brow | scalp] = look.hair
        colors[lips] = np.array(look.skin) * (0.80, 0.55, 0.60)
        for eye in ("eye.L", "eye.R"):
            bone = self.body.index[eye]
            looks = self.body.tails[bone] - self.body.heads[bone]
            ray = points - self.body.heads[bone]
            cosine = (
                ray @ looks / np.linalg.norm(looks) / np.maximum(np.linalg.norm(ray, axis=1), 1e-9)
            )
            this = (material == EYES) & (points[:, 0] * self.body.heads[bone, 0] > 0)
            colors[this & (cosine > np.cos(np.radians(25)))] = look.iris
            colors[this & (cosine > np.cos(np.radians(11)))] = 0.015

    def _paint_clothes(self, colors: Array, points: Array, material: NDArray[np.intp]) -> None:
        x, z = points[:, 0], points[:, 2]
        neck, hips = self.body.head("neck01")[2], self.body.head("upperleg01.L")[2]
        chest = (material == SHIRT) & (np.abs(x) < 0.175) & (z > hips + 0.15) & (z < neck - 0.13)
        colors[chest & (np.abs(z / 0.075 % 1 - 0.5) < 0.13)] = self.look.trim
        colors[(material == TROUSERS) & (z > hips + 0.02)] *= 0.5
        colors[(material == SHOES) & (z < 0.018)] = (0.72, 0.70, 0.66)
