"""The bridge in a process of its own, its messages in the classes of the packages themselves."""

import time
import xml.etree.ElementTree as ET

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs a sourced ROS 2")
pytest.importorskip("bodypose3d_ros.msg", reason="needs this package built by colcon and sourced")
import tf2_ros
from ament_index_python.packages import get_package_share_path
from geometry_msgs.msg import TransformStamped
from graph import MESSAGES, RELIABLE, get_message
from rcl_interfaces.srv import GetParameters
from rclpy.qos import DurabilityPolicy, QoSProfile

from bodypose3d_ros.body.angles import ANGLE_NAMES, angles
from bodypose3d_ros.body.people import select
from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.errors import InputError
from bodypose3d_ros.node.diagnostics import ERROR
from bodypose3d_ros.node.interface import POSES
from bodypose3d_ros.wire.consumers import cloud
from bodypose3d_ros.wire.pose_cdr import PoseCdr
from bodypose3d_ros.wire.stamps import stamp_of
from people_made_up import row

pytestmark = pytest.mark.ros

OUTPUTS = {
    "people": ("people", "people_msgs/msg/People"),
    "points": ("points", "geometry_msgs/msg/PoseArray"),
    "cloud": ("cloud", "sensor_msgs/msg/PointCloud2"),
    "clearing": ("clearing", "sensor_msgs/msg/PointCloud2"),
    "collision_objects": ("planning_scene", "moveit_msgs/msg/PlanningScene"),
    "detections": ("detections_3d", "vision_msgs/msg/Detection3DArray"),
    "humans": ("/humans/bodies/tracked", "hri_msgs/msg/IdsList"),
}
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
IMAGES = 5
PERIOD = 10**8  # 10 Hz, so that the planning scene takes every image, too
FRAME = "camera_optical_frame"


class Node:
    """Sends poses as the node does."""

    def __init__(self, graph):
        self._graph = graph
        self._poses = graph.node.create_publisher(get_message(POSES.type), "poses", RELIABLE)
        self.stamp = time.time_ns()

    def connected(self):
        self._graph.wait(self._poses.get_subscription_count)
        return self

    def send(self, bodies):
        """The people of the next image; returns its stamp."""
        self.stamp += PERIOD
        self._poses.publish(PoseCdr(bodies, self.stamp, FRAME, (640, 480)).array())
        return self.stamp


@pytest.fixture
def node(graph):
    return Node(graph)


@pytest.fixture
def told(graph, node, run):
    """Starts the bridge with one output, sends poses, and gives what came of them."""

    def start(output, *arguments):
        topic, kind = OUTPUTS[output]
        package = kind.split("/")[0]
        pytest.importorskip(f"{package}.msg", reason=f"needs {package}, built and sourced")
        run("bodypose3d_bridge", "-p", f"outputs:=[{output}]", *arguments)
        node.connected()
        heard = graph.listen(topic, kind)
        # The topic appears with the first message, which nobody can have subscribed to.
        node.send(select(row(), []))
        graph.wait(lambda: graph.node.count_publishers(topic))
        graph.wait(lambda: node.send(select(row(), [])) and _heard(graph, heard))
        heard.clear()
        return heard

    return start


def _heard(graph, heard):
    graph.spin(0.2)
    return len(heard)


@pytest.mark.parametrize("output", OUTPUTS)
def test_every_image_is_told_and_when_poses_stop_so_is_nothing_old(graph, node, told, output):
    heard = told(output)
    diagnoses = graph.diagnoses()
    stamps = [node.send(row()) for _ in range(IMAGES)]
    graph.wait(lambda: len(_since(heard, stamps[0])) >= IMAGES)
    graph.wait(lambda: any(level == ERROR for level, *_ in diagnoses))
    assert [stamp_of(message) for message in _since(heard, stamps[0])] == stamps
    assert {message.header.frame_id for message in _since(heard, stamps[0])} == {FRAME}
    if output == "humans":
        graph.wait(lambda: heard[-1].ids == [])
        graph.wait(lambda: not _topics_of_bodies(graph))
        late = graph.listen(*OUTPUTS[output], LATCHED)
        assert graph.wait(lambda: late)[0].ids == []


def _topics_of_bodies(graph):
    topics = graph.node.get_topic_names_and_types()
    return [name for name, _ in topics if name.startswith("/humans/bodies/b")]


def _since(heard, stamp):
    """What speaks of the images from one on, with its header; not that bodies have ended."""
    of_images = []
    for message in heard:
        if hasattr(message, "world"):
            of_images += message.world.collision_objects[:1]
        elif getattr(message, "ids", True):
            of_images.append(message)
    return [message for message in of_images if stamp_of(message) >= stamp]


def test_the_cloud_holds_the_points_as_bytes(graph, node, told):
    heard = told("cloud")
    stamp = node.send(row())
    (message,) = graph.wait(lambda: _since(heard, stamp))
    xyz = np.frombuffer(message.data, "<f4").reshape(-1, 3)
    np.testing.assert_allclose(xyz, cloud.points(row()), atol=1e-6)


def test_people_are_told_in_the_frame_asked_for(graph, node, told):
    """TF turns the camera's view into a frame with z up, 1.5 m below the camera."""
    place = TransformStamped()
    place.header.frame_id, place.child_frame_id = "odom", FRAME
    place.transform.translation.z = 1.5
    q = place.transform.rotation
    q.x, q.y, q.z, q.w = -0.5, 0.5, -0.5, 0.5
    tf2_ros.StaticTransformBroadcaster(graph.node).sendTransform(place)
    heard = told("points", "-p", "frame:=odom", "-p", "joints:=[pelvis]")
    stamp = node.send(row())
    (message,) = graph.wait(lambda: _since(heard, stamp))
    assert message.header.frame_id == "odom"
    places = [(p.position.x, p.position.y, p.position.z) for p in message.poses]
    x, y, z = row().joints[:, INDEX["pelvis"]].T
    np.testing.assert_allclose(places, np.stack([z, -x, 1.5 - y], -1), atol=1e-9)


def test_people_enter_and_leave_the_planning_scene(graph, node, told):
    heard = told("collision_objects")
    for bodies in (row(), row(), select(row(), [0])):
        node.send(bodies)
    graph.wait(lambda: len(_with_people(heard)) == 3)
    kind = get_message("moveit_msgs/msg/CollisionObject")
    scenes = [
        {c.id: c.operation for c in scene.world.collision_objects} for scene in _with_people(heard)
    ]
    assert scenes == [
        {"person_1": kind.ADD, "person_2": kind.ADD},
        {"person_1": kind.MOVE, "person_2": kind.MOVE},
        {"person_1": kind.MOVE, "person_2": kind.REMOVE},
    ]
    assert all(scene.is_diff and scene.robot_state.is_diff for scene in heard)


def _with_people(scenes):
    return [scene for scene in scenes if scene.world.collision_objects]


def test_a_body_has_the_joints_of_its_description(graph, node, told):
    """What robot_state_publisher wants: human_description's names, with the body's id."""
    told("humans")
    heard = graph.listen("/humans/bodies/b0001/joint_states", "sensor_msgs/msg/JointState")
    graph.wait(lambda: node.send(row()) and _heard(graph, heard))
    names = [f"{name}_b0001" for name in ANGLE_NAMES]
    assert list(heard[0].name) == names
    expected = angles(row().joints, row().orientation)[0]
    np.testing.assert_allclose(heard[0].position, expected)


def test_a_body_has_its_urdf_while_it_is_there(graph, node, told):
    """As a latched topic and as a parameter; all that moves in it has an angle."""
    pytest.importorskip("xacro", reason="needs xacro")
    try:
        get_package_share_path("human_description")
    except LookupError:
        pytest.skip("needs human_description")
    told("humans")
    node.send(row(1))
    graph.wait(lambda: graph.node.count_publishers("/humans/bodies/b0001/urdf"))
    late = graph.listen("/humans/bodies/b0001/urdf", "std_msgs/msg/String", LATCHED)
    graph.wait(lambda: node.send(row(1)) and _heard(graph, late))
    joints = ET.fromstring(late[0].data).iter("joint")  # noqa: S314 - of a package here
    moving = [joint.get("name") for joint in joints if joint.get("type") == "revolute"]
    assert sorted(moving) == sorted(f"{name}_b0001" for name in ANGLE_NAMES)

    def parameter():
        names = ["human_description_b0001"]
        service = "/bodypose3d_bridge/get_parameters"
        return [v.string_value for v in graph.call(GetParameters, service, names=names).values]

    assert parameter() == [late[0].data]
    graph.wait(lambda: not parameter())  # poses have stopped


def test_images_are_taken_only_to_learn_their_size_and_while_somebody_wants_them_cut(
    graph, node, told
):
    """Taking an image costs more than all outputs together."""
    kind = get_message("sensor_msgs/msg/Image")
    camera = graph.node.create_publisher(kind, "image", RELIABLE)
    told("humans")
    graph.wait(camera.get_subscription_count)

    picture = kind(width=640, height=480, step=1920, encoding="bgr8", data=bytes(3 * 640 * 480))

    def shoot():
        """An image and, when it has been taken, the people in it."""
        picture.header = MESSAGES.header(node.stamp + PERIOD, FRAME)
        camera.publish(picture)
        graph.spin(0.1)
        node.send(row())

    def without_camera():
        shoot()
        return not camera.get_subscription_count()

    graph.wait(without_camera)
    cut = graph.listen("/humans/bodies/b0001/cropped", "sensor_msgs/msg/Image")
    graph.wait(lambda: shoot() or cut)
    assert camera.get_subscription_count()


def test_an_output_that_does_not_exist_ends_it_with_the_reason(run):
    bridge = run("bodypose3d_bridge", "-p", "outputs:=[peple]")
    assert bridge.ended() == InputError.exit_code
