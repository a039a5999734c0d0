"""The node on a machine without ROS 2: processes on the loopback interface, each test alone."""

import itertools
import resource
import signal
import time

import numpy as np
import pytest
from click.testing import CliRunner
from mcap.reader import make_reader

from known_people import picture
from ros_network import PEERS, spin_until

pytest.importorskip("cyclonedds", reason="the DDS host needs cyclonedds (pip install .[dds])")

from bodypose3d_ros.apps.cli import main
from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.people import Frame
from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.hosts.dds.camera import by_the_clock, paced
from bodypose3d_ros.hosts.dds.host import DdsHost
from bodypose3d_ros.hosts.dds.names import Names
from bodypose3d_ros.hosts.dds.network import Network
from bodypose3d_ros.hosts.dds.node import Node
from bodypose3d_ros.media import film
from bodypose3d_ros.media.recording import RecordingWriter
from bodypose3d_ros.node import interface as topics
from bodypose3d_ros.node.diagnostics import WARN, State
from bodypose3d_ros.node.qos import DEFAULT, SENSOR_DATA
from bodypose3d_ros.wire.messages import Messages
from bodypose3d_ros.wire.stamps import stamp_of

POSES = "/bodypose3d/poses"
NODE, CAMERA = PEERS / "known_node.py", PEERS / "known_camera.py"


@pytest.fixture
def graph(domain):
    with Node(Names("tester"), Network.from_environment()) as node:
        yield node


@pytest.fixture
def listen(graph):
    """Collects the messages of a topic."""

    def listener(topic, type_=topics.POSES.type, qos=DEFAULT):
        messages = []
        graph.create_subscription(type_, topic, messages.append, qos)
        return messages

    return listener


def distance(poses):
    return round(poses.poses[0].joints[0].position.z, 3)


def test_every_pose_belongs_to_its_image(start, graph, listen):
    """Stamps and distances: what the node says of a stamp is what the image of that stamp shows.

    A reliable and a best effort subscription get the same.
    """
    start(CAMERA)
    shown = {}
    graph.create_subscription(
        topics.IMAGE.type,
        "/image",
        lambda m: shown.update({stamp_of(m): m.data[1] / 10}),
        SENSOR_DATA,
    )
    reliable, best_effort = listen(POSES), listen(POSES, qos=SENSOR_DATA)
    diagnostics = listen("/diagnostics", topics.DIAGNOSTICS.type)
    start(NODE, "node", "--host", "dds")

    def known(heard):
        return [p for p in heard if stamp_of(p) in shown]

    for heard in (reliable, best_effort):  # until all twenty pictures have come
        spin_until(graph, lambda h=heard: len({distance(p) for p in known(h)}) == 20)
        assert all(distance(p) == shown[stamp_of(p)] for p in known(heard))
    spin_until(graph, lambda: diagnostics)
    status = diagnostics[-1].status[0]
    assert status.name == "bodypose3d: estimation"
    assert "input rate (Hz)" in {value.key for value in status.values}


def test_a_late_subscriber_gets_everything_from_then_on(start, graph, listen):
    start(CAMERA, "--best-effort")
    start(NODE, "node", "--host", "dds")
    first = listen(POSES)
    spin_until(graph, lambda: first)
    late = {
        topic: listen(topic.name.replace("~", "/bodypose3d"), topic.type, topic.qos)
        for topic in (topics.POSE, topics.MARKERS, topics.TF, topics.OVERLAY)
    }
    late_jpeg = listen("/bodypose3d/overlay/compressed", topics.OVERLAY_COMPRESSED.type)
    spin_until(graph, lambda: all(late.values()))
    assert not late_jpeg  # a reliable subscription of a best effort topic
    assert late[topics.TF][0].transforms[0].child_frame_id == "body_1/pelvis"


def test_quality_of_service_is_what_parameters_say(start, graph, listen):
    """A reliable subscription of a camera that offers less hears nothing, and is told so."""
    start(CAMERA, "--best-effort")
    poses = listen(POSES)
    overrides = ("./image.subscription.reliability:=reliable", "./images.subscription.depth:=2")
    params = (word for each in overrides for word in ("--param", f"qos_overrides{each}"))
    node = start(NODE, "node", "--host", "dds", *params)
    said = (
        "qos_overrides./images.subscription: the node has no such subscription",
        "/image: a publisher offers less than is asked for (reliability)",
    )
    spin_until(graph, lambda: all(any(line in out for out in node.output) for line in said))
    assert not poses


def test_two_nodes_do_not_disturb_each_other(start, graph, listen):
    start(CAMERA)
    for name in ("/front", "/back"):
        start(NODE, "node", "--host", "dds", "--namespace", name, "--remap", "image:=/image",
              "--remap", "camera_info:=/camera_info")  # fmt: skip
    front, back = listen("/front/bodypose3d/poses"), listen("/back/bodypose3d/poses")
    diagnostics = listen("/diagnostics", topics.DIAGNOSTICS.type)
    spin_until(graph, lambda: len(front) >= 5 and len(back) >= 5)
    expected = {f"{name}/bodypose3d: estimation" for name in ("front", "back")}
    spin_until(graph, lambda: {m.status[0].name for m in diagnostics} == expected)


def test_a_camera_may_die_and_come_again(start, graph, listen):
    camera = start(CAMERA)
    poses, diagnostics = listen(POSES), listen("/diagnostics", topics.DIAGNOSTICS.type)
    alive = listen("/bodypose3d/alive", topics.ALIVE.type)
    start(NODE, "node", "--host", "dds", "--param", "stale_after:=0.5")
    spin_until(graph, lambda: poses and alive and alive[-1].state == State.OK)
    camera.kill()
    spin_until(graph, lambda: alive[-1].state == State.STALE)
    spin_until(graph, lambda: diagnostics and "no image for" in diagnostics[-1].status[0].message)
    seen = len(poses)
    start(CAMERA)
    spin_until(graph, lambda: len(poses) > seen + 5)
    spin_until(graph, lambda: diagnostics[-1].status[0].level == 0)


# -- ends, wanted and not -------------------------------------------------------------------------


def test_a_node_that_meets_defects_only_ends_with_the_reason(start, graph, listen, monkeypatch):
    """Whoever watches over it starts it again: silence would be worse. Ten images are tried."""
    diagnostics = listen("/diagnostics", topics.DIAGNOSTICS.type)
    monkeypatch.setenv("DEFECTIVE", "1")
    node = start(NODE, "node", "--host", "dds")
    node.line("[INFO]")
    start(CAMERA, "--rate", 5)
    spin_until(graph, lambda: any(m.status[0].level == 2 for m in diagnostics))
    assert node.ended() == 1
    assert node.output.count("ZeroDivisionError: a defect") == 2  # the first, and what ended it
    assert any(m.status[0].message == "ZeroDivisionError: a defect" for m in diagnostics)


@pytest.mark.parametrize(("number", "seconds"), [(signal.SIGTERM, 0.0), (signal.SIGINT, 0.4)])
def test_it_ends_at_once_while_it_starts(start, number, seconds):
    """While Python imports what it needs, and while it joins the graph."""
    node = start(NODE, "node", "--host", "dds")
    time.sleep(seconds)
    node.stop(number)
    assert topics.POSES.name not in "".join(node.output)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_while_it_loads(start, monkeypatch, number):
    monkeypatch.setenv("SECONDS_TO_LOAD", "600")
    node = start(NODE, "node", "--host", "dds")
    node.line("[INFO]")
    node.stop(number)
    assert "Traceback" not in "\n".join(node.output)


@pytest.mark.parametrize("when", ["loading", "working"])
def test_whoever_comes_after_a_killed_node_takes_its_place_at_once(
    start, graph, listen, monkeypatch, when
):
    """What a killed one has left in the graph, for ten seconds, is in nobody's way."""
    start(CAMERA)
    poses = listen(POSES)
    monkeypatch.setenv("SECONDS_TO_LOAD", "30" if when == "loading" else "0")
    killed = start(NODE, "node", "--host", "dds")
    if when == "loading":
        killed.line("[INFO]")
    if when == "working":
        spin_until(graph, lambda: poses)
    killed.kill()
    before = len(poses)
    monkeypatch.setenv("SECONDS_TO_LOAD", "0")
    start(NODE, "node", "--host", "dds")
    spin_until(graph, lambda: len(poses) > before + 3)


def test_a_calibration_latched_before_the_node_came_is_found(start, graph, listen):
    start(CAMERA, "--latched-info").line("ready")
    poses = listen(POSES)
    start(NODE, "node", "--host", "dds")
    spin_until(graph, lambda: poses)


def test_each_node_speaks_under_its_own_name(start):
    """Four of them and a fusion share one terminal, in docs/cells.md."""
    node = start(NODE, "node", "--host", "dds", "--namespace", "/front")
    assert "[front.bodypose3d]: loading" in node.line("[INFO]")


def test_garbage_from_a_peer_does_not_stop_it(start, graph, listen):
    poses = listen(POSES)
    node = start(NODE, "node", "--host", "dds", "--param", "hfov:=60.0")
    node.line("[INFO] ")
    start(PEERS / "vandal.py", "/image")
    spin_until(graph, lambda: 2 * 10**9 in map(stamp_of, poses))
    assert node.returncode is None


def test_a_slow_network_works_on_the_newest_image(start, graph, listen, monkeypatch):
    """At 60 Hz and 0.1 s an image, five of six are dropped, and none is worked on late."""
    monkeypatch.setenv("SECONDS_PER_IMAGE", "0.1")
    start(CAMERA, "--rate", 60)
    poses, diagnostics = listen(POSES), listen("/diagnostics", topics.DIAGNOSTICS.type)
    start(NODE, "node", "--host", "dds")
    spin_until(graph, lambda: len(poses) >= 10 and len(diagnostics) >= 2)
    stamps = [stamp_of(p) for p in poses]
    assert np.median(np.diff(stamps)) >= 0.05e9
    values = {v.key: v.value for v in diagnostics[-1].status[0].values}
    assert int(values["images dropped for newer ones"]) > int(values["poses published"])


def test_full_hd_images_arrive_whole(start, graph, listen):
    start(CAMERA, "--size", "1920x1080", "--rate", 10)
    poses = listen(POSES)
    start(NODE, "node", "--host", "dds")
    spin_until(graph, lambda: len(poses) >= 10)
    assert {distance(p) for p in poses} <= {round(2 + n / 10, 3) for n in range(20)}


def test_a_camera_whose_images_are_lost_is_told_of(start, graph, listen):
    """Its small messages come, one image of thirty does: full HD in a kernel's stock sockets."""
    start(CAMERA, "--every", 30)
    diagnostics = listen("/diagnostics", topics.DIAGNOSTICS.type)
    start(NODE, "node", "--host", "dds")
    spin_until(
        graph, lambda: any("their CameraInfo at" in d.status[0].message for d in diagnostics)
    )
    assert diagnostics[-1].status[0].level == WARN


def test_poses_can_be_given_in_a_frame_that_tf_knows(start, graph, listen):
    """A camera two metres above the map's origin that looks straight ahead along x."""
    start(CAMERA)
    types = graph.types
    messages = Messages(types.__getitem__)
    turned = types["geometry_msgs/msg/Transform"](
        types["geometry_msgs/msg/Vector3"](0.0, 0.0, 2.0),
        types["geometry_msgs/msg/Quaternion"](-0.5, 0.5, -0.5, 0.5),
    )
    stamped = types["geometry_msgs/msg/TransformStamped"](
        messages.header(0, "map"), "camera", turned
    )
    # Somebody's frame that nobody needs, without a rotation.
    vector = types["geometry_msgs/msg/Vector3"](0.0, 0.0, 0.0)
    nothing = types["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 0.0)
    wrong = types["geometry_msgs/msg/TransformStamped"](
        messages.header(0, "map"), "chair", types["geometry_msgs/msg/Transform"](vector, nothing)
    )
    tf = graph.create_publisher(topics.TF_STATIC.type, "/tf_static", topics.TF_STATIC.qos)
    tf.publish(types[topics.TF_STATIC.type]([wrong, stamped]))
    poses = listen(POSES)
    diagnostics = listen("/diagnostics", topics.DIAGNOSTICS.type)
    node = start(NODE, "node", "--host", "dds", "--param", "target_frame:=map")
    spin_until(graph, lambda: poses and diagnostics)
    assert any("'chair' in 'map' is dropped" in line for line in node.output)
    values = {v.key: v.value for v in diagnostics[-1].status[0].values}
    assert values["transforms dropped"] == "1"
    pelvis = poses[0].poses[0].joints[0].position
    assert poses[0].header.frame_id == "map"
    assert 2 <= pelvis.x <= 4
    assert (pelvis.y, pelvis.z) == pytest.approx((0, 2))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_and_the_graph_forgets_it_at_once(start, graph, listen, number):
    watcher = start(PEERS / "watcher.py")
    watcher.line("ready")
    start(CAMERA)
    poses = listen(POSES)
    node = start(NODE, "node", "--host", "dds")
    watcher.line("node /bodypose3d")
    spin_until(graph, lambda: poses)
    node.stop(number)
    assert node.returncode == 0
    # Of who does not take leave the graph learns 10 s later.
    watcher.line("gone /bodypose3d", timeout=8)


def test_a_parameter_file_is_read(start, graph, listen, tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text(
        "/**:\n  ros__parameters:\n    publish_tf: false\n"
        "/other:\n  ros__parameters:\n    nonsense: 1\n"
    )
    start(CAMERA)
    tf, poses = listen("/tf", topics.TF.type), listen(POSES)
    start(NODE, "node", "--host", "dds", "--params-file", file)
    spin_until(graph, lambda: len(poses) >= 3)
    assert not tf


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--param", "hfov:=400"], "hfov: 400 is not between 0 and 179"),
        (["--param", "autostart:=false"], "autostart: there is no lifecycle without ROS 2"),
        (["--remap", "image"], "'image' is not a remapping rule"),
        (["--domain", "500"], "the ROS domain 500 does not exist"),
        (["--params-file", "/nowhere.yaml"], "/nowhere.yaml: cannot be read"),
    ],
)
def test_what_it_is_told_wrong_it_refuses(domain, monkeypatch, arguments, reason):
    monkeypatch.setattr(DdsHost, "load", lambda _: pytest.fail("it is about to run"))
    answer = CliRunner().invoke(main, ["node", "--host", "dds", *arguments])
    assert answer.exit_code == 3
    assert f"error: {reason}" in answer.output


@pytest.mark.parametrize("transport", ["raw", "compressed"])
def test_a_recording_is_played_as_a_camera(start, graph, listen, tmp_path, transport):
    """At its own pace, in order, stamped with the time it is sent at."""
    images = [np.broadcast_to(picture(1, 2 + n)[0, 0], (48, 64, 3)) for n in range(6)]
    record(tmp_path / "film.mcap", images, rate=10)
    poses = listen(POSES)
    start(NODE, "node", "--host", "dds", "--param", f"image_transport:={transport}").line("[INFO]")
    flags = ["--compressed"] if transport == "compressed" else []
    begin = time.time_ns()
    flags += ["--image-topic", "/camera/image_raw"]  # of two that the recording holds
    flags += ["--frame", "front_optical_frame"]  # as a rig knows it
    player = start(NODE, "play", tmp_path / "film.mcap", "--wait", 1, *flags)

    spin_until(graph, lambda: poses and distance(poses[-1]) > 6.5)
    assert player.ended() == 0
    assert player.output[-1] == "sent 6 images"
    assert {p.header.frame_id for p in poses} == {"front_optical_frame"}
    assert any(line.startswith("images go to /") for line in player.output)
    # A colour of a JPEG is off by two at most, which are two decimetres here. Of images that come
    # sooner than a busy machine works on them the newest is worked on.
    numbers = [round(distance(p)) for p in poses]
    assert [distance(p) for p in poses] == pytest.approx(numbers, abs=0.21)
    assert (np.diff(numbers) > 0).all()
    assert np.diff([stamp_of(p) for p in poses]) == pytest.approx(np.diff(numbers) * 0.1e9)
    assert begin < stamp_of(poses[0]) < time.time_ns()


def test_a_loop_goes_on_at_the_same_pace():
    """Three frames at 10 Hz, twice as fast, three times over: every 50 ms."""
    camera, image = Camera.from_hfov(64, 48, 60), picture()

    def frames():
        for index in range(3):
            yield Frame(image, camera, 7 * 10**9 + index * 10**8)

    stamps = [f.stamp for f in itertools.islice(paced(frames, speed=2, loop=True), 9)]
    assert np.diff(stamps).tolist() == [5 * 10**7] * 8


def test_a_looped_picture_is_shown_once_a_second():
    """It was sent a hundred times a second, all of one stamp."""
    frame = Frame(picture(), Camera.from_hfov(64, 48, 60), 7 * 10**9)
    looped = paced(lambda: iter([frame]), speed=1, loop=True)
    assert [f.stamp / 1e9 for f in itertools.islice(looped, 4)] == [0, 1, 2, 3]


def test_films_of_a_rig_show_the_same_moment_whenever_they_begin():
    """A film's time is the clock's, but for whole films."""
    for name in film.RIGS["cell"]:
        shown = film.load(name)
        own = {shown.stamp(number) for number in range(len(shown))}
        due = [frame.stamp for frame in itertools.islice(by_the_clock(shown), 3)]
        assert {stamp % shown.duration for stamp in due} <= own
        assert np.diff(due).min() > 0
        assert due[0] > time.time_ns() - 5 * 10**9


def record(path, images, rate):
    from bodypose3d_ros.wire.typestore import ros_types

    types = ros_types()
    messages = Messages(types.types.__getitem__)
    with RecordingWriter(path, types) as writer:
        for index, image in enumerate(images):
            stamp = 10**9 + round(index * 1e9 / rate)
            header = messages.header(stamp, "camera")
            info = messages.camera_info(Camera.from_hfov(64, 48, 60), header)
            writer.write("/camera/camera_info", info, stamp)
            writer.write("/camera/image_raw", messages.image(image, header), stamp)
            writer.write("/other/image_raw", messages.image(image, header), stamp)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_recording_that_is_stopped_is_whole(start, graph, listen, tmp_path, number):
    poses, file = listen(POSES), tmp_path / "poses.mcap"
    recorder = start(NODE, "record", file)
    recorder.line("recording into")
    start(CAMERA)
    start(NODE, "node", "--host", "dds")
    spin_until(graph, lambda: len(poses) >= 5)
    assert not file.exists()  # until it is whole
    recorder.stop(number)
    assert recorder.returncode == 0, recorder.output
    with file.open("rb") as stream:
        summary = make_reader(stream).get_summary()
    counts = {
        channel.topic: summary.statistics.channel_message_counts.get(number, 0)
        for number, channel in summary.channels.items()
    }
    assert counts[POSES] >= 3
    assert [path.name for path in tmp_path.iterdir()] == ["poses.mcap"]


def test_a_recording_on_a_full_disk_ends_with_the_reason(start, graph, listen, tmp_path):
    """A limit on the size of files stands in for it: both fail while writing."""
    poses, file = listen(POSES), tmp_path / "poses.mcap"
    recorder = start(NODE, "record", file)
    recorder.line("recording into")
    resource.prlimit(recorder.pid, resource.RLIMIT_FSIZE, (100_000, 100_000))
    start(CAMERA, "--rate", 120)  # soon it has enough to write
    node = start(NODE, "node", "--host", "dds")
    spin_until(graph, lambda: poses and recorder.returncode is not None)
    said = "".join(recorder.output)
    assert recorder.ended() == 3
    assert "cannot be written to (File too large)" in said
    assert "left unfinished" in said
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["poses.mcap.part"]
    before = len(poses)
    spin_until(graph, lambda: len(poses) > before + 3)
    assert node.returncode is None


def test_a_recording_is_not_replaced_unless_told_so(start, tmp_path):
    file = tmp_path / "poses.mcap"
    file.write_bytes(b"precious")
    refused = start(NODE, "record", file)
    assert refused.ended() == 2
    assert "poses.mcap: exists already" in "\n".join(refused.output)
    assert file.read_bytes() == b"precious"
    recorder = start(NODE, "record", file, "--overwrite")
    recorder.line("recording into")
    assert file.read_bytes() == b"precious"  # until the new one is whole
    assert "no poses have come on /bodypose3d/poses yet: does its" in recorder.line("[WARNING]")
    recorder.stop()
    assert file.read_bytes()[:5] == b"\x89MCAP"
    said = "\n".join(recorder.output)
    assert "recorded 0 messages, 0 of them poses" in said
    assert "no poses have come from /bodypose3d: does it run, in this ROS domain?" in said


def test_echo_prints_people(start):
    start(CAMERA)
    start(NODE, "node", "--host", "dds")
    echo = start(NODE, "echo", "--count", 3)
    assert echo.ended() == 0
    output = "\n".join(echo.output)
    assert output.count("1 person in camera") == 3
    assert "tracked" in output


def test_a_film_is_played_with_its_camera_in_the_world(start, graph, listen):
    """Poses in the world's frame stand on its floor, which only tf_static can have told."""
    poses = listen(POSES)
    start(PEERS / "real_node.py", "node", "--host", "dds", "--param", "target_frame:=world")
    start(PEERS / "real_node.py", "play", "one_person", "--loop")
    spin_until(graph, lambda: any(p.poses for p in poses))
    seen = next(p for p in poses if p.poses)
    joints = seen.poses[0].joints
    heels = [joints[INDEX[f"{side}_heel"]].position.z for side in ("left", "right")]
    assert seen.header.frame_id == "world"
    assert joints[INDEX["neck"]].position.z == pytest.approx(1.4, abs=0.4)
    assert heels == pytest.approx([0, 0], abs=0.3)
