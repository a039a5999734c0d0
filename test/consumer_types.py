"""Messages of other programs' packages without ROS 2: the fields that the bridge sets.

On a real ROS 2 ``test/ros/test_bridge_on_ros.py`` sends the packages' own.
"""

from rosbags.typesys import get_types_from_msg

from bodypose3d_ros.wire.consumers import Make
from bodypose3d_ros.wire.typestore import ros_types

_TEXTS = {
    "people_msgs/msg/Person": (
        "string name\ngeometry_msgs/Point position\ngeometry_msgs/Point velocity\n"
        "float64 reliability\nstring[] tagnames\nstring[] tags"
    ),
    "people_msgs/msg/People": "std_msgs/Header header\npeople_msgs/Person[] people",
    "vision_msgs/msg/BoundingBox3D": "geometry_msgs/Pose center\ngeometry_msgs/Vector3 size",
    "vision_msgs/msg/Detection3D": (
        "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n"
        "vision_msgs/BoundingBox3D bbox\nstring id"
    ),
    "vision_msgs/msg/Detection3DArray": (
        "std_msgs/Header header\nvision_msgs/Detection3D[] detections"
    ),
    "moveit_msgs/msg/CollisionObject": (
        "std_msgs/Header header\ngeometry_msgs/Pose pose\nstring id\n"
        "shape_msgs/SolidPrimitive[] primitives\ngeometry_msgs/Pose[] primitive_poses\n"
        "byte ADD=0\nbyte REMOVE=1\nbyte APPEND=2\nbyte MOVE=3\nbyte operation"
    ),
    "moveit_msgs/msg/RobotState": "bool is_diff",
    "moveit_msgs/msg/PlanningSceneWorld": "moveit_msgs/CollisionObject[] collision_objects",
    "moveit_msgs/msg/PlanningScene": (
        "moveit_msgs/RobotState robot_state\nmoveit_msgs/PlanningSceneWorld world\nbool is_diff"
    ),
    "hri_msgs/msg/IdsList": "std_msgs/Header header\nstring[] ids",
    "hri_msgs/msg/NormalizedRegionOfInterest2D": (
        "std_msgs/Header header\nfloat32 xmin\nfloat32 ymin\nfloat32 xmax\nfloat32 ymax\nfloat32 c"
    ),
    "hri_msgs/msg/NormalizedPointOfInterest2D": "float32 x\nfloat32 y\nfloat32 c",
    "hri_msgs/msg/Skeleton2D": (
        "std_msgs/Header header\nhri_msgs/NormalizedPointOfInterest2D[18] skeleton"
    ),
}

STORE = ros_types()
for _name, _text in _TEXTS.items():
    STORE.register(get_types_from_msg(_text, _name))


def make():
    return Make(STORE)


def through_cdr(message):
    """The message as a reader has it: nothing of a wrong type or length gets through."""
    return STORE.deserialize_cdr(message.cdr, message.__msgtype__)
