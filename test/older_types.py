"""The message types of a version whose poses did not say how sure a velocity is."""

from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from bodypose3d_ros.wire.typestore import definitions

OLD = get_typestore(Stores.ROS2_JAZZY)
for _name, _text in definitions().items():
    _older = _text.replace("float64[9] velocity_covariance", "")
    OLD.register(get_types_from_msg(_older, _name))
