"""The 34 joints: one tree, and what is said of left and right holds."""

from numpy.testing import assert_allclose

from bodypose3d_ros.body.skeleton import (
    BLAZEPOSE_GIVEN,
    BLAZEPOSE_WEIGHTS,
    INDEX,
    JOINT_COUNT,
    JOINTS,
    LENGTH_LIMBS,
    MEAN_LENGTHS,
    NORMALISED_LENGTHS,
    PARENTS,
    SIDES,
)


def test_every_joint_hangs_from_the_pelvis():
    for joint in range(JOINT_COUNT):
        steps = 0
        while joint > 0:
            joint, steps = PARENTS[joint], steps + 1
            assert steps <= JOINT_COUNT
        assert joint == INDEX["pelvis"]


def test_a_joint_and_its_parent_are_never_on_opposite_sides():
    assert all(SIDES[j] * SIDES[PARENTS[j]] >= 0 for j in range(1, JOINT_COUNT))


def test_blazepose_gives_all_but_small_toes_and_middle_fingertips():
    missing = {name for name, given in zip(JOINTS, BLAZEPOSE_GIVEN, strict=True) if not given}
    assert missing == {f"{side}_{joint}" for side in ("left", "right")
                       for joint in ("small_toe", "middle_tip")}  # fmt: skip
    assert_allclose(BLAZEPOSE_WEIGHTS[BLAZEPOSE_GIVEN].sum(axis=1), 1)


def test_mean_lengths_are_the_normalised_ones_times_the_pelvis_neck_distance():
    # A mean of ratios is not the ratio of means: the published columns agree to 0.2 %.
    pelvis_neck = MEAN_LENGTHS[(LENGTH_LIMBS == (6, 0)).all(axis=1)][0]
    assert_allclose(MEAN_LENGTHS, NORMALISED_LENGTHS * pelvis_neck, rtol=2e-3)
