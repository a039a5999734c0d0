"""What is made once, when the package is imported: tables by joint, declarations of settings.

Here it is made again, so that what went wrong at import is seen where tests are run in a process
that has imported the package already, as mutation tests are.
"""

from dataclasses import dataclass, fields

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bodypose3d_ros.body.skeleton import INDEX, JOINT_COUNT, JOINTS, MIRRORED, PARENTS, means_of
from bodypose3d_ros.engines import models
from bodypose3d_ros.perception import networks
from bodypose3d_ros.perception.lifting import depth, shape_model
from bodypose3d_ros.perception.pose import channels, least_confidence
from bodypose3d_ros.perception.settings import Setting, declared, setting
from bodypose3d_ros.perception.tracking import association


def test_a_value_by_joint_is_both_sides():
    names = {name.removeprefix("left_").removeprefix("right_") for name in JOINTS}
    values = {name: float(n) for n, name in enumerate(sorted(names))}
    table = shape_model._by_joint(**values)
    assert table.shape == (JOINT_COUNT,)
    assert table[INDEX["left_hip"]] == table[INDEX["right_hip"]] == values["hip"]
    assert table[INDEX["nose"]] == values["nose"]


def test_the_other_side_of_a_joint_and_of_what_has_none():
    other = {name: JOINTS[MIRRORED[n]] for n, name in enumerate(JOINTS)}
    assert other["left_big_toe"] == "right_big_toe"
    assert other["right_hip"] == "left_hip"
    assert other["neck"] == "neck"


def test_joints_lie_behind_their_skin_by_their_name_or_a_centimetre():
    assert depth._inside("left_knee") == depth._inside("right_knee") == 0.060
    assert depth._inside("pelvis") == 0.145
    assert depth._inside("nose") == depth._inside("left_thumb_tip") == 0.010


def test_limbs_are_carried_outwards_each_joint_once_after_what_carries_it():
    trunk, *steps = depth._outwards()
    carried = set(depth._TRUNK)
    assert set(trunk.tolist()) == carried
    for step in steps:
        assert not carried & set(step.tolist())
        assert {PARENTS[joint] for joint in step} <= carried
        carried |= set(step.tolist())
    assert carried == set(range(JOINT_COUNT))
    assert {INDEX["left_knee"], INDEX["right_elbow"]} <= set(steps[0].tolist())
    assert {INDEX["left_wrist"], INDEX["right_ankle"]} <= set(steps[1].tolist())


def test_what_a_network_swaps_at_once_is_of_its_parts_left_and_right():
    left, right = association._swapped("hip", "toe")
    assert [JOINTS[n] for n in left] == [n for n in JOINTS if n in (
        "left_hip", "left_big_toe", "left_small_toe")]  # fmt: skip
    assert [JOINTS[n] for n in right] == [JOINTS[n].replace("left", "right") for n in left]


def test_joints_are_keypoints_and_means_of_them():
    network = {"left_hip": 7, "right_hip": 2, "left_shoulder": 0, "right_shoulder": 5, "nose": 3}
    weights = means_of(network, 8)
    assert weights.shape == (34, 8)
    for name, keypoint in network.items():
        assert np.flatnonzero(weights[INDEX[name]]).tolist() == [keypoint]
        assert weights[INDEX[name], keypoint] == 1
    for name, means in (("pelvis", [2, 7]), ("neck", [0, 5]), ("torso", [0, 2, 5, 7])):
        assert np.flatnonzero(weights[INDEX[name]]).tolist() == means
        assert_allclose(weights[INDEX[name], means], 1 / len(means))
    assert not weights[[INDEX["right_heel"], INDEX["left_thumb_tip"]]].any()


def test_a_setting_is_declared_with_all_that_is_said_of_it():
    @dataclass(frozen=True)
    class Choices:
        rate: float = setting(
            2.0, "How often.", unit="Hz", minimum=1.0, maximum=3.0, read_only=True
        )
        colour: str = setting("red", "Which.", choices=("red", "blue"))
        other: int = 3

    assert declared(Choices) == (
        Setting("rate", 2.0, "How often.", "Hz", 1.0, 3.0, (), True),
        Setting("colour", "red", "Which.", "", None, None, ("red", "blue"), False),
    )
    assert Choices() == Choices(2.0, "red", 3)
    assert all(each.metadata["setting"].name == "" for each in fields(Choices)[:2])


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (
            channels,
            Setting(
                "",
                "auto",
                "The order of colours that a network's file was trained with; auto: BGR for "
                "BodyPose3DNet, RGB for SimCC.",
                choices=("auto", "BGR", "RGB"),
            ),
        ),
        (
            least_confidence,
            Setting(
                "",
                0.3,
                "Joints that BodyPose3DNet or SimCC is less sure of are unknown.",
                minimum=0.0,
                maximum=1.0,
            ),
        ),
    ],
)
def test_settings_that_networks_share(made, expected):
    about = made().metadata["setting"]
    assert about == expected
    assert type(about.read_only) is bool


def test_every_blazepose_is_made_alike():
    made = networks._of_blazepose(models.BLAZEPOSE_LITE, shape_model.FLAT)
    assert made == networks.Network(
        "blazepose-lite", networks._blazepose, shape_model.FLAT,
        declared(networks.blazepose.Settings), models.BLAZEPOSE_LITE, "landmarks.onnx",
    )  # fmt: skip
