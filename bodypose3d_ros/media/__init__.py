"""Pictures, films, recordings and overlays: in and out, without ROS."""
