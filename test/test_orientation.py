"""Joint frames: x, y, z point to where the design says."""

import numpy as np
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from bodypose3d_ros.body.orientation import matrices, orientations
from bodypose3d_ros.body.skeleton import CHAINS, INDEX
from people_made_up import standing

# The made-up person faces the camera: forward is -z, the left is +x, up is -y.
FORWARD, LEFT, UP = (0, 0, -1), (1, 0, 0), (0, -1, 0)


def axes(joints, name):
    quaternion = orientations(joints[None])[0, INDEX[name]]
    return Rotation.from_quat(quaternion).as_matrix().T


def test_the_trunk_faces_forward_with_the_left_at_y_and_the_spine_at_z():
    for name in ("pelvis", "torso", "neck"):
        assert_allclose(axes(standing(), name), [FORWARD, LEFT, UP], atol=1e-12)


def test_every_limb_joint_points_along_its_bone():
    joints = standing()
    for joint, child in zip(CHAINS[:, :-1].ravel(), CHAINS[:, 1:].ravel(), strict=True):
        bone = joints[child] - joints[joint]
        x = Rotation.from_quat(orientations(joints[None])[0, joint]).as_matrix()[:, 0]
        assert_allclose(x, bone / np.linalg.norm(bone), atol=1e-9)


def test_a_leg_hanging_straight_down_keeps_the_bodys_left():
    joints = standing()
    joints[INDEX["left_knee"]] = joints[INDEX["left_hip"]] - 0.45 * np.array(UP)
    down = (0, 1, 0)
    assert_allclose(axes(joints, "left_hip"), [down, LEFT, FORWARD], atol=1e-12)


def test_end_joints_take_their_parents_frame():
    quaternions = orientations(standing()[None])[0]
    for end, parent in (("nose", "neck"), ("left_ear", "neck"), ("left_thumb_tip", "left_wrist"),
                        ("right_heel", "right_ankle")):  # fmt: skip
        assert_allclose(quaternions[INDEX[end]], quaternions[INDEX[parent]], atol=1e-12)


def test_frames_turn_with_the_person():
    turn = Rotation.from_euler("xyz", [0.3, -0.8, 1.1])
    joints = standing()
    before = Rotation.from_quat(orientations(joints[None])[0])
    after = Rotation.from_quat(orientations(turn.apply(joints)[None])[0])
    # Limbs turn the shortest way from the trunk's frame, which turns with the person.
    assert_allclose(((turn * before).inv() * after).magnitude(), 0, atol=1e-9)


def test_a_bone_straight_back_is_still_a_rotation():
    joints = standing()
    joints[INDEX["left_elbow"]] = joints[INDEX["left_shoulder"]] - 0.3 * np.array(FORWARD)
    frame = axes(joints, "left_shoulder")
    assert_allclose(frame @ frame.T, np.eye(3), atol=1e-12)
    assert_allclose(frame[0], -np.array(FORWARD), atol=1e-12)


def test_unknown_points_leave_the_parents_frame_and_nobody_breaks():
    joints = standing()
    joints[INDEX["left_ankle"]] = np.nan
    assert_allclose(axes(joints, "left_knee"), axes(joints, "left_hip"), atol=1e-12)
    nothing = np.full((1, 34, 3), np.nan)
    assert_allclose(orientations(nothing)[0], np.tile([0, 0, 0, 1], (34, 1)), atol=1e-12)
    assert orientations(np.zeros((0, 34, 3))).shape == (0, 34, 4)


def test_matrices_are_those_of_scipy():
    turns = Rotation.random(20, rng=1)
    assert_allclose(matrices(turns.as_quat()), turns.as_matrix(), atol=1e-12)
