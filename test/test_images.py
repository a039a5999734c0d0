"""Images of messages: every encoding and every kind of damage."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose

from bodypose3d_ros.errors import InputError
from bodypose3d_ros.wire import images

BGR = np.zeros((6, 8, 3), np.uint8)
BGR[:, :, 0], BGR[:, :, 1], BGR[:, :, 2] = 40, 120, 200
GREY = np.full((6, 8), 77, np.uint8)


def message(array, encoding, **changes):
    array = np.ascontiguousarray(array)
    fields = {
        "height": array.shape[0], "width": array.shape[1], "encoding": encoding,
        "is_bigendian": 0, "step": array.strides[0], "data": array.view(np.uint8).ravel(),
    }  # fmt: skip
    return SimpleNamespace(**{**fields, **changes})


@pytest.mark.parametrize(
    ("array", "encoding", "expected"),
    [
        (BGR, "bgr8", BGR),
        (BGR[..., ::-1], "rgb8", BGR),
        (np.dstack([BGR[..., ::-1], np.full((6, 8), 9, np.uint8)]), "rgba8", BGR),
        (np.dstack([BGR, np.full((6, 8), 9, np.uint8)]), "bgra8", BGR),
        (GREY, "mono8", np.dstack([GREY] * 3)),
        (GREY.astype(np.uint16) * 257, "mono16", np.dstack([GREY] * 3)),
        (BGR.astype(np.uint16) * 257, "bgr16", BGR),
        (BGR, "8UC3", BGR),
        (GREY, "8UC1", np.dstack([GREY] * 3)),
        (np.dstack([BGR, np.full((6, 8), 9, np.uint8)]), "8UC4", BGR),
        (BGR.astype(np.uint16) * 257, "16UC3", BGR),
    ],
)
def test_every_encoding_becomes_bgr(array, encoding, expected):
    image = images.from_message(message(array, encoding))
    assert image.dtype == np.uint8
    assert_allclose(image, expected, atol=1)


def test_bayer_patterns_become_colour():
    # RGGB of one flat colour: red 200, green 120, blue 40
    raw = np.zeros((8, 8), np.uint8)
    raw[0::2, 0::2], raw[0::2, 1::2], raw[1::2, 0::2], raw[1::2, 1::2] = 200, 120, 120, 40
    image = images.from_message(message(raw, "bayer_rggb8"))
    assert_allclose(image[2:-2, 2:-2], np.tile([40, 120, 200], (4, 4, 1)), atol=1)


def test_rows_with_padding_are_read_without_it():
    padded = np.zeros((6, 8 * 3 + 8), np.uint8)
    padded[:, : 8 * 3] = BGR.reshape(6, -1)
    padded[:, 8 * 3 :] = 255
    wide = message(padded, "bgr8", width=8)
    assert_allclose(images.from_message(wide), BGR)


def planes(image, encoding, padding=0):
    """A YUV 4:2:0 message of a BGR image, built from OpenCV's I420 by the formats' definition."""
    height, width = image.shape[:2]
    i420 = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
    luma, u, v = (
        part.ravel() for part in np.split(i420.ravel(), [height * width, height * width * 5 // 4])
    )
    pairs = {"nv12": np.stack([u, v], axis=1), "nv21": np.stack([v, u], axis=1)}
    chroma = {"i420": [u, v], "yv12": [v, u]}.get(encoding.lower(), [pairs.get(encoding.lower())])
    in_row = width // 2 if encoding.lower() in ("i420", "yv12") else width
    rows = [np.pad(luma.reshape(height, width), ((0, 0), (0, padding)), constant_values=7).ravel()]
    pad = padding * in_row // width
    rows += [
        np.pad(c.reshape(-1, in_row), ((0, 0), (0, pad)), constant_values=7).ravel() for c in chroma
    ]
    return SimpleNamespace(
        height=height, width=width, encoding=encoding, is_bigendian=0, step=width + padding,
        data=np.concatenate(rows),
    )  # fmt: skip


@pytest.mark.parametrize("encoding", ["nv12", "nv21", "i420", "yv12", "NV12", "I420"])
@pytest.mark.parametrize("padding", [0, 16])
def test_planar_yuv_has_the_images_size_and_colours(encoding, padding):
    image = np.zeros((16, 32, 3), np.uint8)
    image[:, :16], image[:, 16:], image[8:, :16] = (40, 120, 200), (200, 60, 30), (20, 220, 90)
    decoded = images.from_message(planes(image, encoding, padding))
    assert decoded.shape == image.shape
    assert_allclose(decoded.astype(int), image, atol=4)  # rounding of BT.601 there and back


def test_compressed_images_become_bgr_grey_ones_too():
    for array, expected in ((BGR, BGR), (GREY, np.dstack([GREY] * 3))):
        data = cv2.imencode(".png", array)[1]
        image = images.from_message(SimpleNamespace(format="png", data=data))
        assert_allclose(image, expected)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (message(BGR, "bgr8", data=np.zeros(10, np.uint8)), "holds 10 bytes"),
        (message(BGR, "bgr8", step=7), "rows of 7"),
        (message(BGR, "yuv_from_mars"), "'yuv_from_mars'"),
        (message(BGR.astype(np.float32), "32FC3"), "'32FC3' cannot be used: it says numbers"),
        (message(GREY.astype(np.uint16), "16UC1"), "'16UC1' cannot be used"),
        (message(GREY, "nv12"), "6 nv12 pixels holds 48 bytes"),  # no chroma
        (message(GREY, "nv12", width=7), "publisher is at fault"),
        (message(BGR, "bgr8", height=0, width=0, step=0), "no pixels"),
        (SimpleNamespace(format="jpeg", data=np.zeros(0, np.uint8)), "is empty"),
        (SimpleNamespace(format="jpeg", data=np.arange(50, dtype=np.uint8)), "damaged"),
        (SimpleNamespace(format="h264", data=np.arange(50, dtype=np.uint8)), "image_transport"),
        (SimpleNamespace(format="16UC1; compressedDepth png", data=GREY), "is a depth image"),
    ],
)
def test_a_message_that_is_no_image_says_what_is_wrong(broken, says):
    with pytest.raises(InputError, match=says):
        images.from_message(broken)
