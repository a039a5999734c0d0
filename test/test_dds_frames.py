"""The frame buffer of the DDS host does what tf2's does for a moving camera."""

import threading

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

pytest.importorskip("cyclonedds", reason="the DDS host needs cyclonedds (pip install .[dds])")

from bodypose3d_ros.hosts.dds.frames import FrameBuffer
from bodypose3d_ros.node.transforms import TransformError
from bodypose3d_ros.wire.messages import Messages
from bodypose3d_ros.wire.typestore import ros_types

TYPES = ros_types().types
MESSAGES = Messages(TYPES.__getitem__)
SECOND = 10**9
TURN = np.array([0.0, 0.0, np.pi / 2])


def tf(parent, child, translation, rotation=(0, 0, 0), seconds=0.0):
    place = np.eye(4)
    place[:3, :3] = Rotation.from_rotvec(rotation).as_matrix()
    place[:3, 3] = translation
    return MESSAGES.transform(MESSAGES.header(round(seconds * SECOND), parent), child, place)


@pytest.fixture
def texts():
    """What the buffer has said."""
    return []


@pytest.fixture
def buffer(texts):
    """A camera on a robot that drives along x and turns from 10 s to 12 s, in a map."""
    buffer = FrameBuffer(lambda level, text: texts.append(text))
    buffer.add(tf("base", "camera", (0, 0, 1)), static=True)
    buffer.add(tf("map", "base", (0, 0, 0), seconds=10))
    buffer.add(tf("map", "base", (4, 0, 0), TURN, seconds=12))
    return buffer


def moved(matrix, point):
    return (matrix @ [*point, 1])[:3]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (10, (1, 0, 1)),
        (12, (4, 1, 1)),
        # Half way: 2 m along x, turned by 45 degrees.
        (11, (2 + np.sqrt(0.5), np.sqrt(0.5), 1)),
    ],
)
def test_a_point_before_the_camera_is_where_the_robot_was_then(buffer, seconds, expected):
    matrix = buffer.lookup("map", "camera", seconds * SECOND)
    assert moved(matrix, (1, 0, 0)) == pytest.approx(expected)


def test_up_and_down_the_tree(buffer):
    """From one branch to another, and back again, is where one started."""
    buffer.add(tf("map", "table", (0, 5, 0)), static=True)
    there = buffer.lookup("table", "camera", 11 * SECOND)
    assert moved(there, (0, 0, 0)) == pytest.approx((2, -5, 1))
    back = buffer.lookup("camera", "table", 11 * SECOND)
    assert there @ back == pytest.approx(np.eye(4))
    assert buffer.lookup("camera", "camera", 0) == pytest.approx(np.eye(4))


def test_transforms_may_arrive_in_any_order(buffer):
    buffer.add(tf("map", "base", (9, 0, 0), seconds=11))
    assert moved(buffer.lookup("map", "base", 11 * SECOND), (0, 0, 0)) == pytest.approx((9, 0, 0))


@pytest.mark.parametrize(("seconds", "says"), [(9, "oldest.*-1.000 s"), (13, "newest.*1.000 s")])
def test_nothing_is_extrapolated(buffer, seconds, says):
    with pytest.raises(TransformError, match=says):
        buffer.lookup("map", "camera", seconds * SECOND)


def test_frames_that_do_not_meet_are_named(buffer):
    with pytest.raises(TransformError, match="does not connect 'camera' with 'moon'"):
        buffer.lookup("moon", "camera", 11 * SECOND)


@pytest.mark.parametrize(
    ("parent", "child", "says"),
    [("camera", "map", "in a loop"), ("map", "map", "in a loop"), ("", "base", "no name")],
)
def test_frames_that_make_no_tree_are_dropped_and_counted(parent, child, says, buffer, texts):
    for _ in range(2):
        buffer.add(tf(parent, child, (0, 0, 0)), static=True)
    assert buffer.dropped == 2
    (text,) = texts
    assert says in text
    assert moved(buffer.lookup("map", "camera", 10 * SECOND), (1, 0, 0)) == pytest.approx((1, 0, 1))


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("rotation", (0.0, 0.0, 0.0, 0.0), "no unit quaternion"),
        ("rotation", (0.0, 0.0, 0.0, 1.1), "no unit quaternion"),
        ("rotation", (np.nan, 0.0, 0.0, 1.0), "not a number"),
        ("translation", (0.0, np.inf, 0.0), "not a number"),
    ],
)
def test_what_is_no_transform_is_dropped_and_counted(buffer, texts, field, value, says):
    """Somebody's frame that has nothing to do with ours must not end the node."""
    message = tf("map", "base", (0, 0, 0), seconds=11)
    for name, number in zip("xyzw", value, strict=False):
        setattr(getattr(message.transforms[0].transform, field), name, number)
    good = tf("map", "other", (1, 0, 0), seconds=11).transforms
    message.transforms.extend(good)
    buffer.add(message)
    assert buffer.dropped == 1
    assert says in texts[0]
    buffer.lookup("map", "base", 11 * SECOND)
    buffer.lookup("map", "other", 11 * SECOND)


def test_ros_1s_leading_slashes_are_taken_off(buffer):
    buffer.add(tf("/base", "/hand", (1, 0, 0)), static=True)
    hand = moved(buffer.lookup("map", "hand", 11 * SECOND), (0, 0, 0))
    assert hand == pytest.approx((2 + np.sqrt(0.5), np.sqrt(0.5), 0))


def test_after_frames_of_the_future_those_of_now_count_again(buffer, texts):
    """A clock that was an hour ahead for a moment."""
    buffer.add(tf("map", "base", (9, 9, 9), seconds=3612))
    for seconds in (12, 13, 14):
        buffer.add(tf("map", "base", (0, 0, 0), seconds=seconds))
    assert moved(buffer.lookup("map", "base", 13 * SECOND), (0, 0, 0)) == pytest.approx((0, 0, 0))
    (text,) = texts
    assert "'base' was more than 10 s ahead" in text


def test_when_time_begins_anew_only_what_does_not_move_is_kept(buffer):
    buffer.clear()
    buffer.lookup("base", "camera", 0)
    with pytest.raises(TransformError):
        buffer.lookup("map", "camera", 11 * SECOND)


def test_what_is_older_than_ten_seconds_is_forgotten(buffer):
    buffer.add(tf("map", "base", (0, 0, 0), seconds=21))
    with pytest.raises(TransformError, match="oldest"):
        buffer.lookup("map", "camera", 10 * SECOND)
    buffer.lookup("map", "camera", 20 * SECOND)


def test_an_image_waits_for_its_transform(buffer):
    later = tf("map", "base", (8, 0, 0), TURN, seconds=14)
    threading.Timer(0.05, buffer.add, [later]).start()
    matrix = buffer.lookup("map", "base", 13 * SECOND, timeout=30)
    assert moved(matrix, (0, 0, 0)) == pytest.approx((6, 0, 0))


def test_frames_of_people_who_have_gone_are_forgotten(clock):
    """Each has a new name; what never moves is kept, and so is who is still told of."""
    clock.before("hosts.dds.frames")
    buffer = FrameBuffer()
    buffer.add(tf("base", "camera", (0, 0, 1)), static=True)
    for index in range(50):
        buffer.add(tf("camera", f"body_{index}/neck", (0, 0, 2), seconds=11))
    clock.seconds += 15
    buffer.add(tf("map", "base", (4, 0, 0), TURN, seconds=27))
    clock.seconds += 15
    buffer.add(tf("map", "base", (4, 0, 0), TURN, seconds=28))
    assert set(buffer._links) == {"camera", "base"}


def test_names_without_end_do_not_fill_the_memory(buffer, texts):
    for index in range(200):
        buffer.add(
            TYPES["tf2_msgs/msg/TFMessage"](
                [
                    one
                    for number in range(100)
                    for one in tf("camera", f"{index}_{number}", (0, 0, 1)).transforms
                ]
            ),
            static=True,
        )
    assert len(buffer._links) == 10_000
    assert buffer.dropped == 20_000 - (10_000 - 2)
    assert len(texts) == 100
    assert "there are 10000 frames already" in texts[0]
