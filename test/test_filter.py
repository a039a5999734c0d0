"""The tracks' filter is a textbook's: each joint's matrices, written out, give the same."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.perception.tracking import filter as kalman
from people_made_up import row

WRIST, KNEE, PELVIS, NOSE = (INDEX[n] for n in ("left_wrist", "left_knee", "pelvis", "nose"))
JOINTS = (WRIST, KNEE, PELVIS, NOSE)
EYE = np.eye(3)


def bodies(seed=0):
    """Two people, each joint unsure in its own way."""
    rng = np.random.default_rng(seed)
    people = row(2)
    root = rng.normal(0, 0.03, people.covariance.shape)
    joints = people.joints + rng.normal(0, 0.02, people.joints.shape)
    return replace(people, joints=joints, covariance=root @ root.swapaxes(2, 3) + 1e-3 * EYE)


def started(seen):
    return kalman.start(seen.joints, seen.covariance)


def moving(seed=1):
    """Somebody's state after a few images, with velocities and all correlations."""
    rng = np.random.default_rng(seed)
    motion = started(bodies(seed))
    mean = motion.mean + rng.normal(0, 1, motion.mean.shape) * np.repeat([0, 0.8, 0.01], 3)
    root = rng.normal(0, 0.1, motion.covariance.shape)
    return replace(
        motion, mean=mean, covariance=motion.covariance + root @ root.swapaxes(2, 3),
        surprise=rng.uniform(0, 4, motion.surprise.shape),
    )  # fmt: skip


def test_who_is_new_is_where_he_is_seen_and_what_wobbles_is_taken_off_again():
    seen = bodies()
    motion = started(seen)
    assert_allclose(motion.position, seen.joints)
    assert_allclose(motion.velocity, 0)
    for joint in JOINTS:
        spread, covariance = seen.covariance[0, joint], motion.covariance[0, joint]
        wobble, none = kalman.WOBBLE * spread, np.zeros((3, 3))
        assert_allclose(covariance, np.block([
            [wobble + kalman.WHITE * spread, none, -wobble],
            [none, kalman.START_SPEED**2 * EYE, none],
            [-wobble, none, wobble],
        ]), atol=1e-15)  # fmt: skip
    # A measurement is position, wobble and what is white: as sure as it was seen, no more.
    assert_allclose(motion.position_covariance, seen.covariance, atol=1e-15)


def test_a_velocity_is_surer_than_a_filter_says_that_takes_twice_the_noise():
    motion = moving()
    for joint, found in zip(JOINTS, (0.5, 0.8, 0.5, 0.5), strict=True):
        state = motion.covariance[0, joint, 3:6, 3:6]
        assert_allclose(motion.velocity_covariance[0, joint], found * state)


@pytest.mark.parametrize("seconds", [1 / 30, 0.4])
def test_time_passes_as_the_matrices_of_constant_velocity_and_a_fading_wobble_have_it(seconds):
    motion = moving()
    unseen = np.zeros((2, 34), bool)
    unseen[1] = True
    later = kalman.predict(motion, seconds, unseen)
    decay = np.exp(-seconds / kalman.PERSISTENCE)
    none = np.zeros((3, 3))
    F = np.block([[EYE, seconds * EYE, none], [none, EYE, none], [none, none, decay * EYE]])
    for person in range(2):
        for joint in JOINTS:
            speed = (motion.velocity[person, joint] ** 2).sum() / kalman.BRISK**2
            startled = (motion.surprise[person, joint] / kalman.STARTLING) ** 2
            restless = np.clip(speed + startled, kalman.CALM, kalman.WILD[joint])
            if person == 1:
                restless = max(restless, 1)
            q = kalman.ACCELERATION[joint] * restless * np.array(
                [[seconds**3 / 3, seconds**2 / 2], [seconds**2 / 2, seconds]]
            )  # fmt: skip
            Q = np.zeros((9, 9))
            Q[:6, :6] = np.kron(q, EYE)
            Q[6:, 6:] = (1 - decay**2) * kalman.WOBBLE * motion.measured[person, joint]
            assert_allclose(later.mean[person, joint], F @ motion.mean[person, joint])
            P = F @ motion.covariance[person, joint] @ F.T + Q
            assert_allclose(later.covariance[person, joint], P, atol=1e-12)


@pytest.mark.parametrize("far", [0.0, 3.0])
def test_what_is_seen_is_taken_in_with_kalmans_gain_and_less_where_it_cannot_be(far):
    """An outlier's weight falls with its distance, as Huber's does."""
    motion, seen = moving(), bodies(2)
    seen.joints[0] += far
    seen.joints[1, WRIST] = np.nan
    after = kalman.update(motion, seen.joints, seen.covariance)
    H = np.hstack([EYE, np.zeros((3, 3)), EYE])
    for joint in JOINTS:
        x, P = motion.mean[0, joint], motion.covariance[0, joint]
        S = H @ P @ H.T + kalman.WHITE * seen.covariance[0, joint]
        off = seen.joints[0, joint] - H @ x
        distance = off @ np.linalg.solve(S, off)
        assert (distance > kalman.OUTLIER) == bool(far)
        K = P @ H.T @ np.linalg.inv(S) * min(1, np.sqrt(kalman.OUTLIER / distance))
        assert_allclose(after.mean[0, joint], x + K @ off)
        P = P - K @ H @ P
        assert_allclose(after.covariance[0, joint], (P + P.T) / 2, atol=1e-12)
        assert after.surprise[0, joint] == pytest.approx(distance)
        assert_allclose(after.measured[0, joint], seen.covariance[0, joint])
    # Who is not seen stays as he was expected.
    for field in ("mean", "covariance", "measured"):
        assert_allclose(getattr(after, field)[1, WRIST], getattr(motion, field)[1, WRIST])
    assert after.surprise[1, WRIST] == 0


def test_a_joint_that_was_unknown_starts_where_it_is_seen():
    seen = bodies()
    motion = kalman.forget(moving(), np.arange(34)[None] == WRIST)
    assert np.isnan(motion.position[:, WRIST]).all()
    assert np.isfinite(motion.position[:, KNEE]).all()
    after, new = kalman.update(motion, seen.joints, seen.covariance), started(seen)
    assert_allclose(after.position[:, WRIST], seen.joints[:, WRIST])
    assert (np.trace(after.covariance[0, WRIST]) < np.trace(new.covariance[0, WRIST])).all()
    assert kalman.forget(motion, np.zeros((2, 34), bool)) is motion


def test_who_is_hidden_goes_on_as_the_trunk_does_by_and_by():
    motion = moving()
    heading = motion.velocity[:, [INDEX[n] for n in ("pelvis", "torso", "neck")]].mean(axis=1)
    assert_allclose(motion.heading, heading)
    unseen = np.arange(34)[None] == np.array([[WRIST], [KNEE]])
    after = kalman.settle(motion, unseen, 0.25)
    own = np.exp(-1)  # a quarter of a second is a limb's own way
    for person, joint in ((0, WRIST), (1, KNEE)):
        speed = own * motion.velocity[person, joint] + (1 - own) * heading[person]
        assert_allclose(after.velocity[person, joint], speed)
    kept = ~unseen
    assert_allclose(after.velocity[kept], motion.velocity[kept])
    assert_allclose(after.position, motion.position)
    trunkless = kalman.forget(motion, np.ones((2, 34), bool))
    assert_allclose(trunkless.heading, 0)


def test_hands_and_feet_are_agile_the_trunk_is_calm_until_it_moves():
    groups = kalman._by_group(agile=1.0, trunk=2.0, other=3.0)
    assert [groups[joint] for joint in (WRIST, KNEE, PELVIS, NOSE)] == [1, 3, 2, 3]
    assert np.bincount(groups.astype(int)).tolist() == [0, 18, 7, 9]
    names = ("left_wrist", "right_big_toe", "left_heel", "right_index_knuckle", "left_ankle")
    for name in names:
        assert (kalman.ACCELERATION[INDEX[name]], kalman.WILD[INDEX[name]]) == (8.0, 1.0)
    for name in ("pelvis", "torso", "neck", "left_hip", "right_shoulder"):
        assert (kalman.ACCELERATION[INDEX[name]], kalman.WILD[INDEX[name]]) == (0.15, 20.0)
    for name in ("left_knee", "right_elbow", "nose", "left_ear"):
        assert (kalman.ACCELERATION[INDEX[name]], kalman.WILD[INDEX[name]]) == (1.5, 1.0)
