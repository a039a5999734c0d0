"""``python -m bodypose3d_ros``: the command line, where no ``bodypose3d`` is on the path."""

from .cli import main

main()
