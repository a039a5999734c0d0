"""The command line: ``bodypose3d``, or ``python -m bodypose3d_ros`` from anywhere."""

import sys

from .errors import STOPPED


def main() -> None:
    """Load the commands, and run the one that is asked for."""
    try:
        from .apps.cli import main as run
    except KeyboardInterrupt:  # loading takes a second or so
        sys.exit(STOPPED)
    run()


if __name__ == "__main__":
    main()
