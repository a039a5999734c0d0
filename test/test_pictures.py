"""Picture files of every kind and every kind of damage."""

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose

from bodypose3d_ros.errors import InputError
from bodypose3d_ros.media import pictures

BGR = np.zeros((6, 8, 3), np.uint8)
BGR[:, :, 0], BGR[:, :, 1], BGR[:, :, 2] = 40, 120, 200
GREY = np.full((6, 8), 77, np.uint8)


@pytest.mark.parametrize("array", [
    GREY, BGR, np.dstack([BGR, GREY]), GREY.astype(np.uint16) * 257, BGR.astype(np.uint16) * 257,
])  # fmt: skip
def test_picture_files_become_bgr(tmp_path, array):
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), array)
    pictures.check(path)
    expected = BGR if array.ndim == 3 else np.dstack([GREY] * 3)
    assert_allclose(pictures.read(path), expected, atol=1)


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
        pictures.read(path)


@pytest.mark.parametrize("kind", [".jpg", ".png", ".bmp", ".webp"])
@pytest.mark.parametrize("share", [0.5, 0.98])
def test_a_truncated_picture_is_refused_not_filled_with_grey(tmp_path, kind, share):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    content = cv2.imencode(kind, noise)[1].tobytes()
    path = tmp_path / f"half{kind}"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=r"half.*damaged"):
        pictures.read(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.png: cannot be read \(No such file"):
        pictures.read(tmp_path / "gone.png")


def jpeg(progressive=False):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    return cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)])[
        1
    ].tobytes()


@pytest.mark.parametrize("progressive", [False, True])
def test_what_follows_a_whole_jpeg_does_not_count(tmp_path, progressive):
    """A motion photo is a JPEG and then a film, whose bytes may look like a JPEG's scans."""
    path = tmp_path / "motion.jpg"
    path.write_bytes(jpeg(progressive) + b"\0\0\0\x18ftypmp42\xff\xda and \xff\xd8 more")
    assert pictures.read(path).shape == (64, 64, 3)
    path.write_bytes(jpeg(progressive)[:-900] + b"\0\0\0\x18ftypmp42\xff\xda and more")
    with pytest.raises(InputError, match="the end of the file is missing"):
        pictures.read(path)


def test_a_thumbnail_inside_does_not_end_a_jpeg(tmp_path):
    """An EXIF segment holds a JPEG of its own, with an end marker."""
    thumbnail = b"Exif\0\0" + jpeg()[:900] + b"\xff\xd9"
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    content = jpeg()
    path = tmp_path / "photo.jpg"
    path.write_bytes(content[:2] + segment + content[2:])
    assert pictures.read(path).shape == (64, 64, 3)
    path.write_bytes(content[:2] + segment + content[2:-500])
    with pytest.raises(InputError, match="the end of the file is missing"):
        pictures.read(path)


def test_a_heic_picture_is_told_how_to_become_one_that_can_be_read(tmp_path):
    path = tmp_path / "IMG_1.heic"
    path.write_bytes(b"\0\0\0\x24ftypheic\0\0\0\0mif1heic" + bytes(100))
    with pytest.raises(InputError, match=r"IMG_1\.heic: is a HEIC picture.*heif-convert"):
        pictures.read(path)


def test_what_is_no_picture_is_seen_by_how_it_begins(tmp_path):
    """Of ten thousand pictures nobody reads all before the first is looked at."""
    for name, content in [("half.png", jpeg()[:200]), ("\u5b57 \xfc.dat", jpeg())]:
        (tmp_path / name).write_bytes(content)
        pictures.check(tmp_path / name)
    for name, content in [("notes.txt", b"these are words"), ("empty.png", b"")]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            pictures.check(tmp_path / name)
