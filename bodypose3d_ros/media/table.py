"""Poses as a Parquet table, for analysis with pandas, Polars, DuckDB or Spark.

pyarrow is of an optional extra: ``pip install 'bodypose3d_ros[batch]'``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ..body.people import SCALE_NAMES, STATE_NAMES, Bodies, Frame
from ..body.skeleton import JOINT_COUNT, JOINTS, known
from .outputs import writing

_ROWS, _COLUMNS = np.triu_indices(3)
_AXES = ("xx", "xy", "xz", "yy", "yz", "zz")
_COVARIANCES = ("covariance", "velocity_covariance")
# A group of rows is what is held in memory before it is written: about ten megabytes.
_GROUP = 2**16
# Frames after which their rows are put together, in Arrow's own memory: small arrays that are kept,
# each between two images, would keep the heap from giving the images' memory back.
_LOOSE = 64

_TEXT, _NUMBER = pa.string(), pa.float32()
SCHEMA = pa.schema(
    [
        ("source", _TEXT),
        ("frame_id", _TEXT),
        ("stamp_ns", pa.int64()),
        ("track_id", pa.uint32()),
        ("person_confidence", _NUMBER),
        ("state", _TEXT),
        ("scale_source", _TEXT),
        ("log_size", _NUMBER),
        ("size_sigma", _NUMBER),
        ("joint", _TEXT),
        *((name, _NUMBER) for name in ("x", "y", "z", "u", "v", "confidence")),
        *((name, _NUMBER) for name in ("vx", "vy", "vz")),
        *((f"{of}_{axes}", _NUMBER) for of in _COVARIANCES for axes in _AXES),
    ]
)
"""A row for each joint that is known, of each person in each frame.

Metres, metres a second and their squares in the frame ``frame_id``; ``u`` and ``v`` are pixels,
null for a joint that is predicted and not seen. Everything else unknown is null, too.
"""


class PoseTable:
    """A Parquet file of poses, written group by group of rows."""

    def __init__(self, path: Path) -> None:
        """Begin the file, replacing what was there.

        Raises:
            WriteError: It cannot be written.
        """
        self._path = path
        self._loose: list[pa.RecordBatch] = []
        self._waiting: list[pa.Table] = []
        self._rows = 0
        with writing(path):
            self._file = path.open("wb")
            self._writer = pq.ParquetWriter(self._file, SCHEMA, compression="zstd")

    def add(self, frame: Frame, bodies: Bodies) -> None:
        """Add everybody in one frame.

        Raises:
            WriteError: The file cannot be written to.
        """
        there = known(bodies.joints).ravel()
        columns = {
            name: np.repeat(values, JOINT_COUNT)[there]
            for name, values in _of_people(bodies).items()
        }
        columns |= {name: values.ravel()[there] for name, values in _of_joints(bodies).items()}
        rows = int(there.sum())
        for name, value in (
            ("source", frame.source),
            ("frame_id", frame.frame_id),
            ("stamp_ns", frame.stamp),
        ):
            columns[name] = pa.repeat(pa.scalar(value, SCHEMA.field(name).type), rows)
        arrays = [_array(columns[each.name], each.type) for each in SCHEMA]
        self._loose.append(pa.record_batch(arrays, schema=SCHEMA))
        self._rows += rows
        if len(self._loose) >= _LOOSE:
            self._put_together()
        if self._rows >= _GROUP:
            self._write_group()

    def close(self) -> None:
        """Finish the file.

        Raises:
            WriteError: It cannot be written to its end.
        """
        with writing(self._path), self._file:
            self._write_group()
            self._writer.close()

    def _put_together(self) -> None:
        self._waiting.append(pa.Table.from_batches(self._loose, SCHEMA).combine_chunks())
        self._loose = []

    def _write_group(self) -> None:
        self._put_together()
        if self._rows:
            with writing(self._path):
                self._writer.write_table(pa.concat_tables(self._waiting))
        self._waiting, self._rows = [], 0


def _array(values: Any, kind: pa.DataType) -> pa.Array:  # noqa: ANN401 - numpy's or Arrow's
    if isinstance(values, pa.Array):
        return values
    return pa.array(values, kind, from_pandas=True)  # NaN becomes null


def _of_people(bodies: Bodies) -> dict[str, NDArray[Any]]:
    """The columns of a person, (N,) each."""
    return {
        "track_id": bodies.track_id,
        "person_confidence": bodies.score.astype(np.float32),
        "state": np.array(STATE_NAMES)[bodies.state],
        "scale_source": np.array(SCALE_NAMES)[bodies.scale_source],
        "log_size": bodies.log_size.astype(np.float32),
        "size_sigma": bodies.size_sigma.astype(np.float32),
    }


def _of_joints(bodies: Bodies) -> dict[str, NDArray[Any]]:
    """The columns of a joint, (N, 34) each."""
    columns: dict[str, NDArray[Any]] = {
        "joint": np.tile(np.array(JOINTS), (len(bodies), 1)),
        "confidence": bodies.confidence.astype(np.float32),
    }
    for names, values in (
        (("x", "y", "z"), bodies.joints),
        (("u", "v"), bodies.pixels),
        (("vx", "vy", "vz"), bodies.velocity),
        *(
            (tuple(f"{of}_{axes}" for axes in _AXES), getattr(bodies, of)[..., _ROWS, _COLUMNS])
            for of in _COVARIANCES
        ),
    ):
        columns |= {name: values[..., n].astype(np.float32) for n, name in enumerate(names)}
    return columns
