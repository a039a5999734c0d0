"""The accuracy report measures what it says."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from benchmarks import networks
from bodypose3d_ros.apps import accuracy
from bodypose3d_ros.apps.report import picture
from bodypose3d_ros.body.people import Bodies, select
from bodypose3d_ros.body.skeleton import INDEX, LIMB_JOINTS
from bodypose3d_ros.media import film

TWO = film.load("two_people")


def perfect(shown, frame, joints=None, ids=(1, 2)):
    there = np.flatnonzero((shown.visibility[frame] != film.ABSENT).any(axis=1))
    joints = shown.joints[frame][there] if joints is None else joints
    count = len(there)
    return Bodies(joints, shown.pixels[frame][there], np.ones((count, 34)), np.ones(count),
                  np.zeros(count, np.uint8), np.array(ids, np.uint32)[there],
                  np.ones(count, np.uint8), np.zeros((count, 34, 3)))  # fmt: skip


@pytest.fixture(scope="module")
def truth():
    return [perfect(TWO, frame) for frame in range(len(TWO))]


def measure(shown, estimates):
    return accuracy.measure(shown, dict(enumerate(estimates)))


def test_frames_that_were_dropped_are_not_counted(truth):
    every_third = {frame: truth[frame] for frame in range(0, len(TWO), 3)}
    measured = accuracy.measure(TWO, every_third)
    assert measured.frames == len(every_third)
    assert measured.found == measured.expected > 0
    assert measured.to_json()["limb_joints"]["pixels"] == 0


def test_the_truth_has_no_error(truth):
    figures = measure(TWO, truth).to_json()
    assert figures["detection_rate"] == 1
    assert figures["identity_switches"] == figures["invented"] == 0
    limbs = figures["limb_joints"]
    assert (limbs["pixels"], limbs["root_aligned_mm"], limbs["procrustes_mm"]) == (0, 0, 0)
    assert figures["root_mm"] == {"mean": 0, "p95": 0}


def test_a_shift_is_absolute_error_only(truth):
    moved = [replace(b, joints=b.joints + (0.03, 0, -0.04)) for b in truth]
    figures = measure(TWO, moved).to_json()
    assert figures["root_mm"]["mean"] == 50.0
    assert figures["axes_mm"]["x"]["mean"] == 30.0
    assert figures["axes_mm"]["z"]["mean"] == -40.0
    assert figures["limb_joints"]["root_aligned_mm"] == 0


def test_scale_and_rotation_are_forgiven_by_procrustes_only(truth):
    turn = Rotation.from_euler("y", 20, degrees=True)
    turned = [replace(b, joints=1.1 * turn.apply(b.joints.reshape(-1, 3)).reshape(-1, 34, 3))
              for b in truth]  # fmt: skip
    limbs = measure(TWO, turned).to_json()["limb_joints"]
    assert limbs["procrustes_mm"] < 0.01
    assert limbs["root_aligned_mm"] > 50


@pytest.mark.parametrize(("stated", "inside", "squared"), [(0.3, 0.95, 1), (0.15, 0.418, 4)])
def test_velocities_lie_in_their_ellipsoids_as_often_as_those_say(truth, stated, inside, squared):
    """Each is off by 0.3 m/s on each axis; of half of that ellipsoids of 95 % hold 42 %.

    P(chi-squared of 3 degrees of freedom < 7.815 / 4) = 0.418.
    """
    rng, moves = np.random.default_rng(4), np.gradient(TWO.joints, 1 / TWO.rate, axis=0)
    off = [
        replace(
            bodies,
            velocity=moves[frame, bodies.track_id - 1] + rng.normal(0, 0.3, bodies.joints.shape),
            velocity_covariance=np.tile(stated**2 * np.eye(3), (len(bodies), 34, 1, 1)),
        )
        for frame, bodies in enumerate(truth)
    ]
    promise = measure(TWO, off).to_json()["velocity_mps"]
    assert promise["covered_95"] == pytest.approx(inside, abs=0.02)
    assert promise["normalised_error"] == pytest.approx(squared, rel=0.05)


def test_an_error_is_found_in_its_joint_and_on_its_axis(truth):
    wrist = INDEX["left_wrist"]
    wrong = [replace(b, joints=b.joints + np.eye(34)[wrist][:, None] * (0, 0.1, 0)) for b in truth]
    figures = measure(TWO, wrong).to_json()
    assert figures["joints"]["left_wrist"]["root_aligned_mm"] == 100.0
    assert figures["joints"]["right_wrist"]["root_aligned_mm"] == 0
    assert_allclose(figures["limb_joints"]["root_aligned_mm"], 100 / len(LIMB_JOINTS), atol=0.5)


def test_ids_that_change_are_counted_once_each(truth):
    half = len(truth) // 2
    swapped = truth[:half] + [replace(b, track_id=b.track_id[::-1]) for b in truth[half:]]
    assert measure(TWO, swapped).switches == 2


def test_a_skeleton_that_lies_on_two_people_belongs_to_who_had_it_before(truth):
    apart = np.linalg.norm(TWO.pixels[:, 0] - TWO.pixels[:, 1], axis=2).mean(axis=1)
    crossing = int(apart.argmin())
    assert 0 < crossing < len(truth) - 1
    one = select(truth[crossing], truth[crossing].track_id == 1)
    disputed = replace(one, pixels=TWO.pixels[crossing, [1]])
    seen = [*truth[:crossing], disputed, *truth[crossing + 1 :]]
    assert measure(TWO, seen).switches == 0
    # It is not what it was matched with that decides, where that is another place.
    first = [replace(b, track_id=b.track_id[::-1]) for b in truth[:3]]
    assert measure(TWO, first + truth[3:]).switches == 2


def test_who_is_missed_and_who_is_invented_is_counted(truth):
    nobody = [replace(b, **{f: getattr(b, f)[:0] for f in vars(b) if f != "orientation"})
              for b in truth]  # fmt: skip
    figures = measure(TWO, nobody).to_json()
    assert figures["detection_rate"] == 0
    assert figures["root_mm"]["mean"] is None
    ghosts = [replace(b, pixels=b.pixels + 2000) for b in truth]
    assert measure(TWO, ghosts).invented == sum(len(b) for b in truth)


def test_what_a_network_alone_finds_is_left_out_where_networks_are_compared(truth):
    """Neither who was not found in an image by both, nor whose pelvis is not known."""
    without_her = [select(b, b.track_id == 1) if n < 20 else b for n, b in enumerate(truth)]
    all_of_it, part_of_it = (measure(TWO, estimates) for estimates in (truth, without_her))
    assert len(part_of_it.roots) < len(all_of_it.roots)
    common = networks.roots_of_all(all_of_it, [all_of_it, part_of_it])
    assert_allclose(common, part_of_it.roots)
    frames, people = part_of_it.root_moments.T
    assert set(people[frames < 20]) == {0}
    assert_allclose(part_of_it.roots[:, 0], TWO.joints[frames, people, INDEX["pelvis"]])


def test_unknown_joints_count_for_nothing(truth):
    partial = [replace(b, joints=np.where(np.arange(34)[:, None] == 4, np.nan, b.joints))
               for b in truth]  # fmt: skip
    figures = measure(TWO, partial).to_json()
    assert figures["joints"]["left_knee"]["root_aligned_mm"] is None
    assert figures["all_joints"]["root_aligned_mm"] == 0


def test_the_picture_is_drawn_even_of_nothing(truth):
    for estimates in (truth, []):
        image = picture(measure(TWO, estimates))
        assert image.shape == (868, 1280, 3)
        assert (cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) < 128).mean() > 0.005
