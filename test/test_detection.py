"""The search: tiles that cover the image, answers that go back to where they came from."""

from itertools import islice
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from bodypose3d_ros.body.people import Regions
from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.engines import TensorInfo, models
from bodypose3d_ros.engines.likeliest import of_the_likeliest
from bodypose3d_ros.engines.load import load
from bodypose3d_ros.engines.onnxruntime import OnnxRuntimeEngine
from bodypose3d_ros.errors import OutputError
from bodypose3d_ros.media import film
from bodypose3d_ros.perception.contract import image_size
from bodypose3d_ros.perception.detection import HipCircles
from bodypose3d_ros.perception.detection.blazepose import BlazePoseDetector, tiles
from bodypose3d_ros.perception.pose import around
from bodypose3d_ros.perception.pose.blazepose import refine, turn
from tools.standin.graph import Graph


@pytest.fixture(scope="module")
def detector():
    detector = BlazePoseDetector(load(models.paths("blazepose")[0]))
    yield detector
    detector.close()


@settings(deadline=None)
@given(st.integers(1, 8000), st.integers(1, 8000))
@example(640, 1)
def test_tiles_lie_in_the_image_leave_nothing_out_and_are_few(width, height):
    found = tiles(width, height)
    assert len(found) <= 40
    assert found[0].tolist() == [0, 0, width, height]
    x, y, w, h = found.T
    assert (x >= 0).all()
    assert (y >= 0).all()
    assert (x + w <= width).all()
    assert (y + h <= height).all()
    squares = found[1:-8]
    along = 0 if width >= height else 1
    ends = np.sort(squares[:, along]) + squares[0, 2 + along]
    assert ends[-1] == max(width, height)
    assert (np.sort(squares[:, along])[1:] <= ends[:-1]).all()


def test_a_circle_is_the_one_that_its_points_say():
    center, edge = np.array([[100.0, 200], [50, 50]]), np.array([[100.0, 120], [90, 50]])
    circles = HipCircles.from_points(center, edge, np.array([0.9, 0.8]))
    assert_allclose(circles.radius, [80, 40])
    # the first is upright; the second's up points to the image's right: a quarter clockwise
    assert_allclose(circles.rotation, [0, np.pi / 2], atol=1e-12)
    assert_allclose(turn(np.array([[[0.0, -1]]] * 2), circles.rotation)[:, 0], [[0, -1], [1, 0]],
                    atol=1e-12)  # fmt: skip


def test_a_tile_gives_the_person_where_the_whole_image_does(detector):
    shown = film.load("one_person")
    image = next(shown.frames()).image
    found = detector.detect(image, np.array([[0, 0, 640, 480], [80, 0, 480, 480]]))
    assert len(found) == 2
    hips = shown.pixels[0, 0, INDEX["pelvis"]]
    assert np.linalg.norm(found.center - hips, axis=1).max() < 30
    assert np.ptp(found.radius) < 20
    assert np.abs(found.rotation).max() < 0.2
    assert found.score[0] >= found.score[1] > 0.5


class Seeing:
    """The detection network, which sees somebody at one cell of each tile: hips and up."""

    inputs = (TensorInfo("input", (None, 3, 224, 224), np.dtype(np.float32)),)

    def __init__(self, *cells, score=4.0):
        self.cells, self.score = cells, score

    def infer(self, inputs):
        count = len(inputs["input"])
        boxes = np.zeros((count, 2254, 12), np.float32)
        scores = np.full((count, 2254, 1), -9, np.float32)
        for anchor, hips, up in self.cells:
            # x, y, width, height of the body, then the points, all from the anchor's cell, in
            # pixels of the 224 that the network sees.
            boxes[:, anchor, :8] = 0, 0, 60, 90, *hips, *up
            scores[:, anchor] = self.score
            self.score -= 1
        return {"boxes": boxes, "scores": scores}


# Two anchors a cell of 8 pixels, 28 cells a row: of the 12th cell of the 10th row.
ANCHOR = 2 * (9 * 28 + 11)
CELL = np.array([11.5, 9.5]) * 8
"""The middle of that cell, in the network's pixels."""
SQUARE = np.zeros((224, 224, 3), np.uint8), np.array([[0, 0, 224, 224]])


def test_what_is_seen_in_a_tile_is_where_the_tile_is():
    """The image's longer side is the network's 224 pixels, and its shorter one in their middle."""
    image = np.zeros((480, 640, 3), np.uint8)
    hips, up = (3.0, -2.0), (8.0, -40.0)
    areas = np.array([[0, 0, 640, 480], [80, 0, 480, 480], [400, 300, 100, 180]])
    found = BlazePoseDetector(Seeing((ANCHOR, hips, up))).detect(image, areas)
    for (x, y, width, height), center, radius, rotation in zip(
        areas, found.center, found.radius, found.rotation, strict=True
    ):
        side = max(width, height)
        corner = np.array([x + width / 2, y + height / 2]) - side / 2
        assert_allclose(center, corner + (CELL + hips) * side / 224, atol=1e-3)
        assert_allclose(radius, np.hypot(5, 38) * side / 224, rtol=1e-4)
        assert_allclose(rotation, np.arctan2(5, 38), rtol=1e-4)


def test_answers_about_one_body_are_averaged_by_their_scores_and_others_are_others():
    """Bodies of 60 x 90 pixels a cell apart share 0.76 of both; six cells apart 0.11."""
    near, far = ANCHOR + 2, ANCHOR + 2 * 6
    up = (0.0, -40.0)
    seeing = Seeing((ANCHOR, (0.0, 0.0), up), (near, (0.0, 0.0), up), (far, (0.0, 0.0), up))
    found = BlazePoseDetector(seeing).detect(*SQUARE)
    sure, less = 1 / (1 + np.exp(-4)), 1 / (1 + np.exp(-3))
    assert_allclose(found.center[0], CELL + (8 * less / (sure + less), 0), atol=1e-3)
    assert_allclose(found.center[1], CELL + (48, 0), atol=1e-3)
    assert_allclose(found.score, [sure, 1 / (1 + np.exp(-2))], rtol=1e-5)


@pytest.fixture(scope="module")
def likeliest(tmp_path_factory):
    """A network that tells of the five likeliest of what it is given."""
    g = Graph()
    for name in ("boxes", "scores"):
        g.op("Identity", f"{name}_in", name=name)
    shapes = {"boxes": (2254, 12), "scores": (2254, 1)}
    inputs = {f"{name}_in": shape for name, shape in shapes.items()}
    file = g.save(tmp_path_factory.mktemp("network") / "network.onnx", "given", inputs, shapes)
    onnx.save(of_the_likeliest(onnx.load(file), 5), file)
    return OnnxRuntimeEngine(file, threads=1)


class ToldOfTheLikeliest:
    """The same network, of whose answers the likeliest come."""

    inputs = Seeing.inputs

    def __init__(self, seeing, likeliest):
        self.seeing, self.likeliest = seeing, likeliest

    def infer(self, inputs):
        answer = self.seeing.infer(inputs)
        return self.likeliest.infer({f"{name}_in": tensor for name, tensor in answer.items()})


CROWD = [(ANCHOR + 2 * cell, (cell, 0.0), (0.0, -40.0)) for cell in (0, 1, 6, 700, 800)]
"""Anchors of all three strides."""


def test_of_the_likeliest_a_detector_finds_what_it_does_of_all(likeliest):
    image, areas = np.zeros((480, 640, 3), np.uint8), tiles(640, 480)[:3]
    every = BlazePoseDetector(Seeing(*CROWD, score=9.0)).detect(image, areas)
    found = BlazePoseDetector(ToldOfTheLikeliest(Seeing(*CROWD, score=9.0), likeliest)).detect(
        image, areas
    )
    assert len(every) > len(areas)
    for name in ("center", "radius", "rotation", "score"):
        assert_array_equal(getattr(found, name), getattr(every, name))


@pytest.mark.parametrize("output", ["boxes", "scores"])
@pytest.mark.parametrize("broken", [np.nan, -np.inf])
def test_a_broken_candidate_is_told_however_unlikely_it_is(likeliest, output, broken):
    seeing = Seeing(*CROWD)
    answer = seeing.infer({"input": np.zeros((1, 3, 224, 224), np.float32)})
    answer[output][0, 2000] = broken
    seeing.infer = lambda _: answer
    with pytest.raises(OutputError, match=f"NaN or infinity in {output}"):
        BlazePoseDetector(ToldOfTheLikeliest(seeing, likeliest)).detect(*SQUARE)


@pytest.mark.parametrize("number", [-1, 2254])
def test_a_candidate_that_is_none_is_said(likeliest, number):
    told = ToldOfTheLikeliest(Seeing(*CROWD), likeliest)
    answer = told.infer({"input": np.zeros((1, 3, 224, 224), np.float32)})
    answer["likeliest_anchors"][0, 4] = number
    told.infer = lambda _: answer
    with pytest.raises(OutputError, match="a candidate that it has not"):
        BlazePoseDetector(told).detect(*SQUARE)


def test_a_detector_that_gives_no_numbers_is_said():
    def infer(inputs):
        answer = Seeing((ANCHOR, (0, 0), (0, -40))).infer(inputs)
        return {**answer, "scores": answer["scores"] * np.nan}

    with pytest.raises(OutputError, match="NaN or infinity in scores"):
        BlazePoseDetector(SimpleNamespace(infer=infer, inputs=Seeing.inputs)).detect(*SQUARE)


@pytest.mark.parametrize(("logit", "found"), [(-0.01, 0), (0.01, 1)])
def test_somebody_is_seen_from_a_score_of_one_half(logit, found):
    detector = BlazePoseDetector(Seeing((ANCHOR, (0, 0), (0, -40)), score=logit))
    assert (
        len(detector.detect(np.zeros((224, 224, 3), np.uint8), np.array([[0, 0, 224, 224]])))
        == found
    )


def test_a_server_tells_of_more_candidates_than_are_likely(detector):
    part = models.BLAZEPOSE.parts[0]
    infer, likely = detector.engine.infer, []

    def counted(inputs):
        answer = infer(inputs)
        likely.extend((answer["scores"] >= 0).sum(axis=1))
        return answer

    seeing = SimpleNamespace(infer=counted, inputs=detector.engine.inputs)
    for frame in islice(film.load("three_people").frames(), 0, None, 20):
        BlazePoseDetector(seeing).detect(frame.image, tiles(640, 480))
    assert 5 < np.max(likely) < part.likeliest / 2


def test_an_empty_room_holds_nobody(detector):
    image = next(film.load("walk_through").frames()).image
    assert len(detector.detect(image, tiles(640, 480))) == 0


def test_refinement_finds_the_middle_of_the_heat_and_leaves_the_unsure_alone():
    heat = np.full((1, 3, 64, 64), -20.0, np.float32)
    heat[0, 0, 30:33, 40:43] = 20  # a block about row 31, column 41
    points = np.array([[[39.5, 29.5], [10.5, 10.5], [80.0, 5.0]]]) / 64
    moved = refine(points, heat) * 64
    assert_allclose(moved[0, 0], [41, 31], atol=1e-6)
    assert_allclose(moved[0, 1:], points[0, 1:] * 64)
    corner = np.full((1, 1, 64, 64), -20.0, np.float32)
    corner[0, 0, 0, 0] = 20
    assert_allclose(refine(np.full((1, 1, 2), 1.5 / 64), corner)[0, 0], [0, 0], atol=1e-6)


def test_a_landmark_beyond_the_heatmap_stays_where_it_is_on_whichever_side():
    """However hot its edge is."""
    heat = np.full((1, 4, 64, 64), 20.0, np.float32)
    points = np.array([[[64.5, 31.5], [31.5, 64.5], [-1.5, 31.5], [31.5, -1.5]]]) / 64
    assert_allclose(refine(points, heat), points)
    last = np.array([[[63.5, 31.5]]]) / 64
    # Of the window of nine by nine, five columns exist: their middle is two to the left.
    assert_allclose(refine(last, heat[:, :1]) * 64, [[[61, 31]]], atol=1e-6)


def test_regions_about_keypoints_hold_what_is_known_of_a_body_and_a_little_more():
    """Seven per cent of the longer side on every side; who shows nothing stays where he was."""
    pixels = np.full((2, 34, 2), np.nan)
    pixels[0, [3, 8, 20]] = [100, 40], [130, 240], [110, 60]
    old = Regions.from_boxes(np.array([[0, 0, 10, 20], [5, 6, 15, 26.0]]))
    found = around(pixels, old, np.array([0.7, 0.2]))
    assert_allclose(found.center, [[115, 140], [10, 16]])
    assert_allclose(found.size, [[30 + 0.14 * 200, 1.14 * 200], [10, 20]])
    assert_allclose(found.rotation, 0)
    assert found.score.tolist() == [0.7, 0.2]


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((1, 3, 480, 640), (640, 480)),
        ((None, 3, None, None), (0, 0)),
        ((None, 3, 256, None), (0, 256)),
    ],
)
def test_an_inputs_size_is_its_width_and_height_or_free(shape, size):
    assert image_size(TensorInfo("image", shape, np.dtype(np.float32))) == size
