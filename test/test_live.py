"""Cameras that are there now: streams of a real server on 127.0.0.1, to the end of the way."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from bodypose3d_ros.apps.cli import main
from bodypose3d_ros.errors import CameraError, InputError
from bodypose3d_ros.media import live
from bodypose3d_ros.media.live import LiveCamera, is_live, without_password
from bodypose3d_ros.media.sources import CameraChoice
from bodypose3d_ros.media.sources import live as frames_of
from bodypose3d_ros.node import interface
from bodypose3d_ros.node.qos import SENSOR_DATA
from bodypose3d_ros.wire.stamps import stamp_of
from ros_network import PEERS, spin_until

NUMBERS = 20


def picture(number):
    """A grey that tells which of ``NUMBERS`` images it is, for JPEG moves it by two at most."""
    return np.full((48, 64, 3), 10 + 10 * number, np.uint8)


def number(image):
    return round((float(np.mean(image)) - 10) / 10)


class IpCamera:
    """MJPEG over HTTP, as network cameras send it, 50 images a second."""

    def __init__(self, port=0):
        self.sent = 0
        on, camera = threading.Event(), self
        on.set()
        self._on = on

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                """Say nothing."""

            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
                self.end_headers()
                while on.is_set():
                    jpeg = cv2.imencode(".jpg", picture(camera.sent % NUMBERS))[1].tobytes()
                    head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
                    try:
                        self.wfile.write(head.encode() + b"\r\n\r\n" + jpeg + b"\r\n")
                    except OSError:
                        return
                    camera.sent += 1
                    time.sleep(0.02)

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.address = f"http://127.0.0.1:{self.port}/video"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def die(self):
        self._on.clear()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def ip_camera():
    camera = IpCamera()
    yield camera
    camera.die()


@pytest.fixture
def opened():
    """Opens cameras, and closes them after the test."""
    cameras = []

    def opener(source):
        cameras.append(LiveCamera(source))
        return cameras[-1]

    yield opener
    for camera in cameras:
        camera.close()


def test_who_is_slower_than_the_camera_gets_the_newest_image(ip_camera, opened):
    """Ten images come while one is looked at: the next one is none of the first five."""
    camera = opened(ip_camera.address)
    _, first = camera.next(10)
    before = ip_camera.sent
    while ip_camera.sent < before + 10:
        time.sleep(0.01)
    _, later = camera.next(10)
    assert 5 < (number(later) - number(first)) % NUMBERS <= 15


def test_a_camera_that_dies_is_told_of_once_and_taken_again_when_it_is_back(
    ip_camera, opened, caplog, monkeypatch
):
    monkeypatch.setattr(live, "_RETRY_S", 0.05)
    camera = opened(ip_camera.address)
    assert camera.next(10) is not None
    ip_camera.die()
    end = time.monotonic() + 20
    while camera.next(0.3) is not None:
        assert time.monotonic() < end
    again = IpCamera(ip_camera.port)
    assert camera.next(20) is not None
    again.die()
    said = [r.message for r in caplog.records]
    assert said[:2] == [
        f"{ip_camera.address}: gives no images any more; tried again every second",
        f"{ip_camera.address}: gives images again",
    ]


def test_a_calibration_for_another_size_is_refused(ip_camera, opened, tmp_path):
    path = tmp_path / "camera.yaml"
    path.write_text(
        "image_width: 640\nimage_height: 480\ndistortion_model: plumb_bob\n"
        "camera_matrix: {data: [600, 0, 320, 0, 600, 240, 0, 0, 1]}\n"
        "distortion_coefficients: {data: [0, 0, 0, 0, 0]}\n"
        "projection_matrix: {data: [600, 0, 320, 0, 0, 600, 240, 0, 0, 0, 1, 0]}\n"
    )
    choice = CameraChoice(path)
    assert choice.size == (640, 480)
    with pytest.raises(CameraError, match="640x480"):
        next(frames_of(opened(ip_camera.address), choice, lambda: True))


def test_frames_end_when_they_are_to(ip_camera, opened):
    answers = iter([True, True, True, False])
    frames = list(frames_of(opened(ip_camera.address), CameraChoice(hfov=60), answers.__next__))
    assert len(frames) <= 3
    assert all(f.camera.width == 64 and f.frame_id == "camera_optical_frame" for f in frames)


@pytest.mark.parametrize("source", ["/dev/video99", "http://127.0.0.1:9/nothing"])
def test_what_is_no_camera_is_refused_with_what_may_be_wrong(source):
    with pytest.raises(InputError, match=f"{source}: gives no images: is it there"):
        LiveCamera(source)


def test_cameras_are_devices_and_addresses():
    assert is_live("/dev/video0")
    assert is_live("rtsp://10.0.0.7:554/stream1")
    assert is_live(str(Path("rtsp://10.0.0.7:554/stream1")))
    for file in ("film.mp4", "/dev/videos/film.mp4", "recordings/a:b"):
        assert not is_live(file)


def test_passwords_are_not_shown():
    assert without_password("rtsp://me:secret@10.0.0.7/a@b") == "rtsp://10.0.0.7/a@b"


class Driver:
    """What a V4L2 device says of its last image; the rest of it cannot be had without one."""

    def __init__(self, name, seconds):
        self.getBackendName = lambda: name
        self.get = lambda _: 1000 * seconds


@pytest.mark.parametrize(
    ("name", "age", "told"),
    [
        ("V4L2", 0.04, 0.04),
        ("V4L2", -30.0, 0.0),  # a driver whose clock is another
        ("V4L2", 1e9, 0.0),
        ("FFMPEG", 0.04, 0.0),  # the stream's own time
    ],
)
def test_images_are_stamped_as_the_driver_says_where_it_says_so(name, age, told):
    taken = live._taken(Driver(name, time.monotonic() - age))
    assert (time.time_ns() - taken) / 1e9 == pytest.approx(told, abs=0.03)


def test_what_needs_an_end_refuses_cameras():
    run = CliRunner().invoke
    answer = run(main, ["estimate", "rtsp://me:secret@10.0.0.7/a", "--hfov", "60"])
    assert answer.exit_code == 3
    assert "10.0.0.7/a: is a camera, which has no end: `bodypose3d play`" in answer.output
    assert "secret" not in answer.output
    answer = run(main, ["play", "/dev/video0", "--loop"])
    assert answer.exit_code == 2
    assert "--loop and --speed are for what has an end" in answer.output


def test_a_network_camera_is_played_to_the_node(start, domain, ip_camera):
    """Its images come on ``image`` as they are taken, with a calibration and the time of now."""
    pytest.importorskip("cyclonedds", reason="the DDS host needs cyclonedds (pip install .[dds])")
    from bodypose3d_ros.hosts.dds.names import Names
    from bodypose3d_ros.hosts.dds.network import Network
    from bodypose3d_ros.hosts.dds.node import Node

    player = start(PEERS / "real_node.py", "play", ip_camera.address, "--hfov", 60)
    with Node(Names("tester"), Network.from_environment()) as graph:
        images, infos = [], []
        for topic, heard in ((interface.IMAGE, images), (interface.CAMERA_INFO, infos)):
            graph.create_subscription(topic.type, topic.name, heard.append, SENSOR_DATA)
        spin_until(graph, lambda: len(images) >= 5 and infos)
        assert abs(time.time_ns() - stamp_of(images[-1])) < 2e9
        assert (images[-1].width, images[-1].height, infos[-1].width) == (64, 48, 64)
        assert len({number(image.data) for image in images[:5]}) == 5
    player.stop()
    assert player.returncode == 0
