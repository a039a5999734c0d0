"""The docs page of speed, made of a run's figures: nothing in it is written by hand.

bodypose3d benchmark --out out
python -m benchmarks.mediapipe_speed --json peer.json            # with mediapipe installed
python -m benchmarks.speed_page out/report.json [--peer peer.json] > docs/speed.md
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bodypose3d_ros.apps.measuring import STAGES

from . import mediapipe_speed

_STAGES = (*STAGES, "all")


def page(report: Mapping[str, Any], peer: Mapping[str, Any] | None = None) -> str:
    """The page in Markdown.

    Args:
        report: What ``bodypose3d benchmark`` wrote.
        peer: What ``benchmarks.mediapipe_speed --json`` wrote.
    """
    machine = report["machine"]
    parts = [
        "# Speed",
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']} when it began, Python "
        f"{machine['python']}; {report['model']}, {report['engine']}; {report['written_by']}. Made "
        "by `python -m benchmarks.speed_page` of what `bodypose3d benchmark` measured: run both on "
        "your machine.",
        "## A frame by stage, milliseconds\nMedians; of the search, which is not in every frame, "
        "the mean. The search comes after the poses are out.",
        _stages("time", report["stages"], "wall_ms"),
        _stages("processor", report["stages"], "cpu_ms"),
        "## Before a camera at times what the networks can do\nLatency of poses after their image.",
        _load(report["load"]),
    ]
    if held := report.get("held"):
        grown = held[-1]["memory_mb"] - held[0]["memory_mb"]
        parts += [
            f"## What the process holds\nFrom the first row to the last {grown:+.1f} MB.",
            _plain(held),
        ]
    if peer:
        parts += [
            "## Beside mediapipe, frame by frame in one process\nMedians over the film "
            f"{peer['film']}, nine of ten rounds in brackets: {peer['machine']['cpu']}, "
            f"{peer['machine']['cores']} cores, load {peer['machine']['load']}.",
            mediapipe_speed.table(peer["figures"]),
        ]
    return "\n\n".join(parts) + "\n"


def _stages(kind: str, rows: Iterable[Mapping[str, Any]], figures: str) -> str:
    head = ["image", "people", *(f"{stage}, {kind}" if stage == "all" else stage
                                 for stage in _STAGES)]  # fmt: skip
    return _table(
        head,
        [
            [f"{row['width']}x{row['height']}", row["people"], *(row[figures][s] for s in _STAGES)]
            for row in rows
        ],
    )


def _load(rows: Iterable[Mapping[str, Any]]) -> str:
    head = ["times", "sent, Hz", "poses, Hz", "dropped", "median, ms", "95 %, ms", "maximum, ms",
            "cores"]  # fmt: skip
    return _table(
        head,
        [
            [row["times"], row["sent_hz"], row["published_hz"], row["dropped"],
             *(row["latency_ms"][name] for name in ("median", "95", "max")), row["cpu_cores"]]
            for row in rows
        ],
    )  # fmt: skip


def _plain(rows: Sequence[Mapping[str, Any]]) -> str:
    return _table(list(rows[0]), [list(row.values()) for row in rows])


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *(map(_cell, row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("--peer", type=Path)
    options = parser.parse_args()
    peer = json.loads(options.peer.read_text()) if options.peer else None
    sys.stdout.write(page(json.loads(options.report.read_text()), peer))


if __name__ == "__main__":
    main()
