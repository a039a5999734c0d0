"""The program ``bodypose3d_fusion`` on ROS 2: the same host, another kind of node."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ...node.kinds import FUSION
from . import node


def main(args: Sequence[str] | None = None) -> int:
    """Run it until SIGINT or SIGTERM; returns the exit code."""
    return node.main(args, FUSION)


if __name__ == "__main__":
    sys.exit(main())
