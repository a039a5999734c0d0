"""Who is kept of all the bodies a network found: everybody once, nobody who is not there."""

from dataclasses import replace

import numpy as np
import pytest

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.people import Keypoints, Regions
from bodypose3d_ros.body.skeleton import INDEX, JOINTS
from bodypose3d_ros.perception.pose.duplicates import distinct, on_bodies, size_of
from people_made_up import standing

CAMERA = Camera.from_hfov(640, 480, 60)
LOWER = [INDEX[n] for n in JOINTS if any(part in n for part in ("hip", "knee", "ankle", "toe",
                                                                "heel", "pelvis"))]  # fmt: skip


def found(*bodies, score=None):
    pixels = np.array(bodies)
    count = len(pixels)
    size = np.ptp(pixels[..., 1], axis=1)
    regions = Regions(
        pixels.mean(axis=1), np.stack([size, size], 1), np.zeros(count), np.ones(count)
    )
    return Keypoints(pixels, np.ones((count, 34)), np.ones(count) if score is None else score,
                     regions, regions, world=np.zeros((count, 34, 3)))  # fmt: skip


def at(x, z=3.0):
    return CAMERA.project(standing((x, 0.2, z)))


def kept(keypoints, rank):
    return distinct(keypoints, np.array(rank, float), np.full(len(rank), 0.5)).tolist()


def test_different_people_are_all_kept_the_best_first():
    assert kept(found(at(-1), at(0), at(1)), [0.2, 0.9, 0.5]) == [1, 2, 0]


def test_somebody_behind_somebody_is_kept():
    assert kept(found(at(0.0, 2.5), at(0.35, 5.0)), [0.9, 0.5]) == [0, 1]


def test_the_same_person_twice_is_kept_once():
    again = at(0) + np.random.default_rng(0).normal(0, 4, (34, 2))
    assert kept(found(at(0), again), [0.5, 0.9]) == [1]


def test_a_chimera_of_two_people_is_left_out():
    upper, lower = at(-0.5), at(0.5)
    chimera = upper.copy()
    chimera[LOWER] = lower[LOWER]
    assert kept(found(upper, lower, chimera), [0.9, 0.8, 0.7]) == [0, 1]


def test_a_half_sized_body_on_somebodys_face_is_left_out():
    face = at(0)[INDEX["nose"]]
    small = face + (at(0) - face) * 0.4
    eyes = [INDEX[n] for n in ("nose", "left_eye", "right_eye", "left_ear", "right_ear")]
    small[eyes] = at(0)[eyes]
    assert kept(found(at(0), small), [0.9, 0.8]) == [0]


def test_what_the_network_doubts_is_left_out():
    assert kept(found(at(-1), at(1), score=np.array([0.3, np.nan])), [0.9, 0.8]) == []


# -- second skeletons ---------------------------------------------------------------------------


def turned(pixels):
    """The same person taken to face the other way: every joint where its other side's was."""
    other = {"left": "right", "right": "left"}
    sides = [name.partition("_") for name in JOINTS]
    return pixels[[INDEX[other.get(side, side) + _ + rest] for side, _, rest in sides]]


def lying_on(keypoints, others):
    return on_bodies(keypoints.pixels, size_of(keypoints), others.pixels, size_of(others)).tolist()


def newcomers_kept(*bodies):
    keypoints = found(*bodies)
    rank = np.linspace(1, 0.5, len(bodies))
    return distinct(keypoints, rank, np.full(len(bodies), 0.5), np.ones(len(bodies), bool)).tolist()


def test_a_skeleton_that_faces_the_other_way_on_somebody_is_no_newcomer():
    person = at(0)
    wide = person[INDEX["neck"]] + (person - person[INDEX["neck"]]) * (1.6, 1)
    assert newcomers_kept(wide, turned(wide)) == [0]
    assert lying_on(found(turned(wide)), found(wide)) == [True]
    assert kept(found(wide, turned(wide)), [0.9, 0.5]) == [0, 1]  # who was followed may cross


def test_a_small_skeleton_on_somebodys_trunk_is_no_newcomer():
    person = at(0)
    trunk = (person[INDEX["neck"]] + person[INDEX["pelvis"]]) / 2
    small = trunk + (person - person.mean(axis=0)) * (0.1, 0.25)
    assert newcomers_kept(person, small) == [0]


def test_a_small_person_beside_the_arm_of_a_large_one_is_kept():
    """Far away behind him: most joints lie within 0.075 of his size of his arm, but not of hers."""
    near, far = at(0, 2.0), at(0, 5.0)
    elbow = near[INDEX["left_elbow"]] - far[INDEX["torso"]]
    beside = far + elbow + (0.05 * np.ptp(near[:, 1]), 0)
    assert newcomers_kept(near, beside) == [0, 1]


def test_a_person_half_behind_another_is_kept():
    person = at(0)
    assert newcomers_kept(person, person + (0.2 * np.ptp(person[:, 1]), 0)) == [0, 1]


@pytest.mark.parametrize(("moved", "people"), [(0.14, 1), (0.16, 2)])
def test_joints_of_one_name_are_the_same_within_015_of_a_size(moved, people):
    person = at(0)
    assert (
        len(kept(found(person, person + (moved * np.ptp(person[:, 1]), 0)), [0.9, 0.5])) == people
    )


@pytest.mark.parametrize(("shared", "people"), [(17, 2), (18, 1)])
def test_a_body_of_which_more_than_half_is_somebody_elses_is_nobody(shared, people):
    person, mixed = at(0), at(1.5)
    mixed[-shared:] = person[-shared:]  # from the hands on: its face stays its own
    assert len(kept(found(person, mixed), [0.9, 0.5])) == people


def test_nobody_lies_on_nobody():
    assert lying_on(found(at(0)), empty()) == [False]
    assert lying_on(empty(), found(at(0))) == []


def test_a_body_of_which_nothing_is_known_lies_on_nobody():
    unseen = replace(found(at(0)), pixels=np.full((1, 34, 2), np.nan), confidence=np.zeros((1, 34)))
    assert lying_on(unseen, found(at(0))) == [False]


@pytest.mark.parametrize("count", [0, 1])
def test_few_are_no_trouble(count):
    assert kept(found(*[at(0)] * count) if count else empty(), [1.0] * count) == list(range(count))


def empty():
    none = Regions.none()
    return Keypoints(np.zeros((0, 34, 2)), np.zeros((0, 34)), np.zeros(0), none, none,
                     world=np.zeros((0, 34, 3)))  # fmt: skip
