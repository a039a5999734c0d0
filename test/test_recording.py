"""Recordings: what goes in is found, what comes out is what Foxglove and rosbag2 read."""

import contextlib
import logging
import sqlite3
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from numpy.testing import assert_allclose
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin, Writer

from bodypose3d_ros.apps.estimate import Estimation
from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.people import Bodies
from bodypose3d_ros.errors import InputError
from bodypose3d_ros.media.outputs import result
from bodypose3d_ros.media.recording import (
    Recording,
    RecordingWriter,
    image_topics,
    is_recording,
)
from bodypose3d_ros.media.sources import CameraChoice, Topics, open_source
from bodypose3d_ros.media.storage import McapFile, Recorded
from bodypose3d_ros.wire import images
from bodypose3d_ros.wire.messages import Messages
from bodypose3d_ros.wire.typestore import ros_types
from known_people import SHAPE
from older_types import OLD

TYPES = ros_types()
MESSAGES = Messages(lambda name: TYPES.types[name])
CAMERA = Camera.from_hfov(32, 24, 60)
IMAGE = np.full((24, 32, 3), 90, np.uint8)
NS = 1_000_000_000


def image(second, encoding="bgr8", frame_id="head"):
    make = TYPES.types["sensor_msgs/msg/Image"]
    data = IMAGE if encoding == "bgr8" else np.zeros((24, 32), np.uint16)
    return make(
        header=MESSAGES.header(second * NS, frame_id), height=24, width=32, encoding=encoding,
        is_bigendian=0, step=data.strides[0], data=data.view(np.uint8).ravel(),
    )  # fmt: skip


def compressed(second):
    return MESSAGES.compressed_image(
        images.encode_jpeg(IMAGE), MESSAGES.header(second * NS, "head")
    )


def info(second, camera=CAMERA, frame_id="head"):
    return MESSAGES.camera_info(camera, MESSAGES.header(second * NS, frame_id))


def text(second):
    return TYPES.types["std_msgs/msg/String"](f"second {second}")


def nobody(types):
    return types.types["bodypose3d_ros/msg/Pose3DArray"](
        header=MESSAGES.header(5 * NS, "head"), poses=[]
    )


def bag(path, messages, storage=StoragePlugin.MCAP, types=TYPES):
    """A rosbag2 folder of (topic, second, message)."""
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connections = {}
        for topic, second, message in messages:
            if topic not in connections:
                kind = message if isinstance(message, str) else message.__msgtype__
                connections[topic] = writer.add_connection(topic, kind, typestore=types)
            if isinstance(message, str):  # a topic's type, and no message of it
                continue
            cdr = types.serialize_cdr(message, message.__msgtype__)
            writer.write(connections[topic], second * NS, cdr)
    return path


CAMERA_BAG = [
    ("/cam/image_raw", 1, image(1)),
    ("/cam/camera_info", 1, info(1)),
    ("/cam/image_raw", 2, image(2)),
]


def frames(recording):
    return [item.frame for item in recording.items() if item.frame]


def camera_of(path, choice):
    """The camera of a recording's first image, of which the command line tells, too."""
    return frames(open_source(path, choice, Topics()))[0].camera


def problems(recording):
    return [item.problem for item in recording.items() if item.problem]


@pytest.mark.parametrize("storage", list(StoragePlugin))
def test_images_come_with_their_camera_even_those_before_the_first_camera_info(tmp_path, storage):
    path = bag(tmp_path / "bag", CAMERA_BAG, storage)
    assert is_recording(path)
    recording = Recording(path)
    assert (recording.count, recording.image_topic) == (2, "/cam/image_raw")
    first, second = frames(recording)
    assert (first.stamp, second.stamp) == (1 * NS, 2 * NS)
    assert first.frame_id == "head"
    assert_allclose(first.image, IMAGE)
    assert_allclose(first.camera.matrix, CAMERA.matrix)


def test_a_bare_mcap_file_is_a_recording(tmp_path):
    path = bag(tmp_path / "bag", CAMERA_BAG)
    (bare,) = path.glob("*.mcap")
    recording = Recording(bare)
    assert len(frames(recording)) == 2


def test_compressed_images_are_images(tmp_path):
    path = bag(tmp_path / "bag", [("/cam/image_raw/compressed", 1, compressed(1)),
                                  ("/cam/camera_info", 1, info(1))])  # fmt: skip
    recording = Recording(path)
    assert_allclose(frames(recording)[0].image, IMAGE, atol=3)


def test_raw_is_taken_where_both_are_and_depth_images_are_not_pictures(tmp_path):
    path = bag(tmp_path / "bag", [
        *CAMERA_BAG,
        ("/cam/image_raw/compressed", 1, compressed(1)),
        ("/depth/image_raw", 1, image(1, "16UC1")),
        ("/depth/camera_info", 1, info(1)),
    ])  # fmt: skip
    recording = Recording(path)
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
    recording = Recording(path)
    focal = [frame.camera.matrix[0, 0] for frame in frames(recording)]
    assert_allclose(focal, [CAMERA.matrix[0, 0], wider.matrix[0, 0]])


def test_several_cameras_must_be_told_apart_by_the_user(tmp_path):
    path = bag(tmp_path / "bag", [
        ("/left/image_raw", 1, image(1)), ("/left/camera_info", 1, info(1)),
        ("/right/image_raw", 1, image(1)), ("/right/camera_info", 1, info(1)),
    ])  # fmt: skip
    with pytest.raises(InputError, match="--image-topic: /left/image_raw, /right/image_raw"):
        Recording(path)
    recording = Recording(path, image_topic="/right/image_raw")
    assert recording.info_topic == "/right/camera_info"
    with pytest.raises(InputError, match="has no image topic /up; it has /left/image_raw"):
        Recording(path, image_topic="/up")


def test_people_are_not_looked_for_where_they_are_drawn_in(tmp_path):
    """What `record` and `ros2 bag record -a` take of the node: its overlay is no camera."""
    drawn = ("/bodypose3d/overlay/compressed", 1, compressed(1))
    both = bag(tmp_path / "both", [*CAMERA_BAG, drawn])
    assert Recording(both).image_topic == "/cam/image_raw"
    assert image_topics(both) == ["/cam/image_raw"]
    alone = bag(tmp_path / "alone", [CAMERA_BAG[1], drawn])
    with pytest.raises(InputError, match=r"people drawn in \(/bodypose3d/overlay/compressed\)"):
        Recording(alone)
    assert Recording(alone, image_topic=drawn[0]).image_topic == drawn[0]


def test_a_camera_can_be_given_where_the_recording_has_none(tmp_path):
    path = bag(tmp_path / "bag", CAMERA_BAG[:1])
    with pytest.raises(InputError, match=r"no CameraInfo: give estimate the camera"):
        Recording(path)
    recording = Recording(path, camera_of=lambda w, h: Camera.from_hfov(w, h, 70))
    assert frames(recording)[0].camera.assumed_hfov == 70


def test_what_a_recording_says_of_its_camera_counts_before_a_field_of_view(tmp_path):
    """`estimate recording/ film.mp4 --hfov 60`: the guess is for the film."""
    path = bag(tmp_path / "bag", CAMERA_BAG)
    guess = CameraChoice(hfov=70)
    own = camera_of(path, guess)
    assert own.assumed_hfov is None
    assert_allclose(own.matrix, CAMERA.matrix)
    zeros = replace(info(1), k=np.zeros(9))
    uncalibrated = bag(tmp_path / "zeros", [CAMERA_BAG[0], ("/cam/camera_info", 1, zeros)])
    assert camera_of(uncalibrated, guess).assumed_hfov == 70
    others = bag(tmp_path / "others", [CAMERA_BAG[0], ("/b/camera_info", 1, info(1, CAMERA, "b"))])
    assert camera_of(others, guess).assumed_hfov == 70
    with pytest.raises(InputError, match="has no CameraInfo topic /c"):
        open_source(path, guess, Topics(info="/c"))


def test_a_calibration_file_counts_before_what_a_recording_says_and_it_is_told(tmp_path, caplog):
    file = tmp_path / "camera.yaml"
    file.write_text(
        "{image_width: 32, image_height: 24, distortion_model: plumb_bob, "
        "camera_matrix: {data: [40, 0, 15.5, 0, 40, 11.5, 0, 0, 1]}, "
        "distortion_coefficients: {data: [0, 0, 0, 0, 0]}}"
    )
    assert camera_of(bag(tmp_path / "bag", CAMERA_BAG), CameraChoice(file)).matrix[0, 0] == 40
    assert "--camera counts, not its own /cam/camera_info" in caplog.text


@pytest.mark.parametrize("content", [b"", b"no recording", b"no recording" * 100])
def test_what_is_no_recording_is_named(tmp_path, content):
    path = tmp_path / "broken.mcap"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.mcap: is not a recording that can be read"):
        Recording(path)


def written(path, messages, chunk_size=1 << 20, **options):
    """A bare file as other programs write it, with the mcap library's own writer."""
    with path.open("wb") as file:
        writer = McapWriter(file, chunk_size=chunk_size, **options)
        writer.start()
        channels = {}
        for topic, second, message in messages:
            if topic not in channels:
                kind, encoding, definition, format_ = (
                    (message.__msgtype__, "cdr", "", "ros2msg")
                    if not isinstance(message, bytes)
                    else ("log", "json", '{"type":"object"}', "jsonschema")
                )
                if kind in TYPES.fielddefs:
                    definition = TYPES.generate_msgdef(kind, ros_version=2)[0]
                schema = writer.register_schema(kind, format_, definition.encode())
                channels[topic] = writer.register_channel(topic, encoding, schema)
            data = message
            if not isinstance(message, bytes):
                data = bytes(TYPES.serialize_cdr(message, message.__msgtype__))
            writer.add_message(channels[topic], second * NS, data, second * NS)
        writer.finish()
    return path


FIVE = [("/cam/camera_info", 1, info(1)), *(("/cam/image_raw", n, image(n)) for n in range(1, 6))]


def test_a_file_that_was_cut_off_gives_what_is_there_and_says_so(tmp_path, caplog):
    """As after a power cut: the second of its chunks is torn, and there is no index."""
    path = written(tmp_path / "cut.mcap", FIVE, chunk_size=4000)
    with path.open("rb") as file:
        first, second, *_ = make_reader(file).get_summary().chunk_indexes
    content = path.read_bytes()
    path.write_bytes(content[: second.chunk_start_offset + second.chunk_length // 2])
    assert [frame.stamp for frame in frames(Recording(path))][-1] == first.message_end_time
    assert "cut.mcap: is cut off or damaged (its end is missing); `mcap recover`" in caplog.text


def test_a_file_that_was_cut_off_in_a_chunk_gives_the_images_before_the_cut(tmp_path):
    """One chunk of all, uncompressed, as ros2 bag writes it by default."""
    path = written(tmp_path / "cut.mcap", FIVE, compression=CompressionType.NONE)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.7)])
    assert [frame.stamp // NS for frame in frames(Recording(path))] == [1, 2, 3]


def test_messages_come_in_order_of_time_however_they_were_written(tmp_path):
    """As the index says, which a whole file is read by."""
    path = written(tmp_path / "mixed.mcap", [*FIVE[::-1]])
    assert [frame.stamp // NS for frame in frames(Recording(path))] == [1, 2, 3, 4, 5]


PLAIN = {
    "use_chunking": False, "use_statistics": False, "use_summary_offsets": False,
    "repeat_channels": False, "repeat_schemas": False,
}  # fmt: skip


@pytest.mark.parametrize("options", [
    PLAIN, {"use_statistics": False}, {"repeat_channels": False}, {"repeat_schemas": False},
    {"use_chunking": False},
])  # fmt: skip
def test_a_file_whose_index_does_not_lead_to_everything_is_read_through(tmp_path, caplog, options):
    path = written(tmp_path / "plain.mcap", FIVE, **options)
    recording = Recording(path)
    assert (recording.count, len(frames(recording))) == (5, 5)
    assert not caplog.text


def test_a_file_that_was_cut_off_before_the_first_image_names_the_tool(tmp_path):
    path = written(tmp_path / "cut.mcap", FIVE)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="mcap recover"):
        Recording(path)


@pytest.mark.parametrize("seed", range(150))
def test_a_corrupted_file_gives_an_answer_or_says_what_it_is(corruptible, tmp_path, seed):
    """Bytes changed anywhere, in the first kilobyte or in the last; a piece lost; cut off."""
    rng = np.random.default_rng(seed)
    content = bytearray(corruptible)
    places = {
        0: rng.integers(0, len(content), 10),
        1: rng.integers(0, 1000, 10),
        2: rng.integers(len(content) - 1000, len(content), 10),
    }
    for place in places.get(seed % 5, ()):
        content[place] = rng.integers(256)
    if seed % 5 == 3:
        del content[rng.integers(len(content)) :][: rng.integers(1, 2000)]
    elif seed % 5 == 4:
        del content[rng.integers(len(content)) :]
    path = tmp_path / "corrupted.mcap"
    path.write_bytes(content)
    try:
        assert 1 <= len(frames(Recording(path))) <= 5
    except InputError as error:
        assert str(error).startswith(f"{path}: ")


@pytest.fixture(scope="module")
def corruptible(tmp_path_factory):
    return written(tmp_path_factory.mktemp("whole") / "whole.mcap", FIVE).read_bytes()


def test_channels_that_cannot_be_read_are_left_out(tmp_path, caplog):
    """Other programs put JSON beside messages."""
    caplog.set_level(logging.INFO)
    path = tmp_path / "mixed.mcap"
    messages = [*CAMERA_BAG, ("/log", 1, b'{"a": 1}'), ("/note", 1, text(1))]
    written(path, messages)
    recording = Recording(path)
    assert len(frames(recording)) == 2
    assert {item.recorded.topic for item in recording.items()} == {
        "/cam/image_raw", "/cam/camera_info", "/note",
    }  # fmt: skip
    assert "/log (log, json) is left out" in caplog.text


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_poses_of_another_version_are_left_out_and_images_read(tmp_path, caplog, storage):
    """They would be written as if they were laid out as poses are now."""
    messages = [*CAMERA_BAG, ("/bodypose3d/poses", 1, nobody(OLD)), ("/note", 1, text(1))]
    recording = Recording(bag(tmp_path / "bag", messages, storage, OLD))
    assert {item.recorded.topic for item in recording.items()} == {
        "/cam/image_raw", "/cam/camera_info", "/note",
    }  # fmt: skip
    assert "/bodypose3d/poses is left out: another version of bodypose3d_ros" in caplog.text
    assert len(frames(recording)) == 2


def test_poses_of_this_version_are_passed_on(tmp_path, caplog):
    messages = [*CAMERA_BAG, ("/bodypose3d/poses", 1, nobody(TYPES))]
    recording = Recording(bag(tmp_path / "bag", messages))
    assert "/bodypose3d/poses" in {item.recorded.topic for item in recording.items()}
    assert not caplog.text


def recorded_tf(second, children):
    place = np.eye(4)
    header = MESSAGES.header(second * NS, "map")
    made = [MESSAGES.transform(header, child, place) for child in children]
    return TYPES.types["tf2_msgs/msg/TFMessage"]([each for m in made for each in m.transforms])


def test_people_that_a_recording_holds_are_replaced_by_those_found(tmp_path, caplog):
    """Who opens the result would see each of them twice, and under the same names in TF."""
    caplog.set_level(logging.INFO)
    people = Bodies(
        SHAPE[None] + [0, 0, 2], np.full((1, 34, 2), 9.0), np.ones((1, 34)), np.ones(1),
        np.zeros(1, np.uint8), np.array([3], np.uint32),
    )  # fmt: skip
    own = ["base_link", "body_7/nose", "left/body_7/nose", "body_7/camera"]
    path = bag(tmp_path / "bag", [
        *CAMERA_BAG, ("/bodypose3d/poses", 1, nobody(TYPES)), ("/note", 1, text(1)),
        ("/bodypose3d/overlay/compressed", 1, compressed(1)), ("/tf", 1, recorded_tf(1, own)),
        ("/other/poses", 1, nobody(TYPES)),
    ])  # fmt: skip
    outputs = result(tmp_path / "out", ["poses.jsonl", "poses.mcap", "summary.json", "o.mp4"])

    class Finds:
        milliseconds, ended = {}, ()

        def __call__(self, frame):
            return people

        def reset(self):
            pass

    with contextlib.closing(Estimation(Finds(), outputs, keep_images=True)) as estimation:
        estimation.run(open_source(path, CameraChoice(), Topics()), "o.mp4", lambda *_: None)
    outputs.keep()

    told, frames_of_tf = Counter(), Counter()
    file = McapFile(tmp_path / "out" / "poses.mcap")
    for each in file.messages({channel.topic for channel in file.channels}):
        told[each.topic] += 1
        if each.topic == "/tf":
            transforms = TYPES.deserialize_cdr(each.cdr, each.type).transforms
            frames_of_tf.update(transform.child_frame_id for transform in transforms)
    assert told["/bodypose3d/poses"] == told["/bodypose3d/markers"] == 2  # an image each
    assert told["/bodypose3d/overlay/compressed"] == 0
    assert told["/note"] == told["/other/poses"] == 1
    assert (frames_of_tf["body_3/nose"], frames_of_tf["body_7/nose"]) == (2, 0)
    assert [frames_of_tf[name] for name in own] == [1, 0, 1, 1]
    assert caplog.text.count("/bodypose3d/poses, /tf of body_.../...") == 1


def test_a_humble_recording_with_a_type_of_ones_own_is_read(tmp_path):
    """Before Iron a recording names its types and defines none."""
    path = bag(tmp_path / "bag", [*CAMERA_BAG, ("/note", 1, text(1))], StoragePlugin.SQLITE3)
    with sqlite3.connect(next(path.glob("*.db3"))) as base:
        base.execute("DELETE FROM message_definitions")
        base.execute("UPDATE topics SET type = 'my_msgs/msg/Battery' WHERE name = '/note'")
    yaml = (path / "metadata.yaml").read_text()
    (path / "metadata.yaml").write_text(yaml.replace("std_msgs/msg/String", "my_msgs/msg/Battery"))
    recording = Recording(path)
    assert len(frames(recording)) == 2
    assert "/note" not in {item.recorded.topic for item in recording.items()}


def test_a_database_without_its_metadata_says_how_to_mend_it(tmp_path):
    path = bag(tmp_path / "bag", CAMERA_BAG, StoragePlugin.SQLITE3)
    (path / "metadata.yaml").unlink()
    with pytest.raises(InputError, match=r"ros2 bag reindex -s sqlite3 .*bag$"):
        Recording(next(path.glob("*.db3")))


def test_a_folder_that_cannot_be_read_says_how_to_mend_it(tmp_path):
    path = bag(tmp_path / "bag", CAMERA_BAG)
    (path / "metadata.yaml").write_text("nonsense: 1")
    with pytest.raises(InputError, match=r"bag: is not a recording.*ros2 bag reindex"):
        Recording(path)


def test_a_camera_info_must_be_of_the_images_frame(tmp_path):
    other = [("/depth/camera_info", 1, info(1, frame_id="depth")), ("/cam/image_raw", 1, image(1))]
    path = bag(tmp_path / "other", other)
    with pytest.raises(InputError, match=r"of the images' frame 'head' \(/depth/camera_info is of"):
        Recording(path)
    assert len(frames(Recording(path, info_topic="/depth/camera_info"))) == 1
    path = bag(tmp_path / "both", [*other, ("/elsewhere/camera_info", 1, info(1))])
    assert Recording(path).info_topic == "/elsewhere/camera_info"


def test_a_camera_info_of_another_frame_on_the_same_topic_does_not_count(tmp_path):
    path = bag(tmp_path / "bag", [
        ("/cam/camera_info", 1, info(1)), ("/cam/image_raw", 1, image(1)),
        ("/cam/camera_info", 2, info(2, Camera.from_hfov(32, 24, 90), "other")),
        ("/cam/image_raw", 2, image(2)),
    ])  # fmt: skip
    focal = [frame.camera.matrix[0, 0] for frame in frames(Recording(path))]
    assert_allclose(focal, [CAMERA.matrix[0, 0]] * 2)


def test_an_image_that_is_damaged_is_left_out_and_told(tmp_path):
    bad = compressed(2)
    bad.data = bad.data[: len(bad.data) // 2]
    path = bag(tmp_path / "bag", [
        ("/cam/camera_info", 1, info(1)), ("/cam/image_raw/compressed", 1, compressed(1)),
        ("/cam/image_raw/compressed", 2, bad), ("/cam/image_raw/compressed", 3, compressed(3)),
    ])  # fmt: skip
    recording = Recording(path)
    assert [frame.stamp // NS for frame in frames(recording)] == [1, 3]
    (problem,) = problems(recording)
    assert "the end of the file is missing" in problem


def test_a_camera_info_of_no_size_is_the_images_and_said_once(tmp_path, caplog):
    blank = info(1)
    blank.width = blank.height = 0
    path = bag(tmp_path / "bag", [("/cam/camera_info", 1, blank), *CAMERA_BAG[::2]])
    assert len(frames(Recording(path))) == 2
    assert caplog.text.count("says 0x0") == 1


def test_empty_topics_and_transports_of_one_image_are_one_camera(tmp_path):
    """As ``ros2 bag record --all`` finds them beside a camera driver."""
    kind = "sensor_msgs/msg/CompressedImage"
    path = bag(tmp_path / "bag", [
        *CAMERA_BAG, ("/cam/image_raw/compressed", 1, compressed(1)),
        ("/cam/image_raw/compressedDepth", 1, kind),
        ("/other/image_raw", 1, "sensor_msgs/msg/Image"),
    ])  # fmt: skip
    assert Recording(path).image_topic == "/cam/image_raw"
    path = bag(tmp_path / "jpeg", [
        ("/cam/camera_info", 1, info(1)), ("/cam/image_raw", 1, "sensor_msgs/msg/Image"),
        ("/cam/image_raw/compressed", 1, compressed(1)),
    ])  # fmt: skip
    assert Recording(path).image_topic == "/cam/image_raw/compressed"


def test_a_recording_of_depth_images_only_says_so(tmp_path):
    path = bag(tmp_path / "bag", [("/depth/image_raw", 1, image(1, "16UC1"))])
    with pytest.raises(InputError, match="holds depth images only: /depth/image_raw"):
        Recording(path)


def depth(second, frame_id="head"):
    message = image(second, "16UC1", frame_id)
    message.data = np.full((24, 32), 1000 * second, np.uint16).view(np.uint8).ravel()
    return message


def test_depth_images_come_with_the_images_of_their_time(tmp_path, caplog):
    """As a driver publishes them: after the image, and not with every one."""
    path = bag(tmp_path / "bag", [
        *CAMERA_BAG, ("/cam/image_raw", 3, image(3)),
        ("/cam/depth", 1, depth(1)), ("/cam/depth", 3, depth(3)),
    ])  # fmt: skip
    found = [frame.depth for frame in frames(Recording(path, depth_topic="/cam/depth"))]
    assert [each and round(float(each.values[0, 0]), 3) for each in found] == [1.0, None, 3.0]
    assert_allclose(found[0].camera.matrix, CAMERA.matrix)
    assert "1 of 3 images have no depth image of their time" in caplog.text
    assert all(frame.depth is None for frame in frames(Recording(path)))


def test_a_depth_camera_has_its_own_calibration_where_it_gives_one(tmp_path):
    wide = Camera.from_hfov(32, 24, 90)
    path = bag(tmp_path / "bag", [
        *CAMERA_BAG[:2], ("/depth/camera_info", 1, info(1, wide)), ("/depth/image", 1, depth(1)),
    ])  # fmt: skip
    recording = Recording(path, info_topic="/cam/camera_info", depth_topic="/depth/image")
    (frame,) = frames(recording)
    assert_allclose(frame.depth.camera.matrix, wide.matrix)
    assert_allclose(frame.camera.matrix, CAMERA.matrix)


def test_depth_images_that_are_not_registered_are_refused(tmp_path):
    path = bag(tmp_path / "bag", [*CAMERA_BAG, ("/cam/depth", 1, depth(1, "depth_head"))])
    with pytest.raises(InputError, match=r"of the frame 'depth_head', not of the images' 'head'"):
        Recording(path, depth_topic="/cam/depth")
    with pytest.raises(InputError, match="has no depth topic /up"):
        Recording(path, depth_topic="/up")


def test_film_packets_are_told_by_name(tmp_path):
    path = tmp_path / "film.mcap"
    with path.open("wb") as file:
        writer = McapWriter(file)
        writer.start()
        kind = "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"
        schema = writer.register_schema(kind, "ros2msg", b"uint8[] data")
        channel = writer.register_channel("/cam/image_raw/ffmpeg", "cdr", schema)
        writer.add_message(channel, NS, b"\0\1\0\0\0\0\0\0", NS)
        writer.finish()
    with pytest.raises(InputError, match=r"film packets .* on /cam/image_raw/ffmpeg.*republish"):
        Recording(path)


def test_a_recording_without_images_says_so(tmp_path):
    path = bag(tmp_path / "bag", [("/cam/camera_info", 1, info(1))])
    with pytest.raises(InputError, match="holds no images"):
        Recording(path)


def test_an_uncalibrated_camera_info_names_the_recording(tmp_path):
    blank = info(1)
    blank.k = np.zeros(9)
    path = bag(tmp_path / "bag", [("/cam/camera_info", 1, blank), ("/cam/image_raw", 1, image(1))])
    with pytest.raises(InputError, match=r"bag: the camera matrix is all zeros"):
        frames(Recording(path))


def test_a_camera_info_of_another_size_names_the_recording(tmp_path):
    other = info(1, Camera.from_hfov(64, 48, 60))
    path = bag(tmp_path / "bag", [("/cam/camera_info", 1, other), ("/cam/image_raw", 1, image(1))])
    with pytest.raises(InputError, match=r"bag: the calibration is for 64x48 images, this one is"):
        frames(Recording(path))


def test_a_file_written_here_is_read_by_others_with_its_definitions(tmp_path):
    path = tmp_path / "poses.mcap"
    other = Recorded(
        "/note", "std_msgs/msg/String", 6 * NS, b"\0\1\0\0\3\0\0\0hi\0\0", "string data\n"
    )
    with RecordingWriter(path, TYPES) as writer:
        writer.write("/bodypose3d/poses", nobody(TYPES), 5 * NS)
        writer.write("/bodypose3d/poses", nobody(TYPES), 7 * NS)
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
