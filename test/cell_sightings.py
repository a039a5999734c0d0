"""What the cell's cameras would see of its people if their keypoints were nearly perfect."""

from dataclasses import replace

import numpy as np

from bodypose3d_ros.body.people import SCALE_LIMBS, Bodies, Frame, transform
from bodypose3d_ros.body.skeleton import known
from bodypose3d_ros.media import film
from bodypose3d_ros.perception.lifting import covariances
from bodypose3d_ros.perception.lifting.shape_model import BLAZEPOSE_FULL
from bodypose3d_ros.perception.lifting.size import prior

FILMS = {name: film.load(name) for name in film.RIGS["cell"]}
PLACES = {name: shown.place for name, shown in FILMS.items()}
BLANK = np.zeros((1, 1, 3), np.uint8)


def frame(name, stamp):
    """An image that nobody looks at, with its camera and place."""
    return Frame(BLANK, FILMS[name].camera, stamp, place=PLACES[name])


def sighting(name, number, people=(0, 1), *, pixels=1.0, size=1.0, seed=0):
    """Measured bodies of a film's frame, in the optical frame, as a lift would give them.

    Args:
        name: A film of the cell.
        number: Which frame.
        people: Who is seen, in this order.
        pixels: Standard deviation of keypoints.
        size: How much larger than they are people are taken for, and so farther away.
        seed: Of the noise.
    """
    shown = FILMS[name]
    truth = shown.joints[number][list(people)]
    noise = np.random.default_rng([seed, number]).normal(0, pixels, (*truth.shape[:2], 2))
    seen = shown.camera.project(truth) + noise
    rays = shown.camera.rays(seen)
    joints = np.concatenate([rays, np.ones((*rays.shape[:2], 1))], axis=2) * truth[..., 2:] * size
    count = len(joints)
    bodies = Bodies(
        joints=joints,
        pixels=seen,
        confidence=np.where(known(joints), 1.0, 0.0),
        score=np.ones(count),
        scale_source=np.full(count, SCALE_LIMBS, np.uint8),
        size_sigma=np.full(count, BLAZEPOSE_FULL.size_sigma),
        evidence=prior(count, 0.0, BLAZEPOSE_FULL.size_sigma),
    )
    return replace(bodies, covariance=covariances(bodies, shown.camera, BLAZEPOSE_FULL))


def in_world(name, bodies):
    """The same in the world."""
    return transform(bodies, PLACES[name])
