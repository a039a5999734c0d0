"""People who overlap in an image: how much less is known of them."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.people import select
from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.perception.lifting import size
from bodypose3d_ros.perception.lifting.occlusion import (
    DOUBT,
    IN_FRONT,
    among_each_other,
    before_others,
    overlap,
    under_arms,
)
from bodypose3d_ros.perception.tracking.tracker import Tracker
from people_made_up import row, standing

CAMERA = Camera.from_hfov(640, 480, 60)
FRAME = 1_000_000_000 // 15


def people(*places):
    """People of the same covariance, with their pixels."""
    joints = np.stack([standing(at) for at in places])
    count = len(places)
    return replace(
        row(count),
        joints=joints,
        pixels=CAMERA.project(joints),
        covariance=np.tile(0.01 * np.eye(3), (count, 34, 1, 1)),
        track_id=np.zeros(count, np.uint32),
        evidence=size.prior(count, 0, 0.01),
        size_sigma=np.full(count, 0.01),
    )


def growth(bodies):
    """(N,) of everybody's variance."""
    return bodies.covariance[:, 0, 0, 0] / 0.01


def box(left, top, right, bottom):
    """(1, 34, 2) joints of which two are known, in opposite corners."""
    pixels = np.full((1, 34, 2), np.nan)
    pixels[0, 3], pixels[0, 7] = (left, bottom), (right, top)
    return pixels


@pytest.mark.parametrize(
    ("other", "share"),
    [
        (box(0, 0, 10, 20), 1.0),
        (box(5, 0, 15, 20), 0.5),
        (box(5, 10, 15, 30), 0.25),
        (box(2, 2, 4, 4), 1.0),  # the smaller one is covered whole
        (box(-50, -50, 50, 50), 1.0),
        (box(12, 0, 20, 20), 0.0),  # beside it
        (box(0, 25, 10, 40), 0.0),  # below it
        (box(12, 25, 20, 40), 0.0),  # both: two negative sides are no area
        (np.full((1, 34, 2), np.nan), 0.0),  # in no image
    ],
)
def test_what_two_boxes_have_in_common_is_a_share_of_the_smaller_one(other, share):
    assert_allclose(overlap(box(0, 0, 10, 20), other), [[share]])
    assert_allclose(overlap(other, box(0, 0, 10, 20)), [[share]])


def test_who_stands_behind_somebody_is_known_less_and_who_stands_before_a_little_less():
    # The nearer one's box is the wider one; the other's lies within it, from head to knees.
    both = people((0, 0, 3), (0, 0, 4))
    share = overlap(both.pixels, both.pixels)[0, 1]
    assert share == pytest.approx(1)
    assert_allclose(growth(among_each_other(both)), [1 + IN_FRONT * DOUBT, 1 + DOUBT])
    assert_allclose(
        growth(among_each_other(select(both, [1, 0]))), [1 + DOUBT, 1 + IN_FRONT * DOUBT]
    )


def test_the_one_who_covers_most_counts():
    three = people((0, 0, 5), (0.3, 0, 3), (0.02, 0, 3.5))
    share = overlap(three.pixels, three.pixels)
    assert 0.2 < share[0, 1] < 0.9 < share[0, 2]
    assert growth(among_each_other(three))[0] == pytest.approx(1 + DOUBT * share[0, 2])


@pytest.mark.filterwarnings("error")
def test_who_could_not_be_placed_takes_part_as_the_image_has_it():
    both = people((0, 0, 3), (0, 0, 4))
    unplaced = replace(both, joints=np.where(np.arange(2)[:, None, None] == 0, np.nan, both.joints))
    assert_allclose(growth(among_each_other(unplaced)), [1 + IN_FRONT * DOUBT, 1 + DOUBT])
    nowhere = replace(both, pixels=np.full_like(both.pixels, np.nan))
    assert_allclose(growth(among_each_other(nowhere)), 1)


def test_who_stands_apart_and_who_is_alone_are_as_sure_as_they_were():
    apart = people((-1, 0, 3), (1, 0, 4))
    assert_allclose(growth(among_each_other(apart)), 1)
    alone = people((0, 0, 3))
    assert among_each_other(alone) is alone
    assert before_others(alone, alone.pixels[:0]) is alone
    assert_allclose(growth(before_others(apart, people((0, 0, 8)).pixels)), 1)


TRUNK = [INDEX[name] for name in ("pelvis", "torso", "neck", "left_hip", "left_shoulder")]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("wrist", "under"),
    [
        ((0.03, 0, -0.2), [True, False, False, True, False]),  # the forearm is before the hip
        ((0.03, 0, 0.2), [False] * 5),  # behind the back
        ((0.3, 0, -0.08), [False] * 5),  # hanging
        ((np.nan, np.nan, np.nan), [False] * 5),
        ((0.10, -0.24, -0.2), [False] * 5),  # an arm is not that broad
        ((0.0, -0.24, -0.2), [False, True, False, False, False]),  # before the breast
    ],
)
def test_an_arm_drawn_before_the_trunk_hides_what_is_behind_it(wrist, under):
    """A hand that hangs from the wrist, and the upper arm does not hide its own shoulder."""
    person = standing((0, 0, 3))
    hand = [INDEX["left_wrist"], INDEX["left_index_knuckle"]]
    person[hand] = np.add((0, 0, 3), wrist)
    assert under_arms(person[None], TRUNK).tolist() == [under]


@pytest.mark.filterwarnings("error")
def test_nobody_is_under_arms_whose_joints_are_unknown_or_behind_the_camera():
    person = standing((0, 0, 3))
    people = np.stack([np.full_like(person, np.nan), -person])
    assert not under_arms(people, TRUNK).any()
    assert under_arms(people[:0], TRUNK).shape == (0, 5)


def followed(before, then, frames):
    """The first person's variances, and how far to the right, in frames after four others."""
    tracker = Tracker()
    for frame in range(4):
        tracker.update(before, frame * FRAME)
    shown = [tracker.update(then, frame * FRAME) for frame in range(4, 4 + frames)]
    assert all(bodies.track_id[0] == 1 for bodies in shown)
    return np.array([(b.covariance[0, 0, 0, 0], b.joints[0, 0, 0]) for b in shown]).T


def test_a_skeleton_where_somebody_else_was_just_seen_may_be_both_of_them():
    first, second, mixed = (-0.2, 0, 3), (0.2, 0, 4), (-0.1, 0, 3.1)
    (doubted,), (x,) = followed(people(first, second), people(mixed), 1)
    (sure,), (x_of_one,) = followed(people(first), people(mixed), 1)
    # It counts for less, and is said to be worth less.
    assert doubted > 1.5 * sure
    assert x + 0.2 < 0.7 * (x_of_one + 0.2)


def test_who_was_last_seen_there_longer_ago_than_people_coast_hides_nobody():
    first, second = (-0.2, 0, 3), (0.2, 0, 4)
    seconds = 2
    doubted, _ = followed(people(first, second), people(first), 15 * seconds)
    sure, _ = followed(people(first), people(first), 15 * seconds)
    assert doubted[0] > 1.5 * sure[0]
    assert doubted[-1] == pytest.approx(sure[-1], rel=0.05)
