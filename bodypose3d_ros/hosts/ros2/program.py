"""A program of this package on ROS 2: one node, from its start until SIGINT or SIGTERM."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence

import rclpy
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from ...errors import Bodypose3dError
from ...node.heap import keep_image_buffers

RCLError = rclpy_implementation.RCLError  # unlike others, rclpy.exceptions does not have it

# How soon a signal is noticed, and how long saying goodbye may take.
_LOOK_S = 0.1
_GOODBYE_S = 1.0


def run(
    make: Callable[[threading.Event], Node],
    args: Sequence[str] | None = None,
    step: Callable[[Node, Executor], None] = lambda _, executor: _spin_once(executor),
) -> int:
    """Make a node and serve it; returns the exit code.

    Args:
        make: Gets the event that is set when the program is to end.
        args: Of the command line; none: this process'.
        step: Serves the node for a moment.
    """
    keep_image_buffers()
    # rclpy's own handlers end the context before the node can say goodbye.
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        node = make(stop)
    except Bodypose3dError as error:
        rclpy.logging.get_logger("bodypose3d").fatal(str(error))
        rclpy.shutdown()
        return error.exit_code
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    closing = threading.Thread(target=_close, args=(node, executor), daemon=True)
    try:
        while not stop.is_set():
            step(node, executor)
    finally:
        closing.start()
        closing.join(_GOODBYE_S)
    if any(thread.daemon for thread in threading.enumerate()):
        # Either a subscriber is stuck, and DDS waits a second for it in every publisher; or
        # libraries are loading that cannot be interrupted, and abort when Python ends under them.
        os._exit(0)
    return 0


def _spin_once(executor: SingleThreadedExecutor) -> None:
    try:
        executor.spin_once(timeout_sec=_LOOK_S)
    except RCLError as error:
        # rclpy raises here what a client did wrong: asked for a transition of another state.
        if "lifecycle" not in str(error):
            raise
        rclpy.logging.get_logger("bodypose3d").error(f"not done: {error}")


def _close(node: Node, executor: SingleThreadedExecutor) -> None:
    node.destroy_node()
    executor.shutdown()
    rclpy.shutdown()
