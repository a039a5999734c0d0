"""2D networks of a user's own, proven on one that finds joints painted into the image."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose

from bodypose3d_ros.apps.cli import main
from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.depth import DepthImage
from bodypose3d_ros.body.floor import Floor
from bodypose3d_ros.body.people import SCALE_DEPTH, SCALE_GROUND, SCALE_NONE, Frame, Regions
from bodypose3d_ros.body.skeleton import INDEX, JOINTS
from bodypose3d_ros.engines import TensorInfo
from bodypose3d_ros.engines.onnxruntime import OnnxRuntimeEngine
from bodypose3d_ros.errors import InputError, ModelError, OutputError
from bodypose3d_ros.media.rig import place_of
from bodypose3d_ros.node import interface as topics
from bodypose3d_ros.node.diagnostics import WARN
from bodypose3d_ros.perception.crop import standardised
from bodypose3d_ros.perception.detection import Boxes
from bodypose3d_ros.perception.fusion.fusion import Fusion, View
from bodypose3d_ros.perception.lifting import lift
from bodypose3d_ros.perception.lifting.depth import DEEP
from bodypose3d_ros.perception.lifting.shape_model import FLAT
from bodypose3d_ros.perception.networks import Options, load_networks
from bodypose3d_ros.perception.pipeline import Pipeline
from bodypose3d_ros.perception.pose.simcc import (
    WEIGHTS,
    Settings,
    SimCC,
    check_contract,
    crops_of,
    decode,
)
from bodypose3d_ros.perception.tracking.tracker import Tracker
from node_alone import SECOND, STAMP
from people_made_up import roomy, standing
from tools.standin.contract import contract_network
from tools.standin.detectors import detector_network
from tools.standin.keypoints import simcc_network
from tools.standin.markers import paint

CAMERA = Camera(960, 720, np.array([[700.0, 0, 480], [0, 700, 360], [0, 0, 1]]))
BODY = [
    n for n, name in enumerate(JOINTS)
    if not any(part in name for part in ("toe", "heel", "knuckle", "tip"))
]  # fmt: skip
DERIVED = [INDEX[name] for name in ("pelvis", "torso", "neck")]


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    return {
        count: OnnxRuntimeEngine(simcc_network(folder / f"{count}.onnx", count), threads=2)
        for count in (17, 26, 133)
    }


def view(joints, camera=CAMERA, **known):
    image = np.zeros((camera.height, camera.width, 3), np.uint8)
    paint(image, joints, camera)
    return Frame(image, camera, stamp=0, **known)


def boxes(joints, camera=CAMERA):
    pixels = camera.project(joints)
    corners = np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1)
    return Boxes(corners, np.ones(len(joints)))


def regions(joints, camera=CAMERA):
    return Regions.from_boxes(boxes(joints, camera).corners)


@pytest.mark.parametrize(("count", "given"), [(17, 20), (26, 26), (133, 34)])
def test_keypoints_come_out_where_they_were_painted(networks, count, given):
    """Two people in one batch; what the network has of the 34 joints, to half a crop's pixel."""
    joints = np.stack([roomy(1, (-0.8, 0.0, 3.0)), roomy(2, (0.8, 0.1, 3.5))])
    found = SimCC(networks[count]).estimate(view(joints), regions(joints))
    known = np.isfinite(found.pixels).all(axis=2)
    assert (known.sum(axis=1) == given).all()
    assert (known == (found.confidence > 0)).all()
    assert (found.score > 0.8).all()
    # A crop's pixel is 2.2 of the image's here: 1.25 times a person of 450 pixels on 256.
    apart = np.linalg.norm(found.pixels - CAMERA.project(joints), axis=2)
    made_of_several = np.isin(np.arange(34), DERIVED)
    assert np.nanmax(apart[:, ~made_of_several]) < 2.2
    hips = CAMERA.project(joints)[:, [INDEX["left_hip"], INDEX["right_hip"]]].mean(axis=1)
    assert_allclose(found.pixels[:, INDEX["pelvis"]], hips, atol=2.2)


def test_the_region_that_follows_holds_the_person_as_a_box_does(networks):
    joints = roomy(1, (0.1, 0.0, 3.0))[None]
    found = SimCC(networks[133]).estimate(view(joints), regions(joints))
    assert_allclose(found.following.center, regions(joints).center, atol=3)
    assert_allclose(found.following.size.max(), 1.14 * regions(joints).size.max(), rtol=0.02)


def test_a_turned_region_is_turned_upright_for_the_network(networks):
    """Who lies with the head to the right has it on top of the crop, and back where it was."""
    engine = Listening(networks[17])
    lying = Regions(np.array([[480.0, 360]]), np.array([[150.0, 400]]),
                    np.array([np.pi / 2]), np.ones(1))  # fmt: skip
    image = np.zeros((720, 960, 3), np.uint8)
    cv2.circle(image, (660, 360), 12, (255, 255, 255), -1)
    engine.infer = lambda inputs: engine.heard.update(inputs) or {"simcc_x": x, "simcc_y": y}
    x, y = np.zeros((1, 17, 384)), np.zeros((1, 17, 512))
    x[..., 192] = y[..., 26] = 1  # crop (96, 13): 115 of 128 up from the middle
    found = SimCC(engine).estimate(Frame(image, CAMERA, 0), lying)
    row, column = np.argwhere(engine.heard["input"][0, 0] > 1).mean(axis=0)
    # 180 of 250 pixels of the image to the right of the middle: 92 of 128 up.
    assert_allclose([row, column], [128 - 92, 96], atol=2)
    assert_allclose(found.pixels[0, INDEX["nose"]], [480 + 250 * 115 / 128, 360], atol=2)


def test_what_is_outside_the_image_or_not_sure_is_unknown(networks):
    joints = roomy(3, (-1.9, 0.0, 2.8))[None]
    found = SimCC(networks[133]).estimate(view(joints), regions(joints))
    outside = CAMERA.project(joints)[..., 0] < -2
    assert 5 < outside.sum() < 30
    assert np.isnan(found.pixels[outside]).all()
    assert (found.confidence[outside] == 0).all()


def test_a_keypoint_that_the_network_claims_beyond_the_image_is_unknown(networks):
    """At the crop's left edge, which lies outside; the same in the middle is believed."""
    engine = Listening(networks[17])
    engine.infer = lambda _: {"simcc_x": x, "simcc_y": y}
    x, y = np.zeros((1, 17, 384)), np.zeros((1, 17, 512))
    y[0, :, 256] = 1
    x[0, ::2, 5] = x[0, 1::2, 192] = 1
    frame = view(np.zeros((0, 34, 3)))
    at_edge = Regions.from_boxes(np.array([[-60, 100, 80, 400.0]]))
    found = SimCC(engine).estimate(frame, at_edge)
    assert np.isnan(found.pixels[0, INDEX["nose"]]).all()  # keypoint 0
    assert found.confidence[0, INDEX["left_eye"]] == 1  # keypoint 1
    assert found.confidence[0, INDEX["pelvis"]] == 0  # of one of each


def test_decoding_is_the_highest_place_and_the_lower_value():
    x, y = np.zeros((1, 17, 384)), np.zeros((1, 17, 512))
    x[0, 3, 101], y[0, 3, 40] = 0.9, 0.6
    x[0, 4, 7], y[0, 4, 9] = 1.7, 1.2  # Gaussian labels leave the values free: above 1 is 1
    points, value = decode({"simcc_x": x, "simcc_y": y}, (192, 256))
    assert points[0, 3].tolist() == [50.5, 20]
    assert value[0, [3, 4, 5]].tolist() == [0.6, 1, 0]
    x[0, 0, 0] = np.nan
    with pytest.raises(OutputError, match="NaN"):
        decode({"simcc_x": x, "simcc_y": y}, (192, 256))


def test_the_input_is_rgb_less_imagenets_mean_over_its_deviation():
    crop = np.zeros((1, 2, 2, 3), np.uint8)
    crop[...] = 10, 20, 30  # B, G, R
    tensor = standardised(crop)
    expected = [(30 - 123.675) / 58.395, (20 - 116.28) / 57.12, (10 - 103.53) / 57.375]
    assert_allclose(tensor[0, :, 0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize(("channels", "first"), [("auto", 30), ("RGB", 30), ("BGR", 10)])
def test_colours_come_in_the_order_that_is_asked_for(networks, channels, first):
    engine = Listening(networks[17])
    image = np.zeros((720, 960, 3), np.uint8)
    image[...] = 10, 20, 30  # B, G, R
    SimCC(engine, Settings(channels=channels)).estimate(
        Frame(image, CAMERA, 0), Regions.from_boxes(np.array([[300, 200, 500, 500.0]]))
    )
    mean, std = (103.53, 57.375) if first == 10 else (123.675, 58.395)
    assert_allclose(engine.heard["input"][0, 0, 128, 96], (first - mean) / std, rtol=1e-5)


class Listening:
    """An engine that keeps what it was asked last."""

    def __init__(self, engine):
        self.inputs, self.outputs, self._engine = engine.inputs, engine.outputs, engine
        self.heard = {}

    def infer(self, inputs):
        self.heard = inputs
        return self._engine.infer(inputs)


@pytest.mark.parametrize(
    ("box", "crop"),
    [((100, 200), (187.5, 250)), ((300, 200), (375, 500)), ((0, 0), (1, 1))],
    ids=["upright", "lying", "empty"],
)
def test_the_crop_is_a_quarter_larger_and_of_the_networks_shape(box, crop):
    region = Regions(np.zeros((1, 2)), np.array([box], float), np.zeros(1), np.ones(1))
    assert_allclose(crops_of(region, (192, 256))[0], crop)


def test_keypoints_are_where_the_data_sets_have_them():
    """COCO-WholeBody: body, feet, 68 of the face, hands from 91 and 112, each from its wrist."""
    for side, foot, hand in (("left", 17, 91), ("right", 20, 112)):
        expected = {
            "big_toe": foot, "small_toe": foot + 1, "heel": foot + 2,
            "thumb_tip": hand + 4, "index_knuckle": hand + 5, "middle_tip": hand + 12,
            "pinky_knuckle": hand + 17,
        }  # fmt: skip
        for name, keypoint in expected.items():
            assert np.flatnonzero(WEIGHTS[133][INDEX[f"{side}_{name}"]]).tolist() == [keypoint]
    odd_is_left = {"eye": 1, "ear": 3, "shoulder": 5, "elbow": 7, "wrist": 9, "hip": 11, "knee": 13}
    for weights in WEIGHTS.values():
        for name, keypoint in {**odd_is_left, "ankle": 15}.items():
            for n, side in enumerate(("left", "right")):
                (found,) = np.flatnonzero(weights[INDEX[f"{side}_{name}"]])
                assert found == keypoint + n
    halpe = ("left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe", "left_heel",
             "right_heel")  # fmt: skip
    assert [np.flatnonzero(WEIGHTS[26][INDEX[name]])[0] for name in halpe] == list(range(20, 26))


def tensors(**changes):
    shapes = {"input": (None, 3, 256, 192), "simcc_x": (None, 17, 384), "simcc_y": (None, 17, 512)}
    shapes.update(changes)
    every = [
        TensorInfo(name, shape, np.dtype(np.float32)) for name, shape in shapes.items() if shape
    ]
    return tuple(every[:1]), tuple(every[1:])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"simcc_y": None}, "output simcc_y is missing"),
        ({"input": (None, 3, None, None)}, "free: export it for one size"),
        ({"input": (None, 256, 192, 3)}, "float32 of shape N, 3, height, width"),
        ({"input": (None, 3, 256)}, "float32 of shape N, 3, height, width"),
        ({"simcc_x": (None, 21, 384)}, r"keypoints \(17, 26, 133\)"),
        ({"simcc_x": (None, 17, 500)}, "500 places for a side of 192"),
        ({"simcc_x": (None, 133, 384)}, "different numbers of keypoints"),
    ],
)
def test_another_network_is_told_by_its_tensors(changes, told):
    (difference,) = check_contract(*tensors(**changes))
    with pytest.raises(AssertionError, match=told):
        raise AssertionError(difference)
    assert not check_contract(*tensors())


def test_half_precision_is_another_input():
    (image,), outputs = tensors()
    half = replace(image, dtype=np.dtype(np.float16))
    (difference,) = check_contract((half,), outputs)
    assert "float32 of shape N, 3, height, width" in difference


# -- metres ---------------------------------------------------------------------------------------


class Painted:
    """Finds nobody: where people are is told."""

    engine = None

    def areas(self, width, height):
        return np.array([(0, 0, width, height)], np.int64)

    def close(self):
        """There is nothing to give back."""


def placed(networks, joints, **known):
    """A moment of who stands there, tracked."""
    pipeline = Pipeline(SimCC(networks[17]), Painted(), Tracker())
    return pipeline(view(joints, **known), boxes(joints))


def test_with_nothing_besides_there_are_pixels_and_no_metres(networks):
    joints = roomy(1, (0.1, 0.0, 3.0))[None]
    bodies = placed(networks, joints)
    assert bodies.track_id.tolist() == [1]
    assert bodies.scale_source.tolist() == [SCALE_NONE]
    for unknown in (
        bodies.joints,
        bodies.covariance,
        bodies.velocity,
        bodies.velocity_covariance,
        bodies.size_sigma,
    ):
        assert np.isnan(unknown).all()
    assert np.isfinite(bodies.pixels[0, BODY]).all()
    assert (bodies.confidence[0, BODY] > 0.5).all()


def test_who_is_seen_without_metres_keeps_the_id_and_does_not_coast(networks):
    pipeline = Pipeline(SimCC(networks[17]), Painted(), Tracker())
    for n in range(6):
        joints = roomy(1, (0.1 + 0.05 * n, 0.0, 3.0))[None]
        bodies = pipeline(replace(view(joints), stamp=n * 50_000_000), boxes(joints))
        assert bodies.track_id.tolist() == [1]
    empty = replace(view(joints[:0]), stamp=300_000_000)
    assert not len(pipeline(empty, Boxes(np.zeros((0, 4)), np.zeros(0))))


@pytest.mark.parametrize(("pitch", "height"), [(0.0, 1.2), (15.0, 2.0)])
@pytest.mark.parametrize("stature", [0.9, 1.0, 1.1])
def test_feet_on_the_floor_tell_how_far_away_somebody_is(networks, pitch, height, stature):
    """People of any size, at 3.5 m: the guess of their size keeps a fifth of its weight."""
    turn = np.radians(pitch)
    down = np.array([[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]])
    level = stature * standing((0, 0, 0))
    level += (0.2, height - 0.1 - level[INDEX["left_ankle"], 1], 3.5)
    joints = (level @ down.T)[None]
    bodies = placed(networks, joints, floor=Floor.from_mounting(height, pitch))
    assert bodies.scale_source.tolist() == [SCALE_GROUND]
    off = bodies.joints[0] - joints[0]
    assert np.linalg.norm(off[INDEX["pelvis"]]) < 0.12  # a fifth of 15 % of 3.5 m, and some doubt
    squared = off[BODY, None] @ np.linalg.inv(bodies.covariance[0, BODY]) @ off[BODY, :, None]
    assert (squared < 7.81).mean() > 0.9


def test_a_depth_image_gives_each_joint_its_own_depth(networks):
    """Arms and feet before and behind the body's plane: the flat body is 20 cm wrong there."""
    joints = roomy(1, (0.1, 0.0, 3.0))[None]
    joints[0, [INDEX["left_wrist"], INDEX["left_elbow"]], :] *= (2.7 / 3.0, 2.85 / 3.0)[0]
    values = np.full((CAMERA.height, CAMERA.width), 6.0, np.float32)
    for (x, y), z in zip(CAMERA.project(joints[0]), joints[0, :, 2] - DEEP, strict=True):
        cv2.circle(values, (round(x), round(y)), 14, float(z), -1)
    depth = DepthImage(values, CAMERA)
    bodies = placed(networks, joints, depth=depth)
    assert bodies.scale_source.tolist() == [SCALE_DEPTH]
    off = np.linalg.norm(bodies.joints[0] - joints[0], axis=1)
    single = [joint for joint in BODY if joint not in DERIVED]
    assert np.median(off[single]) < 0.03
    assert off[INDEX["left_wrist"]] < 0.06


def test_two_cameras_are_a_triangulation(networks):
    """At right angles, three metres away: keypoints of half a crop's pixel cross to 2 cm."""
    joints = roomy(1, (0.0, 0.0, 3.0)) - (0, 0, 3)
    views = {}
    for name, (x, z, turn) in {"front": (0, -3, 0.0), "side": (-3, 0, np.pi / 2)}.items():
        place = place_of([x, 0, z], [0, np.sin(turn / 2), 0, np.cos(turn / 2)])
        own = (joints - place[:3, 3]) @ place[:3, :3]
        frame = view(own[None], place=place)
        found = SimCC(networks[17]).estimate(frame, regions(own[None]))
        views[name] = View.of(frame, lift(found, CAMERA, FLAT))
    bodies = Fusion(Tracker).update(views, 0)
    assert len(bodies) == 1
    off = np.linalg.norm(bodies.joints[0] - joints, axis=1)
    single = [joint for joint in BODY if joint not in DERIVED]
    assert off[single].mean() < 0.02
    assert off[single].max() < 0.05


def test_the_node_sends_pixels_without_metres_and_says_what_they_need(alone, networks, clock):
    """Nobody is the nearest then; diagnostics warn."""
    clock.before("node.diagnostics")
    node = alone()
    node.info(camera=CAMERA)
    joints = roomy(1, (0.1, 0.0, 3.0))[None]
    pipeline = Pipeline(SimCC(networks[17]), Painted(), Tracker())
    node.pipeline.estimate = lambda frame, found: pipeline.estimate(frame, boxes(joints))
    for n in (1, 2):
        clock.seconds += 0.85
        node.image(view(joints).image, stamp=STAMP + n * SECOND // 20)
        (pose,) = node.wait(topics.POSES, n).poses
    assert pose.scale_source == SCALE_NONE
    wrist = pose.joints[INDEX["left_wrist"]]
    assert np.isnan([wrist.position.x, wrist.position.z, wrist.velocity.x]).all()
    assert wrist.position_covariance[0] == wrist.velocity_covariance[0] == -1
    assert np.isfinite([wrist.u, wrist.v]).all()
    assert wrist.confidence > 0.5
    assert not node.host.sent[topics.POSE]
    report = node.core.diagnose()
    assert report.level == WARN
    assert "metres without distance: the network gives pixels alone" in report.message


# -- as users meet it -----------------------------------------------------------------------------


def test_the_command_line_runs_a_file_of_ones_own_with_a_detector_of_ones_own(tmp_path):
    """YOLOX finds the green person, SimCC the joints painted on him, the floor the metres."""
    simcc_network(tmp_path / "pose.onnx", 133)
    detector_network(tmp_path / "find.onnx", "yolox")
    joints = standing((0.0, 0.0, 3.5))
    joints[:, 1] += 1.1 - joints[INDEX["left_ankle"], 1]
    frame = view(joints[None])
    low, high = CAMERA.project(joints).min(axis=0), CAMERA.project(joints).max(axis=0)
    frame.image[...] = np.where(frame.image.any(axis=2, keepdims=True), frame.image, 0)
    for at in (low, high):  # two corners of him, green
        cv2.rectangle(frame.image, np.int32(at - 4).tolist(), np.int32(at + 4).tolist(),
                      (0, 255, 0), -1)  # fmt: skip
    cv2.imwrite(str(tmp_path / "picture.png"), frame.image)
    answer = CliRunner().invoke(
        main,
        ["estimate", str(tmp_path / "picture.png"), "--hfov", "68.88", "--camera-height", "1.2",
         "--model", "simcc", "--model-file", str(tmp_path / "pose.onnx"), "--detector", "yolox",
         "--detector-model", str(tmp_path / "find.onnx"), "--out", str(tmp_path / "out")],
    )  # fmt: skip
    assert answer.exit_code == 0, answer.output
    line = json.loads((tmp_path / "out" / "poses.jsonl").read_text())
    (person,) = line["people"]
    assert person["scale_source"] == "ground"
    pelvis = np.array(person["joints"][INDEX["pelvis"]])
    assert np.linalg.norm(pelvis - joints[INDEX["pelvis"]]) < 0.1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"model": "simcc"}, "model_file: name the ONNX file of the model simcc"),
        ({"model": "auto", "model_file": "a.onnx"}, "not with the model auto"),
        ({"model": "b.onnx", "model_file": "a.onnx"}, "not with the model b.onnx"),
        ({"detector": "yolox"}, "detector_model: name the ONNX file of the yolox"),
        ({"detector_model": "a.onnx"}, "name the kind of detector_model, one of yolox, rtmdet"),
    ],
)
def test_a_file_without_its_kind_and_a_kind_without_its_file_are_refused(options, told):
    with pytest.raises(InputError, match=told):
        load_networks(Options().changed(options))


def test_another_network_is_refused_with_what_differs(tmp_path):
    contract_network(tmp_path / "other.onnx")
    with pytest.raises(ModelError, match="not a SimCC network: it has 5 inputs"):
        load_networks(Options("simcc", model_file=str(tmp_path / "other.onnx")))


@pytest.mark.parametrize(
    ("value", "least", "known"),
    [(0.31, 0.3, True), (0.29, 0.3, False), (0.29, 0.2, True), (0.0, 0.0, False)],
)
def test_a_keypoint_is_known_from_the_least_confidence_on(networks, value, least, known):
    engine = Listening(networks[17])
    heights = np.zeros((1, 17, 384)), np.zeros((1, 17, 512))
    for axis in heights:
        axis[..., 100] = value
    engine.infer = lambda _: {"simcc_x": heights[0], "simcc_y": heights[1]}
    everywhere = Regions.from_boxes(np.array([[100, 100, 300, 400.0]]))
    frame = view(np.zeros((0, 34, 3)))
    found = SimCC(engine, Settings(min_confidence=least)).estimate(frame, everywhere)
    assert np.isfinite(found.pixels[0, INDEX["nose"]]).all() == known
    assert found.confidence[0, INDEX["nose"]] == (value if known else 0)
