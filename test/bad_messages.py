"""Messages as no driver should send them, but some do: strategies of hypothesis for each type.

Fields are plain objects, as the node takes them from any host; values are what CDR can carry.
"""

from types import SimpleNamespace as Message

import cv2
import numpy as np
from hypothesis import strategies as st

ENCODINGS = (
    "rgb8", "bgr8", "rgba8", "bgra8", "mono8", "mono16", "rgb16", "bgr16", "8UC1", "8UC3", "8UC4",
    "16UC1", "16UC3", "16SC1", "32FC1", "32FC3", "64FC1", "bayer_rggb8", "bayer_gbrg16", "yuv422",
    "yuv422_yuy2", "uyvy", "yuyv", "nv12", "NV21", "i420", "yv12", "nv24", "8UC99", "32SC0", "",
)  # fmt: skip
FORMATS = (
    "jpeg", "png", "rgb8; jpeg compressed bgr8", "16UC1; compressedDepth png",
    "32FC1; compressedDepth png", "16UC1; compressedDepth rvl", "h264", "",
)  # fmt: skip
MODELS = (
    "plumb_bob", "rational_polynomial", "thin_prism", "equidistant", "fisheye", "kannala", "", "?",
)  # fmt: skip

uint32 = st.one_of(st.integers(0, 20), st.sampled_from([2**16, 2**31, 2**32 - 1]))
doubles = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, np.nan, np.inf, -np.inf, 1e-320, 1e308, -1e308]),
    st.floats(-1e4, 1e4),
)
names = st.one_of(st.sampled_from(["camera", "map", "", "/camera"]), st.text(max_size=8))
times = st.builds(Message, sec=st.integers(-(2**31), 2**31 - 1), nanosec=st.integers(0, 2**32 - 1))
headers = st.builds(Message, stamp=times, frame_id=names)


def arrays(most, values=doubles):
    """Up to so many numbers."""
    return st.lists(values, max_size=most).map(lambda numbers: np.array(numbers, np.float64))


raw_bytes = st.one_of(
    st.binary(max_size=400),
    st.integers(0, 4000).map(bytes),
).map(lambda content: np.frombuffer(content, np.uint8))


@st.composite
def images(draw):
    """Images whose size, step and bytes may contradict each other."""
    return Message(
        header=draw(headers),
        height=draw(uint32),
        width=draw(uint32),
        encoding=draw(st.one_of(st.sampled_from(ENCODINGS), st.text(max_size=8))),
        is_bigendian=draw(st.integers(0, 255)),
        step=draw(uint32),
        data=draw(raw_bytes),
    )


@st.composite
def files(draw, *suffixes):
    """Bytes of pictures, damaged: cut short, bytes changed, bytes put in."""
    picture = (np.indices((12, 16)).sum(axis=0) * 9 % 256).astype(np.uint16) * 256
    suffix = draw(st.sampled_from(suffixes))
    content = bytearray(
        cv2.imencode(suffix, picture if suffix == ".png" else (picture >> 8).astype(np.uint8))[1]
    )
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(content) - 1))
        content[at] = draw(st.integers(0, 255))
    at = draw(st.integers(0, len(content)))
    kind = draw(st.sampled_from(["whole", "cut", "longer", "empty"]))
    if kind == "cut":
        del content[at:]
    elif kind == "longer":
        content[at:at] = draw(st.binary(max_size=20))
    return bytes(content) if kind != "empty" else b""


@st.composite
def compressed_images(draw):
    content = draw(files(".jpg", ".png"))
    head = draw(st.sampled_from([b"", bytes(12), draw(st.binary(max_size=14))]))
    return Message(
        header=draw(headers),
        format=draw(st.one_of(st.sampled_from(FORMATS), st.text(max_size=8))),
        data=np.frombuffer(head + content, np.uint8),
    )


def sized(count):
    return st.lists(doubles, min_size=count, max_size=count).map(
        lambda numbers: np.array(numbers, np.float64)
    )


camera_infos = st.builds(
    Message,
    header=headers,
    height=uint32,
    width=uint32,
    distortion_model=st.one_of(st.sampled_from(MODELS), st.text(max_size=8)),
    d=arrays(16),
    k=st.one_of(sized(9), st.just(np.array([500.0, 0, 8, 0, 500, 8, 0, 0, 1]))),
    r=sized(9),
    p=sized(12),
    binning_x=uint32,
    binning_y=uint32,
    roi=st.builds(
        Message,
        x_offset=uint32,
        y_offset=uint32,
        height=uint32,
        width=uint32,
        do_rectify=st.booleans(),
    ),
)

_results = st.builds(
    Message, hypothesis=st.builds(Message, class_id=st.text(max_size=5), score=doubles)
)
_boxes = st.builds(
    Message,
    center=st.builds(Message, position=st.builds(Message, x=doubles, y=doubles), theta=doubles),
    size_x=doubles,
    size_y=doubles,
)
detections = st.builds(
    Message,
    header=headers,
    detections=st.lists(
        st.builds(Message, bbox=_boxes, results=st.lists(_results, max_size=3)), max_size=5
    ),
)

_rotations = st.one_of(
    st.just(Message(x=0.0, y=0.0, z=0.0, w=1.0)),
    st.builds(Message, x=doubles, y=doubles, z=doubles, w=doubles),
)
transforms = st.builds(
    Message,
    transforms=st.lists(
        st.builds(
            Message,
            header=headers,
            child_frame_id=names,
            transform=st.builds(
                Message,
                translation=st.builds(Message, x=doubles, y=doubles, z=doubles),
                rotation=_rotations,
            ),
        ),
        max_size=5,
    ),
)

anything = st.one_of(
    st.none(), st.booleans(), st.integers(), doubles, st.text(max_size=8),
    st.lists(st.one_of(st.text(max_size=4), st.integers()), max_size=3), st.binary(max_size=4),
)  # fmt: skip
