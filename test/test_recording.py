"""Recordings: what goes in is found, what comes out is what Foxglove and rosbag2 read."""

import numpy as np
import pytest
from mcap.reader import make_reader
from numpy.testing import assert_allclose
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.errors import InputError
from bodypose3d_ros.media.recording import Recorded, Recording, RecordingWriter, is_recording
from bodypose3d_ros.wire import images
from bodypose3d_ros.wire.messages import Messages
from bodypose3d_ros.wire.typestore import ros_types

TYPES = ros_types()
MESSAGES = Messages(lambda name: TYPES.types[name])
CAMERA = Camera.from_hfov(32, 24, 60)
IMAGE = np.full((24, 32, 3), 90, np.uint8)
NS = 1_000_000_000


def image(second, encoding="bgr8"):
    make = TYPES.types["sensor_msgs/msg/Image"]
    data = IMAGE if encoding == "bgr8" else np.zeros((24, 32), np.uint16)
    return make(header=MESSAGES.header(second * NS, "head"), height=24, width=32, encoding=encoding,
                is_bigendian=0, step=data.strides[0], data=data.view(np.uint8).ravel())  # fmt: skip


def compressed(second):
    return MESSAGES.compressed_image(
        images.encode_jpeg(IMAGE), MESSAGES.header(second * NS, "head")
    )


def info(second, camera=CAMERA):
    return MESSAGES.camera_info(camera, MESSAGES.header(second * NS, "head"))


def bag(path, messages, storage=StoragePlugin.MCAP):
    """A rosbag2 folder of (topic, second, message)."""
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connections = {}
        for topic, second, message in messages:
            if topic not in connections:
                connections[topic] = writer.add_connection(
                    topic, message.__msgtype__, typestore=TYPES
                )
            cdr = TYPES.serialize_cdr(message, message.__msgtype__)
            writer.write(connections[topic], second * NS, cdr)
    return path


CAMERA_BAG = [
    ("/cam/image_raw", 1, image(1)),
    ("/cam/camera_info", 1, info(1)),
    ("/cam/image_raw", 2, image(2)),
]


def frames(recording):
    return [item[1] for item in recording.messages() if isinstance(item, tuple)]


@pytest.mark.parametrize("storage", list(StoragePlugin))
def test_images_come_with_their_camera_even_those_before_the_first_camera_info(tmp_path, storage):
    path = bag(tmp_path / "bag", CAMERA_BAG, storage)
    assert is_recording(path)
    with Recording(path) as recording:
        assert (recording.count, recording.image_topic) == (2, "/cam/image_raw")
        first, second = frames(recording)
    assert (first.stamp, second.stamp) == (1 * NS, 2 * NS)
    assert first.frame_id == "head"
    assert_allclose(first.image, IMAGE)
    assert_allclose(first.camera.matrix, CAMERA.matrix)


def test_a_bare_mcap_file_is_a_recording(tmp_path):
    path = bag(tmp_path / "bag", CAMERA_BAG)
    (bare,) = path.glob("*.mcap")
    with Recording(bare) as recording:
        assert len(frames(recording)) == 2


def test_compressed_images_are_images(tmp_path):
    path = bag(tmp_path / "bag", [("/cam/image_raw/compressed", 1, compressed(1)),
                                  ("/cam/camera_info", 1, info(1))])  # fmt: skip
    with Recording(path) as recording:
        assert_allclose(frames(recording)[0].image, IMAGE, atol=3)


def test_raw_is_taken_where_both_are_and_depth_images_are_not_pictures(tmp_path):
    path = bag(tmp_path / "bag", [
        *CAMERA_BAG,
        ("/cam/image_raw/compressed", 1, compressed(1)),
        ("/depth/image_raw", 1, image(1, "16UC1")),
        ("/depth/camera_info", 1, info(1)),
    ])  # fmt: skip
    with Recording(path) as recording:
        assert (recording.image_topic, recording.info_topic) == (
            "/cam/image_raw",
            "/cam/camera_info",
        )


def test_a_camera_info_that_changes_counts_from_then_on(tmp_path):
    wider = Camera.from_hfov(32, 24, 90)
    path = bag(tmp_path / "bag", [
        ("/cam/camera_info", 1, info(1)), ("/cam/image_raw", 1, image(1)),
        ("/cam/camera_info", 2, info(2, wider)), ("/cam/image_raw", 2, image(2)),
    ])  # fmt: skip
    with Recording(path) as recording:
        focal = [frame.camera.matrix[0, 0] for frame in frames(recording)]
    assert_allclose(focal, [CAMERA.matrix[0, 0], wider.matrix[0, 0]])


def test_several_cameras_must_be_told_apart_by_the_user(tmp_path):
    path = bag(tmp_path / "bag", [
        ("/left/image_raw", 1, image(1)), ("/left/camera_info", 1, info(1)),
        ("/right/image_raw", 1, image(1)), ("/right/camera_info", 1, info(1)),
    ])  # fmt: skip
    with pytest.raises(InputError, match="--image-topic: /left/image_raw, /right/image_raw"):
        Recording(path)
    with Recording(path, image_topic="/right/image_raw") as recording:
        assert recording.info_topic == "/right/camera_info"
    with pytest.raises(InputError, match="has no image topic /up; it has /left/image_raw"):
        Recording(path, image_topic="/up")


def test_a_camera_can_be_given_where_the_recording_has_none(tmp_path):
    path = bag(tmp_path / "bag", CAMERA_BAG[:1])
    with pytest.raises(InputError, match=r"no CameraInfo: give the camera with --camera FILE"):
        Recording(path)
    with Recording(path, camera_of=lambda w, h: Camera.from_hfov(w, h, 70)) as recording:
        assert frames(recording)[0].camera.assumed_hfov == 70


@pytest.mark.parametrize("make", ["empty", "words", "truncated"])
def test_a_damaged_recording_is_named(tmp_path, make):
    path = tmp_path / "broken.mcap"
    (whole,) = bag(tmp_path / "bag", CAMERA_BAG).glob("*.mcap")
    content = whole.read_bytes()
    broken = {"empty": b"", "words": b"no recording", "truncated": content[: len(content) // 2]}
    path.write_bytes(broken[make])
    with pytest.raises(InputError, match=r"broken\.mcap: is not a recording that can be read"):
        Recording(path)


def test_a_recording_without_images_says_so(tmp_path):
    path = bag(tmp_path / "bag", [("/cam/camera_info", 1, info(1))])
    with pytest.raises(InputError, match="holds no images"):
        Recording(path)


def test_an_uncalibrated_camera_info_names_the_recording(tmp_path):
    blank = info(1)
    blank.k = np.zeros(9)
    path = bag(tmp_path / "bag", [("/cam/camera_info", 1, blank), ("/cam/image_raw", 1, image(1))])
    with pytest.raises(InputError, match=r"bag: the camera matrix is all zeros"), \
         Recording(path) as recording:  # fmt: skip
        frames(recording)


def test_a_camera_info_of_another_size_names_the_recording(tmp_path):
    other = info(1, Camera.from_hfov(64, 48, 60))
    path = bag(tmp_path / "bag", [("/cam/camera_info", 1, other), ("/cam/image_raw", 1, image(1))])
    with (
        pytest.raises(InputError, match=r"bag: the calibration is for 64x48 images, this one is"),
        Recording(path) as recording,
    ):
        frames(recording)


def test_a_file_written_here_is_read_by_others_with_its_definitions(tmp_path):
    path = tmp_path / "poses.mcap"
    nobody = TYPES.types["bodypose3d_ros/msg/Pose3DArray"](
        header=MESSAGES.header(5 * NS, "head"), poses=[]
    )
    other = Recorded(
        "/note", "std_msgs/msg/String", 6 * NS, b"\0\1\0\0\3\0\0\0hi\0\0", "string data\n"
    )
    with RecordingWriter(path, TYPES) as writer:
        writer.write("/bodypose3d/poses", nobody, 5 * NS)
        writer.write("/bodypose3d/poses", nobody, 7 * NS)
        writer.write_cdr(other)
    with AnyReader([path]) as reader:
        found = [(c.topic, c.msgtype, t) for c, t, _ in reader.messages()]
        last = [reader.deserialize(raw, c.msgtype) for c, _, raw in reader.messages()][1]
    assert found == [("/bodypose3d/poses", "bodypose3d_ros/msg/Pose3DArray", 5 * NS),
                     ("/note", "std_msgs/msg/String", 6 * NS),
                     ("/bodypose3d/poses", "bodypose3d_ros/msg/Pose3DArray", 7 * NS)]  # fmt: skip
    assert last.data == "hi"
    # What Foxglove and rosbag2 look at: the profile, the encodings, and the whole definition.
    with path.open("rb") as file:
        reader = make_reader(file)
        assert reader.get_header().profile == "ros2"
        summary = reader.get_summary()
        schemas = {s.name: s for s in summary.schemas.values()}
        schema = schemas["bodypose3d_ros/msg/Pose3DArray"]
        assert schema.encoding == "ros2msg"
        assert b"MSG: bodypose3d_ros/Joint3D" in schema.data
        assert b"uint8 RIGHT_THUMB_TIP=33" in schema.data
        assert {c.message_encoding for c in summary.channels.values()} == {"cdr"}
