"""The fusion node on a host that keeps what is published, with the cell's cameras before it."""

import logging
import time

import numpy as np
from scipy.spatial.transform import Rotation

import cell_sightings as cell
from bodypose3d_ros.node import interface as topics
from bodypose3d_ros.node.fusion.core import FusionCore
from bodypose3d_ros.node.fusion.parameters import Parameters
from bodypose3d_ros.node.transforms import TransformError
from bodypose3d_ros.wire.pose_cdr import PoseCdr
from node_alone import MESSAGES, TYPES, KeepingHost

CAMERAS = ("front", "left", "back")
EPOCH = 1_000 * 10**9


class CellHost(KeepingHost):
    """Knows where the cameras are, and the time it is told."""

    def __init__(self, cameras):
        super().__init__()
        self.time = EPOCH
        self.matrices = {("world", name): cell.PLACES[f"cell_{name}"] for name in cameras}

    def now(self):
        return self.time

    def turn(self, camera, degrees, axis=(0, 0, 1)):
        """Tell TF a wrong direction of a camera."""
        wrong = np.eye(4)
        wrong[:3, :3] = Rotation.from_rotvec(np.radians(degrees) * np.array(axis)).as_matrix()
        place = self.matrices["world", camera].copy()
        place[:3, :3] = wrong[:3, :3] @ place[:3, :3]
        self.matrices["world", camera] = place

    def lookup_transform(self, target, source, stamp, timeout):
        assert timeout == 0  # it never waits while others could be fused
        if (target, source) not in self.matrices:
            raise TransformError(f"TF does not connect {source!r} with {target!r}")
        return self.matrices[target, source]


def poses(camera, number, stamp=None, **changes):
    """What a node without tracking says of a film's frame, as CDR."""
    film = cell.FILMS[f"cell_{camera}"]
    bodies = cell.sighting(f"cell_{camera}", number, **{"pixels": 3.0, **changes})
    size = film.camera.width, film.camera.height
    stamp = EPOCH + film.stamp(number) if stamp is None else stamp
    return PoseCdr(bodies, stamp, camera, size).array()


class FusionNode:
    """A core with its host, and the cell's cameras before it."""

    def __init__(self, *, cameras=CAMERAS, infos=True, **parameters):
        self.host = CellHost(cameras)
        values = Parameters().changed({"cameras": cameras, **parameters})
        self.core = FusionCore(self.host, TYPES.types.__getitem__, values)
        self.core.activate()
        for camera in cameras if infos else ():
            header = MESSAGES.header(EPOCH, camera)
            info = MESSAGES.camera_info(cell.FILMS[f"cell_{camera}"].camera, header)
            self.core.camera_info(camera, info)

    def hear(self, camera, cdr):
        """A camera's node speaks; the topic is looked up as hosts do."""
        (take,) = (
            take
            for topic, take in self.core.inputs().items()
            if topic.name == f"{camera}/bodypose3d/poses"
        )
        take(cdr)

    def run(self, numbers, cameras=CAMERAS, **changes):
        """Frames that the cameras shoot together; the poses of the last of them."""
        for number in numbers:
            stamp = EPOCH + cell.FILMS["cell_front"].stamp(number)
            self.host.time = stamp + 20_000_000
            for camera in cameras:
                self.hear(camera, poses(camera, number, **changes))
            self.wait(stamp)
        return self.host.sent[topics.POSES][-1]

    def wait(self, stamp):
        """Until poses of a stamp are out."""

        def out():
            sent = self.host.sent[topics.POSES]
            return bool(sent) and topics_stamp(sent[-1]) == stamp

        with self.host.arrived:
            assert self.host.arrived.wait_for(out, 30), self.core.diagnose()

    def until(self, true):
        end = time.monotonic() + 30
        while not true():
            assert time.monotonic() < end, self.core.diagnose()
            time.sleep(0.005)

    @property
    def warnings(self):
        return [text for level, text in self.host.texts if level >= logging.WARNING]


def topics_stamp(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
