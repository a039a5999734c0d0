"""Identities: stable while somebody is seen, never used twice."""

from dataclasses import replace

import numpy as np
from numpy.testing import assert_allclose

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.people import STATE_NEW, STATE_TRACKED, Bodies
from bodypose3d_ros.perception.tracking.tracker import Tracker
from people_made_up import standing

CAMERA = Camera.from_hfov(640, 480, 60)
FRAME = 66_666_667  # nanoseconds at 15 Hz


def people(*places):
    joints = np.array([standing(at) for at in places]).reshape(-1, 34, 3)
    count = len(joints)
    return Bodies(joints, CAMERA.project(joints), np.ones((count, 34)), np.ones(count),
                  np.zeros(count, np.uint8))  # fmt: skip


def test_two_people_keep_their_ids_whatever_order_they_come_in():
    tracker = Tracker()
    first = tracker.update(people((-1, 0, 3), (1, 0, 4)), 0)
    assert first.track_id.tolist() == [1, 2]
    assert first.state.tolist() == [STATE_NEW] * 2
    second = tracker.update(people((0.95, 0, 4), (-0.95, 0, 3)), FRAME)
    assert second.track_id.tolist() == [2, 1]
    assert second.state.tolist() == [STATE_TRACKED] * 2


def test_velocity_is_metres_a_second_and_unknown_at_first():
    tracker = Tracker()
    assert np.isnan(tracker.update(people((0, 0, 3)), 0).velocity).all()
    moved = tracker.update(people((0.05, 0, 2.9)), FRAME)
    assert_allclose(moved.velocity[0], np.tile([0.75, 0, -1.5], (34, 1)), rtol=1e-6)


def test_velocity_of_an_unknown_joint_is_unknown():
    tracker = Tracker()
    tracker.update(people((0, 0, 3)), 0)
    later = people((0.1, 0, 3))
    later.joints[0, 4] = np.nan
    assert np.isnan(tracker.update(later, FRAME).velocity[0, 4]).all()


def test_somebody_unseen_for_a_moment_is_the_same_person_for_long_a_new_one():
    tracker = Tracker()
    tracker.update(people((0, 0, 3)), 0)
    tracker.update(people(), 5 * FRAME)
    assert tracker.update(people((0.1, 0, 3)), 10 * FRAME).track_id.tolist() == [1]
    tracker.update(people(), 40 * FRAME)
    assert tracker.ended == (1,)
    assert tracker.update(people((0.1, 0, 3)), 41 * FRAME).track_id.tolist() == [2]


def test_somebody_elsewhere_is_somebody_else():
    tracker = Tracker()
    tracker.update(people((-1.2, 0, 3)), 0)
    assert tracker.update(people((1.2, 0, 3)), FRAME).track_id.tolist() == [2]


def test_time_that_jumps_back_ends_all_tracks_and_ids_go_on():
    tracker = Tracker()
    tracker.update(people((0, 0, 3)), 10 * FRAME)
    assert tracker.update(people((0, 0, 3)), 0).track_id.tolist() == [2]
    assert tracker.ended == (1,)


def test_two_frames_of_one_stamp_do_not_divide_by_zero():
    tracker = Tracker()
    tracker.update(people((0, 0, 3)), 0)
    assert np.isnan(tracker.update(people((0.1, 0, 3)), 0).velocity).all()


def test_people_without_a_common_joint_are_not_confused():
    tracker = Tracker()
    upper, lower = people((0, 0, 3)), people((0, 0, 3))
    upper.pixels[:, 17:] = np.nan
    lower = replace(lower, pixels=np.where(np.isnan(upper.pixels), lower.pixels, np.nan))
    tracker.update(upper, 0)
    assert tracker.update(lower, FRAME).track_id.tolist() == [2]
