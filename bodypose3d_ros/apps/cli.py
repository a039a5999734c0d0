"""``bodypose3d``: the command line."""

from __future__ import annotations

import contextlib
import io
import logging
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from ..engines import models
from ..engines.cache import cache_folder
from ..errors import (
    STOPPED,
    Bodypose3dError,
    EngineError,
    InputError,
    ModelError,
    printable,
)
from ..perception.networks import SETTINGS
from ..version import __version__
from . import graph, rigs
from .batch import batch
from .benchmark import benchmark
from .engine import engine
from .options import (
    Number,
    cameras_of,
    check_topics,
    floor_of,
    images_option,
    options_of,
    out_option,
    quiet_option,
    smooth_option,
    source_options,
    topics_of,
)
from .stopping import asked_by_signals, unfinished_is_said
from .terminal import counted, err, escaped, listed, log_to_terminal, out, progress

if TYPE_CHECKING:
    from ..body.floor import Floor
    from ..media.sources import CameraChoice, Scene, Source, Topics
    from ..perception.tracking.tracker import Tracker
    from .estimate import Estimation


_NO_DEPTH = (
    "Nobody's metres rest on the depth images: they are empty where people are, or say distances "
    "at which nobody would be of a likely size. Are they registered to the images, and is "
    "--depth-scale right?"
)


class _Group(click.Group):
    """Turns this package's errors into one line and an exit code that scripts can use."""

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - click's
        """Run, on any terminal: file names and texts may hold what its encoding does not."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's
        try:
            return super().invoke(ctx)
        except Bodypose3dError as error:
            _say(error)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            err.print("stopped")
            ctx.exit(STOPPED)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bodypose3d")
def main() -> None:
    """Every person a camera sees, as 34 joints in metres.

    Exit codes: 0 done, 2 wrong usage, 3 bad input or an output that cannot be written, 4 model or
    engine missing, 1 anything else that is missing or failed, 130 stopped.
    """


main.add_command(graph.node)
main.add_command(graph.fusion)
main.add_command(graph.play)
main.add_command(graph.echo)
main.add_command(graph.record)
main.add_command(graph.view)
main.add_command(engine)
main.add_command(batch)
main.add_command(rigs.fuse)
main.add_command(rigs.calibrate_rig)
main.add_command(rigs.calibrate_live)
main.add_command(benchmark)


@main.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@source_options
@click.option(
    "--depth",
    "depths",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Depths of pictures or of a film: PNG files of 16 bits, in the images' order.",
)
@click.option(
    "--depth-scale",
    type=Number(0, min_open=True),
    default=0.001,
    show_default=True,
    metavar="M",
    help="Metres in a unit of theirs.",
)
@options_of(SETTINGS.values())
@images_option
@smooth_option
@out_option
@quiet_option
def estimate(sources: tuple[Path, ...], folder: Path, quiet: bool, **options: Any) -> None:  # noqa: ANN401
    """Estimate the people in pictures, films and recordings.

    Of a folder every picture is taken. Writes poses.jsonl, poses.mcap, overlay.png or overlay.mp4,
    and summary.json.
    """
    from ..body.floor import UNUSED
    from ..media.outputs import result
    from ..media.sources import expand, labels
    from ..perception.networks import Options, load_networks
    from ..perception.tracking.tracker import Tracker
    from .estimate import Estimation, file_names

    log_to_terminal(logging.WARNING if quiet else logging.INFO)
    cameras, topics = cameras_of(options), topics_of(options)
    paths = expand(list(sources))
    check_topics(paths, options)
    scene = _scene(paths, options)
    own_names = labels(paths)
    names, overlays = file_names(paths, own_names)
    chosen = Options().changed(options)
    outputs = result(folder, names, paths)
    opened, failures = _open_all(paths, own_names, cameras, topics, scene)
    if not opened:
        sys.exit(InputError.exit_code)
    with load_networks(chosen) as networks, unfinished_is_said(outputs):
        tracker = Tracker()
        pipeline = networks.pipeline(tracker, max_people=chosen.max_people)
        estimation = Estimation(
            pipeline, outputs, keep_images=options["keep_images"], smooth=options["smooth"]
        )
        estimation.summary.failures += failures
        with contextlib.closing(estimation), asked_by_signals(estimation.stop):
            _estimate_all(estimation, opened, overlays, quiet)
        summary = estimation.summary
        if summary.failures and not summary.frames:
            outputs.discard()
            sys.exit(InputError.exit_code)
        written = outputs.keep()
    if not quiet:
        _report(estimation, pipeline.pose.engine.description, written)
        if scene.floor is not None and summary.people and not summary.floor_counts:
            out.print(
                f"[yellow]Nobody's metres rest on the floor: {UNUSED}[/yellow]", soft_wrap=True
            )
        elif scene.floor is not None and len(opened) == 1:
            _tell_of_floor(tracker, scene.floor, options["camera_pitch"])
        has_depth = scene.depths is not None or topics.depth is not None
        if has_depth and summary.people and "depth" not in summary.metres_from:
            out.print(f"[yellow]{_NO_DEPTH}[/yellow]", soft_wrap=True)
    if summary.failures:
        sys.exit(InputError.exit_code)


def _estimate_all(
    estimation: Estimation, opened: dict[int, Source], overlays: list[str], quiet: bool
) -> None:
    with counted(quiet=quiet) as shown:
        for index, source in opened.items():
            task = shown.add_task(printable(source.path.name), total=source.count or None)
            try:
                estimation.run(source, overlays[index], lambda *_, task=task: shown.advance(task))
            except InputError as error:
                estimation.summary.failures.append(printable(error))
                _say(error)
            if estimation.stopped:
                sys.exit(STOPPED)


def _open_all(
    paths: list[Path],
    names: list[str],
    cameras: CameraChoice,
    topics: Topics,
    scene: Scene,
) -> tuple[dict[int, Source], list[str]]:
    """The sources that can be opened, by their place in the list; what is wrong with the others."""
    from ..media.recording import is_recording
    from ..media.sources import open_source

    opened: dict[int, Source] = {}
    failures: list[str] = []
    for index, (path, name) in enumerate(zip(paths, names, strict=True)):
        try:
            source = open_source(path, cameras, topics, index, name, scene)
            if not is_recording(path):
                cameras.check(path)
            opened[index] = source
        except InputError as error:  # noqa: PERF203 - the others are still to be done
            failures.append(printable(error))
            _say(error)
    return opened, failures


def _scene(paths: list[Path], options: dict[str, Any]) -> Scene:
    """What the command line says of what is before the camera."""
    from ..media.depth import DepthFolder
    from ..media.recording import is_recording
    from ..media.sources import Scene, is_sequence

    floor, depths = floor_of(options), None
    if options["depths"] is not None:
        if any(map(is_recording, paths)):
            raise click.UsageError("--depth is for pictures and films: see --depth-topic")
        if len(paths) > 1 and any(map(is_sequence, paths)):
            raise click.UsageError("--depth is for pictures, or for a single film")
        depths = DepthFolder.open(options["depths"], options["depth_scale"])
        if not is_sequence(paths[0]):
            depths.check_count(len(paths))
    return Scene(floor, depths)


def _say(error: Bodypose3dError) -> None:
    err.print(f"[red]error:[/red] {escaped(error)}")


def _report(estimation: Estimation, engine: str, written: list[Path]) -> None:
    summary = estimation.summary
    out.print(
        f"frames: {summary.frames}, people: {len(summary.tracks)}, seen {summary.people} times, "
        f"on {engine}",
        soft_wrap=True,
    )
    if summary.assumed_hfov:
        out.print(
            f"[yellow]The camera is not calibrated: {summary.assumed_hfov:g} degrees of view were "
            "assumed, and every distance is as wrong as that is.[/yellow]",
            soft_wrap=True,
        )
    if summary.dropped:
        out.print(f"[yellow]dropped frames: {summary.dropped}, see above.[/yellow]")
    if summary.unreadable:
        out.print(f"[yellow]unreadable frames: {summary.unreadable}, see above.[/yellow]")
    listed(written)


def _tell_of_floor(tracker: Tracker, floor: Floor, pitch: float) -> None:
    """Whether people's sizes say that it was told wrongly."""
    from ..body.floor import SURE
    from ..perception.tracking.tracker import unfit

    off, sigma = tracker.pitch_off(floor)
    if misfit := tracker.floor_misfit:
        said = f"The floor does not fit: {unfit(misfit)}"
    elif abs(off) > SURE * sigma:
        said = (
            f"By how large people are near and far, --camera-pitch {pitch + off:.1f} "
            f"(+- {sigma:.1f}) fits the floor better: is {pitch:g} right?"
        )
    else:
        return
    out.print(f"[yellow]{said}[/yellow]", soft_wrap=True)


@main.group("models")
def models_group() -> None:
    """The networks: which there are, fetching and checking them."""


@models_group.command("list")
def models_list() -> None:
    """List the models that can be fetched by name."""
    table = Table("model", "what it is", "licence", "here")
    for model in models.MODELS.values():
        here = "[green]yes[/green]" if models.is_fetched(model) else "no"
        table.add_row(model.name, model.about, model.licence, here)
    out.print(table)
    out.print(f"Kept in {cache_folder()}")


@models_group.command("fetch")
@click.argument("name")
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file that would be downloaded, for machines without internet.",
)
def models_fetch(name: str, source: Path | None) -> None:
    """Download a model, check it and keep it.

    NAME is one of `bodypose3d models list`; what is here and as it was fetched is left alone.
    """
    model = models.known(name)
    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    ]
    with progress(*columns) as shown:
        task = shown.add_task(f"fetching {name}", total=None)
        folder = models.fetch(
            name, lambda done, total: shown.update(task, completed=done, total=total), source
        )
    out.print(f"{name} ({model.licence}) is in {folder}")
    if model.sha256 is None:
        out.print(
            "Its publisher states no checksum: this download's was noted, to be checked from now on"
        )


@models_group.command("verify")
def models_verify() -> None:
    """Check the files of every fetched model against their checksums."""
    broken = False
    for model in filter(models.is_fetched, models.MODELS.values()):
        problems = models.verify(model.name)
        broken = broken or bool(problems)
        out.print(f"{model.name}: {'; '.join(problems) or 'as fetched'}")
    if broken:
        sys.exit(ModelError.exit_code)


@main.command()
@click.option(
    "--film",
    "name",
    default="one_person",
    show_default=True,
    metavar="NAME",
    help="A film of `bodypose3d film list`.",
)
@out_option
@click.option("--view", is_flag=True, help="Show people in 3D, in Rerun's viewer.")
@click.option("--rrd", is_flag=True, help="Also write what the viewer would show: people.rrd.")
def demo(name: str, folder: Path, view: bool, rrd: bool) -> None:
    """Play a film to the node, live, and compare with the truth.

    Camera, node and recorder are three processes that meet over DDS on this machine.
    """
    from . import demo

    with err.status(f"camera, node and recorder are at work on {name}", spinner="line"):
        done = demo.run(name, folder, view=view, rrd=rrd)
    out.print(done.accuracy.table())
    median, p95 = done.latency
    out.print(
        f"{done.accuracy.frames} of {done.sent} images, {done.rate:.1f} poses a second, "
        f"{median:.0f} ms after the image (95 %: {p95:.0f} ms)"
    )
    if done.accuracy.frames < done.sent:
        out.print(
            f"[yellow]{done.sent - done.accuracy.frames} images were replaced by newer ones, or "
            "lost: this machine is too slow, or too busy now, for the film's "
            f"{done.film_rate:g} images a second. The table is of those that were "
            "answered.[/yellow]",
            soft_wrap=True,
        )
    listed(done.written)


@main.group("film")
def film_group() -> None:
    """The project's own films: people whose joints are known."""


@film_group.command("list")
def film_list() -> None:
    """List the films."""
    from ..media import film

    table = Table("film", "seconds", "Hz", "people", "of the rig")
    of_rigs = {camera: rig for rig, cameras in film.RIGS.items() for camera in cameras}
    for name in film.all_names():
        shown = film.load(name)
        table.add_row(
            name,
            f"{len(shown) / shown.rate:.1f}",
            f"{shown.rate:g}",
            f"{shown.joints_world.shape[1]}",
            of_rigs.get(name, ""),
        )
    out.print(table)


@film_group.command("to-bag")
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path))
def film_to_bag(name: str, folder: Path) -> None:
    """Write a film as a rosbag2 recording.

    NAME is one of `bodypose3d film list`. FOLDER holds image_raw, camera_info and tf_static then.
    """
    from ..media.film_recording import write

    write(name, folder)
    play = shlex.join(["ros2", "bag", "play", str(folder)])
    out.print(f"{name} is in {folder}: play it with  {play}", soft_wrap=True)


@main.command()
def doctor() -> None:
    """Say what runs here, what is missing, and how to mend it."""
    from .doctor import examine

    findings = examine()
    for finding in findings:
        mark = (
            "[green]ok[/green]     "
            if finding.fine
            else ("[red]missing[/red]" if finding.needed else "[yellow]no[/yellow]     ")
        )
        out.print(f"{mark} {finding.name}: {escaped(finding.text)}", soft_wrap=True)
        if finding.mend:
            out.print(f"          {escaped(finding.mend)}", style="bold", soft_wrap=True)
    if any(finding.needed and not finding.fine for finding in findings):
        sys.exit(EngineError.exit_code)
