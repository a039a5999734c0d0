"""``python -m bodypose3d_ros``: the command line, where no ``bodypose3d`` is on the path."""

from .apps.cli import main

main()
