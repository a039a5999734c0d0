"""The node on ROS 2: the core as a managed node of rclpy."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any

from diagnostic_updater import DiagnosticStatusWrapper, Updater
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.timer import Timer

from ...errors import Bodypose3dError, InputError
from ...node.diagnostics import ERROR, WARN, Report
from ...node.interface import ALIVE_PERIOD_S
from ...node.kinds import ESTIMATION, Kind
from ..loading import load
from .host import RosHost, message_class
from .parameters import declare, declare_optional, without_effect
from .program import run

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE

# How soon the end of the node is noticed.
_LOOK_S = 0.1

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
    """The managed node ``bodypose3d``, or one of another kind."""

    def __init__(
        self,
        node_name: str = "",
        *,
        kind: Kind = ESTIMATION,
        ending: threading.Event | None = None,
        **options: Any,  # noqa: ANN401 - rclpy's
    ) -> None:
        """Declare everything; begin to load if ``autostart`` says so.

        Args:
            node_name: Its name; empty: its kind's.
            kind: What it does.
            ending: Set when the process is to end: loading is not waited for then.
            options: rclpy's: ``namespace``, ``context``, ``parameter_overrides``...

        Raises:
            InputError: A parameter has a bad value.
        """
        super().__init__(node_name or kind.name, **options)
        self._host = RosHost(self)
        try:
            values = declare(self, kind.declarations)
            optional = kind.optional(values)
            values |= declare_optional(self, optional)
            self._core = kind.make(self._host, message_class, values)
        except InputError:
            # Since Kilted rclpy's end would call our destroy_node, on half a node.
            super().destroy_node()
            raise
        self._declared = {*kind.declarations, *optional}
        self._status: tuple[int, str] | None = (WARN, "not configured")
        self._configured = False
        self._alive: Timer | None = None
        self._ending = ending or threading.Event()
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._updater = Updater(self)
        # Else the same nodes of several namespaces cannot be told apart.
        self._updater.node_name = self.get_fully_qualified_name().lstrip("/")
        self._updater.setHardwareID("none")
        for name, report in self._core.statuses().items():
            self._updater.add(name, partial(self._diagnose, report))
        if unknown := without_effect(self):
            names = ", ".join(unknown)
            self.get_logger().warning(f"parameters that this node has not were set: {names}")
        self._start = threading.Thread(target=self._autostart, name="autostart", daemon=True)
        if self._core.autostart:
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
        self._host.open(self._core.outputs)
        self._status = (WARN, "inactive")
        return super().on_configure(state)

    @_said
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to take images."""
        result = super().on_activate(state)
        self._core.activate()
        core = self._core
        self._host.listen(core)
        self._alive = self.create_timer(ALIVE_PERIOD_S, core.tell_alive)
        self._status = None
        return result

    @_said
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Take no more images; forget who was seen."""
        self._stop()
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

    def _stop(self) -> None:
        if self._alive is not None:
            self.destroy_timer(self._alive)
            self._alive = None
        self._host.stop_listening()

    def _undo(self) -> None:
        self._stop()
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
        loaded = load(
            self._core.configure,
            wait=lambda loading: loading.join(_LOOK_S),
            ended=self._ending.is_set,
            say=self.get_logger().info,
        )
        if not loaded:
            raise Bodypose3dError("the node was stopped while it was loading")

    # -- what comes in ----------------------------------------------------------------------

    # Not _set_parameters: rclpy of Humble has a method of that name.
    def _on_set_parameters(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        values = {p.name: p.value for p in parameters if p.name in self._declared}
        try:
            self._core.change(values, running=self._configured)
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if self._core.uses_tf:
            self._host.listen_to_tf()
        return SetParametersResult(successful=True)

    def _diagnose(
        self, how: Callable[[], Report], status: DiagnosticStatusWrapper
    ) -> DiagnosticStatusWrapper:
        self._core.check()
        report = how()
        for key, value in report.values.items():
            status.add(key, value)
        level, message = self._status or (report.level, report.message)
        status.summary(bytes([level]), message)
        return status


def main(args: Sequence[str] | None = None, kind: Kind = ESTIMATION) -> int:
    """Run a node until SIGINT or SIGTERM; returns the exit code."""
    return run(lambda stop: BodyPose3D(kind=kind, ending=stop), args)


if __name__ == "__main__":
    sys.exit(main())
