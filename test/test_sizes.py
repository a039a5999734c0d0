"""How large people are and how the floor is tilted, learned together."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bodypose3d_ros.body.floor import Floor
from bodypose3d_ros.body.people import SCALE_GROUND, SCALE_LIMBS
from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.perception.lifting import size
from bodypose3d_ros.perception.lifting.floor import floor_evidence
from bodypose3d_ros.perception.lifting.shape_model import BLAZEPOSE_FULL
from bodypose3d_ros.perception.tracking import sizes
from bodypose3d_ros.perception.tracking.sizes import Sizes
from bodypose3d_ros.perception.tracking.tracker import Tracker
from people_made_up import people, standing

FRAME = 1_000_000_000 // 15
HEIGHT, PITCH = 1.2, 5.0
FEET = [INDEX[f"{s}_{n}"] for s in ("left", "right") for n in ("ankle", "heel", "big_toe")]
SOLES = np.array([0.10, 0.04, 0.02] * 2)
ME = np.array([7], np.uint32)


def seen_from(pitch, distance, true_size=1.0, raised=0.0):
    """Evidence (1, KINDS, COLUMNS) of who stands before a camera that is told to look down so far.

    It looks down by ``PITCH``. Feet are drawn where they are but for the size; who is raised stands
    that much higher than the floor.
    """
    joints = standing((0, 0, distance))
    joints[FEET, 1] = HEIGHT - SOLES - raised
    joints[FEET, 2] += distance - joints[FEET, 2].mean()
    down = np.radians(PITCH)
    turn = np.array([[1, 0, 0], [0, np.cos(down), -np.sin(down)], [0, np.sin(down), np.cos(down)]])
    shape = (joints @ turn.T / true_size)[None]
    evidence = size.prior(1, 0.0, BLAZEPOSE_FULL.size_sigma)
    floor = Floor.from_mounting(HEIGHT, pitch)
    evidence[:, SCALE_GROUND] = floor_evidence(shape, np.ones((1, 34)), floor, BLAZEPOSE_FULL)
    return evidence


def history(evidence, frames=size.MEMORY):
    """As if the last so many frames had told the same, and none before."""
    told = np.full((len(evidence), size.MEMORY, *evidence.shape[1:]), np.nan)
    told[:, :frames] = evidence[:, None]
    return told


def walk(known, pitch, distances, track_id=ME, begin=0, **person):
    """The sizes found of somebody who walks along those distances, an image each."""
    found = []
    for n, distance in enumerate(distances):
        told = history(seen_from(pitch, distance, **person))
        found.append(known.update(track_id, told, (begin + n) * FRAME)[0][0])
    return np.array(found)


UP_AND_DOWN = np.tile(np.concatenate([np.linspace(5, 2, 60), np.linspace(2, 5, 60)]), 5)
"""Metres, for 40 seconds."""


def test_who_walks_tells_how_the_floor_is_tilted_and_keeps_the_size():
    """With one degree wrong somebody is 4.5 % larger at 5 m than at 2 m by single images."""
    asked = [seen_from(PITCH - 1, d)[0, SCALE_GROUND, size.VALUE] for d in (2, 5)]
    assert asked[1] - asked[0] == pytest.approx(0.045, abs=0.005)
    known = Sizes()
    found = walk(known, PITCH - 1, UP_AND_DOWN)
    assert found[0] > 0.035, "half believed at first"
    assert found[-1] < 0.7 * found[0]
    assert np.ptp(found[-120:]) < 0.65 * np.ptp(found[:120]), "and changes less on the way"
    turned, covariance = known.tilt
    degrees = np.degrees(Floor.from_mounting(1).tilt_sigma) * turned
    # About the image's x axis, to the side that takes the floor for higher than it is.
    assert -1.0 < degrees[0] < -0.4
    assert np.abs(degrees[1:]).max() < 0.1
    assert np.sqrt(covariance[0, 0]) < 0.8, "and it says that it knows"


def test_a_floor_that_is_right_stays_so():
    known = Sizes()
    found = walk(known, PITCH, UP_AND_DOWN, true_size=1.06)
    turned, _ = known.tilt
    assert np.abs(0.5 * turned).max() < 0.25, "degrees"
    assert 0.025 < found[-1] < np.log(1.06), "what can be the tilt as well is half believed"


def test_what_one_person_told_of_the_floor_helps_with_the_next():
    known = Sizes()
    walk(known, PITCH - 1, UP_AND_DOWN)
    known.keep(np.zeros(0, np.uint32))
    other = np.array([8], np.uint32)
    informed = walk(known, PITCH - 1, [4.0], other, begin=600)[0]
    naive = walk(Sizes(), PITCH - 1, [4.0], other)[0]
    assert abs(informed) < 0.7 * abs(naive)


def test_who_stands_on_a_step_does_not_tilt_the_floor_for_others():
    """0.25 m at 1.2 m makes a giant of 1.28: that teaches nothing."""
    known = Sizes()
    step = np.array([9], np.uint32)
    walk(known, PITCH, np.full(60, 4.0), step, raised=0.25)
    turned, _ = known.tilt
    assert turned.tolist() == [0, 0, 0]


def test_whose_feet_are_hidden_keeps_the_size():
    known = Sizes()
    walk(known, PITCH, np.full(45, 3.0), true_size=1.1)
    hidden = seen_from(PITCH, 3.0)
    hidden[:, SCALE_GROUND] = np.nan
    for n in range(45, 105):
        log_size, sigma, _ = known.update(ME, history(hidden), n * FRAME)
    # Of the 0.095 what may have been this pose is no longer believed.
    assert log_size[0] == pytest.approx(0.05, abs=0.015)
    assert 0.03 < sigma[0] < BLAZEPOSE_FULL.size_sigma


def test_without_anything_told_everybody_is_as_the_network_believes():
    told = history(size.prior(2, 0.0, 0.05))
    assert Sizes().update(np.array([1, 2], np.uint32), told, 0) is None
    several, sure = people((0, 0, 3), (1, 0, 4)), BLAZEPOSE_FULL.size_sigma
    known = Tracker().update(several, 0)
    assert_allclose(known.joints, several.joints)
    assert known.scale_source.tolist() == [SCALE_LIMBS] * 2
    assert known.log_size.tolist() == [0, 0]
    assert known.size_sigma.tolist() == [sure] * 2


def test_in_the_first_image_it_says_what_the_evidence_says_by_itself():
    evidence = seen_from(PITCH - 1, 4.0)
    evidence[0, 2] = 0.03, 0.01, 0.0, 0.01, 0, 0, 0
    alone = np.array(size.fuse(evidence))
    found = np.array(Sizes().update(ME, history(evidence, frames=1), 0))
    assert found == pytest.approx(alone, abs=1e-9)


def test_the_tilt_is_forgotten_in_the_course_of_minutes():
    known = Sizes()
    walk(known, PITCH - 1, UP_AND_DOWN)
    before, _ = known.tilt
    later = 600 * FRAME + round(2 * sizes.FORGET * 1e9)
    known.keep(np.zeros(0, np.uint32))
    nobody = np.full((1, size.MEMORY, size.KINDS, size.COLUMNS), np.nan)
    nobody[:, :, 0] = size.prior(1, 0.0, 0.05)[:, 0]
    known.update(np.array([8], np.uint32), nobody, later)
    after, covariance = known.tilt
    # Nobody is known who told of it, and nobody tells now: e^-2 of it is left.
    assert after[0] == pytest.approx(np.exp(-2) * before[0], rel=0.01)
    assert covariance[0, 0] > 0.98


@pytest.mark.parametrize("roll", [0.0, 90.0, -20.0])
def test_it_is_told_in_degrees_how_far_the_camera_looks_down(roll):
    """Whichever way up the image is: ``up`` told too low in it is a camera that looks lower."""
    told, true = (Floor.from_mounting(HEIGHT, pitch, roll) for pitch in (PITCH, PITCH + 1))
    turn = np.cross(true.up, told.up)  # from the true one to the one told
    degrees = np.degrees(-told.pitch_axis @ turn)
    assert degrees == pytest.approx(1.0, rel=1e-3)


def test_people_tell_the_tracker_of_a_wrong_pitch_until_it_is_told_another():
    tracker, floor = Tracker(), Floor.from_mounting(HEIGHT, PITCH - 1)
    for n, distance in enumerate(UP_AND_DOWN[:240]):
        person = replace(people((0, 0, distance)), evidence=seen_from(PITCH - 1, distance))
        tracker.update(person, n * FRAME)
    degrees, sigma = tracker.pitch_off(floor)
    assert 0.3 < degrees < 1.0, "the camera looks down by one degree more than was told"
    assert sigma < 0.42
    tracker.forget_floor()
    assert tracker.pitch_off(floor) == pytest.approx((0.0, 0.5))


@pytest.mark.parametrize(
    ("pitch", "misfit"), [(PITCH - 4, 0.34), (PITCH + 4, -0.2), (PITCH - 1, 0)]
)
def test_a_floor_on_which_nobody_is_of_a_size_that_people_have_does_not_fit(pitch, misfit):
    known = Sizes()
    walk(known, pitch, np.full(45, 4.0))
    assert known.misfit == 0, "for some seconds nothing is said"
    walk(known, pitch, np.full(45, 4.0), begin=45)
    assert known.misfit == pytest.approx(misfit, abs=0.03)
    walk(known, PITCH, np.full(90, 4.0), begin=90)
    assert known.misfit == 0, "and nothing when it fits again"


def test_nothing_is_said_of_a_floor_on_which_nobody_has_stood_for_long():
    known = Sizes()
    walk(known, PITCH - 4, np.full(90, 4.0))
    assert known.misfit > 0
    nobody = np.zeros((0, size.MEMORY, size.KINDS, size.COLUMNS))
    for n in range(90, 90 + 5 * 15):
        known.keep(np.zeros(0, np.uint32))
        known.update(np.zeros(0, np.uint32), nobody, n * FRAME)
    assert known.misfit == 0
