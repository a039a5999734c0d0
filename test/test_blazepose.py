"""What is made of the landmark network's answers: which joints are known, and where."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.people import Frame, Regions
from bodypose3d_ros.body.skeleton import INDEX, MIRRORED
from bodypose3d_ros.engines import TensorInfo
from bodypose3d_ros.errors import OutputError
from bodypose3d_ros.perception.lifting.shape_model import ShapeModel
from bodypose3d_ros.perception.networks import NETWORKS
from bodypose3d_ros.perception.pose.blazepose import BlazePose, check_contract
from bodypose3d_ros.perception.pose.second_look import look_in_mirror

NOSE, LEFT_HIP, RIGHT_HIP, LEFT_KNEE, RIGHT_KNEE = 0, 23, 24, 25, 26
SCALE = 1.18 * 200 / 256
"""Pixels of the image to one of the crop, of a region 200 wide."""
"""BlazePose's own numbers."""


class Answering:
    """The landmark network, with landmarks in the middle of the crop unless told otherwise."""

    inputs = (TensorInfo("input", (None, 3, 256, 256), np.dtype(np.float32)),)

    def __init__(self):
        self.landmarks = np.tile([128.0, 128, 0, 9, 9], (39, 1))
        self.landmarks[34, 1] = 28  # the person's up
        self.world = np.tile([0.1, -0.2, 0.3], 39)

    def infer(self, inputs):
        self.crops = inputs["input"]
        count = len(self.crops)
        return {
            "landmarks": np.tile(self.landmarks.reshape(1, 195), (count, 1)).astype(np.float32),
            "presence": np.full((count, 1), 0.9, np.float32),
            "heatmap": np.full((count, 39, 64, 64), -20, np.float32),
            "world": np.tile(self.world, (count, 1)).astype(np.float32),
        }


@pytest.fixture
def network():
    return Answering()


def person(rotation=0.0, center=(320.0, 240.0)):
    frame = Frame(np.zeros((480, 640, 3), np.uint8), Camera.from_hfov(640, 480, 60), 0)
    region = Regions(np.array([center]), np.full((1, 2), 200.0), np.array([rotation]), np.ones(1))
    return frame, region


def look(network, rotation=0.0, center=(320.0, 240.0)):
    return BlazePose(network).estimate(*person(rotation, center))


def logit(probability):
    return np.log(probability / (1 - probability))


def test_a_joint_is_known_from_a_presence_of_one_half(network):
    network.landmarks[NOSE, 4] = logit(0.51)
    assert look(network).confidence[0, INDEX["nose"]] > 0.9
    network.landmarks[NOSE, 4] = logit(0.49)
    seen = look(network)
    assert seen.confidence[0, INDEX["nose"]] == 0
    assert np.isnan(seen.pixels[0, INDEX["nose"]]).all()
    assert np.isnan(seen.world[0, INDEX["nose"]]).all()


def test_a_joint_made_of_several_landmarks_is_as_sure_as_the_least_of_them(network):
    network.landmarks[LEFT_HIP, 3] = logit(0.6)
    network.landmarks[RIGHT_HIP, 3] = logit(0.8)
    assert_allclose(look(network).confidence[0, INDEX["pelvis"]], 0.6, atol=1e-6)
    network.landmarks[RIGHT_HIP, 4] = logit(0.3)
    assert look(network).confidence[0, INDEX["pelvis"]] == 0


def test_joints_in_the_image_to_its_last_pixel_are_known_and_beyond_it_not(network):
    # A crop of 250 pixels about the image's right edge: 256 of the network's are 250 of the image.
    for beyond, known in ((-0.6, True), (-0.4, False)):
        network.landmarks[NOSE, 0] = 128 + beyond * 256 / 250
        seen = look(network, center=(640.0, 240.0))
        assert (seen.confidence[0, INDEX["nose"]] > 0) == known


def test_joints_in_the_image_from_its_first_pixel_on_are_known(network):
    """Pixels are squares about whole numbers: the image begins half a pixel before the first."""
    for axis, center in ((0, (0.0, 240.0)), (1, (320.0, 0.0))):
        for before, known in ((-0.4, True), (-0.6, False)):
            network.landmarks[NOSE] = 128, 128, 0, 9, 9
            network.landmarks[NOSE, axis] += before * 256 / 250
            assert (look(network, center=center).confidence[0, INDEX["nose"]] > 0) == known


def test_small_toes_and_middle_fingertips_are_never_known(network):
    seen = look(network)
    unknown = {n for n, i in INDEX.items() if seen.confidence[0, i] == 0}
    assert unknown == {f"{side}_{name}" for side in ("left", "right")
                       for name in ("small_toe", "middle_tip")}  # fmt: skip


def test_a_turned_crop_is_turned_back(network):
    """A quarter clockwise: the crop's up is the image's right, for pixels and for metres."""
    network.landmarks[NOSE, :2] = (128, 28)
    seen = look(network, rotation=np.pi / 2)
    assert_allclose(seen.pixels[0, INDEX["nose"]], [320 + 100 * SCALE, 240], atol=1e-6)
    assert_allclose(seen.world[0, INDEX["nose"]], [0.2, 0.1, 0.3], atol=1e-6)
    # Where to look next: the last two landmarks, whose up is the crop's up, too.
    assert_allclose(seen.following.rotation, [np.pi / 2], atol=1e-6)
    assert_allclose(seen.following.size, [[200 * SCALE] * 2], atol=1e-4)


def test_what_is_drawn_of_everybody_otherwise_than_from_a_mirror_is_taken_off(network):
    """Asked in a mirror, the network then draws the mirror image, in a turned crop, too."""
    own = np.zeros((34, 3))
    own[INDEX["left_knee"]], own[INDEX["right_knee"]] = (0.02, 0.04, 0.01), (0.02, -0.04, -0.01)
    upright = np.tile([0.0, 0.3, 0.1], (39, 1))
    upright[[LEFT_KNEE, RIGHT_KNEE], 0] = 0.2, -0.2
    upright[LEFT_KNEE] += own[INDEX["left_knee"]]
    upright[RIGHT_KNEE] += own[INDEX["right_knee"]]
    network.world = upright.ravel()
    for shape, same in ((ShapeModel(asymmetry=own), True), (ShapeModel(), False)):
        pose = BlazePose(network, shape)
        frame, region = person(rotation=0.3)
        seen, mirrored = pose.estimate(frame, region), look_in_mirror(pose, frame, region)
        assert np.allclose(mirrored.world, seen.world, atol=1e-6, equal_nan=True) == same


def test_networks_say_what_is_the_opposite_of_its_own_mirror_image():
    for network in NETWORKS.values():
        own = network.shape.asymmetry
        assert_allclose((own * (-1, 1, 1))[MIRRORED], -own, err_msg=network.name)


def test_the_crop_is_a_little_larger_than_the_region(network):
    seen = look(network)
    network.landmarks[NOSE, :2] = (256, 128)
    at_edge = look(network).pixels[0, INDEX["nose"]] - seen.pixels[0, INDEX["nose"]]
    assert_allclose(at_edge, [118, 0], atol=1e-6)
    assert network.crops.shape == (1, 3, 256, 256)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("presence", 1.02, "probabilities up to 1.02 "),
        ("presence", -0.02, "probabilities up to 0.02 "),
        ("world", 5.1, "joints 5.1 m from the hips"),
        ("world", -5.1, "joints 5.1 m from the hips"),
        ("landmarks", np.nan, "NaN or infinity in landmarks"),
        ("heatmap", -np.inf, "NaN or infinity in heatmap"),
    ],
)
def test_what_no_person_can_be_is_refused(network, name, value, says):
    """One wrong number is enough: where it comes from others come from, too."""
    infer = network.infer

    def broken(inputs):
        answer = infer(inputs)
        answer[name].flat[0] = value
        return answer

    network.infer = broken
    with pytest.raises(OutputError, match=re.escape(says)):
        look(network)


def tensors(**shapes):
    return tuple(TensorInfo(name, (None, *s), np.dtype(np.float32)) for name, s in shapes.items())


@pytest.mark.parametrize(
    ("last", "says"),
    [
        ({"heatmap": (39, 64, 64)}, []),
        ({"refined": (39, 2)}, []),
        ({"refined": (33, 2)}, ["refined is not of N, 39, 2"]),
        ({}, ["heatmap is missing"]),
    ],
)
def test_the_network_is_told_by_its_tensors_with_heatmaps_or_without(last, says):
    given = tensors(landmarks=(195,), presence=(1,), world=(117,), **last)
    assert check_contract(tensors(input=(3, 256, 256)), given) == says


def test_what_quantised_networks_round_to_is_no_nonsense(network):
    infer = network.infer
    network.infer = lambda inputs: {**infer(inputs), "presence": np.full((1, 1), 1.004, np.float32)}
    assert len(look(network)) == 1
