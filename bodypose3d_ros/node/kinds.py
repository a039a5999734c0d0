"""The kinds of node that this package has, as hosts run them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..perception.settings import Setting
from ..wire.messages import Lookup, Message, Messages
from .cameras import Cameras
from .diagnostics import Report
from .fusion import core as fusion
from .fusion import parameters as fusion_parameters
from .host import Host
from .interface import Topic
from .parameters import DECLARATIONS, Parameters, of_cameras


class NodeCore(Protocol):
    """A node without its host: messages in, messages out through the host."""

    messages: Messages

    @property
    def outputs(self) -> tuple[Topic, ...]:
        """What it publishes."""

    @property
    def autostart(self) -> bool:
        """Whether it is to begin by itself."""

    @property
    def uses_tf(self) -> bool:
        """Whether it looks frames up."""

    def change(self, values: Mapping[str, object], *, running: bool) -> None:
        """Set parameters.

        Raises:
            InputError: One does not exist, cannot be changed now, or has a bad value; nothing
                has changed.
        """

    def configure(self) -> None:
        """Load what takes seconds.

        Raises:
            Bodypose3dError: It cannot be loaded.
        """

    def activate(self) -> None:
        """Begin to work."""

    def deactivate(self) -> None:
        """Stop working; forget who was seen."""

    def cleanup(self) -> None:
        """Give back what configuration took."""

    def check(self) -> None:
        """Raise what has ended the work, if anything did: a defect, not bad input."""

    def statuses(self) -> Mapping[str, Callable[[], Report]]:
        """What tells how the node is now, by its name in ``/diagnostics``."""

    def tell_alive(self) -> None:
        """Publish whether the poses can be relied on now: for hosts to call often."""

    def inputs(self) -> dict[Topic, Callable[[Message], None]]:
        """What takes the messages of each topic, TF left to hosts."""

    def wants(self, topic: Topic) -> bool:
        """Whether a message of one of ``inputs`` is of use now; else a newer one may replace it."""

    def when_wanted(self, call: Callable[[Sequence[Topic]], None]) -> None:
        """Have something called when messages of some of ``inputs`` are wanted that were not.

        It is called in the thread that wants them, and may bring them there: what comes first in
        ``inputs`` first.
        """

    def lacks(self, topic: Topic) -> bool:
        """Whether what was perhaps latched on one of ``inputs`` long ago is missing."""

    def lost(self, topic: Topic, count: int) -> None:
        """So many more messages of one of ``inputs`` were lost on the way here."""

    def damaged(self, topic: Topic) -> None:
        """A message of one of ``inputs`` has come that is not what its topic says."""


@dataclass(frozen=True)
class Kind:
    """What a host needs to know to run a node."""

    name: str
    """The node's, unless it is renamed."""
    declarations: Mapping[str, Setting]
    """Its parameters."""
    make: Callable[[Host, Lookup, Mapping[str, object]], NodeCore]
    """Makes one from parameters by name; raises InputError for a bad one."""
    optional: Callable[[Mapping[str, object]], Mapping[str, Setting]] = lambda _: {}
    """More parameters, which these values ask for: they have no value unless they are given one."""


def _estimation(host: Host, lookup: Lookup, values: Mapping[str, object]) -> NodeCore:
    return Cameras(host, lookup, Parameters().changed(values))


def _fusion(host: Host, lookup: Lookup, values: Mapping[str, object]) -> NodeCore:
    return fusion.FusionCore(host, lookup, fusion_parameters.Parameters().changed(values))


def _of_cameras(values: Mapping[str, object]) -> Mapping[str, Setting]:
    return of_cameras(Parameters().changed(values).cameras)


ESTIMATION = Kind("bodypose3d", DECLARATIONS, _estimation, _of_cameras)
FUSION = Kind("bodypose3d_fusion", fusion_parameters.DECLARATIONS, _fusion)
