"""The node on ROS 2: the core as a managed node of rclpy."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import rclpy
from diagnostic_updater import DiagnosticStatusWrapper, Updater
from rcl_interfaces.msg import SetParametersResult
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from ..errors import Bodypose3dError, InputError
from ..messages import Message
from . import interface
from .core import Core
from .diagnostics import ERROR, WARN
from .interface import Topic
from .parameters import DECLARATIONS
from .ros_host import RosHost, message_class
from .ros_parameters import declare

RCLError = rclpy_implementation.RCLError
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE

_PROGRESS_S = 5.0
# How soon a signal or the end of the node is noticed.
_LOOK_S = 0.1
_CLOSING_S = 1.0

Transition = Callable[["BodyPose3D", LifecycleState], TransitionCallbackReturn]


def _said(transition: Transition) -> Transition:
    """A transition whose defects are logged: rclpy says nothing of what a transition raises."""

    @wraps(transition)
    def told(node: BodyPose3D, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except Exception:
            node.get_logger().error(traceback.format_exc())
            raise

    return told


class BodyPose3D(LifecycleNode):  # type: ignore[misc]  # rclpy ships no types
    """The managed node ``bodypose3d``."""

    def __init__(self, node_name: str = "bodypose3d", **options: Any) -> None:  # noqa: ANN401
        """``options`` are rclpy's: ``namespace``, ``context``, ``parameter_overrides``...

        Raises:
            InputError: A parameter has a bad value.
        """
        super().__init__(node_name, **options)
        self._host = RosHost(self)
        self._core = Core(self._host, message_class, declare(self))
        self._status: tuple[int, str] | None = (WARN, "not configured")
        self._configured = False
        self._ending = threading.Event()
        self.add_on_set_parameters_callback(self._set_parameters)
        self._updater = Updater(self)
        self._updater.setHardwareID("none")
        self._updater.add("estimation", self._diagnose)
        self._loading: threading.Thread | None = None
        self._start = threading.Thread(target=self._autostart, name="autostart", daemon=True)
        if self._core.parameters.autostart:
            self._start.start()

    # -- life -------------------------------------------------------------------------------

    @_said
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the networks, make the publishers."""
        self._status, self._configured = (WARN, "loading"), True
        try:
            self._load()
        except Bodypose3dError as error:
            self._status, self._configured = (ERROR, str(error)), False
            self.get_logger().error(str(error))
            return FAILURE
        self._host.open()
        self._status = (WARN, "inactive")
        return super().on_configure(state)

    @_said
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to take images."""
        result = super().on_activate(state)
        self._core.activate()
        p = self._core.parameters
        self._host.listen(self._inputs(), tf=bool(p.target_frame))
        self._status = None
        return result

    @_said
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take no more images; forget who was seen."""
        self._host.stop_listening()
        self._core.deactivate()
        self._status = (WARN, "inactive")
        return super().on_deactivate(state)

    @_said
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give everything back that configuration took."""
        self._undo()
        return super().on_cleanup(state)

    @_said
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give everything back, for good."""
        self._undo()
        return super().on_shutdown(state)

    @_said
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After a defect in a transition: begin again, unconfigured."""
        self._undo()
        return super().on_error(state)

    def destroy_node(self) -> None:
        """End it, whatever state it is in."""
        self._ending.set()
        if self._start.is_alive():
            self._start.join()
        self._undo()
        super().destroy_node()

    def _undo(self) -> None:
        self._host.stop_listening()
        self._core.cleanup()
        self._host.close()
        self._status, self._configured = (WARN, "not configured"), False

    def _autostart(self) -> None:
        """In a thread of its own, so that the executor serves others while networks load."""
        if self.trigger_configure() == SUCCESS and not self._ending.is_set():
            self.trigger_activate()

    def _load(self) -> None:
        """Configure the core, tell how long it takes, and give up when the node ends.

        Raises:
            Bodypose3dError: It cannot be configured.
        """
        failure: list[Exception] = []

        def load() -> None:
            try:
                self._core.configure()
            except Exception as error:  # noqa: BLE001 - raised again below
                failure.append(error)

        self._loading = loading = threading.Thread(target=load, name="loading", daemon=True)
        begin = said = time.monotonic()
        loading.start()
        while loading.is_alive() and not self._ending.is_set():
            loading.join(_LOOK_S)
            now = time.monotonic()
            if now - said > _PROGRESS_S:
                said = now
                self.get_logger().info(f"still loading, {now - begin:.0f} s")
        if failure:
            raise failure[0]
        if loading.is_alive():
            raise Bodypose3dError("the node was stopped while it was loading")

    @property
    def is_loading(self) -> bool:
        """Whether networks are being loaded, also when nobody waits for them any more."""
        return self._loading is not None and self._loading.is_alive()

    # -- what comes in ----------------------------------------------------------------------

    def _inputs(self) -> dict[Topic, Callable[[Message], None]]:
        p, core = self._core.parameters, self._core
        compressed = p.image_transport == "compressed"
        inputs: dict[Topic, Callable[[Message], None]] = {
            interface.IMAGE_COMPRESSED if compressed else interface.IMAGE: core.image,
            interface.CAMERA_INFO: core.camera_info,
            interface.CAMERA_INFO_LATCHED: core.camera_info,
        }
        if p.use_detections:
            inputs[interface.DETECTIONS] = core.detections
        return inputs

    def _set_parameters(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        values = {p.name: p.value for p in parameters if p.name in DECLARATIONS}
        try:
            changed = self._core.parameters.changed(values, running=self._configured)
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._core.parameters = changed
        if changed.target_frame:
            self._host.listen_to_tf()
        return SetParametersResult(successful=True)

    def _diagnose(self, status: DiagnosticStatusWrapper) -> DiagnosticStatusWrapper:
        self._core.check()
        report = self._core.diagnose()
        for key, value in report.values.items():
            status.add(key, value)
        level, message = self._status or (report.level, report.message)
        status.summary(bytes([level]), message)
        return status


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; returns the exit code."""
    # rclpy's own handlers end the context before the node can say goodbye to RViz.
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        node = BodyPose3D()
    except Bodypose3dError as error:
        rclpy.logging.get_logger("bodypose3d").fatal(str(error))
        rclpy.shutdown()
        return error.exit_code
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    closing = threading.Thread(target=_close, args=(node, executor), daemon=True)
    try:
        while not stop.is_set():
            _spin_once(executor)
    finally:
        closing.start()
        closing.join(_CLOSING_S)
    if closing.is_alive() or node.is_loading:
        # Either a subscriber is stuck, and DDS waits a second for it in every publisher; or
        # libraries are loading that cannot be interrupted, and abort when Python ends under them.
        os._exit(0)
    return 0


def _close(node: BodyPose3D, executor: SingleThreadedExecutor) -> None:
    node.destroy_node()
    executor.shutdown()
    rclpy.shutdown()


def _spin_once(executor: SingleThreadedExecutor) -> None:
    try:
        executor.spin_once(timeout_sec=_LOOK_S)
    except RCLError as error:
        # rclpy raises here what a client did wrong: asked for a transition of another state.
        if "lifecycle" not in str(error):
            raise
        rclpy.logging.get_logger("bodypose3d").error(f"not done: {error}")


if __name__ == "__main__":
    sys.exit(main())
