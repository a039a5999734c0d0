"""Person detectors of a user's own, proven on networks that find painted people."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from bodypose3d_ros.engines import TensorInfo
from bodypose3d_ros.engines.onnxruntime import OnnxRuntimeEngine
from bodypose3d_ros.errors import ModelError
from bodypose3d_ros.perception.detection.boxes import (
    CONTRACTS,
    BoxDetector,
    cells,
    check_contract,
    suppressed,
)
from tools.standin.detectors import PAINTS, detector_network
from tools.standin.keypoints import simcc_network

KINDS = list(CONTRACTS)


@pytest.fixture(scope="module")
def detectors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("detectors")
    return {
        kind: BoxDetector(
            OnnxRuntimeEngine(detector_network(folder / kind, kind), threads=1), CONTRACTS[kind]
        )
        for kind in KINDS
    }


def picture(size, *people):
    """Grey, with people (x0, y0, x1, y1) painted in the stand-ins' colours."""
    image = np.full((size[1], size[0], 3), 90, np.uint8)
    for paint, (x0, y0, x1, y1) in zip(PAINTS, people, strict=False):
        image[y0:y1, x0:x1] = paint
    return image


def found_in(detector, image):
    return detector.detect(image, detector.areas(image.shape[1], image.shape[0]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(640, 480), (480, 640), (1280, 400), (320, 256)])
def test_boxes_come_back_to_where_people_are_whatever_the_images_shape(detectors, kind, size):
    """Fitted beside grey or stretched: to a pixel of the network's input of 320 x 256."""
    one = np.array([0.1, 0.2, 0.3, 0.9]) * np.tile(size, 2)
    other = np.array([0.6, 0.1, 0.9, 0.8]) * np.tile(size, 2)
    one, other = one.astype(int), other.astype(int)
    found = found_in(detectors[kind], picture(size, one, other))
    assert len(found) == 2
    assert_allclose(found.score, 1 if kind == "peoplenet" else 0.9, rtol=1e-6)
    pixel = max(size[0] / 320, size[1] / 256)
    order = np.argsort(found.corners[:, 0])
    assert_allclose(found.corners[order], [one, other], atol=1.5 * pixel)


@pytest.mark.parametrize(
    ("kind", "blue", "beside"),
    [("yolox", 30, 114), ("rtmdet", (30 - 103.53) / 57.375, (114 - 103.53) / 57.375),
     ("peoplenet", 90 / 255, 90 / 255)],
)  # fmt: skip
def test_the_input_is_as_each_kind_was_trained(detectors, kind, blue, beside):
    """The first channel inside the image and beside it: grey 114, or nothing beside."""
    engine = detectors[kind].engine
    heard = []
    image = np.full((100, 320, 3), (30, 60, 90), np.uint8)
    detector = BoxDetector(Listening(engine, heard), CONTRACTS[kind])
    detector.detect(image, detector.areas(320, 100))
    (tensor,) = heard
    assert tensor.shape == (1, 3, 256, 320)
    assert_allclose([tensor[0, 0, 50, 160], tensor[0, 0, 200, 160]], [blue, beside], rtol=1e-5)


class Listening:
    """An engine that keeps what it is asked."""

    def __init__(self, engine, heard):
        self.inputs, self.outputs = engine.inputs, engine.outputs
        self._engine, self._heard = engine, heard

    def infer(self, inputs):
        self._heard.extend(inputs.values())
        return self._engine.infer(inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_is_found_where_nobody_is(detectors, kind):
    found = found_in(detectors[kind], picture((640, 480)))
    assert found.corners.shape == (0, 4)
    assert found.score.shape == (0,)


@pytest.mark.parametrize("kind", KINDS)
def test_areas_are_looked_at_together_and_found_in_the_whole_image(detectors, kind):
    image = picture((640, 480), (400, 100, 500, 400))
    areas = np.array([[0, 0, 640, 480], [320, 0, 320, 480]])
    found = detectors[kind].detect(image, areas)
    assert len(found) == 2  # once in each area
    assert_allclose(found.corners, [[400, 100, 500, 400]] * 2, atol=4)


def test_yoloxs_cells_come_small_ones_first_row_by_row():
    """As its export concatenates the three grids: 40 x 32, 20 x 16, 10 x 8 cells of 320 x 256."""
    origin, stride = cells((320, 256))
    assert stride[:, 0].tolist() == [8] * 1280 + [16] * 320 + [32] * 80
    assert origin[[0, 1, 40, 1279, 1280, 1301]].tolist() == [
        [0, 0], [1, 0], [0, 1], [39, 31], [0, 0], [1, 1]
    ]  # fmt: skip


def test_a_network_of_a_batch_of_one_takes_several_areas(tmp_path):
    path = detector_network(tmp_path / "one.onnx", "yolox", batch=1)
    detector = BoxDetector(OnnxRuntimeEngine(path, threads=1), CONTRACTS["yolox"])
    areas = np.array([[0, 0, 640, 480], [320, 0, 320, 480]])
    assert len(detector.detect(picture((640, 480), (400, 100, 500, 400)), areas)) == 2


def test_of_overlapping_boxes_the_surest_stays_and_of_the_rest_who_is_sure():
    corners = np.array([[0, 0, 10, 20], [1, 0, 11, 20], [30, 0, 40, 20], [50, 0, 60, 20.0]])
    kept, scores = suppressed(corners, np.array([0.8, 0.9, 0.5, 0.3]))
    assert kept[:, 0].tolist() == [1, 30]
    assert scores.tolist() == [0.9, 0.5]


@pytest.mark.parametrize(
    ("kind", "other", "told"),
    [
        ("yolox", "rtmdet", "not one output of N, 1680 cells"),
        ("rtmdet", "yolox", "output dets is missing; output labels is missing"),
        ("peoplenet", "yolox", r"no output \*cov\*"),
    ],
)
def test_another_kind_is_told_by_its_tensors(tmp_path, kind, other, told):
    engine = OnnxRuntimeEngine(detector_network(tmp_path / "n.onnx", other), threads=1)
    with pytest.raises(ModelError, match=told):
        BoxDetector(engine, CONTRACTS[kind])


def test_a_pose_network_is_no_detector(tmp_path):
    engine = OnnxRuntimeEngine(simcc_network(tmp_path / "n.onnx"), threads=1)
    with pytest.raises(ModelError, match="not a detector of that kind"):
        BoxDetector(engine, CONTRACTS["yolox"])


def test_a_box_that_is_drawn_beyond_the_image_ends_at_its_edge():
    engine = SimpleNamespace(
        inputs=(TensorInfo("input", (None, 3, 480, 640), np.dtype(np.float32)),),
        outputs=(TensorInfo("dets", (None, None, 5), np.dtype(np.float32)),
                 TensorInfo("labels", (None, None), np.dtype(np.int64))),
        infer=lambda _: {"dets": np.array([[[-20, -10, 300, 500, 0.9], [400, 0.5, 700, 400, 0.8]]]),
                         "labels": np.zeros((1, 2))},
    )  # fmt: skip
    found = found_in(BoxDetector(engine, CONTRACTS["rtmdet"]), picture((640, 480)))
    assert_allclose(found.corners, [[0, 0, 300, 480], [400, 0.5, 640, 400]])
    assert found.score.tolist() == [0.9, 0.8]


@pytest.mark.parametrize(
    ("numbers", "told"),
    [(None, []), (6, []), (85, []), (5, ["a cell has 5 numbers, not 6"])],
)
def test_yolox_has_a_place_an_object_and_a_class_or_more_a_cell(numbers, told):
    cell = TensorInfo("output", (None, 1680, numbers), np.dtype(np.float32))
    image = TensorInfo("images", (None, 3, 256, 320), np.dtype(np.float32))
    assert check_contract(CONTRACTS["yolox"], (image,), (cell,)) == told
