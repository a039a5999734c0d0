"""The node's topics: names, types and quality of service, the same on every host."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .qos import DEFAULT, EACH, LATCHED, NEWEST, SENSOR_DATA, QosProfile


@dataclass(frozen=True)
class Topic:
    """A topic the node subscribes to or publishes."""

    name: str
    """As written, before expansion and remapping."""
    type: str
    qos: QosProfile
    description: str
    raw: bool = False
    """Its messages are handed over as CDR."""


IMAGE = Topic("image", "sensor_msgs/msg/Image", NEWEST, "What the camera sees.")
IMAGE_COMPRESSED = Topic(
    "image/compressed",
    "sensor_msgs/msg/CompressedImage",
    NEWEST,
    "The same as JPEG or PNG, read instead when `image_transport` is `compressed`.",
)
CAMERA_INFO = Topic(
    "camera_info",
    "sensor_msgs/msg/CameraInfo",
    EACH,
    "The camera's calibration; the last one of the image's frame counts.",
)
CAMERA_INFO_LATCHED = Topic(
    CAMERA_INFO.name,
    CAMERA_INFO.type,
    LATCHED,
    "Subscribed to as well when images come without a calibration: it may have been published "
    "once, before this node came.",
)
DETECTIONS = Topic(
    "detections",
    "vision_msgs/msg/Detection2DArray",
    SENSOR_DATA,
    "Where people are, from any detector, read when `detections` is set.",
)
DEPTH = Topic(
    "depth",
    "sensor_msgs/msg/Image",
    SENSOR_DATA,
    "How far what the camera sees is (16UC1, 32FC1), registered to the image; read when "
    "`depth_transport` is `raw`.",
)
DEPTH_COMPRESSED = Topic(
    "depth/compressedDepth",
    "sensor_msgs/msg/CompressedImage",
    SENSOR_DATA,
    "The same as PNG, read instead when `depth_transport` is `compressedDepth`.",
)
DEPTH_CAMERA_INFO = Topic(
    "depth_camera_info",
    CAMERA_INFO.type,
    SENSOR_DATA,
    "The depth images' calibration; without it they are the image's, of whatever resolution.",
)
TF = Topic("/tf", "tf2_msgs/msg/TFMessage", QosProfile(depth=100), "A frame per joint.")
TF_STATIC = Topic(
    "/tf_static",
    "tf2_msgs/msg/TFMessage",
    QosProfile(depth=100, latched=True),
    "Where the camera is, read when `target_frame`, `fixed_frame` or `floor_frame` is set.",
)

POSES = Topic(
    "~/poses",
    "bodypose3d_ros/msg/Pose3DArray",
    DEFAULT,
    "Everybody, for every image, also when nobody is there.",
)
POSE = Topic("~/pose", "bodypose3d_ros/msg/Pose3D", DEFAULT, "The nearest person.")
MARKERS = Topic(
    "~/markers",
    "visualization_msgs/msg/MarkerArray",
    DEFAULT,
    "Skeletons, labels and the covariances of pelvis, nose, wrists and ankles, for RViz.",
)
OVERLAY = Topic(
    "~/overlay",
    "sensor_msgs/msg/Image",
    SENSOR_DATA,
    "The image with people drawn in; drawn only while somebody subscribes.",
)
OVERLAY_COMPRESSED = Topic(
    "~/overlay/compressed", "sensor_msgs/msg/CompressedImage", SENSOR_DATA, "The same as JPEG."
)
DIAGNOSTICS = Topic(
    "/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", DEFAULT, "How the node is, each second."
)
ALIVE = Topic(
    "~/alive",
    "bodypose3d_ros/msg/Alive",
    DEFAULT,
    "Whether the poses can be relied on now, ten times a second: for watchdogs.",
)
ALIVE_PERIOD_S = 0.1

_IMAGES = (IMAGE, IMAGE_COMPRESSED)
INPUTS = (
    IMAGE,
    IMAGE_COMPRESSED,
    CAMERA_INFO,
    CAMERA_INFO_LATCHED,
    DETECTIONS,
    DEPTH,
    DEPTH_COMPRESSED,
    DEPTH_CAMERA_INFO,
    TF_STATIC,
)
OUTPUTS = (POSES, POSE, MARKERS, TF, OVERLAY, OVERLAY_COMPRESSED, ALIVE, DIAGNOSTICS)

_OF_EVERYBODY = (TF, TF_STATIC, DIAGNOSTICS)


def of_camera(topic: Topic, camera: str) -> Topic:
    """A topic of one of several cameras; of the only one, which has no name, as it is.

    Camera drivers publish ``front/image_raw``; ours are ``~/front/poses``.
    """
    if not camera or topic in _OF_EVERYBODY:
        return topic
    if topic.name.startswith("~/"):
        return replace(topic, name=f"~/{camera}/{topic.name[2:]}")
    name = topic.name.replace("image", "image_raw") if topic in _IMAGES else topic.name
    return replace(topic, name=f"{camera}/{name}")
