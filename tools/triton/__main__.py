"""Serve a model repository until Ctrl-C.

python -m tools.triton DIR [--port 8001]
"""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from tools.triton.server import TritonServer


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repository", type=Path, metavar="DIR")
    parser.add_argument("--port", type=int, default=8001)
    options = parser.parse_args()
    with TritonServer(options.repository, options.port) as server:
        print(f"serving {options.repository} on {server.url}, its log is {server.log}")
        with contextlib.suppress(KeyboardInterrupt):
            server.wait()


if __name__ == "__main__":
    main()
