"""Whatever comes in is used or refused by name: nothing else is raised, nothing wrong comes out.

``make fuzz`` tries many more cases: ``FUZZ_CASES`` a test.
"""

import os
import struct
import zlib
from contextlib import suppress
from itertools import islice

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bad_files as files
import bad_messages as bad
from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.engines.load import load
from bodypose3d_ros.errors import Bodypose3dError, InputError, ModelError
from bodypose3d_ros.hosts.dds.frames import FrameBuffer
from bodypose3d_ros.hosts.dds.params_file import read as parameters_of
from bodypose3d_ros.media import pictures, rig
from bodypose3d_ros.media.feeds import read_times
from bodypose3d_ros.media.sources import CameraChoice, Topics, open_source
from bodypose3d_ros.node.detections import boxes
from bodypose3d_ros.node.parameters import DECLARATIONS, Parameters
from bodypose3d_ros.node.transforms import TransformError
from bodypose3d_ros.wire import depth, images

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

CASES = int(os.environ.get("FUZZ_CASES", "60"))
many = settings(
    max_examples=CASES,
    # make test tries the same cases each time, make fuzz others.
    derandomize="FUZZ_CASES" not in os.environ,
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


@many
@given(content=files.texts(files.CALIBRATION, files.CAMERA_INFO))
def test_a_damaged_calibration_file_is_read_or_refused(tmp_path, content):
    file = tmp_path / "camera.yaml"
    file.write_bytes(content)
    with suppress(Bodypose3dError):
        assert np.isfinite(Camera.from_yaml(file).matrix).all()


@many
@given(content=files.texts(files.RIG))
def test_a_damaged_rig_file_is_read_or_refused(tmp_path, content):
    (tmp_path / "front.yaml").write_bytes(files.CALIBRATION)
    file = tmp_path / "rig.yaml"
    file.write_bytes(content)
    with suppress(Bodypose3dError):
        for camera in rig.read(file).cameras:
            assert np.isfinite(camera.place).all()


@many
@given(content=files.texts(files.PARAMETERS))
def test_a_damaged_file_of_parameters_is_read_or_refused(tmp_path, content):
    file = tmp_path / "parameters.yaml"
    file.write_bytes(content)
    with suppress(Bodypose3dError):
        Parameters().changed(parameters_of(file, "/front/bodypose3d"))


@many
@given(content=files.texts(files.TIMES))
def test_a_damaged_file_of_times_is_read_or_refused(tmp_path, content):
    file = tmp_path / "times.txt"
    file.write_bytes(content)
    with suppress(Bodypose3dError):
        assert (np.diff(np.array(read_times(file), np.float64)) > 0).all()


FILMS = (files.film(".avi", "MJPG"), files.film(".mp4", "mp4v"), files.film(".mkv", "mp4v"))


@many
@given(content=files.damaged(*FILMS), suffix=st.sampled_from([".avi", ".mp4", ".mkv", ".mjpeg"]))
def test_a_damaged_film_is_read_as_far_as_it_goes_or_refused(tmp_path, content, suffix):
    file = tmp_path / f"film{suffix}"
    file.write_bytes(content)
    with suppress(Bodypose3dError):
        frames_of(file)


@many
@given(content=files.damaged(files.recording()))
def test_a_damaged_recording_is_read_as_far_as_it_goes_or_refused(tmp_path, content):
    file = tmp_path / "recording.mcap"
    file.write_bytes(content)
    with suppress(Bodypose3dError):
        frames_of(file)


def frames_of(file):
    """What a source shows: pictures in order of time."""
    items = open_source(file, CameraChoice(hfov=60), Topics()).items()
    frames = [item.frame for item in islice(items, 100) if item.frame is not None]
    for frame in frames:
        assert frame.image.dtype == np.uint8
        assert frame.image.ndim == 3
    stamps = [frame.stamp for frame in frames]
    assert stamps == sorted(stamps)
    return frames


@many
@given(content=files.damaged(files.network()))
def test_a_damaged_network_is_loaded_or_refused(tmp_path, content):
    file = tmp_path / "network.onnx"
    file.write_bytes(content)
    with suppress(Bodypose3dError):
        load(file, threads=1).close()


def test_the_whole_files_are_good():
    """Or nothing but refusals would be tested."""
    for suffix in (".jpg", ".png"):
        message = bad.Message(format="jpeg", data=np.frombuffer(_whole(suffix), np.uint8))
        assert images.from_message(message).shape == (12, 16, 3)


def test_the_whole_files_of_other_kinds_are_good(tmp_path):
    for name, content in (("a.avi", FILMS[0]), ("a.mp4", FILMS[1]), ("a.mkv", FILMS[2]),
                          ("a.mcap", files.recording())):  # fmt: skip
        (tmp_path / name).write_bytes(content)
        assert len(frames_of(tmp_path / name)) == files.FRAMES
    for name, content in (("front", files.CALIBRATION), ("info", files.CAMERA_INFO),
                          ("rig", files.RIG)):  # fmt: skip
        (tmp_path / f"{name}.yaml").write_bytes(content)
    for name in ("front", "info"):
        assert Camera.from_yaml(tmp_path / f"{name}.yaml").width == 640
    assert len(rig.read(tmp_path / "rig.yaml").cameras) == 2
    (tmp_path / "parameters.yaml").write_bytes(files.PARAMETERS)
    values = parameters_of(tmp_path / "parameters.yaml", "/front/bodypose3d")
    assert values["max_people"] == 3
    (tmp_path / "network.onnx").write_bytes(files.network())
    load(tmp_path / "network.onnx", threads=1).close()


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


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("read", [images.decode, depth.decode_png])
def test_a_picture_that_says_it_is_huge_takes_no_memory(suffix, read):
    """OpenCV would take it, 1.2 GB, and find only then that the rest is missing."""
    with pytest.raises(InputError, match="cannot be decoded: pixels <= CV_IO_MAX_IMAGE_PIXELS"):
        read(np.frombuffer(resized(_whole(suffix), 20_000, 20_000), np.uint8), "it")


def resized(picture, width, height):
    """A picture that says that it has another size."""
    if picture.startswith(b"\x89PNG"):  # length, IHDR, width, height, five more, CRC
        head = b"IHDR" + struct.pack(">II", width, height) + picture[24:29]
        return picture[:12] + head + struct.pack(">I", zlib.crc32(head)) + picture[33:]
    at = picture.index(b"\xff\xc0") + 5  # a JPEG's SOF0: length, precision, height, width
    return picture[:at] + struct.pack(">HH", height, width) + picture[at + 4 :]


def test_a_network_whose_names_are_no_text_is_refused(tmp_path):
    file = tmp_path / "network.onnx"
    assert files.network().count(b"\x12\x01N") == 2  # the dimension N, of input and output
    file.write_bytes(files.network().replace(b"\x12\x01N", b"\x12\x01\xff"))
    with pytest.raises(ModelError, match="not an ONNX file, or a damaged one"):
        load(file, threads=1)


@pytest.mark.parametrize(
    "value", [b"[" * 1000, b"2001-99-99", b"9" * 5000, b"!!timestamp x", b"!!bool x", b"!!int x"]
)
def test_yaml_that_python_itself_refuses_is_no_yaml(tmp_path, value):
    file = tmp_path / "any.yaml"
    file.write_bytes(b"cameras: " + value)
    for read in (Camera.from_yaml, rig.read, lambda path: parameters_of(path, "/node")):
        with pytest.raises(InputError, match=r"any\.yaml: is not a YAML file"):
            read(file)


@pytest.mark.parametrize("number", [b".inf", b"-.inf", b".nan", b"9" * 400])
def test_numbers_that_are_none_are_no_calibration(tmp_path, number):
    (tmp_path / "front.yaml").write_bytes(files.CALIBRATION.replace(b"640", number))
    with pytest.raises(InputError):
        Camera.from_yaml(tmp_path / "front.yaml")
    (tmp_path / "rig.yaml").write_bytes(files.RIG.replace(b"1.5", number))
    with pytest.raises(InputError, match="translation"):
        rig.read(tmp_path / "rig.yaml")


def test_a_camera_info_without_one_of_its_fields_is_no_calibration(tmp_path):
    file = tmp_path / "camera.yaml"
    for field in ("height", "distortion_model", "d"):
        lines = files.CAMERA_INFO.splitlines(keepends=True)
        file.write_bytes(
            b"".join(each for each in lines if not each.startswith(b"%b:" % field.encode()))
        )
        with pytest.raises(InputError, match=rf"camera\.yaml: .*no attribute '{field}'"):
            Camera.from_yaml(file)


@pytest.mark.parametrize("name", ["hfov", "max_people"])
def test_a_parameter_of_hundreds_of_digits_is_refused(name):
    with pytest.raises(InputError, match=f"{name}: no number is as large as that"):
        Parameters().changed({name: 10**400})
