"""Programs that read people on robots, built from their own sources, fed by the bridge."""

import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="needs a sourced ROS 2")
pytest.importorskip("bodypose3d_ros.msg", reason="needs this package built by colcon and sourced")
from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from geometry_msgs.msg import TransformStamped, Twist
from graph import RELIABLE, get_message
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rosidl_runtime_py.utilities import get_service
from sensor_msgs.msg import JointState
from std_msgs.msg import Header
from tf2_ros import StaticTransformBroadcaster

from bodypose3d_ros.body.people import select
from bodypose3d_ros.body.shape import capsules
from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.node.interface import POSES
from bodypose3d_ros.wire.consumers.collision_objects import solids
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


ROBOT = """\
<robot name="rails">
  <link name="base"/><link name="along"/>
  <link name="ball"><collision><geometry><sphere radius="0.05"/></geometry></collision></link>
  <joint name="x" type="prismatic">
    <parent link="base"/><child link="along"/><origin xyz="0 0 1"/><axis xyz="1 0 0"/>
    <limit lower="0" upper="6" effort="1" velocity="1"/>
  </joint>
  <joint name="y" type="prismatic">
    <parent link="along"/><child link="ball"/><axis xyz="0 1 0"/>
    <limit lower="-3" upper="3" effort="1" velocity="1"/>
  </joint>
</robot>
"""
GROUPS = """\
<robot name="rails"><group name="all"><joint name="x"/><joint name="y"/></group></robot>
"""
MOVE_GROUP = {
    "robot_description": ROBOT,
    "robot_description_semantic": GROUPS,
    "planning_pipelines": ["ompl"],
    "ompl": {"planning_plugins": ["ompl_interface/OMPLPlanner"]},
}


class MoveIt:
    """MoveIt's move_group with a robot that is a ball on rails, a metre above the floor."""

    def __init__(self, graph):
        self._graph = graph

    def runs_into(self, x, y):
        """The objects that the ball touches at a place."""
        service = get_service("moveit_msgs/srv/GetStateValidity")
        answer = self._graph.call(
            service, "/check_state_validity", robot_state=_at(x, y), group_name="all"
        )
        assert answer.valid == (not answer.contacts)
        bodies = {name for c in answer.contacts for name in (c.contact_body_1, c.contact_body_2)}
        return bodies - {"ball"}

    def people(self):
        """How many shapes each has in its planning scene."""
        service = get_service("moveit_msgs/srv/GetPlanningScene")
        wanted = get_message("moveit_msgs/msg/PlanningSceneComponents")()
        wanted.components = wanted.WORLD_OBJECT_GEOMETRY
        answer = self._graph.call(service, "/get_planning_scene", components=wanted)
        return {each.id: len(each.primitives) for each in answer.scene.world.collision_objects}

    def way(self, start, goal):
        """Places (N, 2), close together, on a way that it plans."""
        service = get_service("moveit_msgs/srv/GetMotionPlan")
        plan = service.Request().motion_plan_request
        plan.group_name, plan.start_state, plan.allowed_planning_time = "all", _at(*start), 5.0
        goals = [
            get_message("moveit_msgs/msg/JointConstraint")(joint_name=name, position=at, weight=1.0)
            for name, at in zip("xy", goal, strict=True)
        ]
        plan.goal_constraints = [
            get_message("moveit_msgs/msg/Constraints")(joint_constraints=goals)
        ]
        answer = self._graph.call(service, "/plan_kinematic_path", motion_plan_request=plan)
        points = answer.motion_plan_response.trajectory.joint_trajectory.points
        corners = np.array([point.positions for point in points])
        return np.concatenate(np.linspace(corners[:-1], corners[1:], 20, axis=1))


def _at(x, y):
    """The robot's state with the ball at a place."""
    joints = JointState(name=["x", "y"], position=[x, y])
    return get_message("moveit_msgs/msg/RobotState")(joint_state=joints)


@pytest.fixture
def moveit(graph, domain, tmp_path):
    """MoveIt with OMPL, ready."""
    _needs("moveit_planners_ompl")
    binary = _built("moveit_ros_move_group", "move_group")
    parameters = tmp_path / "move_group.yaml"
    parameters.write_text(yaml.safe_dump({"move_group": {"ros__parameters": MOVE_GROUP}}))
    _stand(graph, "base")
    process = Process(domain, "--ros-args", "--params-file", parameters, program=binary)
    states = graph.node.create_publisher(JointState, "joint_states", RELIABLE)
    graph.node.create_timer(0.1, lambda: states.publish(_at(0.0, 0.0).joint_state))
    yield MoveIt(graph)
    process.kill()


def test_moveit_keeps_clear_of_people_while_they_are_there(graph, run, moveit):
    """Who is added, moved and removed is so in move_group, and is what its robot would run into."""
    run("bodypose3d_bridge", "-p", "outputs:=[collision_objects]", "-p", "frame:=base")
    node = Node(graph)
    here, there = (3.0, 0.0), (3.0, 2.0)
    shapes = len(solids(capsules(row(1).joints, row(1).covariance)).kind)
    graph.wait(lambda: node.send(NOBODY) and graph.node.count_publishers("/planning_scene"))
    assert not moveit.runs_into(*here)

    graph.wait(lambda: node.send(ahead()) and moveit.runs_into(*here) == {"person_1"})
    assert moveit.people() == {"person_1": shapes}
    assert not moveit.runs_into(*there)
    way = moveit.way((0.0, 0.0), (6.0, 0.0))
    np.testing.assert_allclose(way[[0, -1]], [(0, 0), (6, 0)], atol=1e-3)
    assert np.linalg.norm(way - here, axis=1).min() > 0.2  # around the trunk

    left = ahead(to_the_left=2.0)
    graph.wait(lambda: node.send(left) and moveit.runs_into(*there) == {"person_1"})
    assert not moveit.runs_into(*here)
    graph.spin(2.0)
    assert moveit.runs_into(*there) == {"person_1"}  # the camera is dead

    graph.wait(lambda: node.send(NOBODY) and not moveit.people())
    assert not moveit.runs_into(*there)
