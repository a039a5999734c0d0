"""Depth images: of messages, of files, and to which image each belongs."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.errors import CameraError, InputError
from bodypose3d_ros.media import film
from bodypose3d_ros.media.depth import ByStamp, DepthFolder, registered
from bodypose3d_ros.media.film import VISIBLE
from bodypose3d_ros.wire import depth

CAMERA = Camera.from_hfov(640, 480, 60)
MILLIMETRES = np.array([[0, 500, 3000], [65535, 1, 4200]], np.uint16)
METRES = np.array([[np.nan, 0.5, 3.0], [65.535, 0.001, 4.2]], np.float32)


def message(values, encoding, *, padding=0, big=0, **changes):
    values = values.byteswap() if big else values
    rows = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=9)
    return SimpleNamespace(**{
        "height": values.shape[0], "width": values.shape[1], "encoding": encoding,
        "is_bigendian": big, "step": rows.shape[1], "data": rows.ravel(), **changes,
    })  # fmt: skip


def compressed(values, name, header=b""):
    png = cv2.imencode(".png", values)[1].tobytes()
    return SimpleNamespace(format=name, data=np.frombuffer(header + png, np.uint8))


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("big", [0, 1])
def test_millimetres_and_metres_become_metres_with_nan_where_nothing_is_known(padding, big):
    given = message(MILLIMETRES, "16UC1", padding=padding, big=big)
    assert_allclose(depth.from_message(given), METRES, rtol=1e-6)
    floats = METRES.copy()
    floats[0, 0] = np.inf
    given = message(floats, "32FC1", padding=padding, big=big)
    assert_allclose(depth.from_message(given), METRES)
    assert depth.from_message(given).dtype == np.float32


def test_compressed_depths_of_whole_numbers_are_a_png_behind_a_header():
    given = compressed(MILLIMETRES, "16UC1; compressedDepth png", bytes(12))
    assert_allclose(depth.from_message(given), METRES, rtol=1e-6)
    given = compressed(MILLIMETRES, "16UC1; png compressed ")
    assert_allclose(depth.from_message(given), METRES, rtol=1e-6)


def test_compressed_depths_of_metres_are_quantised_as_their_inverse():
    """compressed_depth_image_transport: raw = a / depth + b, 0 where nothing is known."""
    near, far = 100.0, 10.0  # its parameters depth_quantization and depth_max
    a = near * (near + 1)
    b = 1 - a / far
    known = np.array([[0.8, 2.0, 3.3]])
    raw = np.rint(a / known + b).astype(np.uint16)
    header = np.array([0], np.int32).tobytes() + np.array([a, b], np.float32).tobytes()
    values = depth.from_message(
        compressed(np.hstack([raw, [[0]]]).astype(np.uint16), "32FC1; compressedDepth png", header)
    )
    # Half a step of the inverse is depth^2 / a / 2: half a millimetre at three metres.
    assert_allclose(values[0, :3], known[0], atol=6e-4)
    assert np.isnan(values[0, 3])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("a", "b"), [(0, 0), (0, 7), (np.nan, 1), (np.inf, np.inf), (3e38, 7 - 1e-6)]
)
def test_parameters_of_nonsense_make_depths_unknown_and_nothing_else(a, b):
    header = bytes(4) + np.array([a, b], np.float32).tobytes()
    raw = np.array([[0, 7, 65535]], np.uint16)
    values = depth.from_message(compressed(raw, "32FC1; compressedDepth png", header))
    assert (np.isnan(values) | (np.isfinite(values) & (values > 0))).all()
    assert np.isnan(values[0, 0])


@pytest.mark.parametrize(("given", "says"), [
    (message(MILLIMETRES, "bgr8"), "'bgr8' is no depth image"),
    (message(MILLIMETRES, "16UC1", height=5), "its publisher is at fault"),
    (message(MILLIMETRES, "16UC1", width=4, step=6), "its publisher is at fault"),
    (message(MILLIMETRES, "16UC1", width=0, height=0), "its publisher is at fault"),
    (compressed(MILLIMETRES, "16UC1; compressedDepth rvl", bytes(12)), "format to png"),
    (SimpleNamespace(format="16UC1; compressedDepth png", data=np.zeros(9, np.uint8)), "no PNG"),
    (compressed(np.zeros((2, 2, 3), np.uint8), "jpeg"), "no PNG of 16 bit depths"),
])  # fmt: skip
def test_what_is_no_depth_image_says_what_is_wrong(given, says):
    with pytest.raises(InputError, match=says):
        depth.from_message(given)


def stamped(*seconds):
    return [
        SimpleNamespace(header=SimpleNamespace(stamp=SimpleNamespace(
            sec=int(s), nanosec=round(s % 1 * 1e9))), second=s)
        for s in seconds
    ]  # fmt: skip


def test_the_nearest_in_time_belongs_to_an_image():
    """Depth images a little late, one missing, and two that changed places."""
    depths = ByStamp(stamped(1.01, 1.11, 1.31, 1.41, 1.61, 1.51, 1.71))
    found = [depths.nearest(round(s * 1e9)) for s in (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 2.0)]
    assert [each and each.second for each in found] == [
        1.01, 1.11, None, 1.31, 1.41, 1.51, 1.61, None,
    ]  # fmt: skip


def test_a_depth_image_of_another_resolution_sees_the_same():
    coarse = registered(np.ones((120, 160), np.float32), CAMERA).camera
    points = np.array([[0.3, -0.2, 2.0], [-0.5, 0.4, 3.0]])
    # The centre of a coarse pixel is that of the four by four it covers.
    assert_allclose((coarse.project(points) + 0.5) * 4 - 0.5, CAMERA.project(points), atol=1e-9)
    with pytest.raises(CameraError, match="300x100 are no scaled images of 640x480"):
        registered(np.ones((100, 300), np.float32), CAMERA)


def test_a_folder_gives_each_image_its_depths(tmp_path):
    shown = film.load("one_person")
    for number, values in zip(range(3), shown.depth(), strict=False):
        cv2.imwrite(str(tmp_path / f"{number:03}.png"), values)
    folder = DepthFolder.open(tmp_path)
    last = folder.of(2, shown.camera)
    seen = shown.visibility[2, 0] == VISIBLE
    columns, rows = np.rint(last.camera.project(shown.joints[2, 0][seen])).astype(int).T
    behind = shown.joints[2, 0][seen][:, 2] - last.values[rows, columns]
    assert np.nanmedian(behind) == pytest.approx(0.05, abs=0.05)  # joints lie inside the body
    with pytest.raises(InputError, match="holds 3 depth images for 4 images"):
        folder.of(3, shown.camera)
    with pytest.raises(InputError, match="holds 3 depth images for 5 images"):
        folder.check_count(5)


def test_a_folder_without_depths_or_with_other_pictures_is_named(tmp_path):
    with pytest.raises(InputError, match="there are no PNG files"):
        DepthFolder.open(tmp_path)
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((48, 64, 3), np.uint8))
    with pytest.raises(InputError, match=r"0\.png is no PNG of 16 bit depths"):
        DepthFolder.open(tmp_path).of(0, CAMERA)


def test_a_unit_can_be_given(tmp_path):
    cv2.imwrite(str(tmp_path / "0.png"), np.full((48, 64), 500, np.uint16))
    values = DepthFolder.open(tmp_path, 0.0002).of(0, CAMERA).values
    assert_allclose(values, 0.1)
