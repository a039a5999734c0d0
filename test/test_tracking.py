"""People over time: identities that last, and joints with velocity and covariance."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bodypose3d_ros.body.people import (
    SCALE_DEPTH,
    STATE_COASTING,
    STATE_NEW,
    STATE_TRACKED,
    select,
    transform,
)
from bodypose3d_ros.body.skeleton import INDEX, MIRRORED
from bodypose3d_ros.perception.lifting import size
from bodypose3d_ros.perception.tracking.symmetric import inverse, without
from bodypose3d_ros.perception.tracking.tracker import Tracker
from bodypose3d_ros.perception.tracking.viewpoint import STEADY
from people_made_up import measured, people, row, standing

SECOND = 1_000_000_000
FRAME = SECOND // 15
PELVIS = INDEX["pelvis"]
LEFT_WRIST, RIGHT_WRIST = INDEX["left_wrist"], INDEX["right_wrist"]


def nobody():
    return people()


def test_two_people_keep_their_ids_whatever_order_they_come_in():
    tracker = Tracker()
    first = tracker.update(people((-1, 0, 3), (1, 0, 4)), 0)
    assert first.track_id.tolist() == [1, 2]
    assert first.state.tolist() == [STATE_NEW] * 2
    second = tracker.update(people((0.95, 0, 4), (-0.95, 0, 3)), FRAME)
    assert second.track_id.tolist() == [2, 1]
    assert second.state.tolist() == [STATE_TRACKED] * 2


def test_people_are_told_of_in_the_order_in_which_they_were_seen_newcomers_too_then_the_coasting():
    tracker = Tracker()
    for n in range(3):
        tracker.update(people((-1, 0, 3), (1, 0, 4), (0, 0, 5)), n * FRAME)
    places = [(3, 0, 6), (0, 0, 5), (-1, 0, 3)]
    told = tracker.update(people(*places), 3 * FRAME)
    assert told.track_id.tolist() == [4, 3, 1, 2]
    assert told.state.tolist() == [STATE_NEW, STATE_TRACKED, STATE_TRACKED, STATE_COASTING]
    assert_allclose(told.joints[:, PELVIS], [*places, (1, 0, 4)], atol=0.01)


def test_the_velocity_of_who_walks_is_learned_and_unknown_at_first():
    tracker = Tracker()
    for n in range(30):
        t = n * FRAME / SECOND
        bodies = tracker.update(people((0.75 * t - 0.5, 0, 4 - t)), n * FRAME)
        if n == 0:
            assert np.isnan(bodies.velocity).all()
            assert np.isnan(bodies.velocity_covariance).all()
        else:
            assert (np.linalg.eigvalsh(bodies.velocity_covariance[0])[:, 0] > 0).all()
    # Two seconds of even walking, without noise: 5 cm/s are left of what was not known at first.
    assert_allclose(bodies.velocity[0], np.tile([0.75, 0, -1], (34, 1)), atol=0.05)


def test_velocity_of_an_unknown_joint_is_unknown():
    tracker = Tracker()
    joints = standing((0, 0, 3))
    joints[4] = np.nan
    tracker.update(measured([joints]), 0)
    bodies = tracker.update(measured([joints]), FRAME)
    for unknown in (bodies.velocity, bodies.covariance, bodies.velocity_covariance):
        assert np.isnan(unknown[0, 4]).all()
    assert bodies.confidence[0, 4] == 0


def test_noise_is_filtered_and_what_a_view_gets_wrong_for_long_stays_in_the_covariance():
    rng = np.random.default_rng(1)
    tracker = Tracker()
    stds = []
    speeds = []
    for n in range(60):
        noisy = standing((0, 0, 3)) + rng.normal(0, 0.02, (34, 3))
        bodies = tracker.update(measured([noisy]), n * FRAME)
        stds.append(np.sqrt(np.linalg.eigvalsh(bodies.covariance[0, PELVIS])))
        speeds.append(bodies.velocity[0, PELVIS])
    # Differences of two frames would be 0.02 m x sqrt(2) x 15 Hz = 0.42 m/s on each axis.
    assert np.std(speeds[20:], axis=0).max() < 0.15
    # Sixty looks from one side do not make the pelvis surer than the network's own error of 36 mm
    # across the view, or its size (5 % of 3 m) along it.
    assert stds[-1].min() > 0.03
    assert 0.14 < stds[-1].max() < 0.18


def test_who_stands_hardly_trembles_and_is_followed_when_starting():
    rng = np.random.default_rng(2)
    tracker = Tracker()
    raw, filtered = [], []
    for n in range(45):
        # As in the films: 3 mm across the view and 10 mm along it are new in every frame.
        joints = standing((0, 0, 3)) + rng.normal(0, (0.003, 0.003, 0.010), (34, 3))
        raw.append(joints)
        filtered.append(tracker.update(measured([joints]), n * FRAME).joints[0])
    trembling = [np.diff(seen[20:], axis=0).std() for seen in (raw, filtered)]
    assert trembling[1] < 0.5 * trembling[0]
    behind = []
    for n in range(1, 9):
        there = standing((n / 15, 0, 3))  # at 1 m/s, all at once
        bodies = tracker.update(measured([there]), (44 + n) * FRAME)
        behind.append(there[PELVIS, 0] - bodies.joints[0, PELVIS, 0])
    assert max(behind) < 0.08 and behind[-1] < 0.045


def test_the_inverse_by_cofactors_is_the_inverse():
    # An ellipsoid 1 cm thin and 60 cm long, turned anyhow: as far as covariances of joints go.
    rng = np.random.default_rng(3)
    turned = np.linalg.qr(rng.normal(size=(50, 3, 3)))[0]
    spread = turned @ np.diag([0.01, 0.02, 0.6]) ** 2 @ turned.swapaxes(1, 2)
    assert_allclose(inverse(spread) @ spread, np.tile(np.eye(3), (50, 1, 1)), atol=1e-8)


def test_a_covariance_is_left_one_whatever_is_taken_from_it():
    """An error that does not belong to it, as of a ray that has turned, is taken in part."""
    ray = np.array([0.2, 0.1, 3.0])
    across, by_size = 0.02**2 * np.eye(3), 0.15 * ray
    whole = across + np.outer(by_size, by_size)
    assert_allclose(without(whole, by_size), across, atol=1e-9)
    turned = 0.15 * (ray + [0.3, 0, 0])
    left = without(whole, turned)
    assert np.linalg.eigvalsh(whole - np.outer(turned, turned))[0] < 0, "all of it is too much"
    assert np.linalg.eigvalsh(left)[0] > 0
    assert np.trace(left) < np.trace(whole)


def test_who_turns_out_to_be_a_third_larger_is_as_sure_as_a_covariance_can_say():
    """Whom a network gives as pixels alone may be of any size, until the feet are seen."""
    tracker = Tracker()
    unsure = people((0, 0, 4))
    by_size = 0.15 * unsure.joints
    unsure = replace(
        unsure,
        covariance=0.02**2 * np.eye(3) + by_size[..., :, None] * by_size[..., None, :],
        size_sigma=np.array([0.15]),
        evidence=size.prior(1, 0.0, 0.15),
    )
    tracker.update(unsure, 0)
    unsure.evidence[0, 1] = 0.3, 0.01, 0.01, 0.01, 0, 0, 0
    for n in range(1, 15):
        shown = tracker.update(unsure, n * FRAME)
        given = np.isfinite(shown.covariance[0]).all(axis=(1, 2))
        assert np.linalg.eigvalsh(shown.covariance[0, given])[:, 0].min() > 0.01**2


def test_somebody_hidden_is_predicted_for_half_a_second_ever_less_surely():
    tracker = Tracker()
    for n in range(20):
        tracker.update(people((0.05 * n, 0, 4)), n * FRAME)
    spreads = []
    for n in range(20, 27):
        bodies = tracker.update(nobody(), n * FRAME)
        assert bodies.track_id.tolist() == [1] and bodies.state.tolist() == [STATE_COASTING]
        assert np.isnan(bodies.pixels).all()
        assert_allclose(bodies.joints[0, PELVIS], (0.05 * n, 0, 4), atol=0.05)
        spreads.append(np.trace(bodies.covariance[0, PELVIS]))
    assert (np.diff(spreads) > 0).all()
    assert len(tracker.update(nobody(), 28 * FRAME)) == 0
    assert tracker.ended == (1,)
    assert tracker.update(people((1.5, 0, 4)), 30 * FRAME).track_id.tolist() == [1]


def test_who_was_seen_once_does_not_coast():
    tracker = Tracker()
    tracker.update(people((0, 0, 3)), 0)
    assert len(tracker.update(nobody(), FRAME)) == 0


def test_who_comes_back_within_five_seconds_is_the_same_later_somebody_new():
    for seconds, identity in ((4.5, 1), (5.5, 2)):
        tracker = Tracker()
        tracker.update(people((0, 0, 3)), 0)
        tracker.update(nobody(), 2 * FRAME)
        back = tracker.update(people((1, 0, 3)), int(seconds * SECOND))
        assert back.track_id.tolist() == [identity]
        assert back.state.tolist() == [STATE_TRACKED if identity == 1 else STATE_NEW]


def test_whom_it_has_lost_it_awaits_where_they_went_for_as_long_as_it_remembers():
    """One goes on at a metre a second for a second at most; the other stays in sight."""
    tracker = Tracker()
    for n in range(16):
        tracker.update(people((n / 15, 0, 4), (-1, 0, 3)), n * FRAME)
    assert len(tracker.awaited) == 0
    for seconds, x in ((0.5, 1.5), (3.0, 2.0)):
        tracker.update(people((-1, 0, 3)), SECOND + int(seconds * SECOND))
        assert_allclose(tracker.awaited[:, [0, 2]], [[x, 4]], atol=0.05)
    tracker.update(people((-1, 0, 3)), 7 * SECOND)
    assert len(tracker.awaited) == 0


def test_nobody_comes_back_from_where_they_cannot_have_gone():
    tracker = Tracker()
    tracker.update(people((-2, 0, 4)), 0)
    # 4 m in one second.
    assert tracker.update(people((2, 0, 4)), SECOND).track_id.tolist() == [2]


def test_one_behind_the_other_is_another_though_their_pixels_are_the_same():
    tracker = Tracker()
    tracker.update(people((0, 0, 2.4)), 0)
    second = tracker.update(people((0, 0, 4.9)), 3 * FRAME)
    assert second.track_id.tolist()[0] == 2


BEFORE_THEM = (0.2, 0, 3.5)
"""Where somebody hides half of who stands at the origin, 4.8 m away."""


def test_a_network_that_slides_to_who_stands_behind_sees_another():
    """As where three people cross: the skeleton stays about there in the image, and shrinks."""
    tracker = Tracker()
    for n in range(5):
        tracker.update(people(BEFORE_THEM, (0, 0, 4.8)), n * FRAME)
    slid = tracker.update(people(BEFORE_THEM, (0.1, 0, 5.8)), 5 * FRAME)
    assert dict(zip(slid.track_id.tolist(), slid.state.tolist(), strict=True)) == {
        1: STATE_TRACKED,
        3: STATE_NEW,
        2: STATE_COASTING,
    }
    all_three = people(BEFORE_THEM, (0.1, 0, 5.8), (-0.1, 0, 4.8))
    assert tracker.update(all_three, 6 * FRAME).track_id.tolist() == [1, 3, 2]


@pytest.mark.parametrize(
    ("frames", "far", "in_the_way"),
    [(1, 5.3, True), (4, 6.0, True), (1, 5.8, False)],
    ids=["by a tenth", "by more where images were lost", "by more with nobody in the way"],
)
def test_who_only_seems_smaller_is_the_same(frames, far, in_the_way):
    """Somebody blurred, bent or half behind a post does, by as much as who stands behind."""
    tracker = Tracker()
    others = [BEFORE_THEM] * in_the_way
    for n in range(5):
        tracker.update(people((0, 0, 4.8), *others), n * FRAME)
    seen = tracker.update(people((0, 0, far), *others), (4 + frames) * FRAME)
    assert seen.track_id.tolist() == [1, 2][: len(seen)]


def test_who_turns_out_to_be_larger_is_the_same_as_far_away_as_that():
    """Somebody else tells the size: nothing has changed in the image."""
    tracker = Tracker()
    for n in range(5):
        tracker.update(people((0, 0, 4), BEFORE_THEM), n * FRAME)
    larger = replace(people((0, 0, 5), BEFORE_THEM), log_size=np.array([np.log(5 / 4), 0]))
    assert tracker.update(larger, 5 * FRAME).track_id.tolist() == [1, 2]


def test_who_is_hidden_is_awaited_where_they_went_before_they_were():
    """A metre a second; half hidden, a network sees the one before, too: they seem to stop."""
    tracker = Tracker()
    for n in range(27):
        x = min(-2 + n / 15, -0.6)
        tracker.update(people((x, 0, 4.8), (0, 0, 3)), n * FRAME)
    tracker.update(people((0, 0, 3)), 27 * FRAME)
    assert_allclose(tracker.awaited[0], (-2 + 27 / 15, 0, 4.8), atol=0.1)


def test_left_and_right_that_a_network_swaps_are_swapped_back():
    """BlazePose full does so in 29 of 100 frames of a man seen from behind and the side."""
    tracker = Tracker()
    for n in range(15):
        person = people((0, 0, 3))
        if n in (8, 9, 10):
            person = measured(person.joints[:, MIRRORED])
        bodies = tracker.update(person, n * FRAME)
        left, right = bodies.joints[0, LEFT_WRIST, 0], bodies.joints[0, RIGHT_WRIST, 0]
        assert left == pytest.approx(0.30, abs=0.01) and right == pytest.approx(-0.30, abs=0.01)
        assert bodies.pixels[0, LEFT_WRIST, 0] > bodies.pixels[0, RIGHT_WRIST, 0]


def test_a_network_that_insists_on_the_other_side_is_believed_after_a_second():
    tracker = Tracker()
    tracker.update(people((0, 0, 3)), 0)
    for n in range(1, 30):
        bodies = tracker.update(measured(people((0, 0, 3)).joints[:, MIRRORED]), n * FRAME)
    assert bodies.joints[0, LEFT_WRIST, 0] == pytest.approx(-0.30, abs=0.01)


def test_a_late_image_changes_nothing_and_is_told_who_is_in_it():
    tracker = Tracker()
    for n in (0, 1, 2, 4):
        tracker.update(people((0.02 * n, 0, 3)), n * FRAME)
    late = tracker.update(people((0.06, 0, 3)), 3 * FRAME)
    assert late.track_id.tolist() == [1] and tracker.late == 1
    assert tracker.update(people((0.1, 0, 3)), 5 * FRAME).track_id.tolist() == [1]
    assert tracker.ended == ()


def test_time_that_jumps_back_ends_all_tracks_and_ids_go_on(caplog):
    tracker = Tracker()
    tracker.update(people((0, 0, 3)), 20 * FRAME)
    assert tracker.update(people((0, 0, 3)), 0).track_id.tolist() == [2]
    assert caplog.messages == [
        f"the time jumped back by {20 * FRAME / SECOND:.1f} s: everybody is new"
    ]
    assert tracker.restarts == 1
    tracker.reset()
    assert tracker.ended == (2,)
    assert tracker.update(people((0, 0, 3)), FRAME).track_id.tolist() == [3]


@pytest.mark.parametrize("later", [0, 1])
def test_two_images_of_one_moment_give_no_speed(later):
    """Their difference over a nanosecond would be 1e8 m/s."""
    tracker = Tracker()
    tracker.update(people((0, 0, 3)), 0)
    again = tracker.update(people((0.1, 0, 3)), later)
    assert np.abs(np.nan_to_num(again.velocity)).max() < 1


def test_a_person_who_stands_has_no_speed_for_a_camera_that_drives_and_turns():
    """1 m/s and 1 rad/s; in the camera's own frame the person walks and circles."""
    tracker = Tracker()
    world = standing((0, 0, 4))
    for n in range(30):
        t = n / 30
        turn = t - 0.5
        place = np.eye(4)
        place[:3, :3] = [
            [np.cos(turn), 0, np.sin(turn)],
            [0, 1, 0],
            [-np.sin(turn), 0, np.cos(turn)],
        ]
        place[:3, 3] = t, 0, 0
        seen = (world - place[:3, 3]) @ place[:3, :3]
        bodies = tracker.update(measured([seen]), int(t * SECOND), place)
        if n:
            assert np.nanmax(np.linalg.norm(bodies.velocity, axis=2)) < 0.05
            assert_allclose(bodies.joints[0], world, atol=0.01)


def test_who_is_named_is_believed_wherever_they_are():
    tracker = Tracker()
    first = tracker.update(people((0, 0, 3), (1, 0, 3)), 0)
    exchanged = replace(people((0, 0, 3), (1, 0, 3)), track_id=first.track_id[::-1])
    assert tracker.update(exchanged, 66_000_000).track_id.tolist() == first.track_id[::-1].tolist()
    half = replace(people((0, 0, 3), (1, 0, 3)), track_id=np.array([0, first.track_id[0]]))
    # The other one is told by the place that is left.
    assert tracker.update(half, 133_000_000).track_id[1] == first.track_id[0]


def test_evidence_of_the_size_adds_up_over_frames_but_not_below_its_bias():
    tracker = Tracker()
    person = people((0, 0, 3))
    # The floor: 5 % taller, noisy, with a bias of 2 %.
    person.evidence[0, 1] = 0.05, 0.03, 0, 0.02, 0, 0, 0
    for n in range(31):
        bodies = tracker.update(person, n * FRAME)
    assert bodies.log_size[0] == pytest.approx(0.042, abs=0.003)
    # Noise shrinks to 0.03 sqrt(pi/2/9) = 0.0125, the bias does not: 0.0236 beside 0.05 unaided.
    assert bodies.size_sigma[0] == pytest.approx(0.0213, abs=0.001)
    assert bodies.scale_source[0] == 1
    assert_allclose(bodies.joints[0, PELVIS, 2], 3 * np.exp(bodies.log_size[0]), rtol=0.01)
    assert np.abs(bodies.velocity[0]).max() < 0.2  # growing is not walking
    person.evidence[0, 1] = np.nan
    for n in range(31, 61):
        bodies = tracker.update(person, n * FRAME)
    # Whose feet are hidden for two seconds keeps what is not of the pose, and what told of it.
    assert 0.022 < bodies.log_size[0] < 0.033
    assert bodies.scale_source[0] == 1


def test_everybody_can_be_nobody():
    tracker = Tracker()
    assert len(tracker.update(nobody(), 0)) == 0
    assert len(tracker.update(select(people((0, 0, 3)), []), FRAME)) == 0


# -- who is no longer shown, whose markers and frames must go -------------------------------------


def test_who_is_no_longer_shown_is_told_once():
    """Two walk, one is hidden: after half a second of prediction nobody shows him any more."""
    tracker, ended = Tracker(), []
    for n in range(20):
        tracker.update(people((0, 0, 3), (2, 0, 4)), n * FRAME)
        ended += tracker.ended
    assert ended == []
    told = []
    for n in range(20, 32):
        tracker.update(people((0, 0, 3)), n * FRAME)
        told.append(tracker.ended)
    # Unseen from 19 / 15 s on: 0.47 s later he is still predicted, 0.53 s later no longer.
    assert told == [()] * 7 + [(2,)] + [()] * 4


def test_after_a_reset_and_a_jump_of_the_clock_everybody_has_ended():
    tracker = Tracker()
    tracker.update(people((0, 0, 3), (2, 0, 4)), 100 * SECOND)
    tracker.update(people((0, 0, 3)), 50 * SECOND)
    assert tracker.ended == (1, 2)
    tracker.reset()
    assert tracker.ended == (3,)
    tracker.update(nobody(), 51 * SECOND)
    assert tracker.ended == ()


def test_what_is_known_of_somebody_is_the_same_wherever_the_camera_stands():
    """A size that is wrong moves people along the camera's rays, not along the map's."""
    place = np.eye(4)
    place[:3, 3] = 20.0, -7.0, 3.0
    here, there = Tracker(), Tracker()
    for n in range(6):
        seen = people((0.1 * n, 0, 3), (-1, 0, 4))
        at_origin = here.update(seen, n * FRAME)
        elsewhere = there.update(seen, n * FRAME, place)
    assert_allclose(elsewhere.joints, at_origin.joints + place[:3, 3], atol=1e-6)
    assert_allclose(elsewhere.velocity, at_origin.velocity, atol=1e-6)
    assert_allclose(elsewhere.covariance, at_origin.covariance, atol=1e-8)
    assert_allclose(elsewhere.velocity_covariance, at_origin.velocity_covariance, atol=1e-8)


def test_true_velocities_lie_in_their_ellipsoids():
    """Somebody walks and swings his arms before a network that errs as networks do.

    Of its errors' variance 0.06 is new in every image, 0.25 in a fifth of a second, and the rest
    stays (``python -m benchmarks.fit_noise``).
    """
    rng, tracker, fade = np.random.default_rng(2), Tracker(), np.exp(-FRAME / SECOND / 0.2)
    swing = np.zeros((34, 1))
    swing[[LEFT_WRIST, RIGHT_WRIST]] = [[0.15], [-0.15]]
    wobble, squared = rng.normal(size=(34, 3, 1)), []
    for n in range(150):
        t = n * FRAME / SECOND
        walks = np.array([0.3 * np.sin(t), 0, 3 + np.cos(t)])
        joints = standing(walks) + swing * [0, 0, np.sin(2 * np.pi * t)]
        speed = np.array([0.3 * np.cos(t), 0, -np.sin(t)])
        speed = speed + swing * [0, 0, 2 * np.pi * np.cos(2 * np.pi * t)]
        seen = measured([joints])
        root = np.linalg.cholesky(seen.covariance[0])
        wobble = fade * wobble + np.sqrt(1 - fade**2) * rng.normal(size=wobble.shape)
        noise = np.sqrt(0.25) * wobble + np.sqrt(0.06) * rng.normal(size=wobble.shape)
        shown = tracker.update(
            replace(seen, joints=seen.joints + (root @ noise)[..., 0]), n * FRAME
        )
        if n:
            off = (shown.velocity[0] - speed)[..., None]
            solved = np.linalg.solve(shown.velocity_covariance[0], off)
            squared.append((off.swapaxes(1, 2) @ solved)[..., 0, 0])
    assert np.mean(np.array(squared) < 7.815) > 0.9
    # Of 3 degrees of freedom: nobody here turns or starts as abruptly as hands can.
    assert 0.4 < np.mean(squared) / 3 < 1


def test_a_velocity_turns_with_its_covariance():
    """A frame whose x is our y, y our z and z our x: variances go along, and covariances."""
    place = np.eye(4)[[1, 2, 0, 3]]
    place[:3, 3] = 5, 6, 7
    before = replace(
        row(1), velocity_covariance=np.tile([[1, 4, 5], [4, 2, 6], [5, 6, 3.0]], (1, 34, 1, 1))
    )
    after = transform(before, place).velocity_covariance
    assert_allclose(after[0, 7], [[2, 6, 4], [6, 3, 5], [4, 5, 1]])


def test_who_may_be_larger_may_go_by_as_much_faster_past_a_camera_that_moves():
    """Somebody stands; in the last of five images the camera has gone on by a third of a metre."""
    spread = []
    for step in (0, 1 / 3):
        tracker, place = Tracker(), np.eye(4)
        for n in range(5):
            place[0, 3] = step if n == 4 else 0
            shown = tracker.update(people((-place[0, 3], 0, 3)), n * FRAME, place.copy())
        spread.append(shown.velocity_covariance[0, PELVIS, 0, 0])
    by_size = STEADY * shown.size_sigma[0] ** 2 * (step * SECOND / FRAME) ** 2
    assert spread[1] - spread[0] == pytest.approx(by_size, rel=0.1)


def test_a_joint_that_is_hidden_is_as_sure_as_it_was_and_of_no_pixel():
    tracker = Tracker()
    first = people((0, 0, 3))
    first.confidence[0, LEFT_WRIST] = 0.6
    tracker.update(first, 0)
    hidden = people((0, 0, 3))
    hidden.joints[0, LEFT_WRIST] = hidden.pixels[0, LEFT_WRIST] = np.nan
    hidden.confidence[0] = 0.8
    hidden.confidence[0, LEFT_WRIST] = 0
    shown = tracker.update(hidden, FRAME)
    assert np.isfinite(shown.joints[0, LEFT_WRIST]).all()  # it is predicted
    assert shown.confidence[0, LEFT_WRIST] == 0.6
    assert shown.confidence[0, PELVIS] == 0.8
    assert np.isnan(shown.pixels[0, LEFT_WRIST]).all()
    later = tracker.update(hidden, SECOND)  # where else would it end?
    assert np.isnan(later.joints[0, LEFT_WRIST]).all()
    assert later.confidence[0, LEFT_WRIST] == 0


def test_who_shows_no_pelvis_comes_back_to_the_middle_of_what_is_known():
    tracker = Tracker()
    half = people((0, 0, 3))
    half.joints[0, PELVIS] = np.nan
    known = np.isfinite(half.joints[0]).all(axis=1)
    for number in range(5):
        tracker.update(half, number * FRAME)
    gone = 4 * FRAME + SECOND
    tracker.update(nobody(), gone)
    # 1.3 m are possible in a second, from the middle: 8 cm above the pelvis.
    middle = half.joints[0, known].mean(axis=0)
    for away, same in ((1.25, True), (1.4, False)):
        again = people((away, 0, 3))
        again.joints[0, PELVIS] = np.nan
        back = copy.deepcopy(tracker).update(again, gone)
        assert abs(again.joints[0, known].mean(axis=0) - middle)[0] == pytest.approx(away)
        assert (back.track_id.tolist() == [1]) == same


def test_who_stands_where_a_depth_image_has_him_does_not_move_with_what_is_known_of_his_size():
    """Sizes that depths tell of swing with the pose, by 3 % here, and 9 cm along the ray.

    Joints are where their depths are, whatever the size.
    """
    tracker, still = Tracker(), people((0, 0, 3))
    for n in range(30):
        evidence = still.evidence.copy()
        evidence[0, SCALE_DEPTH] = 0
        evidence[0, SCALE_DEPTH, size.VALUE] = 0.03 * (-1) ** (n // 5)
        evidence[0, SCALE_DEPTH, [size.NOISE, size.BIAS]] = 0.01
        bodies = tracker.update(replace(still, evidence=evidence), n * SECOND // 15)
        if n:
            assert np.linalg.norm(bodies.velocity[0, PELVIS]) < 1e-6
    assert_allclose(bodies.joints[0], still.joints[0], atol=1e-6)
