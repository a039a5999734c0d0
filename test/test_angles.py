"""The angles of a body's joints, against the chains that they are said to turn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from bodypose3d_ros.body.angles import ANGLE_NAMES, angles
from bodypose3d_ros.body.orientation import orientations
from bodypose3d_ros.body.skeleton import INDEX
from people_made_up import standing

DOWN = np.array([0, 0, -1.0])
# human_description's human-tpl.xacro: axes in the order of the chain, for the left side; those
# marked are mirrored on the right.
MIRRORED = {"y_shoulder": "z-", "p_shoulder": "x", "r_shoulder": "z", "p_hip": "x"}
AXES = {"elbow": "y-", "y_hip": "z-", "r_hip": "y-", "knee": "y-",
        "r_head": "x", "y_head": "z", "p_head": "y-"}  # fmt: skip
ARM = ("y_shoulder", "p_shoulder", "r_shoulder", "elbow")
LEG = ("y_hip", "p_hip", "r_hip", "knee")


def turn(name, angle, sign=1):
    """The rotation of one revolute joint of the description."""
    axis = MIRRORED.get(name) or AXES[name]
    vector = np.eye(3)["xyz".index(axis[0])] * (-1 if axis.endswith("-") else 1)
    return Rotation.from_rotvec(vector * angle * (sign if name in MIRRORED else 1))


def chain(values, side, *names):
    """Rotations after each joint of a limb."""
    sign, rotation, found = {"l": 1, "r": -1}[side], Rotation.identity(), []
    for name in names:
        rotation = rotation * turn(name, values[f"{side}_{name}"], sign)
        found.append(rotation)
    return found


def body(seed=None):
    """(1, 34, 3) somebody, z up, limbs in random directions that joints can take."""
    joints = standing((0, 0, 0)) @ np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]]).T
    if seed is not None:
        random = np.random.default_rng(seed)
        for side, sign in (("left", 1), ("right", -1)):
            s = side[0]
            arm = random.uniform((-1.1, 0.3, -1.7, 0.3), (1.9, 2.8, 1.5, 2.5))
            leg = random.uniform((-0.1, -0.4, -0.4, -2.5), (0.6, 1.2, 0.7, -0.3))
            for names, values, near, middle, far in (
                (ARM, arm, "shoulder", "elbow", "wrist"),
                (LEG, leg, "hip", "knee", "ankle"),
            ):
                taken = {f"{s}_{name}": value for name, value in zip(names, values, strict=True)}
                *_, upper, lower = chain(taken, s, *names)
                at = [INDEX[f"{side}_{name}"] for name in (near, middle, far)]
                joints[at[1]] = joints[at[0]] + 0.3 * upper.apply(DOWN)
                joints[at[2]] = joints[at[1]] + 0.3 * lower.apply(DOWN)
            joints[INDEX[f"{side}_ear"], 2] += sign * random.uniform(-0.05, 0.05)
    return joints[None]


def of(joints):
    (found,) = angles(joints, orientations(joints))
    return dict(zip(ANGLE_NAMES, found, strict=True))


def direction(joints, near, far):
    bone = joints[0, INDEX[far]] - joints[0, INDEX[near]]
    return bone / np.linalg.norm(bone)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("side", "name"), [("l", "left"), ("r", "right")])
def test_the_chain_of_a_description_leads_where_the_limbs_are(seed, side, name):
    joints = body(seed)
    # Anywhere, turned anyhow.
    world = Rotation.random(random_state=seed)
    values = of(world.apply(joints[0])[None] + [1, 2, 3])
    *_, upper, lower = chain(values, side, *ARM)
    frame = Rotation.from_quat(orientations(joints)[0, INDEX["pelvis"]])
    for rotation, bone in (
        (upper, direction(joints, f"{name}_shoulder", f"{name}_elbow")),
        (lower, direction(joints, f"{name}_elbow", f"{name}_wrist")),
    ):
        assert_allclose(frame.apply(rotation.apply(DOWN)), bone, atol=1e-6)
    *_, upper, lower = chain(values, side, *LEG)
    for rotation, bone in (
        (upper, direction(joints, f"{name}_hip", f"{name}_knee")),
        (lower, direction(joints, f"{name}_knee", f"{name}_ankle")),
    ):
        assert_allclose(frame.apply(rotation.apply(DOWN)), bone, atol=1e-6)
    assert values[f"{side}_elbow"] >= 0
    assert values[f"{side}_knee"] <= 0


def test_the_head_is_turned_as_ears_and_nose_say():
    joints = body(3)
    values = of(joints)
    rotation = Rotation.identity()
    for name in ("r_head", "y_head", "p_head"):
        rotation = rotation * turn(name, values[name])
    frame = Rotation.from_quat(orientations(joints)[0, INDEX["pelvis"]]) * rotation
    ears = direction(joints, "right_ear", "left_ear")
    assert_allclose(frame.apply([0, 1, 0]), ears, atol=1e-9)
    middle = joints[0, [INDEX["left_ear"], INDEX["right_ear"]]].mean(axis=0)
    forward = joints[0, INDEX["nose"]] - middle
    forward -= ears * (forward @ ears)
    assert_allclose(frame.apply([1, 0, 0]), forward / np.linalg.norm(forward), atol=1e-9)


def test_limbs_that_hang_down_are_at_zero():
    joints = body()
    for side in ("left", "right"):
        for near, middle, far in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")):
            at = [INDEX[f"{side}_{name}"] for name in (near, middle, far)]
            joints[0, at[1]] = joints[0, at[0]] + 0.3 * DOWN
            joints[0, at[2]] = joints[0, at[1]] + 0.3 * DOWN
    values = of(joints)
    limbs = [value for name, value in values.items() if "head" not in name]
    assert_allclose(limbs, 0, atol=1e-9)


def test_an_unknown_wrist_costs_the_angles_that_hang_on_it():
    joints = body(1)
    joints[0, INDEX["left_wrist"]] = np.nan
    values = of(joints)
    assert np.isnan([values["l_r_shoulder"], values["l_elbow"]]).all()
    assert np.isfinite([values["l_p_shoulder"], values["r_elbow"], values["l_knee"]]).all()
    joints[0, INDEX["neck"]] = np.nan
    assert np.isnan(list(of(joints).values())).all()


def test_nobody_has_no_angles():
    assert angles(np.zeros((0, 34, 3)), np.zeros((0, 34, 4))).shape == (0, len(ANGLE_NAMES))
