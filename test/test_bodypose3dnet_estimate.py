"""BodyPose3DNet's way from a picture file to metres in a file, and through the node's core."""

import json
import logging
import time

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from bodypose3d_ros.apps.cli import main
from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.media import film
from bodypose3d_ros.node.cameras import Cameras
from bodypose3d_ros.node.interface import CAMERA_INFO, POSES
from bodypose3d_ros.node.parameters import Parameters
from bodypose3d_ros.wire.messages import Messages
from bodypose3d_ros.wire.pose_cdr import read
from bodypose3d_ros.wire.typestore import ros_types
from people_made_up import roomy
from tools.standin.contract import contract_network
from tools.standin.markers import paint

HFOV = 70.0
DARK = 0.45
"""Markers are read off whatever is darker in blue than they are."""
IMAGES = 8
"""In which the node has searched the whole image and the six squares that come after it: two
tiles of an image while it knows nobody, one afterwards, for the image that follows."""


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return contract_network(tmp_path_factory.mktemp("network") / "contract.onnx")


def painted(count):
    """A dark picture of film people, so that the detector finds them, with joints painted on."""
    first = next(film.load("one_person").frames()).image
    strip = (first[:, 130:510] * DARK).astype(np.uint8)
    picture = np.hstack([strip] * count)
    picture = cv2.copyMakeBorder(picture, 0, 0, 60, 60, cv2.BORDER_REPLICATE)
    height, width = picture.shape[:2]
    camera = Camera.from_hfov(width, height, HFOV)
    at_hips = film.load("one_person").pixels[0, 0, 0] - (130, 0)
    joints = []
    for person in range(count):
        pixel = at_hips + (60 + 380 * person, 0)
        # As large as the person in the picture: 1.62 m from ankles to eyes over 288 pixels.
        depth = camera.matrix[0, 0] * 1.62 / 288
        joints.append(roomy(person, (*camera.rays(pixel) * depth, depth)))
    paint(picture, np.array(joints), camera)
    return picture, camera, np.array(joints)


def error(estimates, joints):
    """Metres from each true person's joints to those of the nearest estimate, mean over all."""
    apart = np.linalg.norm(np.array(estimates)[None] - joints[:, None], axis=3)
    return np.nanmean(apart, axis=2).min(axis=1).mean()


@pytest.mark.parametrize("count", [1, 2])
def test_a_picture_comes_out_in_the_metres_that_were_painted(tmp_path, network, count):
    picture, camera, joints = painted(count)
    file, calibration = tmp_path / "people.png", tmp_path / "camera.yaml"
    cv2.imwrite(str(file), picture)
    calibration.write_text(
        f"image_width: {camera.width}\nimage_height: {camera.height}\n"
        f"camera_matrix: {{data: {camera.matrix.ravel().tolist()}}}\n"
        "distortion_model: plumb_bob\ndistortion_coefficients: {data: [0, 0, 0, 0, 0]}\n"
    )
    answer = CliRunner().invoke(main, [
        "estimate", str(file), "--camera", str(calibration), "--model", str(network),
        "--out", str(tmp_path / "out"), "--quiet",
    ])  # fmt: skip
    assert answer.exit_code == 0, answer.output
    (line,) = (tmp_path / "out" / "poses.jsonl").read_text().splitlines()
    people = json.loads(line)["people"]
    assert len(people) == count
    found = [[xyz or [np.nan] * 3 for xyz in person["joints"]] for person in people]
    assert error(found, joints) < 0.005


class Listener:
    """A host that keeps what is published."""

    def __init__(self):
        self.poses = []

    def publish(self, topic, message):
        if topic == POSES:
            self.poses.append(message)

    def subscribers(self, topic):
        return 0

    def now(self):
        return 0

    def topic_name(self, topic):
        return topic.name

    def log(self, level, text):
        assert level < logging.WARNING, text


def test_the_node_says_the_same(network):
    picture, camera, joints = painted(4)
    types, host = ros_types(), Listener()
    messages = Messages(types.types.__getitem__)
    cameras = Cameras(host, types.types.__getitem__, Parameters().changed({"model": str(network)}))
    cameras.configure()
    cameras.activate()
    (core,) = cameras.cores.values()
    for stamp in range(IMAGES):
        # Half a second apart: enough for the search, which has a budget, to look once an image.
        header = messages.header(stamp * 500_000_000, "camera")
        core.inputs()[CAMERA_INFO](messages.camera_info(camera, header))
        core.image(messages.image(picture, header))
        end = time.monotonic() + 60
        while len(host.poses) == stamp and time.monotonic() < end:
            core.check()
            time.sleep(0.01)
    cameras.cleanup()
    bodies = read(host.poses[-1]).bodies
    assert len(host.poses) == IMAGES
    assert len(bodies) == 4
    assert error(bodies.joints, joints) < 0.005
