"""Recordings smoothed: what comes after tells, as much as theory says, and invents nothing."""

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from bodypose3d_ros.apps.estimate import Estimation
from bodypose3d_ros.apps.fuse import FusedFiles
from bodypose3d_ros.body.people import STATE_COASTING, Bodies, Frame, select
from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.errors import InputError
from bodypose3d_ros.media.outputs import result
from bodypose3d_ros.media.recording import Item
from bodypose3d_ros.media.sources import Source
from bodypose3d_ros.perception.fusion.fusion import Fusion
from bodypose3d_ros.perception.tracking import filter as kalman
from bodypose3d_ros.perception.tracking.smoothing import LAG, Smoother, smoothed, stated
from bodypose3d_ros.perception.tracking.tracker import Tracker
from bodypose3d_ros.perception.tracking.tracks import Step
from bodypose3d_ros.perception.tracking.viewpoint import Now
from people_made_up import CAMERA, measured, people, row, standing

SECOND = 1_000_000_000
FRAME = SECOND // 15
PELVIS, WRIST = INDEX["pelvis"], INDEX["left_wrist"]
OBSERVED = np.hstack([np.eye(3), np.zeros((3, 3)), np.eye(3)])
"""Position and wobble are what is seen."""


def filtered(seen, covariance):
    """The steps of a filter that sees (S, T, 34, 3) joints with a covariance, at 15 Hz."""
    count = seen.shape[1]
    every = np.broadcast_to(covariance, (count, 34, 3, 3))
    nobody = np.zeros((count, 34), bool)
    motion = kalman.start(seen[0], every)
    unknown = replace(motion, mean=np.full_like(motion.mean, np.nan))
    steps = [step_of(0, unknown, motion)]
    for number, joints in enumerate(seen[1:], 1):
        expected = kalman.predict(motion, FRAME / SECOND, nobody)
        motion = kalman.update(expected, joints, every)
        steps.append(step_of(number, expected, motion))
    return steps


def step_of(number, expected, motion):
    now = Now(number * FRAME, np.zeros(3), np.zeros(3))
    count = len(motion)
    return Step(now, np.arange(1, count + 1, dtype=np.uint32), np.zeros(count), expected, motion)


def at_once(steps, seen, covariance, joint):
    """Mean (S, 9) and covariance (S, 9, 9) of all states of a joint, by one least squares."""
    first = steps[0].motion
    size = len(steps)
    information, vector = np.zeros((9 * size, 9 * size)), np.zeros(9 * size)
    own = [slice(9 * n, 9 * n + 9) for n in range(size)]
    inverse = np.linalg.inv(first.covariance[0, joint])
    information[own[0], own[0]] += inverse
    vector[own[0]] += inverse @ first.mean[0, joint]
    onward = kalman.transition(FRAME / SECOND)
    for n in range(1, size):
        before = steps[n - 1].motion.covariance[0, joint]
        moved = np.zeros((9, 9 * size))
        moved[:, own[n]], moved[:, own[n - 1]] = np.eye(9), -onward
        noise = steps[n].expected.covariance[0, joint] - onward @ before @ onward.T
        information += moved.T @ np.linalg.inv(noise) @ moved
        white = np.linalg.inv(kalman.WHITE * covariance)
        information[own[n], own[n]] += OBSERVED.T @ white @ OBSERVED
        vector[own[n]] += OBSERVED.T @ white @ seen[n, 0, joint]
    spread = np.linalg.inv(information)
    mean = spread @ vector
    return mean.reshape(size, 9), np.stack([spread[each, each] for each in own])


@pytest.mark.parametrize("joint", [PELVIS, WRIST])
def test_it_is_what_one_least_squares_over_all_images_gives(joint):
    """Backwards step by step, or all states solved for at once: the same to rounding."""
    rng = np.random.default_rng(3)
    root = rng.normal(0, 0.03, (3, 3))
    covariance = root @ root.T + 1e-3 * np.eye(3)
    ways = np.cumsum(rng.normal(0, 0.02, (8, 1, 1, 3)), axis=0)
    seen = standing() + ways + rng.normal(0, 0.01, (8, 1, 34, 3))
    steps = filtered(seen, covariance)
    mean, spread = at_once(steps, seen, covariance, joint)
    for n, told in enumerate(smoothed(steps)):
        assert_allclose(told.mean[0, joint], mean[n], atol=1e-6)
        assert_allclose(told.covariance[0, joint], spread[n], atol=1e-8)


def test_of_who_moves_as_the_filter_has_it_errors_are_as_much_less_as_it_says(monkeypatch):
    """A hundred people, drawn from the filter's own model: 3400 joints, so that 0.1 is 2 sigma.

    The stated covariances hold (normalised error squared 3, of 3 degrees of freedom), and in the
    middle of 3 s the velocity's variance is half of the filter's and less.
    """
    monkeypatch.setattr(kalman, "CALM", 1.0)
    monkeypatch.setattr(kalman, "WILD", np.ones(34))
    rng = np.random.default_rng(0)
    shape, spread = (100, 34, 3), 0.05**2
    seconds = FRAME / SECOND
    decay = np.exp(-seconds / kalman.PERSISTENCE)
    jerk = np.linalg.cholesky(kalman._accelerated(seconds))
    density = np.sqrt(kalman.ACCELERATION)[:, None]
    position, velocity = np.zeros(shape), rng.normal(0, kalman.START_SPEED, shape)
    wobble = rng.normal(0, np.sqrt(kalman.WOBBLE * spread), shape)
    truth, seen = [], []
    for _ in range(45):
        truth.append(velocity)
        white = rng.normal(0, np.sqrt(kalman.WHITE * spread), shape)
        seen.append(position + wobble + white)
        one, two = density * rng.normal(0, 1, (2, *shape))
        position = position + seconds * velocity + jerk[0, 0] * one
        velocity = velocity + jerk[1, 0] * one + jerk[1, 1] * two
        fresh = rng.normal(0, np.sqrt((1 - decay**2) * kalman.WOBBLE * spread), shape)
        wobble = decay * wobble + fresh
    steps = filtered(np.array(seen), spread * np.eye(3))
    middle = 22
    found, said = {}, {}
    for name, motion in (("filter", steps[middle].motion), ("smoothed", smoothed(steps)[middle])):
        off, covariance = motion.velocity - truth[middle], motion.covariance[..., 3:6, 3:6]
        squared = np.einsum("tjx,tjxy,tjy->tj", off, np.linalg.inv(covariance), off)
        assert squared.mean() == pytest.approx(3, abs=0.1), name
        found[name] = (off**2).sum(axis=2).mean(axis=0)
        said[name] = np.einsum("tjxx->j", covariance) / shape[0]
    assert_allclose(found["smoothed"], said["smoothed"], rtol=0.4)  # 300 numbers a joint
    assert (said["smoothed"] < 0.5 * said["filter"]).all()
    assert (found["smoothed"] / found["filter"]).mean() < 0.5


def walk(count=40, hidden=range(0)):
    """A person's bodies and steps, walking to the right and then, from half way on, away."""
    tracker, told = Tracker(), []
    for n in range(count):
        bodies = people() if n in hidden else people(where(n, count))
        told.append((tracker.update(bodies, n * FRAME), tracker.step))
    return told


def where(n, count=40):
    turn, step = count / 2, FRAME / SECOND
    return min(n, turn) * step - 0.7, 0.0, 3 + max(n - turn, 0) * step


def test_who_is_hidden_for_a_moment_went_between_where_he_went_and_where_he_came():
    """A third of a second in which he turns: the filter walks on, 19 cm off at the end.

    Smoothed he cuts the corner, which is 14 cm from the straight way between where he was seen.
    """
    hidden = range(18, 23)
    told = walk(hidden=hidden)
    motions = smoothed([step for _, step in told])
    off = {"filter": [], "smoothed": []}
    for n in hidden:
        before, step = told[n]
        after = stated(before, step, motions[n])
        assert before.state.tolist() == after.state.tolist() == [STATE_COASTING]
        assert np.isnan(after.pixels).all()
        for name, bodies in (("filter", before), ("smoothed", after)):
            off[name].append(np.linalg.norm(bodies.joints[0, PELVIS] - where(n)))
        # Who is seen on both sides is less unsure than one who may have gone anywhere.
        assert np.trace(after.covariance[0, PELVIS]) < np.trace(before.covariance[0, PELVIS])
    assert off["filter"][-1] > 0.18
    assert off["smoothed"][-1] < 0.05
    assert max(off["smoothed"]) < 0.14


def test_nothing_unknown_becomes_known_and_nothing_measured_changes():
    told = walk()
    motions = smoothed([step for _, step in told])
    for number, (before, step) in enumerate(told):
        after = stated(before, step, motions[number])
        for name in ("pixels", "confidence", "score", "track_id", "state", "log_size"):
            assert_array_equal(getattr(after, name), getattr(before, name))
        for name in ("joints", "velocity", "covariance", "velocity_covariance"):
            unknown = np.isnan(getattr(before, name))
            assert_array_equal(np.isnan(getattr(after, name)), unknown)
    assert np.isnan(told[0][0].velocity).all()


def test_metres_that_are_held_back_stay_so():
    """Of keypoints alone the tracker guesses them, and they are published as unknown."""
    bodies, step = walk(3)[1]
    held = replace(bodies, joints=np.full_like(bodies.joints, np.nan))
    assert np.isnan(stated(held, step, step.motion).joints).all()


def test_who_is_seen_once_is_as_sure_as_he_was_measured():
    """What stays, what wobbles and what is new make up what was measured, each counted once."""
    tracker, seen = Tracker(), row(1)
    bodies = tracker.update(replace(seen, size_sigma=np.zeros(1)), 0)
    told = stated(bodies, tracker.step, *smoothed([tracker.step]))
    assert_allclose(told.covariance, seen.covariance, atol=1e-12)
    assert_allclose(told.joints, seen.joints)


def test_people_are_told_apart_in_whatever_order_and_whoever_is_left_out():
    tracker, given, smoother = Tracker(), [], Smoother()
    places = (-1, 0, 3), (1, 0, 4)
    for n, seen in enumerate([(), places, places[::-1], places]):
        bodies = tracker.update(people(*seen), n * FRAME)
        given.append(select(bodies, bodies.track_id == 2) if n == 3 else bodies)
        smoother.add(n, given[-1], tracker.step)
    told = [bodies for _, bodies in smoother.rest()]
    assert [bodies.track_id.tolist() for bodies in told] == [[], [1, 2], [2, 1], [2]]
    for bodies in told:
        there = [places[track - 1] for track in bodies.track_id]
        assert_allclose(bodies.joints[:, PELVIS], np.reshape(there, (-1, 3)), atol=0.01)


def test_a_joint_that_was_unknown_for_long_is_told_by_its_own_side_of_the_gap():
    """A hand that goes out of the image at one place and comes back at another."""
    tracker, steps = Tracker(), []
    for n in range(40):
        joints = standing()
        joints[WRIST] = joints[WRIST] + [0.5 * (n >= 30), 0, 0] if not 10 <= n < 30 else np.nan
        tracker.update(measured([joints]), n * FRAME)
        steps.append(tracker.step)
    told = smoothed(steps)
    rest = standing()[WRIST]
    assert_allclose(told[9].position[0, WRIST], rest, atol=0.01)
    assert np.isnan(told[25].position[0, WRIST]).all()
    assert_allclose(told[30].position[0, WRIST], rest + [0.5, 0, 0], atol=0.01)


def shaken(seconds, rate=30, seed=1):
    """Bodies and steps of somebody who sways, measured with errors of 3 cm."""
    rng, tracker = np.random.default_rng(seed), Tracker()
    for n in range(seconds * rate):
        joints = standing((0.3 * np.sin(2 * n / rate), 0, 3)) + rng.normal(0, 0.03, (34, 3))
        bodies = tracker.update(measured([joints]), n * SECOND // rate)
        yield bodies, tracker.step


def test_of_a_long_film_two_seconds_are_held_and_all_is_told_as_by_the_whole():
    """What comes more than a second after a moment moves it by less than a millimetre or two."""
    told, most, steps, smoother = [], 0, [], Smoother()
    for number, (bodies, step) in enumerate(shaken(10)):
        steps.append(step)
        told += smoother.add(number, bodies, step)
        most = max(most, number + 1 - len(told))
    told += smoother.rest()
    assert smoother.rest() == []
    assert [number for number, _ in told] == list(range(300))
    assert most == 2 * LAG * 30
    whole = smoothed(steps)
    position, velocity = (
        np.array([getattr(bodies, name)[0, PELVIS] - getattr(motion, of)[0, PELVIS]
                  for (_, bodies), motion in zip(told[1:], whole[1:], strict=True)])
        for name, of in (("joints", "position"), ("velocity", "velocity"))
    )  # fmt: skip
    assert np.linalg.norm(position, axis=1).max() < 0.002
    assert np.linalg.norm(velocity, axis=1).max() < 0.02


def test_who_stands_trembles_less():
    """RMS of the pelvis' velocity, which is 0: half of the filter's at most, as of who moves."""
    rng, tracker, smoother = np.random.default_rng(2), Tracker(), Smoother()
    before, after = [], []
    for n in range(150):
        joints = standing() + rng.normal(0, 0.02, (1, 3)) + rng.normal(0, 0.02, (34, 3))
        bodies = tracker.update(measured([joints]), n * SECOND // 30)
        before.append(bodies)
        after += [told for _, told in smoother.add(n, bodies, tracker.step)]
    speeds = (
        np.sqrt(np.mean([each.velocity[0, PELVIS] ** 2 for each in bodies[15:90]]))
        for bodies in (before, after)
    )
    filters, ours = speeds
    assert ours < filters / 2


def test_when_the_clock_jumps_back_all_that_was_is_told_and_nobody_is_confused():
    tracker, smoother = Tracker(), Smoother()
    told = []
    for number, stamp in enumerate((100, 101, 102, 0, 1, 2)):
        bodies = tracker.update(people((0, 0, 3 + number)), stamp * FRAME)
        told.append(smoother.add(number, bodies, tracker.step))
    assert [[n for n, _ in each] for each in told] == [[], [], [], [0, 1, 2], [], []]
    ids = [bodies.track_id.tolist() for _, bodies in [*told[3], *smoother.rest()]]
    assert ids[:3] == [[1], [1], [1]] and ids[3] == [2]


def test_a_late_image_stays_as_it_was_measured_and_in_its_place():
    tracker, smoother = Tracker(), Smoother()
    given = []
    for stamp in (0, 1, 2, 1, 3):
        given.append(tracker.update(people((0.1 * stamp, 0, 3)), stamp * FRAME))
        smoother.add(len(given), given[-1], tracker.step)
        assert (tracker.step is None) == (len(given) == 4)
    told = smoother.rest()
    assert [number for number, _ in told] == [1, 2, 3, 4, 5]
    assert told[3][1] is given[3]
    assert not np.array_equal(told[1][1].joints, given[1].joints)


class Walks:
    """A pipeline that sees somebody walk, and shakes."""

    milliseconds, ended = {}, ()

    def __init__(self):
        self.tracker, self.rng = Tracker(), np.random.default_rng(5)

    def __call__(self, frame):
        at = (0.5 * frame.stamp / SECOND - 1, 0, 3)
        joints = standing(at) + self.rng.normal(0, 0.03, (34, 3))
        return self.tracker.update(measured([joints]), frame.stamp)

    @property
    def step(self):
        return self.tracker.step

    def reset(self):
        self.tracker.reset()


def lines(folder):
    return [json.loads(text) for text in (folder / "poses.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("cut", [False, True])
def test_every_frame_of_a_source_is_written_in_order_even_where_it_ends_early(tmp_path, cut):
    frames = [Frame(np.zeros((480, 640, 3), np.uint8), CAMERA, n * FRAME) for n in range(50)]

    def items():
        yield from map(Item, frames)
        if cut:
            raise InputError("cut off")

    written = {}
    for smooth in (False, True):
        names, shown = ["poses.jsonl", "poses.mcap", "summary.json", "o.mp4"], []
        outputs = result(tmp_path / str(smooth), names)
        with contextlib.closing(Estimation(Walks(), outputs, smooth=smooth)) as estimation:
            source = Source(Path("walk"), True, 50, 15.0, items)
            with pytest.raises(InputError) if cut else contextlib.nullcontext():
                estimation.run(source, "o.mp4", lambda frame, _, on=shown: on.append(frame.stamp))
        outputs.keep()
        written[smooth] = lines(tmp_path / str(smooth))
        assert shown == [frame.stamp for frame in frames]
        summary = json.loads((tmp_path / str(smooth) / "summary.json").read_text())
        assert (summary["smoothed"], summary["frames"]) == (smooth, 50)
    off = {}
    for smooth, of in written.items():
        assert [line["stamp"] for line in of] == [frame.stamp / SECOND for frame in frames]
        speeds = [line["people"][0]["velocities"][PELVIS] for line in of[1:]]
        off[smooth] = np.abs(np.array(speeds) - [0.5, 0, 0]).mean()
    assert off[True] < 0.6 * off[False]
    overlays = [(tmp_path / str(smooth) / "o.mp4").read_bytes() for smooth in (False, True)]
    assert overlays[0] == overlays[1]


def test_fused_people_are_written_with_who_saw_them_then(tmp_path):
    outputs = result(tmp_path, ["poses.jsonl", "poses.mcap", "summary.json"])
    files, fusion = FusedFiles("hall", [], outputs, smooth=True), Fusion(Tracker)
    for number in range(40):
        unseen = replace(row(1), pixels=np.full((1, 34, 2), np.nan))
        bodies = fusion.tracker.update(unseen, number * FRAME)
        fusion.seen_by = {1: (f"cam{number}",)}
        files.write(number * FRAME, {}, bodies, fusion)
    files.close({})
    outputs.keep()
    seen = [line["people"][0]["seen_by"] for line in lines(tmp_path)]
    assert seen == [[f"cam{number}"] for number in range(40)]
    assert json.loads((tmp_path / "summary.json").read_text())["smoothed"] is True


def test_nobody_at_all_is_smoothed_to_nobody():
    smoother, tracker = Smoother(), Tracker()
    for number in range(3):
        smoother.add(number, tracker.update(people(), number * FRAME), tracker.step)
    assert [len(bodies) for _, bodies in smoother.rest()] == [0, 0, 0]
    assert Smoother().rest() == []
    assert len(stated(Bodies.none(), tracker.step, tracker.step.motion)) == 0
