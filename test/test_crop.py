"""Crops: pixels go back to where they came from."""

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from bodypose3d_ros.perception.crop import apply, cut, image_from_crop, to_tensor

SIZES = st.floats(5, 2000)
ANGLES = st.floats(-np.pi, np.pi)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-500, 2500), st.floats(-500, 2500), SIZES, SIZES, ANGLES),
                min_size=1, max_size=4))  # fmt: skip
def test_corners_map_to_corners_and_back(rows):
    rows = np.array(rows)
    center, size, rotation = rows[:, :2], rows[:, 2:4], rows[:, 4]
    to_image = image_from_crop(center, size, rotation, (192, 256))
    corners = np.array([[0.0, 0], [192, 0], [192, 256], [0, 256]])
    placed = apply(to_image, np.broadcast_to(corners, (len(rows), 4, 2)))
    assert_allclose(placed.mean(axis=1), center, atol=1e-6)
    assert_allclose(np.linalg.norm(placed[:, 1] - placed[:, 0], axis=1), size[:, 0], rtol=1e-9)
    assert_allclose(np.linalg.norm(placed[:, 3] - placed[:, 0], axis=1), size[:, 1], rtol=1e-9)
    assert_allclose(apply(np.linalg.inv(to_image), placed), np.broadcast_to(corners, placed.shape),
                    atol=1e-5)  # fmt: skip


def test_a_crop_turned_a_quarter_shows_the_image_turned():
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    quarter = image_from_crop(
        np.array([[32.0, 32]]), np.array([[64.0, 64]]), np.array([np.pi / 2]), (64, 64)
    )
    (crop,) = cut(image, quarter, (64, 64), cv2.BORDER_CONSTANT)
    # Crop (0, 0) lies at image (64, 0), just outside: corners map to corners.
    assert_allclose(crop[1:, :], np.rot90(image)[:-1, :], atol=1)


def test_outside_the_image_a_crop_is_black_or_repeats_the_border():
    image = np.full((10, 10, 3), 200, np.uint8)
    far = image_from_crop(np.array([[100.0, 100]]), np.array([[4.0, 4]]), np.zeros(1), (4, 4))
    assert (cut(image, far, (4, 4), cv2.BORDER_CONSTANT) == 0).all()
    assert (cut(image, far, (4, 4), cv2.BORDER_REPLICATE) == 200).all()


def test_tensors_are_rgb_planes_in_the_range_asked_for():
    crops = np.zeros((2, 4, 3, 3), np.uint8)
    crops[..., 0], crops[..., 2] = 255, 51  # blue, red
    tensor = to_tensor(crops, (-1, 1))
    assert tensor.shape == (2, 3, 4, 3)
    assert tensor.dtype == np.float32
    assert_allclose(tensor[:, 0], -0.6, atol=1e-6)
    assert_allclose(tensor[:, 1], -1)
    assert_allclose(tensor[:, 2], 1)
