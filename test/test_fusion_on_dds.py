"""The fusion node on a machine without ROS 2: one process a camera, and one that fuses them."""

import numpy as np
import pytest

from node_alone import bodies_of
from ros_network import PEERS, spin_until

pytest.importorskip("cyclonedds", reason="the DDS host needs cyclonedds (pip install .[dds])")

import cell_sightings as cell
from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.hosts.dds.names import Names
from bodypose3d_ros.hosts.dds.network import Network
from bodypose3d_ros.hosts.dds.node import Node
from bodypose3d_ros.media import rig
from bodypose3d_ros.node import interface as topics
from bodypose3d_ros.node.diagnostics import ERROR, OK, WARN, State
from bodypose3d_ros.wire.stamps import stamp_of

CAMERAS = ("front", "left", "back")
PERIOD = round(1e9 / 15)
"""Nanoseconds: the cameras' moments are its multiples."""
CAMERA, PROGRAM = PEERS / "cell_node.py", PEERS / "real_node.py"

LENS = """
image_width: 640
image_height: 480
camera_matrix: {{rows: 3, cols: 3, data: {}}}
distortion_model: plumb_bob
distortion_coefficients: {{rows: 1, cols: 5, data: [0, 0, 0, 0, 0]}}
"""


class Fused:
    """What the fusion node says, as it comes."""

    def __init__(self, graph):
        self.graph = graph
        self.status = {}
        """By name: level and message."""
        self.poses, self.alive = [], []
        for topic, take in (
            (topics.POSES, self.poses.append),
            (topics.ALIVE, self.alive.append),
            (topics.DIAGNOSTICS, self._diagnosed),
        ):
            name = topic.name.replace("~", "/bodypose3d_fusion")
            graph.create_subscription(topic.type, name, take, topic.qos)

    def _diagnosed(self, array):
        for status in array.status:
            self.status[status.name] = (status.level, status.message)

    @property
    def whole(self):
        return self.status.get("bodypose3d_fusion: fusion", (ERROR, ""))

    def until(self, true):
        spin_until(self.graph, true)

    def more(self, count):
        """So many more poses."""
        end = len(self.poses) + count
        self.until(lambda: len(self.poses) >= end)
        return self.poses[-count:]


@pytest.fixture
def fused(domain):
    with Node(Names("tester"), Network.from_environment()) as graph:
        yield Fused(graph)


def fuse(start):
    start(PROGRAM, "fusion", "--host", "dds", "--param", "cameras:=[front, left, back]")


def sigma(messages):
    """Metres: how well the pelvises are known in the worst direction, over some poses."""
    covariance = [bodies_of(m).covariance[:, INDEX["pelvis"]] for m in messages]
    return float(np.median(np.sqrt(np.linalg.eigvalsh(np.concatenate(covariance))[:, -1])))


def test_cameras_come_and_go_and_people_stay(start, fused):
    cameras = {name: start(CAMERA, name) for name in CAMERAS}
    fuse(start)
    fused.until(lambda: fused.whole[0] == OK)
    before = fused.more(30)
    stamps = list(map(stamp_of, before))
    assert stamps == sorted(set(stamps))
    assert all(stamp % PERIOD == 0 for stamp in stamps)  # the cameras' moments, and no others
    assert {message.header.frame_id for message in before} == {"world"}
    ids = {pose.track_id for message in before for pose in message.poses}
    assert len(ids) == 2
    fused.until(lambda: fused.alive[-1].state == State.OK)
    assert {f"bodypose3d_fusion: {name}" for name in ("fusion", *CAMERAS)} <= set(fused.status)

    cameras["left"].kill()
    fused.until(lambda: fused.whole[0] == WARN and "left: silent for" in fused.whole[1])
    without = fused.more(30)
    assert {pose.track_id for message in without for pose in message.poses} == ids
    assert sigma(without) > 1.05 * sigma(before)
    fused.until(lambda: fused.alive[-1].state == State.DEGRADED)

    cameras["left"] = start(CAMERA, "left")
    fused.until(lambda: fused.whole[0] == OK)
    assert {pose.track_id for message in fused.more(5) for pose in message.poses} == ids

    for camera in cameras.values():
        camera.kill()
    fused.until(lambda: fused.whole[0] == ERROR and "all cameras are silent" in fused.whole[1])
    last = len(fused.poses)
    fused.until(lambda: fused.alive[-1].state == State.STALE)
    assert len(fused.poses) == last


def test_a_camera_that_tf_has_wrong_is_named(start, fused):
    for name in CAMERAS:
        start(CAMERA, name, *(["--turned", 2] if name == "left" else []))
    fuse(start)
    fused.until(lambda: "degrees off since" in fused.whole[1])
    level, message = fused.whole
    assert level == WARN
    (blamed,) = (part for part in message.split("; ") if "degrees off since" in part)
    assert blamed.startswith("left: ")


def test_a_rig_file_tells_which_cameras_and_where_they_stand(start, fused, tmp_path):
    """Where no ROS 2 is, nobody else sends TF of them."""
    for name in CAMERAS:
        start(CAMERA, name, "--frame", f"{name}_optical_frame").line("ready", timeout=60)
    film = cell.FILMS["cell_front"]
    (tmp_path / "lens.yaml").write_text(LENS.format(film.camera.matrix.ravel().tolist()))
    places = [rig.RigCamera(n, film.camera, cell.PLACES[f"cell_{n}"], tmp_path / "lens.yaml")
              for n in CAMERAS]  # fmt: skip
    rig.write(rig.Rig("hall", tuple(places)), tmp_path / "rig.yaml")
    start(PROGRAM, "fusion", "--host", "dds", "--rig", tmp_path / "rig.yaml")
    fused.until(lambda: fused.whole[0] == OK)
    message = fused.more(5)[-1]
    assert message.header.frame_id == "hall"
    assert len(message.poses) == 2
