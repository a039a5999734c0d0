"""Serve a model repository until Ctrl-C or SIGTERM.

python -m tools.triton DIR [--address 127.0.0.1] [--port 8001]
"""

from __future__ import annotations

import argparse
import contextlib
import signal
from pathlib import Path

from tools.triton.server import TritonServer


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repository", type=Path, metavar="DIR")
    parser.add_argument("--address", default="127.0.0.1", help="0.0.0.0: for other machines, too")
    parser.add_argument("--port", type=int, default=8001)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the server is to end with us
    with TritonServer(options.repository, options.port, options.address) as server:
        print(f"serving {options.repository} on {server.url}, its log is {server.log}")
        with contextlib.suppress(KeyboardInterrupt):
            server.wait()


if __name__ == "__main__":
    main()
