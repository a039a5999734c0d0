"""The real node, in a process of its own, on a real ROS 2."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs a sourced ROS 2")
pytest.importorskip("bodypose3d_ros.msg", reason="needs this package built by colcon and sourced")
import tf2_ros
from geometry_msgs.msg import TransformStamped
from graph import BEST_EFFORT, FILM, MESSAGES, RELIABLE, Camera, get_message, info
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time

from bodypose3d_ros.body.camera import Camera as CameraModel
from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.media import film
from bodypose3d_ros.node import interface as topics
from bodypose3d_ros.node.diagnostics import ERROR, OK
from bodypose3d_ros.node.parameters import DECLARATIONS
from bodypose3d_ros.wire.stamps import stamp_of

pytestmark = pytest.mark.ros

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
WRIST = INDEX["left_wrist"]


def shoot_until(graph, camera, heard, count=1):
    """Take an image at a time until so many messages have come; returns the stamps."""
    stamps = []

    def come():
        stamps.append(camera.shoot())
        graph.spin(0.3)
        return len(heard) >= count

    graph.wait(come)
    return stamps


def test_the_film_becomes_poses_markers_and_frames(graph, run):
    """What is published about an image carries its stamp, and says the same everywhere."""
    node = run("bodypose3d_node")
    camera = Camera(graph).connected()
    poses, nearest, markers = (
        graph.hear(topic) for topic in (topics.POSES, topics.POSE, topics.MARKERS)
    )
    buffer = tf2_ros.Buffer()
    tf2_ros.TransformListener(buffer, graph.node)
    diagnoses = graph.diagnoses()
    camera.calibrate()
    stamps = shoot_until(graph, camera, markers, 5)
    assert {stamp_of(each) for each in poses} <= set(stamps)
    last = poses[-1]
    assert last.header.frame_id == film.FRAME_ID
    (person,) = last.poses
    assert (person.track_id, nearest[-1].track_id) == (1, 1)
    namespaces = {marker.ns for marker in markers[-1].markers}
    assert namespaces == {"joints", "limbs", "ids", "covariances"}
    wrist = person.joints[WRIST].position
    asked = (film.FRAME_ID, "body_1/left_wrist", Time(nanoseconds=stamp_of(last)))
    graph.wait(lambda: buffer.can_transform(*asked))
    place = buffer.lookup_transform(*asked).transform.translation
    assert (place.x, place.y, place.z) == (wrist.x, wrist.y, wrist.z)
    # Somebody 2 to 4 m away, known to a tenth of that: the wire has not mixed up the joints.
    truth = FILM.joints[stamps.index(stamp_of(last)), 0, WRIST]
    assert np.linalg.norm([wrist.x, wrist.y, wrist.z] - truth) < 0.4
    graph.wait(lambda: diagnoses and diagnoses[-1][2]["poses published"] == str(len(poses)))
    assert diagnoses[-1][0] == OK, diagnoses[-1]
    assert node.returncode is None


def test_a_misspelt_parameter_is_told_of(graph, run):
    node = run("bodypose3d_node", "-p", "camera_hight:=1.3", "-p", "camera_pitch:=12.0")
    said = "parameters that this node has not were set: "
    graph.wait(lambda: any(said in line for line in node.output))
    (line,) = (line for line in node.output if said in line)
    assert line.endswith(f"{said}camera_hight")  # and none of rclpy's own


def test_the_overlay_is_published_while_somebody_looks(graph, run):
    run("bodypose3d_node")
    camera = Camera(graph).connected()
    camera.calibrate()
    overlay = graph.hear(topics.OVERLAY)
    compressed = graph.hear(topics.OVERLAY_COMPRESSED)
    shoot_until(graph, camera, overlay)
    graph.wait(lambda: compressed)
    assert (overlay[0].width, overlay[0].height, overlay[0].encoding) == (640, 480, "bgr8")
    assert len(overlay[0].data) == 640 * 480 * 3
    assert compressed[0].data[:2].tobytes() == b"\xff\xd8"  # a JPEG's start


def test_a_managed_node_does_what_its_manager_says(graph, run):
    """Twice round: every transition undoes exactly what its counterpart did."""
    run("bodypose3d_node", "-p", "autostart:=false")
    poses = graph.listen("/bodypose3d/poses", topics.POSES.type)
    camera = Camera(graph)
    for _ in range(2):
        assert graph.state() == "unconfigured"
        assert graph.node.count_publishers("/bodypose3d/poses") == 0
        assert graph.change("configure")
        assert graph.state() == "inactive"
        graph.wait(lambda: graph.node.count_publishers("/bodypose3d/poses") == 1)
        assert graph.node.count_subscribers("/image") == 0
        assert graph.change("activate")
        camera.connected().calibrate()
        poses.clear()
        shoot_until(graph, camera, poses)
        assert graph.change("deactivate")
        graph.wait(lambda: graph.node.count_subscribers("/image") == 0)
        assert graph.change("cleanup")
        graph.wait(lambda: graph.node.count_publishers("/bodypose3d/poses") == 0)
    assert graph.change("unconfigured_shutdown")
    assert graph.state() == "finalized"


def test_a_transition_that_is_not_due_does_no_harm(graph, run):
    """rclpy (Jazzy) raises it in the executor, and answers nothing."""
    node = run("bodypose3d_node", "-p", "autostart:=false")
    client = graph.node.create_client(ChangeState, "/bodypose3d/change_state")
    graph.wait(client.service_is_ready)
    client.call_async(ChangeState.Request(transition=Transition(id=Transition.TRANSITION_ACTIVATE)))
    node.line("[ERROR] ")
    assert graph.state() == "unconfigured"
    assert graph.change("configure")


def test_a_model_that_is_not_there_leaves_the_node_unconfigured(graph, run):
    """It says what to do, and can be configured once that is done."""
    node = run("bodypose3d_node", "-p", "model:=bodypose")
    node.line("[ERROR]")
    assert "there is no model 'bodypose': choose one of blazepose" in "".join(node.output)
    diagnoses = graph.diagnoses()
    graph.wait(lambda: diagnoses)
    assert diagnoses[-1][0] == ERROR
    assert "there is no model 'bodypose'" in diagnoses[-1][1]
    assert graph.state() == "unconfigured"
    assert graph.set(model="blazepose") == ""
    assert graph.change("configure")


def test_parameters_are_checked(graph, run):
    run("bodypose3d_node")
    Camera(graph).connected()
    assert graph.set(hfov=60.0, tf_joints=["neck"]) == ""
    assert "tf_joints: 'tail' is not one of pelvis" in graph.set(tf_joints=["tail"])
    assert "max_people is read when the node is configured" in graph.set(max_people=3)
    assert graph.set(max_people=DECLARATIONS["max_people"].default) == ""  # no change
    assert graph.set(hfov=200.0) != ""  # rclpy's own words, from the declared range
    assert graph.set(autostart=False) != ""
    assert graph.set(use_sim_time=False) == ""  # not ours to judge


def test_parameters_are_described(graph, run):
    run("bodypose3d_node", "-p", "autostart:=false")
    described = graph.describe(*DECLARATIONS)
    for each, declared in zip(described, DECLARATIONS.values(), strict=True):
        assert each.description.startswith(declared.description)
        limits = [*each.integer_range, *each.floating_point_range]
        assert [(r.from_value, r.to_value) for r in limits] == (
            [] if declared.minimum is None else [(declared.minimum, declared.maximum)]
        )
        assert each.read_only == (declared.name == "autostart")


def test_parameters_take_effect_while_it_runs(graph, run):
    run("bodypose3d_node")
    camera = Camera(graph).connected()
    poses, markers, frames = (
        graph.hear(topic) for topic in (topics.POSES, topics.MARKERS, topics.TF)
    )
    camera.calibrate()
    shoot_until(graph, camera, markers)
    assert len(frames[0].transforms) > 20
    assert graph.set(publish_markers=False, tf_joints=["neck", "left_wrist"]) == ""
    frames.clear()
    stamps = shoot_until(graph, camera, poses, len(poses) + 2)
    graph.wait(lambda: len(frames) >= 2)
    # RViz is told once to forget them; an image that was in work may still have been shown.
    forget = get_message("visualization_msgs/msg/Marker").DELETEALL
    assert [marker.action for marker in markers[-1].markers] == [forget]
    shown = [m for message in markers for m in message.markers if m.action != forget]
    assert not {stamp_of(marker) for marker in shown} & set(stamps)
    assert {t.child_frame_id for t in frames[-1].transforms} == {"body_1/neck", "body_1/left_wrist"}


@pytest.mark.parametrize("name", ["config", "wrong type", "wrong value"])
def test_parameters_of_a_file(run, tmp_path, name):
    """The package's own file is accepted; a bad one ends the node, and it says why."""
    if name == "config":
        from ament_index_python.packages import get_package_share_path

        path = get_package_share_path("bodypose3d_ros") / "config" / "bodypose3d.yaml"
        node = run("bodypose3d_node", "--params-file", path)
        assert "ready" in node.line("[INFO]") + node.line("[INFO]")
        return
    value = "threads: many" if name == "wrong type" else "tf_joints: [tail]"
    path = tmp_path / "params.yaml"
    path.write_text(f"bodypose3d:\n  ros__parameters:\n    {value}\n")
    node = run("bodypose3d_node", "--params-file", path)
    assert value.split(":")[0] in node.line("[FATAL]")
    assert node.ended() == 3
    assert "Traceback" not in "".join(node.output)


@pytest.mark.parametrize("qos", [RELIABLE, BEST_EFFORT], ids=["reliable", "best effort"])
def test_images_of_either_reliability_are_taken(graph, run, qos):
    run("bodypose3d_node", lossless=False)
    camera = Camera(graph, qos=qos).connected()
    poses = graph.hear(topics.POSES)
    camera.calibrate()
    shoot_until(graph, camera, poses)


def test_quality_of_service_can_be_overridden(graph, run):
    override = "qos_overrides./image.subscription.reliability:=reliable"
    run("bodypose3d_node", "-p", override, lossless=False)
    Camera(graph).connected()
    (subscription,) = graph.node.get_subscriptions_info_by_topic("/image")
    assert subscription.qos_profile.reliability == ReliabilityPolicy.RELIABLE
    (subscription,) = graph.node.get_subscriptions_info_by_topic("/camera_info")
    assert subscription.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT


def test_a_calibration_that_was_latched_before_the_node_came_counts(graph, run):
    publisher = graph.node.create_publisher(
        get_message(topics.CAMERA_INFO.type), "camera_info", LATCHED
    )
    publisher.publish(info())
    run("bodypose3d_node")
    camera = Camera(graph, info="not_camera_info")
    graph.wait(lambda: graph.node.count_subscribers("/image"))
    poses = graph.hear(topics.POSES)
    shoot_until(graph, camera, poses)


def test_a_late_calibration_and_one_of_another_size(graph, run):
    run("bodypose3d_node")
    camera = Camera(graph).connected()
    poses, diagnoses = graph.hear(topics.POSES), graph.diagnoses()

    def shoot_until_told(text):
        def told():
            camera.shoot()
            graph.spin(0.1)
            return diagnoses and text in diagnoses[-1][1]

        graph.wait(told)
        assert diagnoses[-1][0] == ERROR

    shoot_until_told("no CameraInfo of the image's frame")
    camera.calibrate(CameraModel.from_hfov(320, 240, 60))
    shoot_until_told("the calibration is for 320x240 images, this one is 640x480")
    assert not poses
    camera.calibrate()
    shoot_until(graph, camera, poses)


def test_a_frame_that_tf_does_not_know_is_waited_for(graph, run):
    """Images are skipped and that is said; once the frame is there, poses come in it."""
    node = run("bodypose3d_node", "-p", "target_frame:=map", "-p", "transform_timeout:=0.05")
    camera = Camera(graph).connected()
    poses, diagnoses = graph.hear(topics.POSES), graph.diagnoses()
    camera.calibrate()
    reason = "TF does not connect 'film_camera_optical_frame' with 'map'"

    def told():
        camera.shoot()
        graph.spin(0.2)
        return diagnoses and diagnoses[-1][0] == ERROR and reason in diagnoses[-1][1]

    graph.wait(told)
    assert sum("TF does not connect" in line for line in node.output) == 1
    assert not poses
    place = TransformStamped()
    place.header.frame_id, place.child_frame_id = "map", film.FRAME_ID
    place.transform.translation.x = 10.0
    tf2_ros.StaticTransformBroadcaster(graph.node).sendTransform(place)
    shoot_until(graph, camera, poses)
    assert poses[0].header.frame_id == "map"
    pelvis = poses[0].poses[0].joints[INDEX["pelvis"]].position
    assert abs(pelvis.x - 10) < 1  # the camera looks at the person


def test_compressed_images(graph, run):
    run("bodypose3d_node", "-p", "image_transport:=compressed")
    camera = Camera(graph, compressed=True).connected()
    poses = graph.hear(topics.POSES)
    camera.calibrate()
    shoot_until(graph, camera, poses)
    assert len(poses[0].poses) == 1


def test_a_damaged_image_is_dropped(graph, run):
    node = run("bodypose3d_node")
    camera = Camera(graph).connected()
    camera.calibrate()
    poses = graph.hear(topics.POSES)
    camera.damage()
    graph.wait(lambda: "image: dropped a damaged message" in "".join(node.output))
    shoot_until(graph, camera, poses)
    assert len(poses[0].poses) == 1


def test_detections_of_somebody_else(graph, run):
    """The image is used once somebody has said where people are in it."""
    run("bodypose3d_node", "-p", "use_detections:=true")
    camera = Camera(graph).connected()
    array = get_message(topics.DETECTIONS.type)
    detector = graph.node.create_publisher(array, "detections", RELIABLE)
    graph.wait(detector.get_subscription_count)
    poses = graph.hear(topics.POSES)
    camera.calibrate()
    stamp = camera.shoot()
    graph.spin(1.0)
    assert not poses
    message = array(header=MESSAGES.header(stamp, film.FRAME_ID))
    detector.publish(message)
    graph.wait(lambda: poses)
    assert stamp_of(poses[0]) == stamp
    assert not poses[0].poses  # nobody was detected, and nobody was looked for


def test_simulated_time(graph, run):
    """Latency is in the time of /clock, in which images are stamped."""
    run("bodypose3d_node", "-p", "use_sim_time:=true")
    clock_type = get_message("rosgraph_msgs/msg/Clock")
    clock = graph.node.create_publisher(clock_type, "/clock", RELIABLE)
    camera = Camera(graph).connected()
    graph.wait(clock.get_subscription_count)
    poses = graph.hear(topics.POSES)
    camera.calibrate()
    second = 10**9
    now = [100 * second]

    def tick():
        now[0] += second // 5
        stamp = MESSAGES.header(now[0], "").stamp
        clock.publish(clock_type(clock=stamp))
        camera.shoot(now[0] - second // 4)
        graph.spin(0.1)
        return poses

    diagnoses = graph.diagnoses()
    graph.wait(tick)

    def told():
        tick()
        return diagnoses and diagnoses[-1][2].get("latency, median (ms)", "nan") != "nan"

    graph.wait(told)
    # A quarter of a second old when sent; the clock goes on by a fifth at a time.
    assert 250 <= float(diagnoses[-1][2]["latency, median (ms)"]) < 2000


def test_names_can_be_remapped(graph, run):
    run(
        "bodypose3d_node",
        *("-r", "__ns:=/front", "-r", "__node:=people"),
        *("-r", "image:=/camera/image_raw", "-r", "camera_info:=/camera/camera_info"),
    )
    camera = Camera(graph, "/camera/image_raw", "/camera/camera_info").connected()
    poses = graph.hear(topics.POSES, "/front/people")
    camera.calibrate()
    shoot_until(graph, camera, poses)


def test_two_nodes_in_one_process(graph, start):
    """Composed in a multi-threaded executor, each with its own camera and parameters."""
    start(Path(__file__).with_name("two_nodes.py"))
    for side in ("left", "right"):
        camera = Camera(graph, f"/{side}/image", f"/{side}/camera_info").connected()
        poses = graph.hear(topics.POSES, f"/{side}/bodypose3d")
        camera.calibrate()
        shoot_until(graph, camera, poses)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_after_a_signal(graph, run, number):
    """Issue 4. RViz is told to forget, the graph forgets at once."""
    node = run("bodypose3d_node")
    camera = Camera(graph).connected()
    markers = graph.hear(topics.MARKERS)
    camera.calibrate()
    shoot_until(graph, camera, markers)
    camera.shoot()
    node.stop(number)
    assert node.returncode == 0
    graph.wait(lambda: markers[-1].markers and markers[-1].markers[0].action == 3)  # DELETEALL
    graph.wait(lambda: "bodypose3d" not in graph.node.get_node_names(), 2)


def test_it_ends_at_once_after_a_signal_when_a_subscriber_is_stuck(graph, run, start):
    """Cyclone DDS lingers a second in every reliable publisher (Internal/Linger)."""
    node = run("bodypose3d_node")
    subscriber = start(Path(__file__).with_name("subscriber.py"))
    subscriber.line("ready")
    camera = Camera(graph).connected()
    markers = graph.hear(topics.MARKERS)
    camera.calibrate()
    shoot_until(graph, camera, markers)
    os.kill(subscriber.pid, signal.SIGSTOP)
    shoot_until(graph, camera, markers, len(markers) + 2)
    node.stop()
    assert node.returncode == 0


def test_it_ends_at_once_while_it_waits_for_tf(graph, run):
    node = run("bodypose3d_node", "-p", "target_frame:=map", "-p", "transform_timeout:=5.0")
    camera = Camera(graph).connected()
    camera.calibrate()
    camera.shoot()
    graph.spin(0.5)
    node.stop()
    assert node.returncode == 0


def test_it_ends_at_once_while_it_loads(run):
    node = run("bodypose3d_node")
    node.line("[INFO]")
    node.stop()
    assert node.returncode == 0


def test_cv_bridge_sees_the_same_picture():
    """Our conversion of image messages is rosbags-image's on every host: here is the reference."""
    cv_bridge = pytest.importorskip("cv_bridge", reason="needs cv_bridge")
    from bodypose3d_ros.wire import images

    bridge, rng = cv_bridge.CvBridge(), np.random.default_rng(4)
    for encoding, shape, dtype in (
        ("bgr8", (48, 64, 3), np.uint8),
        ("rgb8", (48, 64, 3), np.uint8),
        ("bgra8", (48, 64, 4), np.uint8),
        ("rgba8", (48, 64, 4), np.uint8),
        ("mono8", (48, 64), np.uint8),
        ("bayer_rggb8", (48, 64), np.uint8),
        ("yuv422", (48, 64, 2), np.uint8),
        ("yuv422_yuy2", (48, 64, 2), np.uint8),
    ):
        picture = rng.integers(0, 255, shape, dtype)
        message = bridge.cv2_to_imgmsg(picture, "passthrough")
        message.encoding = encoding
        expected = bridge.imgmsg_to_cv2(message, "bgr8")
        np.testing.assert_array_equal(images.from_message(message), expected, encoding)
