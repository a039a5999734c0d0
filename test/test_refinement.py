"""Networks that refine landmarks themselves: as we do here, and never silently where they fail."""

import numpy as np
import onnx
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from bodypose3d_ros.engines.models import BLAZEPOSE_REFINEMENT
from bodypose3d_ros.engines.onnxruntime import OnnxRuntimeEngine
from bodypose3d_ros.engines.refinement import refining
from bodypose3d_ros.perception.pose.blazepose import refine
from tools.standin.graph import Graph

CROP, LANDMARKS, CELLS = 256, 39, 64
NEAR_PX = 1e-10
"""Of the crop. Sums of 81 terms in another order; 1e-5 would be other bytes in the next crop."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """Refines what it is given: a network without convolutions."""
    g = Graph()
    for name in ("landmarks", "heatmap"):
        g.op("Identity", f"{name}_in", name=name)
    shapes = {"landmarks": (5 * LANDMARKS,), "heatmap": (LANDMARKS, CELLS, CELLS)}
    inputs = {"input": (3, CROP, CROP)} | {f"{name}_in": size for name, size in shapes.items()}
    file = g.save(tmp_path_factory.mktemp("network") / "network.onnx", "given", inputs, shapes)
    onnx.save(refining(onnx.load(file), BLAZEPOSE_REFINEMENT), file)
    return OnnxRuntimeEngine(file, threads=1)


def refined(engine, landmarks, heat):
    """(N, 39, 2) of landmarks (N, 39, 5) and heatmaps."""
    answer = engine.infer(
        {
            "input": np.zeros((len(heat), 3, CROP, CROP), np.float32),
            "landmarks_in": landmarks.reshape(len(heat), -1).astype(np.float32),
            "heatmap_in": heat.astype(np.float32),
        }
    )
    assert answer.keys() == {"landmarks", "refined"}
    assert_array_equal(answer["landmarks"], landmarks.reshape(len(heat), -1).astype(np.float32))
    return answer["refined"]


def cold(people=1):
    """Landmarks in the middle of the crop, nowhere on the heatmaps."""
    landmarks = np.zeros((people, LANDMARKS, 5))
    landmarks[..., :2] = CROP / 2
    return landmarks, np.full((people, LANDMARKS, CELLS, CELLS), -20.0)


def here(landmarks, heat):
    return refine(landmarks[..., :2].astype(np.float32) / CROP, heat.astype(np.float32)) * CROP


@pytest.mark.parametrize("sharpness", [0.5, 3.0, 30.0])
def test_landmarks_move_as_they_do_here(engine, sharpness):
    """In the heatmap, over its edges, beyond it; where it is sure and where it is not."""
    random = np.random.default_rng(0)
    landmarks = random.uniform(-40, CROP + 40, (20, LANDMARKS, 5))
    heat = random.normal(-2 * sharpness, sharpness, (20, LANDMARKS, CELLS, CELLS))
    wanted = here(landmarks, heat)
    moved = np.abs(wanted - landmarks[..., :2]).max(axis=2) > 1
    assert 0.2 < moved.mean() < 0.9
    assert_allclose(refined(engine, landmarks, heat), wanted, atol=NEAR_PX)


def test_landmarks_on_the_borders_of_cells_and_of_the_heatmap_move_as_they_do_here(engine):
    landmarks, heat = cold()
    random = np.random.default_rng(1)
    heat += random.uniform(0, 40, heat.shape)
    borders = [-4.001, -4, -3.999, -0.5, 0, 3.999, 4, 127.999, 128, 251.999, 252, 255.999, 256]
    for axis in (0, 1):
        landmarks[0, : len(borders), axis] = borders
        assert_allclose(refined(engine, landmarks, heat), here(landmarks, heat), atol=NEAR_PX)


@pytest.mark.parametrize(("logit", "moves"), [(-1e-6, False), (0.0, True), (1e-6, True)])
def test_a_heat_of_one_half_is_sure(engine, logit, moves):
    landmarks, heat = cold()
    heat[0, 7, 30, 35] = logit
    found = refined(engine, landmarks, heat)[0, 7]
    assert_allclose(found, [140, 120] if moves else [128, 128], atol=NEAR_PX)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_broken_heatmap_is_told_by_its_landmark_however_far_it_is(engine, broken):
    landmarks, heat = cold(2)
    heat[1, 5, 60, 2] = broken
    found = refined(engine, landmarks, heat)
    assert np.isnan(found[1, 5]).all()
    assert np.isfinite(np.delete(found.reshape(-1, 2), LANDMARKS + 5, axis=0)).all()


@pytest.mark.parametrize("axis", [0, 1])
def test_a_landmark_that_is_no_number_stays_none(engine, axis):
    landmarks, heat = cold()
    heat += 40  # sure of everything
    landmarks[0, 3, axis] = np.nan
    assert np.isnan(refined(engine, landmarks, heat)[0, 3, axis])
