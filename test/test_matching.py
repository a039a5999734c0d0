"""Who of those seen is who of those known, by numbers: in metres, in the image, and come back."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from bodypose3d_ros.body.people import Bodies, select
from bodypose3d_ros.body.skeleton import INDEX, JOINT_COUNT
from bodypose3d_ros.perception.tracking import association
from bodypose3d_ros.perception.tracking.filter import Motion, forget, start
from people_made_up import standing

SIGMA = 0.1
"""Metres: how well a joint is known on each axis, of tracks as of those seen."""
UNKNOWN = np.full((1, JOINT_COUNT, 2), np.nan)
TRUNK = [INDEX["pelvis"], INDEX["torso"], INDEX["neck"]]


def seen(*places):
    """People 100 pixels tall, as wide apart in the image as in metres."""
    joints = np.stack([standing(at) for at in places])
    pixels = joints[..., :2] * 100 / np.ptp(standing()[:, 1])
    return Bodies(
        joints, pixels, np.ones(joints.shape[:2]), np.ones(len(joints)),
        np.zeros(len(joints), np.uint8),
        covariance=np.tile(SIGMA**2 * np.eye(3), (*joints.shape[:2], 1, 1)),
    )  # fmt: skip


def known(*places):
    """Tracks, sure to ``SIGMA`` as well."""
    bodies = seen(*places)
    motion = start(bodies.joints, bodies.covariance)
    return replace(motion, measured=np.zeros_like(motion.measured), covariance=_sure(motion))


def _sure(motion):
    covariance = np.zeros_like(motion.covariance)
    covariance[..., :3, :3] = SIGMA**2 * np.eye(3)
    return covariance


def in_image(*places):
    return seen(*places).pixels


def without(motion, joints):
    """Some joints are not known."""
    return forget(motion, np.isin(np.arange(JOINT_COUNT), joints)[None])


@pytest.mark.parametrize(("share", "same"), [(0.99, True), (1.01, False)])
@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("joints", [1, 3])
def test_three_standard_deviations_a_degree_of_freedom_apart_it_is_somebody_else(
    joints, axis, share, same
):
    """Each known joint of the trunk is as far: d^2 / (2 sigma^2) of three degrees of freedom."""
    place = np.array([0.0, 0.0, 3.0])
    place[axis] += share * np.sqrt(3 * association.FARTHEST * 2) * SIGMA
    motion = without(known((0, 0, 3)), TRUNK[joints:])
    assert association.match(motion, seen(place), UNKNOWN).tolist() == ([[0, 0]] if same else [])


def test_limbs_do_not_tell_people_apart_and_a_part_of_the_trunk_does():
    motion = known((0, 0, 3))
    person = seen((0, 0, 3))
    person.joints[:, INDEX["left_wrist"]] += 5
    assert association.match(motion, person, UNKNOWN).tolist() == [[0, 0]]
    for joint in TRUNK:
        part = without(motion, [other for other in TRUNK if other != joint])
        assert association.match(part, seen((0, 0, 3)), UNKNOWN).tolist() == [[0, 0]]
        assert association.match(part, seen((0, 0, 5)), UNKNOWN).tolist() == []
    assert association.match(without(motion, TRUNK), seen((0, 0, 3)), UNKNOWN).tolist() == []


@pytest.mark.parametrize(("moved", "same"), [(19.9, True), (20.1, False)])
def test_a_fifth_of_a_height_away_in_the_image_it_is_somebody_else(moved, same):
    """Whatever the depth: here 10 m behind. One joint in common is enough."""
    before, person = in_image((0, 0, 3)), seen((0, 0, 13))
    before[..., 0] += moved
    for common in (range(JOINT_COUNT), [INDEX["nose"]]):
        shown = np.full_like(before, np.nan)
        shown[:, common] = before[:, common]
        pairs = association.match(known((0, 0, 3)), person, shown)
        assert pairs.tolist() == ([[0, 0]] if same else [])


def test_all_in_all_least_happens():
    """The second is nearest to the first's place, and leaves it to whom nobody else could be."""
    motion = known((0, 0, 3), (0.3, 0, 3))
    pairs = association.match(motion, seen((0.3, 0, 3), (0.65, 0, 3)), np.repeat(UNKNOWN, 2, 0))
    assert sorted(pairs.tolist()) == [[0, 0], [1, 1]]
    # In the image they have not moved at all, which says that they are the other way round.
    before = in_image((0.65, 0, 3), (0.3, 0, 3))
    pairs = association.match(motion, seen((0.3, 0, 3), (0.65, 0, 3)), before)
    assert sorted(pairs.tolist()) == [[0, 1], [1, 0]]


@pytest.mark.parametrize(("seconds", "most"), [(0.0, 0.1), (0.2, 0.2), (-0.2, 0.2)])
def test_a_tenth_and_half_as_much_a_second_nearer_or_farther_it_is_another(seconds, most):
    """Early or late."""
    for side in (-1, 1):
        for part, other in ((0.99, False), (1.01, True)):
            seen = np.array([4.0 * np.exp(side * part * most), 4.0])
            found = association.another(np.array([4.0]), np.array([seconds]), seen)
            assert found.tolist() == [[other, False]]


def test_of_who_is_nowhere_or_in_no_image_nothing_says_that_it_is_another():
    found = association.another(np.array([4.0, np.nan]), np.zeros(2), np.array([np.nan, 9.0]))
    assert found.tolist() == [[False, True], [False, False]]


def test_in_the_way_is_somebody_else_by_more_than_a_fifth():
    overlap = np.array([[1.0, 0.21, 0], [0.19, 1.0, 0.19], [0, 0, 1.0]])
    assert association.crowded(overlap).tolist() == [
        [True, True, False],
        [False, False, False],
        [False, False, False],
    ]
    assert association.crowded(np.ones((2, 0))).shape == (2, 0)


def test_nobody_is_nobody():
    people, tracks = seen((0, 0, 3)), known((0, 0, 3))
    assert association.match(tracks, select(people, []), UNKNOWN).shape == (0, 2)
    assert association.match(Motion.nobody(), people, UNKNOWN[:0]).shape == (0, 2)
    nothing = np.zeros((0, 3))
    for place, newcomer in ((nothing, np.zeros((1, 3))), (np.zeros((1, 3)), nothing)):
        pairs = association.match_returning(place, np.zeros(len(place)), newcomer)
        assert pairs.shape == (0, 2)


@pytest.mark.parametrize("seconds", [0.0, 2.0])
def test_who_comes_back_is_where_a_walk_can_have_led(seconds):
    """30 cm, and a metre for each second."""
    reach = 0.3 + 1.0 * seconds
    for apart, pairs in ((0.99 * reach, [[0, 0]]), (1.01 * reach, [])):
        place = np.array([[1.0, 2.0, 3.0]])
        newcomer = place + (0.6 * apart, 0, 0.8 * apart)
        found = association.match_returning(place, np.array([seconds]), newcomer)
        assert found.tolist() == pairs
    nowhere = np.full((1, 3), np.nan)
    assert not len(association.match_returning(nowhere, np.array([9.0]), np.zeros((1, 3))))


def crossed(person, name):
    """Left and right of arms, legs or head exchanged."""
    group = {"arms": 0, "legs": 1, "head": 2}[name]
    return association.exchanged(person, np.arange(3)[None] == group), group


@pytest.mark.parametrize("name", ["arms", "legs", "head"])
def test_sides_are_swapped_group_by_group(name):
    motion, person = known((0, 0, 3)), seen((0, 0, 3))
    person.covariance[...] *= 0.01  # 1 cm: eyes are 6 cm apart
    motion = replace(motion, covariance=motion.covariance * 0.01)
    assert not association.swapped(motion, person).any()
    wrong, group = crossed(person, name)
    assert_array_equal(association.swapped(motion, wrong), np.arange(3)[None] == group)
    back = association.exchanged(wrong, association.swapped(motion, wrong))
    for field in ("joints", "pixels", "confidence", "covariance"):
        assert_array_equal(getattr(back, field), getattr(person, field))
    moved = (wrong.joints != person.joints).any(axis=2)[0]
    assert_array_equal(moved, association.joints_of(np.arange(3)[None] == group)[0])


def test_sides_change_only_where_that_fits_four_times_as_well_and_as_they_are_it_does_not():
    """A wrist that comes from its side towards the other one, alone of its group."""
    left, right = INDEX["left_wrist"], INDEX["right_wrist"]
    arms = association.joints_of(np.array([[True, False, False]]))[0]
    motion = without(known((0, 0, 3)), [j for j in np.flatnonzero(arms) if j not in (left, right)])
    apart = np.linalg.norm(motion.position[0, left] - motion.position[0, right])
    # At a share s of the way each is s apart from itself and 1 - s from the other: (1 - s) < s / 2.
    for share, told in ((0.65, False), (0.68, True)):
        person = seen((0, 0, 3))
        way = person.joints[0, right] - person.joints[0, left]
        person.joints[0, left] += share * way
        person.joints[0, right] -= share * way
        assert share * apart > np.sqrt(6) * SIGMA
        assert association.swapped(motion, person).tolist() == [[told, False, False]]
    # Who is known so badly that as they are fits as well is left alone.
    unsure = replace(motion, covariance=motion.covariance * 40)
    assert not association.swapped(unsure, person).any()
