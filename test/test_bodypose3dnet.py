"""BodyPose3DNet, proven on a network with its tensors that finds joints painted into the image."""

import json

import cv2
import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose

from bodypose3d_ros.apps.cli import main
from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.people import SCALE_LIMBS, SCALE_NETWORK, Frame, Regions
from bodypose3d_ros.body.skeleton import INDEX, LENGTH_SLOTS, MEAN_LENGTHS, MEAN_STATURE
from bodypose3d_ros.engines import TensorInfo
from bodypose3d_ros.engines.onnxruntime import OnnxRuntimeEngine
from bodypose3d_ros.errors import InputError, ModelError, OutputError
from bodypose3d_ros.perception.crop import apply
from bodypose3d_ros.perception.detection import HipCircles
from bodypose3d_ros.perception.detection.blazepose import BlazePoseDetector
from bodypose3d_ros.perception.lifting import lift
from bodypose3d_ros.perception.lifting.shape_model import ShapeModel
from bodypose3d_ros.perception.networks import NETWORKS
from bodypose3d_ros.perception.pose.bodypose3dnet import (
    INPUTS,
    OUTPUTS,
    BodyPose3DNet,
    Settings,
    check_contract,
    crop_transforms,
    pinholes,
)
from people_made_up import roomy
from tools.standin.contract import contract_network
from tools.standin.markers import paint

SIZE = (1280, 960)
MATRIX = np.array([[900.0, 0, 640], [0, 900, 480], [0, 0, 1]])
PINHOLE = Camera(*SIZE, MATRIX)
LENS = Camera(*SIZE, MATRIX, "plumb_bob", [-0.25, 0.08, 0.001, -0.0007, 0])
FISHEYE = Camera(*SIZE, MATRIX * [[0.7], [0.7], [1]] + [[0, 0, 192], [0, 0, 144], [0, 0, 0]],
                 "equidistant", [-0.02, 0.003, 0.001, 0])  # fmt: skip
FOUR_PLACES = [(-2.4, 0.1, 5.0), (-0.8, 0.0, 4.8), (0.8, 0.1, 5.0), (2.4, 0.05, 4.9)]
MILLIMETRE = 1e-3


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "contract.onnx"
    return OnnxRuntimeEngine(contract_network(path), threads=2)


def view(joints, camera=PINHOLE):
    image = np.zeros((camera.height, camera.width, 3), np.uint8)
    paint(image, joints, camera)
    return Frame(image, camera, stamp=0)


def regions_of(joints, camera=PINHOLE):
    pixels = camera.project(joints)
    return Regions.from_boxes(np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1))


def people(places):
    return np.stack([roomy(seed, at) for seed, at in enumerate(places)])


def errors(bodies, joints):
    """(N, 34) metres between what came out and what is there."""
    return np.linalg.norm(bodies.joints - joints, axis=2)


# -- from an image to metres --------------------------------------------------------------------


@pytest.mark.parametrize("camera", [PINHOLE, LENS, FISHEYE], ids=["pinhole", "lens", "fisheye"])
def test_joints_come_out_where_they_were_painted(network, camera):
    """At 2 to 5 m, anywhere in the view: 34 of 34 joints, 5 mm of mean error at most."""
    mean_errors = []
    for at in [(0, 0, 2), (0.5, 0.05, 2.5), (-0.9, -0.1, 3), (1.2, 0.2, 4), (-1.5, 0.1, 5)]:
        joints = people([at])
        keypoints = BodyPose3DNet(network).estimate(
            view(joints, camera), regions_of(joints, camera)
        )
        bodies = lift(keypoints, camera)
        assert (bodies.scale_source == SCALE_LIMBS).all()
        mean_errors.append(errors(bodies, joints).mean())
    assert np.mean(mean_errors) < 5 * MILLIMETRE
    assert np.max(mean_errors) < 10 * MILLIMETRE


def test_four_people_in_one_batch(network):
    joints = people(FOUR_PLACES)
    bodies = lift(BodyPose3DNet(network).estimate(view(joints), regions_of(joints)), PINHOLE)
    assert errors(bodies, joints).mean() < 5 * MILLIMETRE


@pytest.mark.parametrize(
    ("camera", "tolerance"), [(PINHOLE, 5), (LENS, 25), (FISHEYE, 25)],
    ids=["pinhole", "lens", "fisheye"],
)  # fmt: skip
def test_the_networks_own_metres(network, camera, tolerance):
    """Through a lens the network sees a pinhole camera fitted to it, right to 0.5 % of depth."""
    joints = people(FOUR_PLACES)
    model = BodyPose3DNet(network, Settings(lift="network"))
    bodies = lift(model.estimate(view(joints, camera), regions_of(joints, camera)), camera)
    assert (bodies.scale_source == SCALE_NETWORK).all()
    assert errors(bodies, joints).mean() < tolerance * MILLIMETRE
    # Across the view the joints are as exact as the keypoints: each is on its own ray.
    assert_allclose(camera.project(bodies.joints), camera.project(joints), atol=0.5)


def test_what_is_known_of_its_bodies_is_what_is_told(network):
    shape = ShapeModel(size_factor=1.2)
    assert BodyPose3DNet(network, shape=shape).shape is shape
    assert NETWORKS["bodypose3dnet-accuracy"].factory(network, shape, {}).shape is shape


def test_a_fitted_pinhole_is_ten_times_nearer_to_the_lens_than_k():
    to_image = crop_transforms(regions_of(people(FOUR_PLACES), LENS))
    trunk = apply(to_image, np.tile([[96.0, 100], [96, 128], [110, 140]], (4, 1, 1)))
    rays = np.concatenate([trunk, np.ones((4, 3, 1))], axis=2) @ pinholes(LENS, to_image).transpose(
        0, 2, 1
    )
    fitted = np.abs(rays[..., :2] - LENS.rays(trunk)).max()
    assert fitted < np.abs(PINHOLE.rays(trunk) - LENS.rays(trunk)).max() / 10


def test_without_a_lens_the_network_gets_the_inverse_of_k():
    assert_allclose(pinholes(PINHOLE, np.tile(np.eye(3), (2, 1, 1))), [PINHOLE.k_inv] * 2)


def test_a_person_half_out_of_the_image_is_right_where_seen_and_unknown_elsewhere(network):
    joints = people([(-1.9, 0.0, 2.6)])
    pixels = PINHOLE.project(joints)
    inside = (pixels[..., 0] > 3) & (pixels[..., 0] < SIZE[0] - 4)
    assert 8 < inside.sum() < 30
    bodies = lift(BodyPose3DNet(network).estimate(view(joints), regions_of(joints)), PINHOLE)
    found = np.isfinite(bodies.joints).all(axis=2)
    outside = (pixels[..., 0] < -3) | (pixels[..., 0] > SIZE[0] + 2)
    assert found[inside].all()
    assert not found[outside].any()
    assert (bodies.confidence[outside] == 0).all()
    # Fewer limbs vote for the depth.
    assert errors(bodies, joints)[inside].mean() < 20 * MILLIMETRE


@pytest.mark.parametrize("mode", ["reference", "network"])
def test_a_taller_person_is_too_near_until_the_height_is_told(network, mode):
    joints = people([(0.2, 0.0, 3.0)]) * 1.1
    frame, regions = view(joints), regions_of(joints)
    unaware = BodyPose3DNet(network, Settings(lift=mode))
    assert errors(lift(unaware.estimate(frame, regions), PINHOLE), joints / 1.1).mean() < 0.005
    told = BodyPose3DNet(network, Settings(lift=mode, person_height=1.1 * MEAN_STATURE))
    assert errors(lift(told.estimate(frame, regions), PINHOLE), joints).mean() < 0.005


def test_where_to_look_next_holds_the_whole_person(network):
    joints = people(FOUR_PLACES)
    following = BodyPose3DNet(network).estimate(view(joints), regions_of(joints)).following
    pixels = PINHOLE.project(joints)
    low, high = following.center - following.size / 2, following.center + following.size / 2
    assert (low[:, None] < pixels).all()
    assert (pixels < high[:, None]).all()
    stature = np.ptp(pixels[..., 1], axis=1)
    assert (following.size[:, 1] < 1.3 * stature).all()


def test_nobody_to_look_at_and_nobody_there(network):
    model = BodyPose3DNet(network)
    empty = view(np.zeros((0, 34, 3)))
    assert len(model.estimate(empty, Regions.none())) == 0
    box = Regions.from_boxes(np.array([[100.0, 100, 300, 500]]))
    keypoints = model.estimate(empty, box)
    assert keypoints.score == 0
    assert np.isnan(keypoints.pixels).all()
    assert_allclose(keypoints.following.center, box.center)
    assert len(lift(keypoints, PINHOLE)) == 0


def test_a_network_of_one_person_a_run_is_run_for_each(tmp_path):
    one = OnnxRuntimeEngine(contract_network(tmp_path / "one.onnx", batch=1), threads=2)
    assert one.max_batch == 1
    joints = people(FOUR_PLACES)
    bodies = lift(BodyPose3DNet(one).estimate(view(joints), regions_of(joints)), PINHOLE)
    assert errors(bodies, joints).mean() < 5 * MILLIMETRE


# -- what goes in and what is made of what comes out --------------------------------------------


class Recorder:
    """An engine that keeps its inputs and gives the answers it is told."""

    inputs = tuple(TensorInfo(n, (None, *s), np.dtype(np.float32)) for n, s in INPUTS.items())
    outputs = tuple(TensorInfo(n, (None, *s), np.dtype(np.float32)) for n, s in OUTPUTS.items())
    max_batch = None
    description = "a recorder"

    def __init__(self, **answers):
        self.answers = answers

    def infer(self, inputs):
        self.seen = inputs
        count = len(inputs["input0"])
        zeros = {o.name: np.zeros(o.sizes(count), np.float32) for o in self.outputs}
        return {**zeros, **self.answers}

    def warm_up(self):
        pass

    def close(self):
        pass


def anybody(camera=PINHOLE):
    image = np.full((camera.height, camera.width, 3), (255, 51, 0), np.uint8)
    return Frame(image, camera, 0), Regions.from_boxes(np.array([[600.0, 300, 700, 500]]))


def test_the_crop_is_the_references():
    """100 x 200 about (650, 400): 1.25 times the longer side wide, a third more high."""
    (to_image,) = crop_transforms(anybody()[1])
    corners = apply(to_image[None], np.array([[[0.0, 0], [192, 256]]]))[0]
    assert_allclose(corners, [[525, 400 - 500 / 3], [775, 400 + 500 / 3]])


def test_a_turned_region_gets_the_upright_box_about_it():
    region = Regions(np.array([[650.0, 400]]), np.array([[200.0, 100]]), np.array([np.pi / 2]),
                     np.ones(1))  # fmt: skip
    assert_allclose(crop_transforms(region), crop_transforms(anybody()[1]))


def test_five_inputs_are_filled():
    recorder = Recorder()
    BodyPose3DNet(recorder).estimate(*anybody())
    assert {name: array.shape for name, array in recorder.seen.items()} == {
        name: (1, *shape) for name, shape in INPUTS.items()
    }
    assert {array.dtype for array in recorder.seen.values()} == {np.dtype(np.float32)}
    assert_allclose(recorder.seen["k_inv"][0], PINHOLE.k_inv, rtol=1e-6)
    assert_allclose(recorder.seen["t_form_inv"][0], crop_transforms(anybody()[1])[0], rtol=1e-6)
    millimetres = recorder.seen["mean_limb_lengths"][0]
    assert_allclose(millimetres[LENGTH_SLOTS], MEAN_LENGTHS * 1000, rtol=1e-6)
    assert np.count_nonzero(millimetres) == len(LENGTH_SLOTS)
    assert recorder.seen["scale_normalized_mean_limb_lengths"][0, 2] == 1  # pelvis to neck


@pytest.mark.parametrize(
    ("settings", "middle"),
    [
        (Settings(), (1, 0.2, 0)),
        (Settings(channels="RGB"), (0, 0.2, 1)),
        (Settings(value_low=-1.0), (1, -0.6, -1)),
    ],
)
def test_channels_and_values_are_as_set(settings, middle):
    recorder = Recorder()
    BodyPose3DNet(recorder, settings).estimate(*anybody())
    assert_allclose(recorder.seen["input0"][0, :, 128, 96], middle, atol=1e-6)


def test_past_the_border_the_crop_is_black():
    frame, _ = anybody()
    recorder = Recorder()
    at_corner = Regions.from_boxes(np.array([[-100.0, -200, 100, 200]]))
    BodyPose3DNet(recorder).estimate(frame, at_corner)
    assert (recorder.seen["input0"][0, :, :126, :94] == 0).all()
    assert_allclose(recorder.seen["input0"][0, 0, 130:, 98:], 1)


def test_joints_below_the_least_confidence_are_unknown():
    pose25d = np.ones((1, 34, 4), np.float32)
    pose25d[0, INDEX["nose"], 3] = 0.29
    pose25d[0, INDEX["neck"], 3] = 0.31
    keypoints = BodyPose3DNet(Recorder(pose25d=pose25d)).estimate(*anybody())
    assert keypoints.confidence[0, INDEX["nose"]] == 0
    assert np.isnan(keypoints.pixels[0, INDEX["nose"]]).all()
    assert_allclose(keypoints.confidence[0, INDEX["neck"]], 0.31)
    pose25d[..., 3] = 1.5  # it is a heatmap's height
    assert (BodyPose3DNet(Recorder(pose25d=pose25d)).estimate(*anybody()).confidence == 1).all()
    assert np.isfinite(keypoints.pixels[0, INDEX["neck"]]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(("output", "mode"), [("pose25d", "reference"), ("pose3d", "network")])
def test_nonsense_out_of_the_network_is_an_error_that_says_where(output, mode, value):
    wrong = np.zeros((1, *OUTPUTS[output]), np.float32)
    wrong[0, 3, 1] = value
    model = BodyPose3DNet(Recorder(**{output: wrong}), Settings(lift=mode))
    with pytest.raises(OutputError, match=rf"NaN or infinity in {output}: this image is left out"):
        model.estimate(*anybody())


# -- other networks -----------------------------------------------------------------------------


def test_the_contract_is_kept_by_the_contract_network(network):
    assert check_contract(network.inputs, network.outputs) == []


def test_what_differs_from_the_contract_is_said_tensor_by_tensor():
    recorder = Recorder()
    recorder.inputs = (
        TensorInfo("input0", (None, 3, 224, 224), np.dtype(np.float32)),
        *(tensor for tensor in Recorder.inputs if tensor.name not in ("input0", "k_inv")),
        TensorInfo("mask", (None, 1), np.dtype(np.float32)),
    )
    recorder.outputs = (
        TensorInfo("pose2d", (None, 34, 3), np.dtype(np.float16)),
        *Recorder.outputs[1:],
    )
    with pytest.raises(ModelError) as refused:
        BodyPose3DNet(recorder)
    assert str(refused.value) == (
        "the network is not BodyPose3DNet: "
        "input input0 has shape Nx3x224x224, not Nx3x256x192; input k_inv is missing; "
        "output pose2d is float16, not float32; input mask is not known. "
        "docs/models.md tells which tensors it must have, "
        "`bodypose3d engine info FILE` what else it may be"
    )


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"lift": "magic"}, "'magic' is not one of reference, network"),
        ({"channels": "GBR"}, "'GBR' is not one of auto, BGR, RGB"),
        ({"person_height": 170.0}, "170 is not between 0 and 2.7"),
        ({"person_height": 0.2}, "0.2 m is no person's height"),
        ({"min_confidence": -1.0}, "-1 is not between 0 and 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, says):
    with pytest.raises(InputError, match=says):
        Settings(**settings)


# -- in the programs ----------------------------------------------------------------------------


def find(monkeypatch, regions):
    """BlazePose's detector knows people, not their painted joints: tell it where they are."""
    found = HipCircles(
        regions.center, regions.size.max(axis=1) / 2, regions.rotation, regions.score
    )
    monkeypatch.setattr(BlazePoseDetector, "detect", lambda *_: found)


def test_estimate_drops_a_frame_of_nonsense_counts_it_and_says_so(tmp_path, monkeypatch, caplog):
    joints = people([(0.0, 0.0, 3.0)])
    find(monkeypatch, regions_of(joints))
    cv2.imwrite(str(tmp_path / "people.png"), view(joints).image)
    model = bad_network(tmp_path / "nan.onnx")
    answer = CliRunner().invoke(
        main,
        ["estimate", str(tmp_path / "people.png"), "--hfov", "70", "--model", str(model),
         "--out", str(tmp_path / "out")],
    )  # fmt: skip
    assert answer.exit_code == 0, answer.output
    assert "dropped frames: 1" in answer.output
    assert "people.png at 0.000 s: the network gave NaN or infinity in pose25d" in caplog.text
    assert (tmp_path / "out" / "poses.jsonl").read_text() == ""
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["dropped_frames"] == 1


@pytest.mark.parametrize("name", ["model.etlt", "model.tlt"])
def test_estimate_refuses_encrypted_files(tmp_path, name):
    (tmp_path / name).write_bytes(b"\0")
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((48, 64, 3), np.uint8))
    answer = CliRunner().invoke(
        main, ["estimate", str(tmp_path / "a.png"), "--hfov", "70", "--model", str(tmp_path / name)]
    )
    assert answer.exit_code == 4
    assert "encrypted" in answer.output


def bad_network(path):
    """The contract network with its keypoints multiplied by infinity."""
    model = onnx.load(contract_network(path))
    (end,) = (node for node in model.graph.node if "pose25d" in node.output)
    end.output[0] = "finite"
    infinity = onnx.numpy_helper.from_array(np.array(np.inf, np.float32), "infinity")
    model.graph.initializer.append(infinity)
    model.graph.node.append(onnx.helper.make_node("Mul", ["finite", "infinity"], ["pose25d"]))
    onnx.save(model, path)
    return path
