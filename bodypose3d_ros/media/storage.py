"""The files of a recording: its topics, and their messages as they were stored.

rosbag2 folders are read by rosbags, bare .mcap files by the mcap library, which also reads those
that were cut off. No file stays open between two questions.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Protocol, TypeVar, cast

from mcap.exceptions import EndOfFile, RecordLengthLimitExceeded
from mcap.reader import SeekingReader
from mcap.records import Channel as McapChannel
from mcap.records import Chunk, McapRecord, Message, Schema
from mcap.stream_reader import StreamReader, breakup_chunk
from mcap.summary import Summary
from rosbags.interfaces import Connection, ConnectionExtRosbag2, MessageDefinitionFormat
from rosbags.rosbag2 import Reader

from ..errors import InputError

ItemT = TypeVar("ItemT")
_McapMessage = tuple[Schema | None, McapChannel, Message]

_DEFINITIONS = {MessageDefinitionFormat.MSG: "ros2msg", MessageDefinitionFormat.IDL: "ros2idl"}

_MEND = (
    "; `ros2 bag reindex` makes a new metadata.yaml, and .mcap files can be handed in one by one"
)
_RECOVER = "; `mcap recover` may save more of it"


@dataclass(frozen=True)
class Channel:
    """One topic of a recording."""

    topic: str
    type: str
    """Its full name, ``sensor_msgs/msg/Image``; empty where nothing says it."""
    encoding: str
    """Of its messages: ``cdr`` for those of ROS 2."""
    count: int
    """How many messages there are."""
    definition: str
    """Of the type, with everything it is made of; empty where the recording has none."""


@dataclass(frozen=True)
class Recorded:
    """One message of a recording, as it was stored."""

    topic: str
    type: str
    log_time: int
    """Nanoseconds."""
    cdr: bytes
    definition: str = ""
    """The type's definition with everything it is made of; empty: as this package knows it."""
    definition_format: str = "ros2msg"


class Storage(Protocol):
    """What a recording's files hold."""

    channels: list[Channel]
    duration: int
    """Nanoseconds from the first message to the last."""
    problem: str
    """Why there is less than there was; empty where everything is there."""

    def messages(self, topics: Collection[str]) -> Iterator[Recorded]:
        """The messages of some topics, in order of time.

        Raises:
            InputError: The files are damaged.
        """


def look_into(path: Path) -> Storage:
    """The storage of a rosbag2 folder, or of a bare .mcap or .db3 file.

    Raises:
        InputError: It cannot be read.
    """
    if path.suffix == ".mcap" and path.is_file():
        return McapFile(path)
    folder = path.parent if path.suffix == ".db3" else path
    if not (folder / "metadata.yaml").is_file():
        raise InputError(
            f"{path}: has no metadata.yaml beside it: run  ros2 bag reindex -s sqlite3 {folder}"
        )
    return Bag(folder)


class Bag:
    """A rosbag2 folder: sqlite3 or MCAP, split, compressed."""

    problem = ""

    def __init__(self, folder: Path) -> None:
        """Look into it.

        Raises:
            InputError: It cannot be read.
        """
        self._folder = folder
        with _readable(folder, _MEND), Reader(folder) as reader:
            self.channels = [
                Channel(c.topic, c.msgtype, _serialization(c), c.msgcount, c.msgdef.data)
                for c in reader.connections
            ]
            self.duration = reader.duration

    def messages(self, topics: Collection[str]) -> Iterator[Recorded]:
        """The messages of some topics, in order of time.

        Raises:
            InputError: The files are damaged.
        """
        yield from _undamaged(self._folder, self._messages(topics))

    def _messages(self, topics: Collection[str]) -> Iterator[Recorded]:
        with Reader(self._folder) as reader:
            wanted = [c for c in reader.connections if c.topic in topics]
            for connection, log_time, cdr in reader.messages(wanted) if wanted else ():
                definition = connection.msgdef
                yield Recorded(
                    connection.topic,
                    connection.msgtype,
                    log_time,
                    cdr,
                    definition.data,
                    _DEFINITIONS.get(definition.format, "ros2msg"),
                )


class McapFile:
    """A bare .mcap file: whole, without an index, or cut off."""

    def __init__(self, path: Path) -> None:
        """Look into it; one without an index is read through.

        Raises:
            InputError: It is not an MCAP file, or nothing in it can be read.
        """
        self._path = path
        self.problem = ""
        with _readable(path), path.open("rb") as file:
            summary = _summary(SeekingReader(file))
        self._indexed = summary is not None
        if summary is not None and summary.statistics is not None:
            counts = summary.statistics.channel_message_counts
            self.channels = [
                _channel(channel, summary.schemas.get(channel.schema_id), counts.get(channel.id, 0))
                for channel in summary.channels.values()
            ]
            times = summary.statistics.message_start_time, summary.statistics.message_end_time
            self.duration = times[1] - times[0]
        else:
            self._read_through()

    def messages(self, topics: Collection[str]) -> Iterator[Recorded]:
        """The messages of some topics, in order of time; without an index, as they were written.

        Raises:
            InputError: The file is damaged.
        """
        found = self._indexed_messages(topics) if self._indexed else self._scanned_messages()
        for schema, channel, message in _undamaged(self._path, found, _RECOVER):
            if channel.topic in topics:
                yield _recorded(schema, channel, message)

    def _read_through(self) -> None:
        seen: dict[int, Channel] = {}
        first, last = 0, 0
        for schema, channel, message in self._scanned_messages():
            count = seen[channel.id].count if channel.id in seen else 0
            seen[channel.id] = _channel(channel, schema, count + 1)
            last = max(last, message.log_time)
            first = min(first or last, message.log_time)
        if self.problem and not seen:
            raise InputError(f"{self._path}: {self.problem}")
        self.channels, self.duration = list(seen.values()), last - first

    def _indexed_messages(self, topics: Collection[str]) -> Iterator[_McapMessage]:
        with self._path.open("rb") as file:
            yield from SeekingReader(file, validate_crcs=True).iter_messages(topics)

    def _scanned_messages(self) -> Iterator[_McapMessage]:
        schemas: dict[int, Schema] = {}
        channels: dict[int, McapChannel] = {}
        for record in self._scan():
            if isinstance(record, Schema):
                schemas[record.id] = record
            elif isinstance(record, McapChannel):
                channels[record.id] = record
            elif isinstance(record, Message) and record.channel_id in channels:
                channel = channels[record.channel_id]
                yield schemas.get(channel.schema_id), channel, record

    def _scan(self) -> Iterator[McapRecord]:
        """Every record from the start to the end, or to where the file is cut off or damaged."""
        with self._path.open("rb") as file:
            size = self._path.stat().st_size
            records = StreamReader(file, emit_chunks=True, record_size_limit=size).records
            begin = 0
            try:
                for record in records:
                    if isinstance(record, Chunk):
                        yield from breakup_chunk(record, validate_crc=True)
                    else:
                        yield record
                    begin = file.tell()
            except Exception as error:  # noqa: BLE001 - damage makes mcap raise anything
                self.problem = f"is cut off or damaged ({_reason(error)}){_RECOVER}"
                file.seek(begin)
                yield from _cut_chunk(file)


def _summary(reader: SeekingReader) -> Summary | None:
    """An MCAP file's summary, where there is one that leads to every message."""
    try:
        summary = reader.get_summary()
    except Exception:  # noqa: BLE001 - as above; the file is read through then
        return None
    if summary is None or summary.statistics is None or not summary.chunk_indexes:
        return None
    if not summary.statistics.channel_message_counts.keys() <= summary.channels.keys():
        return None
    described = {0, *summary.schemas}
    every = all(channel.schema_id in described for channel in summary.channels.values())
    return summary if every else None


def _cut_chunk(file: IO[bytes]) -> Iterator[McapRecord]:
    """The records of an uncompressed chunk in which the file is cut off."""
    # What the record is and how long; times, sizes and checksum; the length of its compression's
    # name, which is 0 here; the length of what follows.
    head = file.read(9 + 28 + 4 + 8)
    length = int.from_bytes(head[1:9], "little")
    left = file.read()
    if head[:1] != b"\x06" or head[37:41] != bytes(4) or len(head) - 9 + len(left) >= length:
        return
    try:
        yield from StreamReader(BytesIO(left), skip_magic=True).records
    except Exception:  # noqa: BLE001 - this is where the file ends
        return


def _channel(channel: McapChannel, schema: Schema | None, count: int) -> Channel:
    name, text = (schema.name, _text(schema)) if schema else ("", "")
    return Channel(channel.topic, name, channel.message_encoding, count, text)


def _recorded(schema: Schema | None, channel: McapChannel, message: Message) -> Recorded:
    topic, log_time, cdr = channel.topic, message.log_time, message.data
    if schema is None:
        return Recorded(topic, "", log_time, cdr)
    return Recorded(topic, schema.name, log_time, cdr, _text(schema), schema.encoding)


def _text(schema: Schema) -> str:
    return schema.data.decode(errors="replace")


def _serialization(connection: Connection) -> str:
    return cast("ConnectionExtRosbag2", connection.ext).serialization_format


@contextmanager
def _readable(path: Path, mend: str = "") -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise InputError(
            f"{path}: is not a recording that can be read: {_reason(error)}{mend}"
        ) from error


def _undamaged(path: Path, items: Iterator[ItemT], mend: str = "") -> Iterator[ItemT]:
    """Items as they come; what a reader raises about damage says which file it is."""
    try:
        yield from items
    except Exception as error:
        raise InputError(f"{path}: is damaged: {_reason(error)}{mend}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, (EndOfFile, RecordLengthLimitExceeded, struct.error)):
        return "its end is missing"
    return str(error) or type(error).__name__
