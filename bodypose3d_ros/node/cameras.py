"""The whole node without its host: one camera, or several around the same networks.

Each camera has a core of its own, with its own worker thread, and so its newest image; the networks
answer all who wait as one batch.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..perception import networks
from ..wire.messages import Lookup, Message, Messages
from . import heap, interface
from .core import PATIENCE_S, Core
from .diagnostics import Report
from .host import Host
from .interface import Topic, of_camera
from .parameters import Parameters

Loader = Callable[[networks.Options], networks.Networks]

# Whoever asked a network that was given up is told at once; the one whom it answers is not.
_PATIENCE_WITH_HUNG_S = 0.5

_IMAGES = interface.IMAGE, interface.IMAGE_COMPRESSED

ONLY = ""
"""The name of a camera that is the only one."""


class Cameras:
    """A core for each camera, by its name, and the networks that they share."""

    def __init__(self, host: Host, lookup: Lookup, parameters: Parameters | None = None) -> None:
        """``lookup`` gives the host's message class of a full name, ``sensor_msgs/msg/Image``."""
        self._host = host
        self.messages = Messages(lookup)
        """Builds messages of the host's classes."""
        self._parameters = parameters or Parameters()
        self._networks: networks.Networks | None = None
        self._load: Loader = networks.load_networks
        self._active = False
        self._ends = 0
        """How often it was cleaned up."""
        self._life = threading.RLock()
        """Held by whatever begins to use networks or ends that, in whatever thread; not while they
        are loaded."""
        self._renewal: threading.Thread | None = None
        self._failure: Exception | None = None
        self.cores = {
            name: Core(_OneOf(host, name) if name else host, lookup, self._told(name))
            for name in self._parameters.cameras or (ONLY,)
        }

    @property
    def parameters(self) -> Parameters:
        """What is told to all of them."""
        return self._parameters

    @property
    def autostart(self) -> bool:
        """Whether it is to begin by itself."""
        return self._parameters.autostart

    @property
    def uses_tf(self) -> bool:
        """Whether any camera looks frames up."""
        return any(core.parameters.uses_tf for core in self.cores.values())

    def change(self, values: Mapping[str, object], *, running: bool) -> None:
        """Set parameters; the next images are treated accordingly.

        Raises:
            InputError: As ``Parameters.changed``; nothing has changed.
        """
        changed = self._parameters.changed(values, running=running)
        if changed.cameras != self._parameters.cameras:
            raise InputError("cameras is read when the process starts: start it again")
        self._parameters = changed
        for name, core in self.cores.items():
            core.parameters = self._told(name)

    # -- life -------------------------------------------------------------------------------

    def configure(self, load: Loader | None = None) -> None:
        """Load the networks, which takes seconds.

        Args:
            load: What loads them: ``perception.networks``, unless it is another.

        Raises:
            InputError: The parameters do not go together.
            ModelError: The model is not here, or is not what it should be.
            EngineError: The engine is not here, or cannot run the model.
        """
        self._load = load or networks.load_networks
        loaded = self._loaded()
        with self._life:
            self._failure = None
            self._take(loaded)

    def activate(self) -> None:
        """Begin to work on images."""
        with self._life:
            self._active = True
            for core in self.cores.values():
                core.activate()

    def deactivate(self) -> None:
        """Stop working on images; forget who was seen."""
        with self._life:
            self._active = False
            for core in self.cores.values():
                core.deactivate()

    def cleanup(self) -> None:
        """Give the networks' memory back."""
        with self._life:
            self._active = False
            self._ends += 1
            self._let_go(PATIENCE_S)
        heap.give_back()

    def _loaded(self) -> networks.Networks:
        options = self._parameters.perception
        self._host.log(logging.INFO, f"loading {options.model} ({options.engine})")
        start = time.monotonic()
        loaded = self._load(options)
        seconds = time.monotonic() - start
        self._host.log(logging.INFO, f"{options.model} is ready after {seconds:.1f} s")
        return loaded

    def _take(self, loaded: networks.Networks) -> None:
        self._networks = loaded
        for core in self.cores.values():
            core.configure(loaded)

    def _let_go(self, patience: float) -> None:
        for core in self.cores.values():
            core.cleanup(patience)
        if self._networks is not None:
            self._networks.close()
            self._networks = None

    # -- networks that hang -----------------------------------------------------------------

    def _watch(self) -> None:
        """Have networks loaded again, in a thread of its own, when one of them hangs."""
        hung = self._networks
        if hung is None or hung.silent_for < self._parameters.engine_timeout:
            return
        if self._renewal is None or not self._renewal.is_alive():
            self._renewal = threading.Thread(
                target=self._renew, args=(hung,), name="loading", daemon=True
            )
            self._renewal.start()

    def _renew(self, hung: networks.Networks) -> None:
        with self._life:
            if self._networks is not hung:
                return
            seconds = hung.silent_for
            self._host.log(
                logging.ERROR,
                f"a network has not answered for {seconds:.1f} s: it is given up and loaded again",
            )
            ends = self._ends
            hung.give_up()
            self._let_go(_PATIENCE_WITH_HUNG_S)
        try:
            loaded = self._loaded()
        except Exception as error:  # noqa: BLE001 - raised again by check, in the host's thread
            self._failure = error
            return
        with self._life:
            if self._ends != ends:
                loaded.close()  # it was cleaned up meanwhile
                return
            self._take(loaded)
            if self._active:
                self.activate()

    # -- how it is --------------------------------------------------------------------------

    def check(self) -> None:
        """Raise what has ended a worker, if anything did: a defect, or networks that are gone."""
        if self._failure is not None:
            raise self._failure
        for core in self.cores.values():
            core.check()

    def statuses(self) -> Mapping[str, Callable[[], Report]]:
        """What tells how each camera is now, by its name in ``/diagnostics``."""
        return {
            f"{name}: estimation" if name else "estimation": core.diagnose
            for name, core in self.cores.items()
        }

    def tell_alive(self) -> None:
        """Publish whether the poses can be relied on now: for hosts to call often."""
        self._watch()
        for core in self.cores.values():
            core.tell_alive()

    # -- messages in and out ----------------------------------------------------------------

    @property
    def outputs(self) -> tuple[Topic, ...]:
        """What is published, each topic once."""
        own = [of_camera(topic, name) for name in self.cores for topic in interface.OUTPUTS]
        return tuple(dict.fromkeys(own))

    def inputs(self) -> dict[Topic, Callable[[Message], None]]:
        """What takes the messages of each topic that the parameters ask for, TF left to hosts."""
        return {
            of_camera(topic, name): take
            for name, core in self.cores.items()
            for topic, take in core.inputs().items()
        }

    def wants(self, topic: Topic) -> bool:
        """Whether an image of its camera would be worked on at once, or it is something else.

        A CameraInfo, which comes with each image, costs as much to take: it waits with the image.
        """
        kinds = (*_IMAGES, interface.CAMERA_INFO)
        return all(core.wants_image for core in self._of_camera(topic, kinds))

    def when_wanted(self, call: Callable[[Sequence[Topic]], None]) -> None:
        """Have something called whenever a camera's image is wanted that was not before."""
        for name, core in self.cores.items():
            core.when_free = partial(call, [of_camera(topic, name) for topic in core.inputs()])

    def lacks(self, topic: Topic) -> bool:
        """Whether images of its camera come, but no ``CameraInfo`` of their frame."""
        latched = interface.CAMERA_INFO_LATCHED
        return any(
            topic == of_camera(latched, name) and core.lacks_camera_info
            for name, core in self.cores.items()
        )

    def lost(self, topic: Topic, count: int) -> None:
        """Images were lost between their camera and this node, so many more."""
        for core in self._of_camera(topic, _IMAGES):
            core.lost(count)

    def damaged(self, topic: Topic) -> None:
        """A message has come that is not what its topic says."""
        for core in self._of_camera(topic, _IMAGES):
            core.damaged()

    def _of_camera(self, topic: Topic, kinds: tuple[Topic, ...]) -> list[Core]:
        """The camera whose topic it is, if it is of one of some kinds."""
        return [
            core
            for name, core in self.cores.items()
            if topic.name in [of_camera(kind, name).name for kind in kinds]
        ]

    def _told(self, camera: str) -> Parameters:
        return self._parameters.of_camera(camera) if camera else self._parameters


@dataclass(frozen=True)
class _OneOf:
    """The host, as one of several cameras sees it: its topics are its own, its words bear its name.

    What each method does is told in ``Host``.
    """

    host: Host
    camera: str

    def publish(self, topic: Topic, message: Message | bytes) -> None:
        self.host.publish(of_camera(topic, self.camera), message)

    def subscribers(self, topic: Topic) -> int:
        return self.host.subscribers(of_camera(topic, self.camera))

    def now(self) -> int:
        return self.host.now()

    def topic_name(self, topic: Topic) -> str:
        return self.host.topic_name(of_camera(topic, self.camera))

    def log(self, level: int, text: str) -> None:
        self.host.log(level, f"{self.camera}: {text}")

    def lookup_transform(
        self, target: str, source: str, stamp: int, timeout: float
    ) -> NDArray[np.float64]:
        return self.host.lookup_transform(target, source, stamp, timeout)
