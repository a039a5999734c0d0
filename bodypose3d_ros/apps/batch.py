"""``bodypose3d batch``: the command for many recordings."""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ..errors import STOPPED, InputError
from ..perception.networks import SETTINGS
from ..version import __version__
from .options import (
    Number,
    cameras_of,
    check_topics,
    floor_of,
    images_option,
    options_of,
    quiet_option,
    smooth_option,
    source_options,
    topics_of,
)
from .stopping import asked_by_signals
from .terminal import err, listed, log_to_terminal, progress

if TYPE_CHECKING:
    from .fleet import Machines
    from .work import Manifest, Task, Wanted

_MANIFEST_SECONDS = 2.0  # between two states of the manifest: a fleet's is megabytes


@click.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@source_options
@options_of(SETTINGS.values())
@images_option
@smooth_option
@click.option(
    "--out",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where to write, a folder for each source.",
)
@click.option(
    "--ray",
    "address",
    envvar="RAY_ADDRESS",
    metavar="ADDRESS",
    help="A Ray cluster; RAY_ADDRESS if not given, else this machine.",
)
@click.option("--workers", type=click.IntRange(1), metavar="N", help="At most so many at once.")
@click.option(
    "--gpus",
    type=Number(0),
    default=0.0,
    show_default=True,
    metavar="N",
    help="GPUs of a worker: 0.25 lets four share one.",
)
@click.option(
    "--attempts",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    metavar="N",
    help="How often a source is begun, where its worker dies, before it is given up.",
)
@click.option(
    "--longest",
    type=click.IntRange(0),
    default=10_000,
    show_default=True,
    metavar="N",
    help="Sources of more images are measured in parts, by several workers; 0: never.",
)
@click.option("--retry", is_flag=True, help="Try again what failed in an earlier run.")
@quiet_option
def batch(
    sources: tuple[Path, ...], folder: Path, retry: bool, quiet: bool, **options: Any  # noqa: ANN401
) -> None:  # fmt: skip
    """Estimate many recordings, several at a time.

    Pictures and films, too, on this machine or on a Ray cluster. Each source has a folder in DIR
    with what `estimate` writes of it, and poses.parquet. manifest.json says how far all are. The
    same command again does what is not done yet. A worker has one thread unless --threads says
    otherwise; sources, DIR and models must be where every machine of a cluster sees them.
    """
    from ..media.sources import expand
    from .fleet import Machines
    from .work import Manifest, plan

    log_to_terminal(logging.WARNING)
    placed = {name: options.pop(name) for name in ("address", "workers", "gpus", "attempts")}
    machines = Machines(threads=options["threads"] or 1, **placed)
    wanted = _wanted(options)
    paths = expand(list(sources))
    check_topics(paths, options)
    tasks = plan(paths, folder.absolute(), wanted)
    manifest = Manifest(folder.absolute(), tasks)
    again = ("waiting", "failed") if retry else ("waiting",)
    waiting = [task for task in tasks if manifest.state(task) in again]
    manifest.write(tasks)
    if not quiet and len(waiting) < len(tasks):
        click.echo(_told_before(manifest.totals(tasks)))
    if waiting:
        _estimate_all(tasks, waiting, manifest, machines, wanted, quiet)
    totals = manifest.totals(tasks)
    if not quiet:
        _report(totals, folder, bool(waiting))
    if totals["failed"]:
        sys.exit(InputError.exit_code)


def _wanted(options: dict[str, Any]) -> Wanted:
    """What the command line asks for, with paths that mean the same on every machine."""
    from ..media.sources import Scene
    from ..perception.networks import AUTO, Options
    from .work import Wanted

    if options["model"] == AUTO:
        raise click.UsageError("name the model: of auto each machine would make something else")
    if options["calibration"]:
        options["calibration"] = options["calibration"].absolute()
    for name in ("model", "model_file", "detector_model"):
        if Path(options[name]).suffix:
            options[name] = str(Path(options[name]).absolute())
    return Wanted(
        cameras_of(options),
        topics_of(options),
        Scene(floor_of(options)),
        Options().changed(options),
        options["keep_images"],
        options["smooth"],
        options["longest"],
        _choices(options),
    )


def _choices(options: dict[str, Any]) -> dict[str, Any]:
    """What results depend on, as JSON gives it back; the number of threads is none of it."""
    from .work import state_of

    files = {
        name: options[name]
        for name in ("calibration", "model", "model_file", "detector_model")
        if options[name]
    }
    chosen = {name: value for name, value in options.items() if name not in ("threads", *files)}
    named = {name: [str(file), state_of(Path(file))] for name, file in files.items()}
    choices: dict[str, Any] = json.loads(
        json.dumps({"version": __version__, **chosen, **named}, default=str)
    )
    return choices


def _estimate_all(
    tasks: list[Task],
    waiting: list[Task],
    manifest: Manifest,
    machines: Machines,
    wanted: Wanted,
    quiet: bool,
) -> None:
    from .fleet import estimated, workers

    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    ]
    written = time.monotonic()
    try:
        with (
            progress(*columns, quiet=quiet) as shown,
            workers(machines, wanted, waiting) as hands,
            asked_by_signals(_interrupt),
        ):
            bar = shown.add_task(f"sources, on {len(hands)} workers", total=len(waiting))
            for task, figures in estimated(hands, waiting, wanted):
                manifest.note(task, figures)
                shown.advance(bar)
                for failure in figures["failures"]:
                    err.print(f"error: {failure}", style="red", markup=False)
                if time.monotonic() - written > _MANIFEST_SECONDS:
                    manifest.write(tasks)
                    written = time.monotonic()
    except KeyboardInterrupt:
        totals = manifest.totals(tasks)
        click.echo(f"stopped with {totals['waiting']} to do: the same command goes on", err=True)
        sys.exit(STOPPED)
    finally:
        manifest.write(tasks)


def _interrupt() -> NoReturn:
    raise KeyboardInterrupt


def _told_before(totals: dict[str, float]) -> str:
    done = f"{totals['done']} of {totals['sources']} sources were done by an earlier run"
    return f"{done}, {totals['failed']} failed in one" if totals["failed"] else done


def _report(totals: dict[str, float], folder: Path, worked: bool) -> None:
    from .work import MANIFEST

    click.echo(
        f"{totals['done']} of {totals['sources']} sources are done, {totals['failed']} failed: "
        f"{totals['frames']} frames, people seen {totals['person_frames']} times"
    )
    if lost := totals["unreadable_frames"] + totals["dropped_frames"]:
        click.echo(f"{lost} frames could not be used: manifest.json says of which sources")
    if not worked:
        again = "; --retry tries again what failed" if totals["failed"] else ""
        click.echo(f"there was nothing to do{again}")
    listed([folder / MANIFEST])
