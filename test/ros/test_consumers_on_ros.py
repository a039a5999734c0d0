"""Programs that read people on robots, built from their own sources, fed by the bridge."""

import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs a sourced ROS 2")
pytest.importorskip("bodypose3d_ros.msg", reason="needs this package built by colcon and sourced")
from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from geometry_msgs.msg import TransformStamped, Twist
from graph import RELIABLE, get_message
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from std_msgs.msg import Header
from tf2_ros import StaticTransformBroadcaster

from bodypose3d_ros.body.people import select
from bodypose3d_ros.body.shape import capsules
from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.node.interface import POSES
from bodypose3d_ros.wire.pose_cdr import PoseCdr
from people_made_up import row
from ros_network import PEERS, Process, within

pytestmark = pytest.mark.ros

FRAME = "camera_optical_frame"
SIZE = (640, 480)


class Node:
    """Sends poses as the node does."""

    def __init__(self, graph, topic="poses"):
        self._graph = graph
        self._poses = graph.node.create_publisher(get_message(POSES.type), topic, RELIABLE)

    def send(self, bodies, seconds=0.1):
        self._poses.publish(PoseCdr(bodies, time.time_ns(), FRAME, SIZE).array())
        self._graph.spin(seconds)
        return True


@pytest.fixture
def node(graph):
    return Node(graph)


def until(process, start, condition, send, seconds=30.0):
    """Send until a line of the process that begins so fulfils it."""
    end = time.monotonic() + within(seconds)
    while time.monotonic() < end:
        assert process.returncode is None, process.output[-5:]
        send()
        for line in reversed(process.output[-20:]):
            if line.startswith(start) and condition(line.split()[1:]):
                return line.split()[1:]
    raise AssertionError(f"no such line {start!r}: {process.output[-5:]}")


def test_pyhri_follows_a_person(graph, node, run, start):
    """Who is tracked, where the body's frame is, and what it looks like in the image."""
    pytest.importorskip("hri", reason="needs pyhri, built and sourced")
    image = graph.node.create_publisher(get_message("sensor_msgs/msg/Image"), "image", RELIABLE)
    run("bodypose3d_bridge", "-p", "outputs:=[humans]")
    follower = start(PEERS / "hri_follower.py", FRAME)
    picture = get_message("sensor_msgs/msg/Image")(
        width=SIZE[0], height=SIZE[1], step=3 * SIZE[0], encoding="bgr8",
        data=bytes(3 * SIZE[0] * SIZE[1]),
    )  # fmt: skip

    def send(bodies):
        image.publish(picture)
        node.send(bodies)

    until(follower, "tracked", lambda ids: ids == ["b0001", "b0002"], lambda: send(row()))
    found = until(follower, "body", lambda words: words[0] == "b0002", lambda: send(row()))
    numbers = np.array(found[1:], float)
    np.testing.assert_allclose(numbers[:3], row().joints[1, INDEX["pelvis"]], atol=1e-6)
    np.testing.assert_allclose(numbers[3:5] * SIZE, row().pixels[1, INDEX["nose"]], rtol=1e-5)
    until(follower, "tracked", lambda ids: ids == ["b0002"], lambda: send(select(row(), [1])))
    until(follower, "tracked", lambda ids: not ids, lambda: graph.spin(0.1))  # poses have stopped


MONITOR = """\
collision_monitor:
  ros__parameters:
    base_frame_id: base
    odom_frame_id: base
    cmd_vel_in_topic: wanted
    cmd_vel_out_topic: allowed
    state_topic: state
    transform_tolerance: 5.0
    source_timeout: 2.0
    base_shift_correction: false
    bond_heartbeat_period: 0.0
    polygons: [stop]
    stop: {type: circle, radius: 1.5, action_type: stop, min_points: 4, enabled: true}
    observation_sources: [bodies]
    bodies: {type: pointcloud, topic: /cloud, min_height: 0.05, max_height: 2.2, enabled: true}
"""


def _stand(graph, *frames):
    """Tell TF where the camera is: it looks forward, made-up people's feet on the floor.

    Of several frames each is the next one's, at the same place, and the last the camera's.
    """
    places = [
        TransformStamped(header=Header(frame_id=parent), child_frame_id=child)
        for parent, child in pairwise([*frames, FRAME])
    ]
    for place in places:
        place.transform.rotation.w = 1.0
    places[-1].transform.translation.z = 1.0
    q = places[-1].transform.rotation
    q.x, q.y, q.z, q.w = -0.5, 0.5, -0.5, 0.5
    StaticTransformBroadcaster(graph.node).sendTransform(places)


def _needs(package):
    """Where a package is installed; the test is skipped where it is not."""
    try:
        return Path(get_package_prefix(package))
    except PackageNotFoundError:
        pytest.skip(f"needs {package}, built and sourced")


def _built(package, program, what="it"):
    """A program of a package; the test is skipped where it is not built."""
    binary = _needs(package) / "lib" / package / program
    if not binary.exists():
        pytest.skip(f"needs {package} with {what} as a program, {program}")
    return binary


def _activate(graph, node):
    for transition in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
        request = Transition(id=transition)
        assert graph.call(ChangeState, f"/{node}/change_state", transition=request).success


@pytest.fixture
def monitor(graph, domain, tmp_path):
    """Nav2's collision_monitor, active: call it with what to send; it gives the speed allowed."""
    binary = _built("nav2_collision_monitor", "collision_monitor")
    parameters = tmp_path / "monitor.yaml"
    parameters.write_text(MONITOR)
    _stand(graph, "base")
    process = Process(domain, "--ros-args", "--params-file", parameters, program=binary)
    _activate(graph, "collision_monitor")
    wanted = graph.node.create_publisher(Twist, "wanted", RELIABLE)
    heard = graph.listen("allowed", "geometry_msgs/msg/Twist")

    def allowed(send):
        """Metres a second of the one asked for, once it no longer changes."""
        speeds = []

        def steady():
            send()
            heard.clear()
            command = Twist()
            command.linear.x = 1.0
            wanted.publish(command)
            graph.spin(0.1)
            speeds.extend(message.linear.x for message in heard)
            return len(speeds) >= 5 and len(set(speeds[-5:])) == 1 and speeds[-1] in (0.0, 1.0)

        graph.wait(steady)
        return speeds[-1]

    yield allowed
    process.kill()


def test_nav2_stops_for_people_near_and_when_the_cloud_stops(graph, node, run, monitor):
    run("bodypose3d_bridge", "-p", "outputs:=[cloud]")
    graph.wait(lambda: node.send(select(row(), [])) and graph.node.count_publishers("/cloud"))
    assert monitor(lambda: node.send(select(row(), []))) == 1.0  # an empty cloud: nobody is there
    assert monitor(lambda: node.send(row())) == 1.0  # 3 m away
    near = row(1)
    near.joints[..., 2] -= 2.0
    assert monitor(lambda: node.send(near)) == 0.0
    assert monitor(lambda: node.send(row())) == 1.0
    graph.spin(2.5)
    assert monitor(lambda: graph.spin(0.1)) == 0.0  # the camera is dead


SPEED_AND_SEPARATION = """\
ssm_safety_ros:
  sampling_time: 0.02
  base_frame: base
  time_remove_old_objects: 1.0
  fixed_areas:
    areas:
      - {name: slow, override: 0.5, radius: 2.2}
      - {name: stop, override: 0.0, radius: 0.8}
"""


@pytest.fixture
def speed(graph, domain, tmp_path, monkeypatch):
    """ssm_safety_ros with two areas about a robot: call it with what to send; it gives percent."""
    binary = _built(
        "ssm_safety_ros", "ssm_fixed_areas_node", "its fixed areas, read from the file SSM_PARAMS,"
    )
    parameters = tmp_path / "areas.yaml"
    parameters.write_text(SPEED_AND_SEPARATION)
    monkeypatch.setenv("SSM_PARAMS", str(parameters))
    _stand(graph, "base")
    process = Process(domain, program=binary)
    heard = graph.listen("/speed_ovr", "std_msgs/msg/Int16")

    def settled(send, at):
        """Send until it has come to a speed and stays there; it speeds up by 12 % a second."""

        def stays():
            send()
            return [message.data for message in heard[-20:]] == [at] * 20

        heard.clear()
        graph.wait(stays, 30)

    yield settled
    process.kill()


def test_speed_and_separation_slows_down_for_people_and_fails_open(graph, run, speed):
    """It stops for people near, and drives at full speed when poses stop: our docs say so."""
    run(
        *("bodypose3d_bridge", "-p", "outputs:=[points]", "-p", "frame:=base"),
        *("-r", "poses:=/bodypose3d/poses", "-r", "points:=/poses"),
    )
    node = Node(graph, "/bodypose3d/poses")

    def standing_at(metres):
        bodies = row(1)
        bodies.joints[..., 2] += metres - 3.0
        return lambda: node.send(bodies)

    speed(standing_at(3.0), 100)
    speed(standing_at(1.5), 50)
    speed(standing_at(0.5), 0)
    speed(lambda: node.send(select(row(), [])), 100)  # nobody is there any more
    speed(standing_at(0.5), 0)
    speed(lambda: graph.spin(0.1), 100)  # the camera is dead, and somebody is still there


COSTMAP = """\
costmap:
  ros__parameters:
    global_frame: odom
    robot_base_frame: base
    rolling_window: true
    width: 10
    height: 10
    resolution: 0.05
    robot_radius: 0.2
    update_frequency: 5.0
    publish_frequency: 5.0
    always_send_full_costmap: true
    plugins: [people]
    people:
"""
SOCIAL = "      plugin: nav2_social_costmap_plugin::SocialLayer"
OBSTACLES = f"""\
      plugin: nav2_costmap_2d::ObstacleLayer
      max_obstacle_height: 2.2
      observation_sources: bodies around
      bodies:
        topic: /cloud
        data_type: PointCloud2
        sensor_frame: {FRAME}
        marking: true
        clearing: false
        min_obstacle_height: 0.05
        max_obstacle_height: 2.2
        obstacle_max_range: 6.0
        expected_update_rate: 0.5
      around:
        topic: /clearing
        data_type: PointCloud2
        sensor_frame: {FRAME}
        marking: false
        clearing: true
        min_obstacle_height: -1.0
        max_obstacle_height: 1.0
        raytrace_max_range: 8.0
"""
LETHAL = 254


class Costmap:
    """Nav2's costmap with one layer of people."""

    def __init__(self, graph, domain, parameters):
        self.process = Process(
            *(domain, "--ros-args", "--params-file", parameters),
            program=_built("nav2_costmap_2d", "nav2_costmap_2d"),
        )
        _activate(graph, "costmap")
        self._heard = graph.listen("/costmap_raw", "nav2_msgs/msg/Costmap")

    def grid(self):
        """The newest costs by column and row, and the place (x, y) in odom of the first."""
        newest = self._heard[-1]
        del self._heard[:-1]
        about = newest.metadata
        costs = np.array(newest.data, np.uint8).reshape(about.size_y, about.size_x)
        return costs.T, np.array([about.origin.position.x, about.origin.position.y])

    def costs(self, *places):
        """At places in odom, none before it has spoken."""
        if not self._heard:
            return []
        costs, origin = self.grid()
        cells = ((np.array(places) - origin) / 0.05).astype(int)
        return costs[tuple(cells.T)].tolist()

    def lethal(self):
        """(N, 2) places in odom."""
        if not self._heard:
            return None
        costs, origin = self.grid()
        return origin + 0.05 * (np.argwhere(costs == LETHAL) + 0.5)


@pytest.fixture
def costmap(graph, domain, tmp_path):
    """Starts Nav2's costmap with a layer, about a robot at odom's origin."""
    costmaps = []

    def start(layer):
        parameters = tmp_path / "costmap.yaml"
        parameters.write_text(COSTMAP + layer)
        _stand(graph, "odom", "base")
        costmaps.append(Costmap(graph, domain, parameters))
        return costmaps[0]

    yield start
    for each in costmaps:
        each.process.kill()


def ahead(to_the_left=0.0):
    """Somebody 3 m ahead of the robot, who walks to his right, toward the robot's left."""
    bodies = row(1)
    bodies.joints[..., 0] -= to_the_left
    bodies.velocity[...] = -1.0, 0.0, 0.0  # the camera's x is to the right
    return bodies


NOBODY = select(row(), [])


def test_people_cost_where_they_are_and_most_where_they_are_going(graph, run, costmap):
    """Nav2's costmap with the social layer; it keeps who was seen last when poses stop."""
    _needs("nav2_social_costmap_plugin")
    run("bodypose3d_bridge", "-p", "outputs:=[people]", "-p", "frame:=odom")
    node = Node(graph)
    costs = costmap(SOCIAL).costs
    places = (3.0, 0.0), (3.0, 1.0), (3.0, -1.0)
    graph.wait(lambda: node.send(NOBODY) and costs(*places) == [0] * 3)

    def going():
        here, left, right = costs(*places)
        return here > 200 and left > 50 > right

    graph.wait(lambda: node.send(ahead()) and going())
    graph.spin(2.0)
    assert going()  # the camera is dead
    graph.wait(lambda: node.send(NOBODY) and costs(*places) == [0] * 3)


def test_people_are_in_the_way_where_they_are_and_nowhere_they_were(graph, run, costmap):
    """Nav2's costmap with its obstacle layer."""
    run("bodypose3d_bridge", "-p", "outputs:=[cloud, clearing]", "-p", "frame:=odom")
    node = Node(graph)
    nav2 = costmap(OBSTACLES)

    def only_at(place):
        """Whether cells about it are lethal, and no other."""
        away = np.linalg.norm(nav2.lethal() - place, axis=1)
        return len(away) and away.min() < 0.1 and away.max() < 1.0

    def nobody():
        return nav2.lethal() is not None and not len(nav2.lethal())

    graph.wait(lambda: node.send(NOBODY) and nobody())
    graph.wait(lambda: node.send(ahead()) and only_at((3.0, 0.0)))
    graph.wait(lambda: node.send(ahead(to_the_left=2.0)) and only_at((3.0, 2.0)))
    graph.wait(lambda: node.send(NOBODY) and nobody())
    graph.wait(lambda: node.send(ahead()) and only_at((3.0, 0.0)))
    said = len(nav2.process.output)
    late = "cloud observation buffer has not been updated"  # Nav2's controller stops the robot
    graph.wait(lambda: any(late in line for line in nav2.process.output[said:]))
    assert only_at((3.0, 0.0))


PLACES = ("0.0", "0.0", "3.0"), ("0.0", "0.0", "5.0")


@pytest.fixture
def scene(graph, domain):
    """MoveIt's planning scene with a robot that is a ball, put at each of PLACES in turn."""
    binary = _built(
        "moveit_core", "planning_scene_listener", "a scene that tells what a ball runs into"
    )
    process = Process(domain, FRAME, "0.05", *PLACES[0], *PLACES[1], program=binary)
    yield process
    process.kill()


def test_moveit_keeps_clear_of_people_while_they_are_there(graph, node, run, scene):
    """Who is added, moved and removed is so in the scene, and is what a robot would run into."""
    run("bodypose3d_bridge", "-p", "outputs:=[collision_objects]")
    bodies = select(row(), [0])
    bodies.joints[...] -= bodies.joints[:, INDEX["pelvis"], None] - (0.0, 0.0, 3.0)
    limbs = 3 * len(capsules(bodies.joints[0], bodies.covariance[0]).radius)

    def says(*lines):
        """The newest scene, and what it says of the ball at each place."""
        return [*lines] == next(
            (
                scene.output[n : n + 3]
                for n in reversed(range(len(scene.output) - 2))
                if scene.output[n].startswith("scene")
            ),
            None,
        )

    there = f"scene 1 person_1:{limbs}"
    graph.wait(lambda: node.send(bodies) and says(there, "ball 0 person_1", "ball 1 -"))
    bodies.joints[..., 2] += 2.0
    graph.wait(lambda: node.send(bodies) and says(there, "ball 0 -", "ball 1 person_1"))
    nobody = select(row(), [])
    graph.wait(lambda: node.send(nobody) and says("scene 1", "ball 0 -", "ball 1 -"))
