"""How far estimates are from a film's truth: for tests, the demo and benchmarks alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from scipy.optimize import linear_sum_assignment

from ..body.people import STATE_COASTING, Bodies, select
from ..body.skeleton import INDEX, JOINT_COUNT, JOINTS, LIMB_JOINTS, known
from ..media.film import VISIBLE, Film

Array = NDArray[np.float64]

_SEEN_ENOUGH = 12
"""A person with fewer visible joints than this need not be found."""
_CHI2_95 = 7.815
"""The 95 % quantile of chi-squared with 3 degrees of freedom."""
_FAST = 0.5
_MAX_DISTANCE = 0.3
"""Mean distance of joints, in units of the person's size in the image, of a match."""


@dataclass(frozen=True)
class Accuracy:
    """What was measured. Arrays of joints hold NaN where nothing was estimated."""

    film: str
    frames: int
    expected: int
    """Person-frames in which enough of somebody is visible."""
    found: int
    """Of those, how many were found."""
    invented: int
    """Estimates that are nobody."""
    switches: int
    """How often somebody's id changed."""
    pixels: Array
    """(M, 34) distance in the image, of M matches; only joints inside the image count."""
    root_aligned: Array
    """(M, 34) metres, pelvis put on pelvis (MPJPE)."""
    procrustes: Array
    """(M, 34) metres after the best rotation, scale and translation."""
    absolute: Array
    """(M, 34, 3) metres, estimate less truth, in the optical frame."""
    roots: Array
    """(M, 2, 3) pelvis: truth and estimate, optical frame."""
    root_moments: NDArray[np.intp]
    """(M, 2) the frame and the person of each."""
    root_covariances: Array
    """(M, 3, 3) square metres, stated of the pelvis; NaN where unknown."""
    normalised: Array
    """(M, 34) squared Mahalanobis distance of the truth under the stated covariance: of 3 degrees
    of freedom, so 3 on average and under 7.81 for 95 % of the joints where covariances are true."""
    velocity: Array
    """(M, 34, 2, 3) metres a second: truth and estimate."""
    velocity_normalised: Array
    """(M, 34) the same as ``normalised``, of the velocities of joints in the image."""

    def to_json(self) -> dict[str, Any]:
        """Everything as numbers: pixels, and millimetres where the name says so."""
        root = np.linalg.norm(self.roots[:, 1] - self.roots[:, 0], axis=1) * 1000
        return {
            "film": self.film,
            "frames": self.frames,
            "person_frames": self.expected,
            "detection_rate": round(self.found / max(self.expected, 1), 4),
            "invented": self.invented,
            "identity_switches": self.switches,
            "all_joints": self._errors(range(JOINT_COUNT)),
            "limb_joints": self._errors(LIMB_JOINTS),
            "root_mm": {"mean": _rounded(root.mean()), "p95": _rounded(np.percentile(root, 95))}
            if len(root)
            else {"mean": None, "p95": None},
            "axes_mm": {
                axis: {
                    "mean": _rounded(_mean(self.absolute[..., n]) * 1000),
                    "mean_absolute": _rounded(_mean(np.abs(self.absolute[..., n])) * 1000),
                }
                for n, axis in enumerate("xyz")
            },
            **_promise(self.normalised),
            "velocity_mps": {
                "limb_joints": _rounded(_mean(self._speed_errors()[:, LIMB_JOINTS]), 2),
                "pelvis": _rounded(_mean(self._speed_errors()[:, INDEX["pelvis"]]), 2),
                **_promise(self.velocity_normalised),
            },
            "lag_ms": _rounded(self.lag() * 1000, 0),
            "joints": {name: self._errors([n]) for n, name in enumerate(JOINTS)},
        }

    def _errors(self, joints: Iterable[int]) -> dict[str, float | None]:
        chosen = list(joints)
        return {
            "pixels": _rounded(_mean(self.pixels[:, chosen]), 2),
            "root_aligned_mm": _rounded(_mean(self.root_aligned[:, chosen]) * 1000),
            "procrustes_mm": _rounded(_mean(self.procrustes[:, chosen]) * 1000),
        }

    def _speed_errors(self) -> Array:
        return np.asarray(
            np.linalg.norm(self.velocity[..., 1, :] - self.velocity[..., 0, :], axis=2)
        )

    def lag(self) -> float:
        """Seconds by which fast joints (over 0.5 m/s) come behind the truth, across the view.

        The error e of a joint that lags by t while it moves at v is -t v: t by least squares.
        """
        v = self.velocity[..., 0, :2]
        fast = np.linalg.norm(v, axis=2) > _FAST
        e = self.absolute[..., :2]
        fast &= np.isfinite(e).all(axis=2)
        total = (v[fast] ** 2).sum()
        return float(-(e[fast] * v[fast]).sum() / total) if total else float("nan")

    def table(self) -> Table:
        """For the terminal."""
        figures = self.to_json()
        title = f"accuracy on the film {self.film}"
        table = Table("", "12 limb joints", "all joints given", title=title)
        limbs, every = figures["limb_joints"], figures["all_joints"]
        table.add_row("found", f"{self.found} of {self.expected} person-frames", "")
        table.add_row("in the image", f"{limbs['pixels']} px", f"{every['pixels']} px")
        for name, key in (("pelvis on pelvis", "root_aligned_mm"), ("Procrustes", "procrustes_mm")):
            table.add_row(name, f"{limbs[key]} mm", f"{every[key]} mm")
        root = figures["root_mm"]
        table.add_row("pelvis, absolute", f"{root['mean']} mm", f"95 %: {root['p95']} mm")
        axes = ", ".join(f"{axis} {e['mean']}" for axis, e in figures["axes_mm"].items())
        table.add_row("mean offset", "", f"{axes} mm")
        speeds = figures["velocity_mps"]
        if speeds["limb_joints"] is not None:
            ours, pelvis = f"{speeds['limb_joints']} m/s", f"pelvis: {speeds['pelvis']} m/s"
            table.add_row("velocity", ours, pelvis)
        for name, of in (("in 95 % ellipsoids", figures), ("velocities in theirs", speeds)):
            if of["covered_95"] is not None:
                covered, error = of["covered_95"] * 100, of["normalised_error"]
                table.add_row(name, "", f"{covered:.0f} %, error squared: {error} of the expected")
        table.add_row("ids changed", f"{self.switches} times", f"{self.invented} invented people")
        return table


def measure(film: Film, estimates: Mapping[int, Bodies]) -> Accuracy:
    """Compare tracked people with a film's truth, in the frames that were estimated.

    Who is coasting, and so not in the image, is neither found nor invented. People are matched so
    that their joints are nearest in the image (Hungarian), who were matched before first, while
    they are near enough (CLEAR MOT, Bernardin and Stiefelhagen 2008): of two people who lie on each
    other the nearest in one frame says nothing. MPJPE and Procrustes alignment as in Ionescu et
    al., Human3.6M, 2014.
    """
    pairs: list[tuple[Array, ...]] = []
    truth_velocity = np.gradient(film.joints, 1 / film.rate, axis=0)
    last_ids: dict[int, int] = {}
    expected = found = invented = switches = 0
    for frame, everybody in sorted(estimates.items()):
        bodies = select(everybody, everybody.state != STATE_COASTING)
        visible = (film.visibility[frame] == VISIBLE).sum(axis=1) >= _SEEN_ENOUGH
        expected += int(visible.sum())
        matches = match_people(film, frame, bodies, last_ids)
        invented += len(bodies) - len(matches)
        for person, body in matches:
            found += int(visible[person])
            identity = int(bodies.track_id[body])
            switches += last_ids.get(person, identity) != identity
            last_ids[person] = identity
            truth = _Truth.of(film, frame, person, truth_velocity)
            pairs.append((*_compared(truth, bodies, body), np.array([frame, person])))
    return Accuracy(
        film=film.name,
        frames=len(estimates),
        expected=expected,
        found=found,
        invented=invented,
        switches=switches,
        **_arrays(pairs),
    )


@dataclass(frozen=True)
class _Truth:
    """One person of one frame; NaN where a joint is not in the image."""

    joints: Array
    """(34, 3) metres, optical frame."""
    pixels: Array
    """(34, 2)"""
    velocity: Array
    """(34, 3) metres a second, of all joints."""

    @classmethod
    def of(cls, film: Film, frame: int, person: int, velocity: Array) -> _Truth:
        outside = ~film.inside[frame, person][:, None]
        return cls(
            np.where(outside, np.nan, film.joints[frame, person]),
            np.where(outside, np.nan, film.pixels[frame, person]),
            velocity[frame, person],
        )


def _compared(truth: _Truth, bodies: Bodies, body: int) -> tuple[Array, ...]:
    """What ``_arrays`` puts together, of one match."""
    joints, covariance = bodies.joints[body], bodies.covariance[body]
    return (
        truth.joints,
        joints,
        np.linalg.norm(bodies.pixels[body] - truth.pixels, axis=1),
        mahalanobis(joints - truth.joints, covariance),
        np.stack([truth.velocity, bodies.velocity[body]], axis=1),
        mahalanobis(
            np.where(known(truth.joints)[:, None], bodies.velocity[body] - truth.velocity, np.nan),
            bodies.velocity_covariance[body],
        ),
        covariance[INDEX["pelvis"]],
    )


def _arrays(pairs: Sequence[tuple[Array, ...]]) -> dict[str, Any]:
    """The fields of ``Accuracy`` that are arrays, of M matches."""
    parts = (np.array(part) for part in (zip(*pairs, strict=True) if pairs else [[]] * 8))
    truth, estimate, distance, normalised, velocity, velocity_normalised, *of_roots = parts
    root_covariances, moments = of_roots
    truth, estimate = truth.reshape(-1, JOINT_COUNT, 3), estimate.reshape(-1, JOINT_COUNT, 3)
    root = INDEX["pelvis"]
    pelvis = np.stack([truth[:, root], estimate[:, root]], 1)
    both = known(pelvis).all(axis=1)
    relative = (estimate - estimate[:, root : root + 1]) - (truth - truth[:, root : root + 1])
    aligned = [_procrustes(t, e) for t, e in zip(truth, estimate, strict=True)]
    return {
        "pixels": distance.reshape(-1, JOINT_COUNT),
        "root_aligned": np.linalg.norm(relative, axis=2),
        "procrustes": np.array(aligned).reshape(-1, JOINT_COUNT),
        "absolute": estimate - truth,
        "roots": pelvis[both],
        "root_moments": moments.reshape(-1, 2).astype(np.intp)[both],
        "root_covariances": root_covariances.reshape(-1, 3, 3)[both],
        "normalised": normalised.reshape(-1, JOINT_COUNT),
        "velocity": velocity.reshape(-1, JOINT_COUNT, 2, 3),
        "velocity_normalised": velocity_normalised.reshape(-1, JOINT_COUNT),
    }


def _promise(normalised: Array) -> dict[str, float | None]:
    """How many are in their 95 % ellipsoids, and squared errors over their expectation."""
    inside = np.where(np.isnan(normalised), np.nan, normalised < _CHI2_95)
    return {
        "covered_95": _rounded(_mean(inside), 3),
        "normalised_error": _rounded(_mean(normalised) / 3, 2),
    }


def mahalanobis(error: Array, covariance: Array) -> Array:
    """(34,) squared Mahalanobis distances of errors (34, 3), NaN where either is unknown."""
    squared = np.full(len(error), np.nan)
    both = known(error) & np.isfinite(covariance).all(axis=(1, 2))
    if both.any():
        solved = np.linalg.solve(covariance[both], error[both][..., None])[..., 0]
        squared[both] = (error[both] * solved).sum(axis=1)
    return squared


def match_people(
    film: Film, frame: int, bodies: Bodies, before: Mapping[int, int] | None = None
) -> list[tuple[int, int]]:
    """Who of the estimates is who of the film: pairs of a person and an estimate.

    Args:
        film: With the truth.
        frame: Which of its frames.
        bodies: The estimates.
        before: The id that each person was matched with, which is kept while it is near enough.
    """
    if not len(bodies) or not film.inside[frame].any():
        return []
    cost = _apart(film.pixels[frame], film.inside[frame], bodies.pixels)
    ids = bodies.track_id.tolist()
    for person, identity in (before or {}).items():
        if identity and identity in ids and cost[person, ids.index(identity)] < _MAX_DISTANCE:
            cost[person, ids.index(identity)] -= _MAX_DISTANCE
    rows, columns = linear_sum_assignment(np.minimum(cost, 1e6))
    near = cost[rows, columns] < _MAX_DISTANCE
    return list(zip(rows[near].tolist(), columns[near].tolist(), strict=True))


def _apart(truth: Array, inside: NDArray[np.bool_], pixels: Array) -> Array:
    """(P, N) mean distances of the joints in the image, in units of the person's size."""
    points = np.where(inside[..., None], truth, np.nan)
    distance = np.linalg.norm(points[:, None] - pixels[None], axis=3)
    common = np.isfinite(distance)
    mean = np.where(common, distance, 0).sum(axis=2) / np.maximum(common.sum(axis=2), 1)
    low = np.where(inside[..., None], truth, np.inf).min(axis=1)
    high = np.where(inside[..., None], truth, -np.inf).max(axis=1)
    size = np.maximum((high - low).max(axis=1), 1)[:, None]
    return np.where(common.any(axis=2), mean / size, np.inf)


def _procrustes(truth: Array, estimate: Array) -> Array:
    """(34,) distances after the similarity that fits best (Umeyama 1991)."""
    distances = np.full(len(truth), np.nan)
    both = known(truth) & known(estimate)
    if both.sum() < 4:
        return distances
    t, e = truth[both], estimate[both]
    t, e = t - t.mean(axis=0), e - e.mean(axis=0)
    u, s, vt = np.linalg.svd(e.T @ t)
    flip = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    scale = (s * flip).sum() / (e**2).sum()
    distances[both] = np.linalg.norm(scale * e @ (u * flip) @ vt - t, axis=1)
    return distances


def _mean(values: Array) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def _rounded(value: float, digits: int = 1) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None
