"""A rig's images on one clock: what belongs to one moment comes together."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import yaml

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.errors import InputError
from bodypose3d_ros.media import feeds, rig
from bodypose3d_ros.media.recording import RecordingWriter
from bodypose3d_ros.media.video import VideoWriter
from bodypose3d_ros.wire.messages import Messages
from bodypose3d_ros.wire.typestore import ros_types
from test_rig import CALIBRATION, CONTENT

FRONT = CONTENT["cameras"]["front"]


@pytest.fixture
def cell(tmp_path):
    (tmp_path / "front.yaml").write_text(yaml.safe_dump(CALIBRATION))
    content = {**CONTENT, "cameras": {"front": FRONT, "left": {**FRONT, "translation": [0, 1, 2]}}}
    (tmp_path / "rig.yaml").write_text(yaml.safe_dump(content))
    return rig.read(tmp_path / "rig.yaml")


def film(path, frames, rate=10.0):
    with VideoWriter(path, rate) as writer:
        for number in range(frames):
            writer.write(np.full((480, 640, 3), 10 * number, np.uint8))
    return path


def test_equal_numbers_are_one_moment_and_come_with_place_and_frame(cell, tmp_path):
    films = [film(tmp_path / "a.mp4", 3), film(tmp_path / "b.mp4", 2)]
    moments = list(feeds.instants(feeds.of_films(cell, films)))
    assert [(stamp, list(frames)) for stamp, frames in moments] == [
        (0, ["front", "left"]),
        (100_000_000, ["front", "left"]),
        (200_000_000, ["front"]),
    ]
    left = moments[0][1]["left"]
    assert (left.frame_id, left.source) == ("left_optical_frame", "left")
    assert left.place[:3, 3].tolist() == [0, 1, 2]


def test_given_times_put_images_in_order_of_time(cell, tmp_path):
    films = [film(tmp_path / "a.mp4", 3), film(tmp_path / "b.mp4", 2, rate=5)]
    times = [tmp_path / "a.txt", tmp_path / "b.txt"]
    times[0].write_text("0\n0.1\n0.2\n")
    times[1].write_text("0.04\n0.2\n")
    moments = list(feeds.instants(feeds.of_films(cell, films, times)))
    assert [(stamp / 1e9, list(frames)) for stamp, frames in moments] == [
        (0, ["front"]),
        (0.04, ["left"]),
        (0.1, ["front"]),
        (0.2, ["front", "left"]),
    ]


def test_the_rate_is_that_of_the_times(cell, tmp_path):
    (tmp_path / "t.txt").write_text("0\n0.1\n0.2\n")
    films = [film(tmp_path / "a.mp4", 3)] * 2
    assert [each.rate for each in feeds.of_films(cell, films, [tmp_path / "t.txt"] * 2)] == [10, 10]


def recorded(path, *frames):
    """A recording of one image of each camera, the first one's black, by topic and frame."""
    types = ros_types()
    messages = Messages(lambda kind: types.types[kind])
    with RecordingWriter(path, types) as recording:
        for grey, (topic, frame_id) in enumerate(frames):
            header = messages.header(1, frame_id)
            info = messages.camera_info(Camera.from_hfov(64, 48, 60), header)
            recording.write(f"/{topic}/camera_info", info, 1)
            image = messages.image(np.full((48, 64, 3), grey, np.uint8), header)
            recording.write(f"/{topic}/image_raw", image, 1)
    return path


def test_cameras_of_a_recording_are_called_by_their_frames(tmp_path):
    path = recorded(
        tmp_path / "cell.mcap", ("a/rgb", "front_optical_frame"), ("b/rgb", "r2/left_optical_frame")
    )
    found, each = feeds.unplaced(path, "world")
    assert (found.fixed_frame, [camera.name for camera in found.cameras]) == (
        "world", ["front", "r2/left"],
    )  # fmt: skip
    assert [next(feed.frames()).frame_id for feed in each] == [
        "front_optical_frame", "r2/left_optical_frame",
    ]  # fmt: skip
    assert rig.file_name(found.cameras[1].name) == "r2_left"


def test_of_frames_that_differ_in_their_ending_alone_each_is_a_camera(tmp_path):
    """One name for both would give both the images of the one."""
    path = recorded(tmp_path / "cell.mcap", ("a", "front"), ("b", "front_optical_frame"))
    found, each = feeds.unplaced(path, "world")
    assert [camera.name for camera in found.cameras] == ["front", "front_optical_frame"]
    assert [next(feed.frames()).image.max() for feed in each] == [0, 1]
    of_rig = replace(found, cameras=(replace(found.cameras[0], frame=""),))  # as its file has it
    _, (feed,) = feeds.of_recording(path, of_rig)
    assert next(feed.frames()).image.max() == 1


def test_cameras_of_one_frame_cannot_be_told_apart(tmp_path):
    path = recorded(tmp_path / "cell.mcap", ("a", "camera"), ("b", "camera"))
    with pytest.raises(InputError, match=r"/a/image_raw and /b/image_raw are of one frame"):
        feeds.of_recording(path)


def test_a_rigs_camera_that_a_recording_lacks_is_named(cell, tmp_path):
    path = recorded(tmp_path / "cell.mcap", ("a", "front_optical_frame"), ("b", "door"))
    with pytest.raises(InputError, match=r"no images of the rig's left: .* left_optical_frame;"):
        feeds.of_recording(path, cell)


def test_folders_of_pictures_need_a_rate(cell, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(2):
            picture = cv2.imencode(".png", np.zeros((480, 640, 3), np.uint8))[1]
            (tmp_path / name / f"{number}.png").write_bytes(picture.tobytes())
    folders = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(InputError, match="give --film-rate or --times"):
        feeds.of_films(cell, folders)
    moments = list(feeds.instants(feeds.of_films(cell, folders, rate=4)))
    assert [stamp for stamp, _ in moments] == [0, 250_000_000]


def test_a_film_too_few_is_said_with_the_cameras_names(cell, tmp_path):
    with pytest.raises(InputError, match=r"2 cameras \(front, left\), here are 1"):
        feeds.of_films(cell, [film(tmp_path / "a.mp4", 2)])


def test_films_of_several_rates_need_times(cell, tmp_path):
    films = [film(tmp_path / "a.mp4", 2), film(tmp_path / "b.mp4", 2, rate=5)]
    with pytest.raises(InputError, match=r"a\.mp4 10 Hz, b\.mp4 5 Hz.*--times"):
        feeds.of_films(cell, films)


def test_more_images_than_times_are_refused(cell, tmp_path):
    films = [film(tmp_path / "a.mp4", 3), film(tmp_path / "b.mp4", 3)]
    short = tmp_path / "short.txt"
    short.write_text("0\n0.1\n")
    with pytest.raises(InputError, match=r"more images than the 2 times"):
        list(feeds.instants(feeds.of_films(cell, films, [short, short])))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no times"),
        ("0\nsoon\n", "is not a list"),
        ("0\n0.2\n0.1\n", "line 3 is not later"),
    ],
)
def test_times_that_are_none_are_refused(tmp_path, text, message):
    path = tmp_path / "times.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        feeds.read_times(path)


def test_a_calibration_of_another_size_names_the_film(cell, tmp_path):
    small = replace(cell, cameras=cell.cameras[:1])
    with VideoWriter(tmp_path / "small.mp4", 10) as writer:
        writer.write(np.zeros((240, 320, 3), np.uint8))
    with pytest.raises(InputError, match=r"small\.mp4.*320x240"):
        list(feeds.instants(feeds.of_films(small, [tmp_path / "small.mp4"])))
