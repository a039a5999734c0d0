"""Images of every encoding and every kind of damage."""

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
        (message(BGR, "bgr8", height=0, width=0, step=0), "no pixels"),
        (SimpleNamespace(format="jpeg", data=np.zeros(0, np.uint8)), "is empty"),
        (SimpleNamespace(format="jpeg", data=np.arange(50, dtype=np.uint8)), "damaged"),
    ],
)
def test_a_message_that_is_no_image_says_what_is_wrong(broken, says):
    with pytest.raises(InputError, match=says):
        images.from_message(broken)


@pytest.mark.parametrize("array", [
    GREY, BGR, np.dstack([BGR, GREY]), GREY.astype(np.uint16) * 257, BGR.astype(np.uint16) * 257,
])  # fmt: skip
def test_picture_files_become_bgr(tmp_path, array):
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), array)
    expected = BGR if array.ndim == 3 else np.dstack([GREY] * 3)
    assert_allclose(images.read(path), expected, atol=1)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"these are words", "not a picture"),
        (b"\x89PNG\r\n\x1a\n1234", "damaged"),
    ],
)
def test_a_file_that_is_no_picture_is_named(tmp_path, content, says):
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"picture\.png.*{says}"):
        images.read(path)


@pytest.mark.parametrize("kind", [".jpg", ".png", ".bmp", ".webp"])
@pytest.mark.parametrize("share", [0.5, 0.98])
def test_a_truncated_picture_is_refused_not_filled_with_grey(tmp_path, kind, share):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    content = cv2.imencode(kind, noise)[1].tobytes()
    path = tmp_path / f"half{kind}"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=r"half.*damaged"):
        images.read(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.png: cannot be read \(No such file"):
        images.read(tmp_path / "gone.png")
    with pytest.raises(InputError, match=r"gone\.mp4: there is no such file"):
        images.Video(tmp_path / "gone.mp4")


def test_a_film_that_is_none_says_how_to_make_one(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(b"no film" * 100)
    with pytest.raises(InputError, match=r"film\.mp4: is not a film"):
        images.Video(path)
