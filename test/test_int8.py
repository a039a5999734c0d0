"""Networks in 8 bits: as near to the float ones as bytes allow, and never by an overflow."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bodypose3d_ros.engines import models
from bodypose3d_ros.engines import onnxruntime as engines
from bodypose3d_ros.engines.int8 import in_8_bits, read_ranges
from bodypose3d_ros.engines.onnxruntime import OnnxRuntimeEngine
from bodypose3d_ros.media import film
from bodypose3d_ros.perception.detection import HipCircles
from bodypose3d_ros.perception.pose import regions_of
from bodypose3d_ros.perception.pose.blazepose import BlazePose

RANGES = models.DATA / "blazepose_int8.json"


def two_layers(weights):
    """input -> first -> second, 1x1 convolutions of these weights (out, in)."""
    kernels = [numpy_helper.from_array(weights[:, :, None, None], n) for n in ("w1", "w2")]
    nodes = [
        helper.make_node("Conv", ["input", "w1"], ["first"], name="first"),
        helper.make_node("Conv", ["first", "w2"], ["second"], name="second"),
    ]
    sizes = [1, len(weights), 4, 4]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "two",
        [value("input", TensorProto.FLOAT, sizes)],
        [value("second", TensorProto.FLOAT, sizes)],
        kernels,
    )
    opset = [helper.make_opsetid("", 13)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


def answer(model, tmp_path, image):
    onnx.save(model, tmp_path / "network.onnx")
    return OnnxRuntimeEngine(tmp_path / "network.onnx").infer({"input": image})["second"]


@pytest.fixture
def weights():
    return np.random.default_rng(0).normal(0, 0.3, (16, 16)).astype(np.float32)


def test_answers_are_a_few_steps_of_a_byte_away(weights, tmp_path):
    image = np.random.default_rng(1).uniform(0, 1, (1, 16, 4, 4)).astype(np.float32)
    model = two_layers(weights)
    exact = answer(model, tmp_path, image)
    first = np.einsum("oi,nihw->nohw", weights, image)
    ranges = {"input": (0.0, 1.0), "first": (first.min(), first.max()), "second": (-9.0, 9.0)}
    step = 18 / 255
    bytes_ = answer(in_8_bits(model, ranges), tmp_path, image)
    assert 0 < np.abs(bytes_ - exact).max() < 2 * step


def test_what_has_no_range_stays_as_it_is(weights):
    some = in_8_bits(two_layers(weights), {"first": (-3.0, 3.0), "second": (-9.0, 9.0)})
    fed_by = {node.name: node.input[0] for node in some.graph.node if node.op_type == "Conv"}
    assert fed_by["first"] == "input"
    assert fed_by["second"] != "first"


@pytest.mark.parametrize("has_vnni", [True, False])
def test_sums_of_large_products_do_not_overflow(has_vnni, tmp_path, monkeypatch):
    # 255 * 127 twice is more than 16 bits hold, which is where processors without VNNI add.
    if has_vnni and engines._bytes_overflow():
        pytest.skip("this processor has no VNNI")
    monkeypatch.setattr(engines, "_bytes_overflow", lambda: not has_vnni)
    weights = np.ones((16, 16), np.float32)
    ranges = {"input": (0.0, 1.0), "first": (0.0, 16.0), "second": (0.0, 256.0)}
    image = np.ones((1, 16, 4, 4), np.float32)
    bytes_ = answer(in_8_bits(two_layers(weights), ranges), tmp_path, image)
    assert bytes_ == pytest.approx(256, abs=2)


def test_blazepose_in_8_bits_sees_the_same_people(tmp_path):
    exact = models.path(models.BLAZEPOSE, "landmarks.onnx")
    onnx.save(in_8_bits(onnx.load(exact), read_ranges(RANGES)), tmp_path / "bytes.onnx")
    # Not one of the films by which the ranges were measured.
    shown = film.load("one_person")
    frame = next(iter(shown.frames()))
    hips, up = shown.pixels[0, 0, 0], shown.pixels[0, 0, 15] - shown.pixels[0, 0, 0]
    region = regions_of(HipCircles.from_points(hips[None], (hips + up)[None], np.ones(1)))
    found = [
        BlazePose(OnnxRuntimeEngine(path)).estimate(frame, region)
        for path in (exact, tmp_path / "bytes.onnx")
    ]
    apart = np.linalg.norm(found[0].pixels - found[1].pixels, axis=2)
    # The person is 240 pixels tall, and full is 5 pixels off the truth.
    assert np.nanmedian(apart) < 2
    assert np.nanmax(apart) < 8
    assert (found[0].confidence > 0).tolist() == (found[1].confidence > 0).tolist()


def test_the_ranges_fit_the_network():
    network = onnx.load(models.path(models.BLAZEPOSE, "landmarks.onnx"))
    known = {name for node in network.graph.node for name in node.output}
    assert read_ranges(RANGES).keys() <= known
