"""Whatever comes in is used or refused by name: nothing else is raised, nothing wrong comes out.

``make fuzz`` tries many more cases: ``FUZZ_CASES`` a test.
"""

import os
from contextlib import suppress

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bad_messages as bad
from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.errors import Bodypose3dError, InputError
from bodypose3d_ros.hosts.dds.frames import FrameBuffer
from bodypose3d_ros.media import pictures
from bodypose3d_ros.node.detections import boxes
from bodypose3d_ros.node.parameters import DECLARATIONS, Parameters
from bodypose3d_ros.node.transforms import TransformError
from bodypose3d_ros.wire import depth, images

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

CASES = int(os.environ.get("FUZZ_CASES", "60"))
many = settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@many
@given(st.one_of(bad.images(), bad.compressed_images()))
def test_an_image_is_a_picture_or_refused(message):
    with suppress(InputError):
        picture = images.from_message(message)
        assert picture.dtype == np.uint8
        assert picture.ndim == 3
        assert picture.shape[2] == 3
        assert picture.size > 0


@many
@given(st.one_of(bad.images(), bad.compressed_images()))
def test_a_depth_image_is_metres_or_refused(message):
    with suppress(InputError):
        metres = depth.from_message(message)
        assert metres.dtype == np.float32
        assert metres.ndim == 2
        assert metres.size > 0
        assert not (metres <= 0).any()
        assert not np.isinf(metres).any()


@many
@given(bad.camera_infos, st.booleans(), st.sampled_from([None, (16, 12), (640, 480)]))
def test_a_camera_can_have_taken_the_image_or_is_refused(info, rectified, size):
    with suppress(InputError):
        camera = Camera.from_camera_info(info, rectified=rectified, image_size=size)
        assert np.isfinite(camera.matrix).all()
        rays = camera.rays(np.array([[camera.width / 2, camera.height / 2]]))
        assert rays.shape == (1, 2)


@many
@given(bad.detections, st.sampled_from(["", "person"]))
def test_detections_are_boxes_of_finite_numbers(message, class_id):
    found = boxes(message, class_id)
    assert np.isfinite(found.corners).all()
    assert np.isfinite(found.score).all()
    assert (found.corners[:, 2:] >= found.corners[:, :2]).all()


@many
@given(st.lists(st.tuples(bad.transforms, st.booleans()), max_size=4), bad.names, bad.names)
def test_transforms_are_rigid_or_unknown(messages, target, source):
    frames = FrameBuffer()
    for message, static in messages:
        frames.add(message, static=static)
    stamps = [t.header.stamp.sec * 10**9 for m, _ in messages for t in m.transforms]
    for stamp in [0, *stamps]:
        with suppress(TransformError):
            matrix = frames.lookup(target, source, stamp)
            assert np.isfinite(matrix).all()
            assert np.allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-3)


@many
@given(
    st.dictionaries(
        st.one_of(st.sampled_from(list(DECLARATIONS)), st.text(max_size=6)), bad.anything
    )
)
def test_parameters_are_checked_or_refused(values):
    with suppress(InputError):
        changed = Parameters().changed(values)
        for name in values:
            assert type(changed.value(name)) is DECLARATIONS[name].type


@many
@given(content=bad.files(".jpg", ".png", ".bmp", ".webp"))
def test_a_damaged_picture_file_is_read_or_refused(tmp_path, content):
    file = tmp_path / "picture.png"
    file.write_bytes(content)
    with suppress(Bodypose3dError):
        assert pictures.read(file).size > 0


YAML = (
    b"image_width: 640\nimage_height: 480\ncamera_matrix:\n  rows: 3\n  cols: 3\n"
    b"  data: [500, 0, 320, 0, 500, 240, 0, 0, 1]\ndistortion_model: plumb_bob\n"
    b"distortion_coefficients:\n  rows: 1\n  cols: 5\n  data: [0.1, 0, 0, 0, 0]\n"
)


@many
@given(data=st.data())
def test_a_damaged_calibration_file_is_read_or_refused(tmp_path, data):
    content = bytearray(YAML)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        cut = data.draw(st.integers(0, 12))
        content[at : at + cut] = data.draw(st.one_of(st.binary(max_size=6), st.just(b"null")))
        content = content or bytearray(b" ")
    file = tmp_path / "camera.yaml"
    file.write_bytes(content)
    with suppress(Bodypose3dError):
        assert np.isfinite(Camera.from_yaml(file).matrix).all()


def test_the_whole_files_are_good():
    """Or nothing but refusals would be tested."""
    for suffix in (".jpg", ".png"):
        message = bad.Message(format="jpeg", data=np.frombuffer(_whole(suffix), np.uint8))
        assert images.from_message(message).shape == (12, 16, 3)


def _whole(suffix):
    return cv2.imencode(suffix, np.zeros((12, 16), np.uint8))[1].tobytes()


@pytest.mark.parametrize("encoding", ["bgr8", "mono8"])
def test_an_image_that_says_it_is_huge_takes_no_memory(encoding):
    message = bad.Message(
        height=2**32 - 1, width=2**32 - 1, encoding=encoding, is_bigendian=0, step=2**32 - 1,
        data=np.zeros(100, np.uint8),
    )  # fmt: skip
    with pytest.raises(InputError):
        images.from_message(message)
