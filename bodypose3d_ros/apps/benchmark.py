"""``bodypose3d benchmark``: what poses cost on this machine, as tables, JSON and charts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.table import Table

from ..media.outputs import REPORT, Outputs, result
from ..perception.networks import SETTINGS, Networks, Options, load_networks
from . import charts, measuring
from .options import Number, options_of, out_option
from .terminal import err, listed, out

PEOPLE = (1, 2, 4, 8)
SIZES = ((640, 480), (1920, 1080))
LOADS = (1, 2, 4, 10)
"""Times what the engine can do."""
_COST, _LATENCIES, _LOAD = "cost.png", "latencies.png", "load.png"
_BINS = 60
_BUSY = 0.5
"""Of the cores, from which load on other programs are in the way."""
_OTHERS = (
    "Other programs have the cores, too: processor milliseconds tell what work costs, times and "
    "latencies how busy the machine is."
)
_OF_LATENCY = {"median": "median", "95": "95 %", "max": "longest"}


@click.command()
@click.option(
    "--frames",
    type=click.IntRange(1),
    default=60,
    show_default=True,
    metavar="N",
    help="Measured for each number of people and size of image.",
)
@click.option(
    "--seconds",
    type=Number(0.1),
    default=10.0,
    show_default=True,
    metavar="S",
    help="Of each load.",
)
@click.option(
    "--held-frames",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    metavar="N",
    help="After which memory, threads and handles are looked at, in tenths; 0: not at all.",
)
@options_of(SETTINGS.values())
@out_option
def benchmark(
    frames: int,
    seconds: float,
    held_frames: int,
    folder: Path,
    **options: Any,  # noqa: ANN401 - click's
) -> None:
    """Measure time, processor and memory on this machine.

    No camera is needed: pictures of 1, 2, 4 and 8 people go through all stages; then a camera
    before the whole node sends 1, 2, 4 and 10 times the images that it can work on. That takes
    minutes, many on a small or busy machine: --frames, --seconds and --held-frames say how many.
    Writes report.json, cost.png, latencies.png and load.png.
    """
    outputs = result(folder, (REPORT, _COST, _LATENCIES, _LOAD))
    outputs.check()
    found: dict[str, Any] = {"machine": measuring.machine(), "model": options["model"]}
    out.print("{cpu}, {cores} cores, load {load}".format(**found["machine"]))
    if found["machine"]["load"] > _BUSY * found["machine"]["cores"]:
        out.print(f"[yellow]{_OTHERS}[/yellow]", soft_wrap=True)
    with load_networks(Options().changed(options)) as networks:
        found["engine"] = networks.pose.engine.description
        found["stages"] = _stages(networks, frames)
        able = 1000 / found["stages"][0]["wall_ms"]["all"]
        found["load"], latencies = _loads(networks, able, seconds)
        if held_frames:
            with err.status(f"{held_frames} frames", spinner="line"):
                found["held"] = measuring.held(networks, SIZES[0], held_frames)
            out.print(_held_table(found["held"]))
    outputs.describe(REPORT, found)
    _draw(found, latencies, outputs)
    listed(outputs.keep())


def _stages(networks: Networks, frames: int) -> list[dict[str, Any]]:
    rows = []
    for size in SIZES:
        for people in PEOPLE:
            with err.status(f"{people} people, {size[0]}x{size[1]}", spinner="line"):
                rows.append(measuring.stages(networks, people, size, frames))
    out.print(_stages_table(rows, "wall_ms"), _stages_table(rows, "cpu_ms"))
    return rows


def _loads(
    networks: Networks, able: float, seconds: float
) -> tuple[list[dict[str, Any]], dict[str, list[float]]]:
    """The figures of each load, and every latency by its name."""
    rows, latencies = [], {}
    for times in LOADS:
        with err.status(f"a camera of {times * able:.0f} Hz", spinner="line"):
            row, latencies[f"{times} x"] = measuring.load(networks, SIZES[0], times * able, seconds)
        rows.append({"times": times, **row})
    out.print(_load_table(rows))
    return rows, latencies


def _draw(found: dict[str, Any], latencies: dict[str, list[float]], outputs: Outputs) -> None:
    """The charts, each with the processor's name."""
    cpu = found["machine"]["cpu"]
    cost = {
        f"{width}x{height}, {name}": [
            (row["people"], row[kind]["all"]) for row in found["stages"] if row["width"] == width
        ]
        for width, height in SIZES
        for kind, name in (("wall_ms", "time"), ("cpu_ms", "processor"))
    }
    charts.lines(
        outputs.part(_COST), charts.Axes(f"what a frame takes: {cpu}", "people", "ms"), cost
    )
    charts.histogram(
        outputs.part(_LATENCIES),
        charts.Axes(f"latency of poses: {cpu}", "ms", "% of the poses"),
        latencies,
        _BINS,
    )
    late = {
        told: [(row["times"], row["latency_ms"][name]) for row in found["load"]]
        for name, told in _OF_LATENCY.items()
    }
    axes = charts.Axes(f"latency by load: {cpu}", "times what the engine can do", "ms")
    charts.lines(outputs.part(_LOAD), axes, late)


def _stages_table(rows: list[dict[str, Any]], kind: str) -> Table:
    title = {"wall_ms": "milliseconds a frame", "cpu_ms": "processor milliseconds a frame"}[kind]
    flat = (
        {"people": row["people"], "image": f"{row['width']}x{row['height']}", **row[kind]}
        for row in rows
    )
    return _table(f"{title}, medians; the search's mean", flat)


def _load_table(rows: list[dict[str, Any]]) -> Table:
    flat = (
        {
            "times": row["times"],
            "sent, Hz": row["sent_hz"],
            "poses, Hz": row["published_hz"],
            "dropped": row["dropped"],
            **{f"{told}, ms": row["latency_ms"][name] for name, told in _OF_LATENCY.items()},
            "cores": row["cpu_cores"],
        }
        for row in rows
    )
    return _table("latency before a camera at times what the engine can do", flat)


def _held_table(rows: list[dict[str, Any]]) -> Table:
    flat = (
        {
            "frames": row["frames"],
            "memory, MB": row["memory_mb"],
            "threads": row["threads"],
            "handles": row["handles"],
        }
        for row in rows
    )
    return _table("what the process holds", flat)


def _table(title: str, rows: Iterable[dict[str, Any]]) -> Table:
    rows = list(rows)
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=0, collapse_padding=True)
    for name in rows[0]:
        table.add_column(name, justify="right", overflow="fold")
    for row in rows:
        table.add_row(*(f"{v:.1f}" if isinstance(v, float) else str(v) for v in row.values()))
    return table
