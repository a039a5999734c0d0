"""Several cameras, one truth: people triangulated from all views, then tracked as from one.

Cameras need not shoot together: what another camera saw a moment ago is carried to now along the
tracks, with the doubt that brings, and triangulated with what is seen now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...body.camera import Camera
from ...body.people import SCALE_NETWORK, STATE_COASTING, Bodies, Frame, Regions, select, transform
from ...body.skeleton import INDEX, JOINT_COUNT, MIRRORED, known
from ..lifting.size import prior
from ..tracking.association import STRIDE
from ..tracking.symmetric import without
from ..tracking.tracker import Tracker
from .association import Association, Sightings, associate, gathered
from .shapes import Shapes, sizes
from .triangulation import triangulate

Array = NDArray[np.float64]

CARRY = 120_000_000
"""Nanoseconds for which what a camera saw counts beside what others see later."""
LONE = 300_000_000
"""Nanoseconds after which a newcomer is believed whom one camera sees where no other looks."""
DOUBLE = 0.25
"""Metres: mean distance of joints below which two people are one; a shoulder's width is more."""
_UNKNOWN_SPEED, _SPEED_ERROR = 1.5, 0.7
"""Metres a second: of joints without a velocity, and of the velocity of those with one."""
_SIZES_KEPT = 100
"""How many of the sizes found last the known one is the mean of, about."""
_SAME = 0.5
"""Metres: mean distance of joints up to which a track and what is seen are one person."""


@dataclass(frozen=True)
class View:
    """What one camera saw at one time."""

    camera: Camera | None
    """None where nobody has told its calibration: what it covers is unknown then."""
    place: Array
    """(4, 4) from the optical frame to the fixed frame."""
    stamp: int
    """Nanoseconds."""
    bodies: Bodies
    """Measured, in the fixed frame, with covariances; not tracked."""

    @classmethod
    def of(cls, frame: Frame, bodies: Bodies) -> View:
        """What was found in one image, as measured there, in the camera's optical frame."""
        place = np.eye(4) if frame.place is None else frame.place
        return cls(frame.camera, place, frame.stamp, transform(bodies, place))

    def pixels(self, joints: Array) -> Array:
        """Where joints (..., 3) of the fixed frame are in the raw image, NaN where outside it."""
        if self.camera is None:
            return np.full((*joints.shape[:-1], 2), np.nan)
        rotation, translation = self.place[:3, :3], self.place[:3, 3]
        pixels = self.camera.project((joints - translation) @ rotation)
        return np.where(self.camera.in_image(pixels)[..., None], pixels, np.nan)

    def carried(self, stamp: int) -> Bodies:
        """Its bodies as they should be at a stamp."""
        now = carried_on(self.bodies, (stamp - self.stamp) / 1e9)
        # What size does to them it does along today's rays, not along yesterday's.
        before, after = (
            np.nan_to_num(self.bodies.size_sigma)[:, None, None] * (joints - self.place[:3, 3])
            for joints in (self.bodies.joints, now.joints)
        )
        along = after[..., :, None] * after[..., None, :]
        return replace(now, covariance=without(now.covariance, before) + along)

    def covers(self, joints: Array) -> bool:
        """Whether most of one person's joints (34, 3) would be in the image."""
        return bool(2 * known(self.pixels(joints)).sum() > known(joints).sum())

    def regions(self, people: Bodies) -> Regions:
        """Where in this view people of the fixed frame are whose trunks it can see."""
        pixels = self.pixels(people.joints)
        root, neck = pixels[:, INDEX["pelvis"]], pixels[:, INDEX["neck"]]
        here = known(root) & known(neck)
        reach = np.nanmax(np.linalg.norm(pixels - root[:, None], axis=2), axis=1, initial=0)
        up = neck - root
        return select(
            Regions(
                root, np.stack([2 * reach] * 2, -1), np.arctan2(up[:, 0], -up[:, 1]), people.score
            ),
            here,
        )


class Fusion:
    """Fuses the views of cameras in a fixed frame, and says who is who over time."""

    def __init__(self, tracker: Callable[[], Tracker]) -> None:
        """Begin with nobody; ``tracker`` makes one that has seen nobody."""
        self.tracker = tracker()
        self.seen_by: dict[int, tuple[str, ...]] = {}
        """By track id: the cameras that see the person now."""
        self._sizes: dict[int, tuple[float, int]] = {}
        self._lone = tracker()
        self._lone_since: dict[int, int] = {}
        self._gone: dict[int, tuple[int, Array]] = {}
        """By track id: when somebody was last here who no longer is, and where."""
        self._views: dict[str, View] = {}
        self._people = Bodies.none()
        self._stamp = 0

    def update(self, views: Mapping[str, View], stamp: int) -> Bodies:
        """Everybody at one moment, in the fixed frame.

        Args:
            views: By the camera's name, what those cameras saw that shot at this moment.
            stamp: The moment, nanoseconds.
        """
        if stamp < self._stamp:
            self.reset()
        self._views = {
            name: view
            for name, view in {**self._views, **views}.items()
            if 0 <= stamp - view.stamp <= CARRY
        }
        now = [replace(view, bodies=view.carried(stamp)) for view in self._views.values()]
        expected = self._expected(stamp)
        centers = np.array([view.place[:3, 3] for view in now]).reshape(-1, 3)
        association = associate([view.bodies for view in now], centers, expected)
        sightings, fused = self._fuse(now, association, centers, expected)
        adopted = _adopted(association, fused, expected)
        if adopted is not association:
            association = adopted
            sightings, fused = self._fuse(now, association, centers, expected)
        believed = self._believed(fused, association, now, len(expected), stamp)
        size = sizes(sightings, centers, fused.joints)[believed]
        fused, association = select(fused, believed), association.of(believed)
        before = self._people
        self._people, self._stamp = _without_ghosts(self.tracker.update(fused, stamp)), stamp
        self._miss(before, stamp)
        self._remember(fused, association, size)
        return self._people

    def unseen(self, name: str, frame: Frame) -> Regions:
        """Where in a camera's next image people should be whom others see and it does not.

        Not whom nobody sees: asked to look, a network makes somebody up, and so confirms a track
        that went astray.
        """
        people = self._expected(frame.stamp)
        by = [self.seen_by.get(int(track), ()) for track in people.track_id]
        missed = np.array([bool(cameras) and name not in cameras for cameras in by], bool)
        return View.of(frame, Bodies.none()).regions(select(people, missed))

    @property
    def views(self) -> Mapping[str, View]:
        """What each camera saw last, as long as that counts."""
        return self._views

    def reset(self) -> None:
        """Forget everybody."""
        self._views, self._people, self._stamp = {}, Bodies.none(), 0
        self.seen_by, self._sizes, self._lone_since, self._gone = {}, {}, {}, {}
        self.tracker.reset()
        self._lone.reset()

    def _expected(self, stamp: int) -> Bodies:
        return carried_on(self._people, (stamp - self._stamp) / 1e9)

    def _fuse(
        self, now: list[View], association: Association, centers: Array, expected: Bodies
    ) -> tuple[Sightings, Bodies]:
        """What the views say of each person, and what they say together."""
        sightings = gathered([view.bodies for view in now], association)
        shapes = Shapes.of(sightings, centers, self._known_sizes(expected, association))
        return sightings, _fused(sightings, shapes, expected)

    def _known_sizes(self, expected: Bodies, association: Association) -> Array:
        """(N,) logarithm of how much larger than their views believe people are, NaN unknown."""
        known_size = np.full(association.body.shape[1], np.nan)
        for person, track in enumerate(expected.track_id):
            known_size[person], _ = self._sizes.get(int(track), (np.nan, 0))
        return known_size

    def _believed(
        self,
        fused: Bodies,
        association: Association,
        views: list[View],
        expected: int,
        stamp: int,
    ) -> NDArray[np.bool_]:
        """(N,) who is believed to be there: known already, or seen by two cameras.

        A newcomer whom one camera sees is believed who can be somebody lost, and after a while
        where no other camera looks. A second skeleton on somebody is never a newcomer.
        """
        count, person = association.views, np.arange(len(fused))
        new = (person >= expected) & ~_doubles(fused, count)
        believed = np.where(person < expected, count >= 1, new & (count >= 2))
        lone = new & (count == 1)
        believed |= lone & self._comes_back(fused, stamp)
        for one in np.flatnonzero(lone):
            own = int(association.seen[:, one].argmax())
            others = views[:own] + views[own + 1 :]
            lone[one] = not any(view.covers(fused.joints[one]) for view in others)
        tracked = self._lone.update(select(fused, lone), stamp)
        since = self._lone_since
        self._lone_since = {int(i): since.get(int(i), stamp) for i in tracked.track_id}
        row = _same(select(fused, lone), tracked)
        for one, track in zip(np.flatnonzero(lone), row, strict=True):
            first = self._lone_since[int(tracked.track_id[track])] if track >= 0 else stamp
            believed[one] |= len(views) == 1 or stamp - first >= LONE
        return np.asarray(believed, np.bool_)

    def _comes_back(self, fused: Bodies, stamp: int) -> NDArray[np.bool_]:
        """(N,) who is where somebody can have gone who was lost."""
        back = np.zeros(len(fused), bool)
        for when, place in self._gone.values():
            reach = STRIDE[0] + STRIDE[1] * (stamp - when) / 1e9
            back |= np.linalg.norm(fused.joints[:, INDEX["pelvis"]] - place, axis=1) < reach
        return back

    def _miss(self, before: Bodies, stamp: int) -> None:
        """Keep in mind who is no longer here, for as long as the tracker does."""
        here = set(self._people.track_id.tolist())
        for track, joints in zip(before.track_id.tolist(), before.joints, strict=True):
            if track not in here:
                self._gone[track] = stamp, joints[INDEX["pelvis"]]
        self._gone = {
            track: (when, place)
            for track, (when, place) in self._gone.items()
            if track not in here and stamp - when <= self.tracker.remember_time * 1e9
        }

    def _remember(self, fused: Bodies, association: Association, size: Array) -> None:
        """Who the views' bodies are: to carry them on with their velocity, at their size."""
        people, names, before = self._people, list(self._views), self._sizes
        self.seen_by, self._sizes = (
            {},
            {int(track): before[int(track)] for track in people.track_id if int(track) in before},
        )
        velocity = [np.full_like(view.bodies.joints, np.nan) for view in self._views.values()]
        for person, row in enumerate(_same(fused, people)):
            if row < 0:
                continue
            track, seen = int(people.track_id[row]), np.flatnonzero(association.seen[:, person])
            self.seen_by[track] = tuple(names[view] for view in seen)
            if np.isfinite(size[person]):
                last, count = self._sizes.get(track, (0.0, 0))
                count = min(count + 1, _SIZES_KEPT)
                self._sizes[track] = (last + (float(size[person]) - last) / count, count)
            for view in seen:
                order = MIRRORED if association.swapped[view, person] else slice(None)
                velocity[view][association.body[view, person]] = people.velocity[row][order]
        for name, speed in zip(names, velocity, strict=True):
            last_seen = self._views[name].bodies
            self._views[name] = replace(
                self._views[name], bodies=replace(last_seen, velocity=speed)
            )


def carried_on(bodies: Bodies, seconds: float) -> Bodies:
    """Bodies moved on by their velocity, and as much less sure."""
    moves = known(bodies.velocity)
    speed = np.where(moves, _SPEED_ERROR, _UNKNOWN_SPEED)
    spread = (speed * seconds)[..., None, None] ** 2 * np.eye(3)
    return replace(
        bodies,
        joints=bodies.joints + np.where(moves[..., None], bodies.velocity, 0) * seconds,
        covariance=bodies.covariance + spread,
    )


def _adopted(association: Association, fused: Bodies, expected: Bodies) -> Association:
    """Newcomers whom two cameras see where one at most sees somebody expected are that person.

    While people hide each other a view may lead a track astray; nobody appears beside somebody who
    vanishes at the same moment.
    """
    views, body, swapped = association.views, association.body, association.swapped
    adopting = body.copy(), swapped.copy()
    left = np.ones(len(views), bool)
    for new in np.flatnonzero((views >= 2) & (np.arange(len(views)) >= len(expected))):
        lost = np.flatnonzero(views[: len(expected)] <= 1)
        apart = _apart(fused.joints[new], expected.joints[lost])
        if len(lost) and apart.min() < _SAME:
            person = lost[apart.argmin()]
            adopting[0][:, person], adopting[1][:, person] = body[:, new], swapped[:, new]
            left[new] = False
            views[person] = views[new]
    return association if left.all() else Association(*adopting).of(left)


def _apart(joints: Array, others: Array) -> Array:
    """(...,) mean distance of joints (..., 34, 3) and others'; inf where they share none."""
    distance = np.linalg.norm(others - joints, axis=-1)
    count = np.isfinite(distance).sum(axis=-1)
    mean = np.nansum(distance, axis=-1) / np.maximum(count, 1)
    return np.asarray(np.where(count > 0, mean, np.inf))


def _doubles(fused: Bodies, views: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(N,) who is another of them once more, perhaps turned round, as fewer cameras have it."""
    double = np.zeros(len(fused), bool)
    for one in range(len(fused)):
        before = (views > views[one]) | ((views == views[one]) & (np.arange(len(fused)) < one))
        for sides in (fused.joints, fused.joints[:, MIRRORED]):
            apart = _apart(fused.joints[one], sides[before & ~double])
            double[one] |= bool((apart < DOUBLE).any())
    return double


def _without_ghosts(people: Bodies) -> Bodies:
    """Those whom no camera sees are not where somebody is seen: there they are who is seen."""
    unseen = people.state == STATE_COASTING
    ghost = np.array(
        [
            coasts and bool((_apart(joints, people.joints[~unseen]) < DOUBLE).any())
            for coasts, joints in zip(unseen, people.joints, strict=True)
        ],
        bool,
    )
    return select(people, ~ghost) if ghost.any() else people


def _fused(sightings: Sightings, shapes: Shapes, expected: Bodies) -> Bodies:
    """N people as all views together have them, the first of them those expected, by their ids."""
    people = sightings.score.shape[1]
    if not people:
        return Bodies.none()
    joints, covariance = triangulate(shapes, expected)
    return Bodies(
        joints=joints,
        pixels=np.full((people, JOINT_COUNT, 2), np.nan),
        confidence=np.where(known(joints), sightings.confidence.max(axis=0), 0),
        score=sightings.score.max(axis=0),
        scale_source=np.full(people, SCALE_NETWORK, np.uint8),
        track_id=np.pad(expected.track_id, (0, people - len(expected))),
        covariance=covariance,
        size_sigma=np.zeros(people),
        evidence=prior(people, 0.0, 0.0),  # crossing rays leave nothing to be told of the size
    )


def _same(fused: Bodies, people: Bodies) -> NDArray[np.intp]:
    """(N,) the row of each fused person among those that the tracker knows, -1 for none."""
    if not len(people):
        return np.full(len(fused), -1)
    apart = _apart(fused.joints[:, None], people.joints)
    return np.asarray(np.where(apart.min(axis=1) < _SAME, apart.argmin(axis=1), -1))
