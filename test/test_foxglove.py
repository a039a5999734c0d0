"""The Foxglove layout against what it is opened with: recordings and a node."""

import json
import re
from pathlib import Path

import cv2
import pytest
from click.testing import CliRunner
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader
from scipy.spatial.transform import Rotation

from bodypose3d_ros.apps.cli import main
from bodypose3d_ros.apps.record import recorded
from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.media import film
from bodypose3d_ros.node import interface

LAYOUT = json.loads((Path(__file__).parents[1] / "config" / "foxglove.json").read_text())
PANELS = LAYOUT["configById"]
OF_THE_BRIDGE = {"/cloud"}
# Of what Foxglove's 3D panel draws, by the names of their schemas.
DRAWN = {"visualization_msgs/msg/MarkerArray", "sensor_msgs/msg/PointCloud2"}
PATHS = [path["value"] for path in PANELS["Plot!wrists"]["paths"]]


def shown():
    """The topics of all panels."""
    return set(re.findall(r'"(/[a-z0-9_/]+)', json.dumps(LAYOUT)))


def panels(tree):
    return {tree} if isinstance(tree, str) else panels(tree["first"]) | panels(tree["second"])


def estimated(folder, *options):
    """The recording of `bodypose3d estimate`, from a picture of somebody."""
    picture = folder / "somebody.png"
    cv2.imwrite(str(picture), next(film.load("one_person").frames()).image)
    run = ["estimate", str(picture), "--hfov", "60", "--out", str(folder / "out"), *options]
    done = CliRunner().invoke(main, run)
    assert done.exit_code == 0, done.output
    return folder / "out" / "poses.mcap"


def read(recording):
    """Its messages by topic, read by the definitions in it alone."""
    with AnyReader([recording]) as reader:
        return {c.topic: reader.deserialize(raw, c.msgtype) for c, _, raw in reader.messages()}


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return estimated(tmp_path_factory.mktemp("foxglove"))


@pytest.fixture(scope="module")
def messages(recording):
    return read(recording)


def test_every_panel_has_its_settings():
    assert panels(LAYOUT["layout"]) == set(PANELS)


def test_it_shows_what_the_node_publishes_and_what_is_recorded_of_it():
    published = {topic.name.replace("~", "/bodypose3d") for topic in interface.OUTPUTS}
    assert shown() - OF_THE_BRIDGE <= published
    assert shown() - OF_THE_BRIDGE <= {topic.name for topic in recorded("/bodypose3d")}


def test_foxglove_reads_how_recordings_are_written(recording):
    with recording.open("rb") as file:
        reader = make_reader(file)
        summary = reader.get_summary()
        assert reader.get_header().profile == "ros2"
    assert {schema.encoding for schema in summary.schemas.values()} == {"ros2msg"}
    assert {channel.message_encoding for channel in summary.channels.values()} == {"cdr"}
    types = {c.topic: summary.schemas[c.schema_id].name for c in summary.channels.values()}
    drawn = PANELS["3D!people"]["topics"].keys() - OF_THE_BRIDGE
    assert {types[topic] for topic in drawn} <= DRAWN
    assert PANELS["RawMessages!poses"]["topicPath"] in types


def test_people_are_drawn_in_a_frame_of_the_recordings_own(messages):
    """Foxglove draws nothing whose frame TF does not connect with the one it displays."""
    frames = {t.header.frame_id for t in messages["/tf"].transforms}
    drawn = {marker.header.frame_id for marker in messages["/bodypose3d/markers"].markers}
    assert drawn and drawn <= frames


def test_people_stand_upright_in_the_frame_that_the_camera_hangs_from(messages):
    (link,) = messages["/tf_static"].transforms
    assert (link.header.frame_id, link.child_frame_id) == ("camera_link", "camera_optical_frame")
    assert heights(messages, "neck") - heights(messages, "left_ankle") > 1.0


def test_people_stand_on_the_floor_where_that_is_known(tmp_path):
    shown = film.load("one_person")
    mounting = ["--camera-height", str(shown.height), "--camera-pitch", str(shown.tilt)]
    messages = read(estimated(tmp_path, *mounting))
    (link,) = messages["/tf_static"].transforms
    assert (link.header.frame_id, link.child_frame_id) == ("floor", "camera_optical_frame")
    assert heights(messages, "left_ankle") == pytest.approx(0.1, abs=0.1)
    assert heights(messages, "neck") == pytest.approx(1.4, abs=0.2)


def heights(messages, joint):
    """Of a person's joint, in the frame that the camera hangs from."""
    (link,) = messages["/tf_static"].transforms
    q, t = link.transform.rotation, link.transform.translation
    p = messages["/bodypose3d/poses"].poses[0].joints[INDEX[joint]].position
    return (Rotation.from_quat([q.x, q.y, q.z, q.w]).apply([p.x, p.y, p.z]) + [t.x, t.y, t.z])[2]


@pytest.mark.parametrize(
    ("path", "joint"), [*zip(PATHS, ["left_wrist", "right_wrist"], strict=True)]
)
def test_the_plot_is_of_the_wrists(messages, path, joint):
    topic, first, number, field = re.fullmatch(
        r"(/[\w/]+)\.poses\[(\d+)\]\.joints\[(\d+)\]\.position\.(\w)", path
    ).groups()
    assert int(number) == INDEX[joint]
    position = messages[topic].poses[int(first)].joints[int(number)].position
    assert getattr(position, field) > 1  # metres before the camera
