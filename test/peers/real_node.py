"""``bodypose3d``, as it is."""

from bodypose3d_ros.apps.cli import main

main(prog_name="bodypose3d")
