"""Records topics of the graph into an .mcap file, as they come."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..hosts.dds.node import Node
from ..media.recording import RecordingWriter
from ..media.storage import Recorded
from ..node import interface
from ..node.interface import Topic
from ..node.qos import DEFAULT


def recorded(node_name: str) -> list[Topic]:
    """What is recorded of the node of a name: all that config/foxglove.json shows of it."""
    own = (interface.POSES, interface.MARKERS, interface.OVERLAY_COMPRESSED)
    return [
        *(replace(topic, name=topic.name.replace("~", node_name)) for topic in own),
        *(interface.TF, interface.TF_STATIC, interface.DIAGNOSTICS),
        replace(interface.CAMERA_INFO, qos=DEFAULT),
    ]


class Recorder:
    """Subscribes to topics and writes what comes, byte for byte, with the time it came."""

    def __init__(self, node: Node, topics: Sequence[Topic], path: Path) -> None:
        """Begin the file and subscribe.

        Raises:
            WriteError: The file cannot be written.
        """
        self.counts: Counter[str] = Counter()
        """Messages written so far, by type."""
        self._writer = RecordingWriter(path, node.types.store)
        self._definitions = {
            topic.type: node.types.store.generate_msgdef(topic.type, ros_version=2)[0]
            for topic in topics
        }
        for topic in topics:
            name = node.names.topic(topic.name)
            write: Callable[[bytes], None] = partial(self._write, name, topic.type)
            node.create_subscription(topic.type, topic.name, write, topic.qos, raw=True)

    def close(self) -> None:
        """Write the file's index: from here on it is whole."""
        self._writer.close()

    def _write(self, name: str, kind: str, cdr: bytes) -> None:
        self.counts[kind] += 1
        recorded = Recorded(name, kind, time.time_ns(), cdr, self._definitions[kind])
        self._writer.write_cdr(recorded)
