"""Files as disks, cables and editors leave them: whole ones of each kind, and what damages them."""

import functools
import tempfile
from pathlib import Path

import cv2
import numpy as np
from hypothesis import strategies as st

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.media.recording import RecordingWriter
from bodypose3d_ros.wire.messages import Messages
from bodypose3d_ros.wire.typestore import ros_types
from tools.standin.graph import Graph

SIZE = (32, 24)
FRAMES = 4
PICTURES = np.random.default_rng(0).integers(0, 255, (FRAMES, SIZE[1], SIZE[0], 3), np.uint8)
CALIBRATION = b"""\
image_width: 640
image_height: 480
camera_name: front
camera_matrix:
  rows: 3
  cols: 3
  data: [500, 0, 320, 0, 500, 240, 0, 0, 1]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [0.1, 0, 0, 0, 0]
"""
CAMERA_INFO = b"""\
header:
  stamp:
    sec: 1
    nanosec: 0
  frame_id: camera
height: 480
width: 640
distortion_model: plumb_bob
d: [0.1, 0, 0, 0, 0]
k: [500, 0, 320, 0, 500, 240, 0, 0, 1]
r: [1, 0, 0, 0, 1, 0, 0, 0, 1]
p: [500, 0, 320, 0, 0, 500, 240, 0, 0, 0, 1, 0]
binning_x: 0
binning_y: 0
roi:
  x_offset: 0
  y_offset: 0
  height: 0
  width: 0
  do_rectify: false
---
"""
RIG = b"""\
fixed_frame: world
cameras:
  front:
    calibration: front.yaml
    translation: [0, 0, 1.5]
    rotation: [0, 0, 0, 1]
  left:
    calibration: front.yaml
    translation: [1, 0, 1.5]
    rotation: [0, 0, 0, 1]
"""
PARAMETERS = b"""\
/**:
  ros__parameters:
    hfov: 60.0
    tf_joints: [nose, left_wrist]
front:
  bodypose3d:
    ros__parameters:
      max_people: 3
"""
TIMES = b"0.0\n0.1\n0.2\n0.3\n"

_WORDS = (
    *(b"null", b".nan", b"-.inf", b"1e400", b"9" * 400, b"-1", b"0", b"true", b"~", b"[]", b"{}"),
    *(b"[", b"{", b"- ", b": ", b"&a ", b"*a", b"!!binary ", b"!!python/none ", b"<<: ", b"\n"),
    *(b"\0", b'"\\0"', b"\xff\xfe", b"\xc3", b"2001-01-01", b"0x7fffffffffffffff", b"1_0", b"'"),
    b"[" * 3000,
)  # fmt: skip


@st.composite
def texts(draw, *wholes):
    """Text files in which some pieces were replaced, by words that mean something to YAML."""
    content = bytearray(draw(st.sampled_from(wholes)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        cut = draw(st.integers(0, 12))
        content[at : at + cut] = draw(st.one_of(st.sampled_from(_WORDS), st.binary(max_size=6)))
    return bytes(content)


@st.composite
def damaged(draw, *wholes):
    """Binary files: bytes changed, pieces lost, put in twice or filled with zeros, cut short."""
    content = bytearray(draw(st.sampled_from(wholes)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        length = draw(st.integers(1, 64))
        kind = draw(st.sampled_from(["byte", "bytes", "lost", "twice", "zeros", "ones", "cut"]))
        piece = content[at : at + length]
        content[at : at + length] = {
            "byte": bytes([draw(st.integers(0, 255))]) + piece[1:],
            "bytes": draw(st.binary(min_size=len(piece), max_size=len(piece))),
            "lost": b"",
            "twice": piece + piece,
            "zeros": bytes(len(piece)),
            "ones": b"\xff" * len(piece),
            "cut": piece,
        }[kind]
        if kind == "cut":
            del content[at:]
    return bytes(content)


@functools.cache
def film(suffix, code):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"film{suffix}"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 10, SIZE)
        for picture in PICTURES:
            writer.write(picture)
        writer.release()
        return path.read_bytes()


@functools.cache
def recording():
    types = ros_types()
    messages = Messages(types.types.__getitem__)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "whole.mcap"
        with RecordingWriter(path, types) as writer:
            for count, picture in enumerate(PICTURES, 1):
                header = messages.header(count * 10**9, "camera")
                info = messages.camera_info(Camera.from_hfov(*SIZE, 60), header)
                writer.write("/camera/camera_info", info, count * 10**9)
                image = messages.image(np.zeros_like(picture), header)
                writer.write("/camera/image_raw", image, count * 10**9)
        return path.read_bytes()


@functools.cache
def network():
    graph = Graph()
    weights = np.random.default_rng(0).normal(size=(2, 3, 3, 3))
    graph.op("Conv", "x", graph.constant(weights), name="conv", pads=[1, 1, 1, 1])
    graph.op("Relu", "conv", name="y")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "whole.onnx"
        graph.save(path, "whole", {"x": (3, 4, 4)}, {"y": (2, 4, 4)})
        return path.read_bytes()
