"""Cameras: pixels to rays and back, from everything that describes a camera."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from bodypose3d_ros.body.camera import Camera, is_calibrated
from bodypose3d_ros.errors import CameraError
from people_made_up import standing

K = np.array([[610.0, 0, 322.5], [0, 608.0, 238.1], [0, 0, 1]])
# Coefficients of real lenses: a webcam, a RealSense colour camera, a 150 degree fisheye.
LENSES = {
    "none": ("plumb_bob", [0.0] * 5),
    "plumb_bob": ("plumb_bob", [-0.25, 0.08, 0.001, -0.0007, -0.01]),
    "rational_polynomial": (
        "rational_polynomial",
        [0.35, -2.1, 0.0003, -0.0004, 1.3, 0.23, -1.9, 1.2],
    ),
    "equidistant": ("equidistant", [-0.012, 0.004, -0.003, 0.0006]),
}


@pytest.fixture(params=LENSES)
def camera(request):
    model, coefficients = LENSES[request.param]
    return Camera(640, 480, K, model, np.array(coefficients))


def info(**changes):
    fields = {
        "width": 640, "height": 480, "distortion_model": "plumb_bob", "d": [0.0] * 5,
        "k": K.ravel(), "r": np.eye(3).ravel(), "p": np.c_[K, [0, 0, 0]].ravel(),
        "binning_x": 0, "binning_y": 0,
        "roi": SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False),
    }  # fmt: skip
    return SimpleNamespace(**{**fields, **changes})


def roi(**fields):
    return SimpleNamespace(**{"x_offset": 0, "y_offset": 0, "width": 0, "height": 0, **fields})


@pytest.mark.parametrize("at", [(0, 0, 2.5), (0.7, -0.2, 3), (-1.0, 0.2, 5)])
def test_a_known_skeleton_comes_back_through_the_lens_to_a_thousandth_of_a_millimetre(camera, at):
    joints = standing(at)
    rays = camera.rays(camera.project(joints))
    assert_allclose(np.c_[rays, np.ones(34)] * joints[:, 2:], joints, atol=1e-6)


@settings(deadline=None)
@given(
    x=st.floats(-0.45, 0.45), y=st.floats(-0.35, 0.35), depth=st.floats(0.3, 50),
    lens=st.sampled_from(list(LENSES)),
)  # fmt: skip
def test_projecting_and_undistorting_are_inverse_all_over_the_image(x, y, depth, lens):
    model, coefficients = LENSES[lens]
    camera = Camera(640, 480, K, model, np.array(coefficients))
    pixel = camera.project([x * depth, y * depth, depth])
    assert_allclose(camera.rays(pixel), [x, y], atol=1e-8)


def test_k_inv_turns_undistorted_pixels_into_rays(camera):
    rays = np.array([[-0.4, 0.3, 1.0], [0, 0, 1], [0.2, -0.1, 1]])
    assert_allclose(rays @ camera.matrix.T @ camera.k_inv.T, rays, atol=1e-12)


def test_unknown_stays_unknown(camera):
    assert np.isnan(camera.rays([[np.nan, 3.0], [np.nan, np.nan]])).all()
    assert np.isnan(camera.project([[np.nan, 0, 1], [0, 0, -1], [0, 0, 0]])).all()
    assert camera.rays(np.zeros((0, 34, 2))).shape == (0, 34, 2)


def test_a_pixel_that_no_ray_reaches_is_unknown():
    # r (1 - 0.25 r^2) is never above 0.77: no light reaches a pixel further out than that.
    camera = Camera(640, 480, K, "plumb_bob", [-0.25, 0, 0, 0, 0])
    assert np.isnan(camera.rays([K[0, 2] + 0.9 * K[0, 0], K[1, 2]])).all()


def test_the_image_reaches_to_the_edges_of_its_outermost_pixels():
    camera = Camera.from_hfov(640, 480, 60)
    inside = [(-0.5, -0.5), (639.4, 479.4), (320, 240)]
    outside = [(-0.6, 0), (0, -0.6), (639.5, 0), (0, 479.5), (np.nan, 0), (np.nan, np.nan)]
    assert camera.in_image(np.array(inside)).all()
    assert not camera.in_image(np.array(outside)).any()


def test_a_field_of_view_puts_its_edges_at_the_images_edges():
    camera = Camera.from_hfov(640, 480, 60)
    left, right = camera.rays([[-0.5, 239.5], [639.5, 239.5]])[:, 0]
    assert_allclose(np.degrees(np.arctan(right) - np.arctan(left)), 60, atol=1e-9)
    assert camera.assumed_hfov == 60


def test_a_region_of_interest_and_binning_move_the_image_not_the_rays():
    full = Camera.from_camera_info(info())
    part = Camera.from_camera_info(
        info(binning_x=2, binning_y=2, roi=roi(x_offset=40, y_offset=20, width=320, height=240))
    )
    assert (part.width, part.height) == (160, 120)
    # image_geometry: pixel of the image = (pixel of the sensor - offset) / binning
    sensor = np.array([[100.0, 60], [300, 200]])
    assert_allclose(part.rays((sensor - (40, 20)) / 2), full.rays(sensor), atol=1e-12)


def test_rectified_images_are_described_by_the_projection_matrix():
    P = np.array([[500.0, 0, 310, -35], [0, 500, 250, 0], [0, 0, 1, 0]])
    distorted = info(d=[-0.3, 0.1, 0, 0, 0], p=P.ravel())
    camera = Camera.from_camera_info(distorted, rectified=True)
    assert_allclose(camera.matrix, P[:, :3])
    assert not camera.distorted


@pytest.mark.parametrize("key", ["distortion_model", "camera_model"])
def test_a_calibration_file_is_read_as_camera_calibration_writes_it(tmp_path, key):
    path = tmp_path / "camera.yaml"
    path.write_text(
        "image_width: 640\nimage_height: 480\ncamera_name: head\n"
        "camera_matrix:\n  rows: 3\n  cols: 3\n  data: [610, 0, 322.5, 0, 608, 238.1, 0, 0, 1]\n"
        f"{key}: plumb_bob\n"
        "distortion_coefficients:\n  rows: 1\n  cols: 5\n  data: [-0.25, 0.08, 0.001, -0.0007, 0]\n"
        "projection_matrix:\n  rows: 3\n  cols: 4\n"
        "  data: [590, 0, 320, 0, 0, 590, 240, 0, 0, 0, 1, 0]\n"
    )
    camera = Camera.from_yaml(path)
    assert_allclose(camera.matrix, K)
    assert_allclose(camera.distortion, [-0.25, 0.08, 0.001, -0.0007, 0])
    assert Camera.from_yaml(path, rectified=True).matrix[0, 0] == 590


@pytest.mark.parametrize("ros", [1, 2])
def test_a_camera_info_that_was_echoed_into_a_file_is_a_calibration(tmp_path, ros):
    """As ``ros2 topic echo --once`` prints it; ROS 1 had capital letters."""
    text = (
        "header:\n  stamp:\n    sec: 3\n    nanosec: 0\n  frame_id: head\n"
        "height: 480\nwidth: 640\ndistortion_model: plumb_bob\n"
        "d:\n- -0.25\n- 0.08\n- 0.001\n- -0.0007\n- 0.0\n"
        "k: [610, 0, 322.5, 0, 608, 238.1, 0, 0, 1]\nr: [1, 0, 0, 0, 1, 0, 0, 0, 1]\n"
        "p: [590, 0, 320, 0, 0, 590, 240, 0, 0, 0, 1, 0]\nbinning_x: 2\nbinning_y: 2\n"
        "roi:\n  x_offset: 0\n  y_offset: 0\n  height: 0\n  width: 0\n  do_rectify: false\n---\n"
    )
    if ros == 1:
        text = text.replace("\nd:", "\nD:").replace("\nk:", "\nK:").replace("\np:", "\nP:")
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    camera = Camera.from_yaml(path)
    assert (camera.width, camera.distortion[0]) == (320, -0.25)
    assert_allclose(camera.matrix[0], [305, 0, 161.25])
    assert Camera.from_yaml(path, rectified=True).matrix[0, 0] == 295


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"k": np.zeros(9)}, "not calibrated"),
        ({"k": np.full(9, np.nan)}, "NaN"),
        ({"d": [np.nan, 0, 0, 0, 0]}, "NaN"),
        ({"k": -K.ravel()}, "positive focal lengths"),
        ({"distortion_model": "kannala_brandt", "d": [0.1]}, "'kannala_brandt' is not known"),
        ({"d": [0.1, 0, 0, 0, 0, 0.2, 0, 0]}, "4 or 5 distortion coefficients, here are 8"),
        ({"d": [0.1, 0.2, 0.3]}, "4 or 5 distortion coefficients, here are 3"),
        ({"distortion_model": "equidistant", "d": [0, 0, 0, 1e308]}, "no lens's"),
        ({"width": 0}, "0x480"),
        ({"width": 0, "height": 0}, "0x0"),
        ({"k": [1e-300, 0, 320, 0, 1e-300, 240, 0, 0, 1]}, "no camera's"),
        ({"k": [64000, 0, 320, 0, 64000, 240, 0, 0, 1]}, "no camera's"),  # 100 image widths
        ({"k": [600, 0, 1e6, 0, 600, 240, 0, 0, 1]}, "optical axis through the pixel"),
    ],
)  # fmt: skip
def test_camera_info_that_cannot_be_used_says_why(changes, says):
    with pytest.raises(CameraError, match=says):
        Camera.from_camera_info(info(**changes))


@pytest.mark.parametrize("model", ["", "none", "None", "plumb_bob", "equidistant", "Inverse Brown"])
@pytest.mark.parametrize("coefficients", [[], [0.0] * 4, [0.0] * 5, [0.0] * 8])
def test_no_coefficients_or_only_zeros_are_no_lens_under_any_name(model, coefficients):
    """As image_geometry takes it."""
    assert not Camera.from_camera_info(info(distortion_model=model, d=coefficients)).distorted


def test_zeros_that_fill_up_the_coefficients_are_left_out():
    """Orbbec's driver sends eight coefficients as plumb_bob."""
    five = [-0.03, 0.035, -0.00014, -0.00015, -0.012]
    camera = Camera.from_camera_info(info(d=[*five, 0, 0, 0]))
    assert camera.distortion.tolist() == five


def test_a_camera_info_of_no_size_takes_the_images():
    camera = Camera.from_camera_info(info(width=0, height=0), image_size=(640, 480))
    assert (camera.width, camera.height) == (640, 480)
    known = Camera.from_camera_info(info(), image_size=(1280, 960))
    assert (known.width, known.height) == (640, 480)


def test_a_small_part_of_a_large_sensor_is_plausible():
    """Its focal length is 95 of its widths, its optical axis outside of it."""
    window = roi(x_offset=600, y_offset=0, width=64, height=48)
    camera = Camera.from_camera_info(info(roi=window, k=[6100, 0, 322, 0, 6100, 238, 0, 0, 1]))
    assert (camera.width, camera.matrix[0, 2]) == (64, 322 - 600)


@pytest.mark.parametrize("lens", LENSES)
def test_skew_counts_whatever_the_lens(lens):
    model, coefficients = LENSES[lens]
    skewed, straight = K.copy(), Camera(640, 480, K, model, coefficients)
    skewed[0, 1] = 12.0
    camera = Camera(640, 480, skewed, model, coefficients)
    point = np.array([0.4, 0.3, 2.0])
    pixel, beside = camera.project(point), straight.project(point)
    # u = fx x + s y + cx, where y is (v - cy) / fy
    assert_allclose(pixel, beside + [12.0 * (beside[1] - K[1, 2]) / K[1, 1], 0], atol=1e-9)
    assert_allclose(camera.rays(pixel), point[:2] / point[2], atol=1e-9)


@pytest.mark.parametrize("k", [np.zeros(9), K.ravel()])
def test_zeros_for_a_matrix_say_that_nobody_calibrated(k):
    assert is_calibrated(info(k=k)) == bool(k.any())


def test_another_size_than_the_images_is_refused():
    with pytest.raises(CameraError, match=r"for 640x480 images, this one is 1280x720"):
        Camera.from_camera_info(info()).check_size(1280, 720)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("image_width: 640\n", r"not a camera_calibration file \('image_height' is missing\)"),
        ("image_width: wide\n", r"not a camera_calibration file \(invalid literal .*'wide'\)"),
        ("just text", r"not a camera_calibration file \(it holds no names with values\)"),
        ("a: [1", "not a YAML file"),
        ("", "not a camera_calibration file"),
    ],
)
def test_a_file_that_is_no_calibration_is_named(tmp_path, content, says):
    path = tmp_path / "some.yaml"
    path.write_text(content)
    with pytest.raises(CameraError, match=rf"some\.yaml: is {says}"):
        Camera.from_yaml(path)


@pytest.mark.parametrize("hfov", [0, 180, -10, float("nan")])
def test_an_impossible_field_of_view_is_refused(hfov):
    with pytest.raises(CameraError, match="between 0 and 180"):
        Camera.from_hfov(640, 480, hfov)
