"""``bodypose3d fuse`` and ``calibrate-rig``: the commands for several cameras."""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError, printable
from ..node.fusion.parameters import CAMERA, DECLARATIONS
from ..perception.networks import SETTINGS
from .graph import graph_options, ros2_is_sourced
from .options import (
    Number,
    options_of,
    out_option,
    quiet_option,
    smooth_option,
    times_options,
    together,
)
from .terminal import counted, err, escaped, listed, out

if TYPE_CHECKING:
    from ..hosts.dds.node import Node
    from ..media.feeds import Feed
    from ..media.outputs import Outputs
    from ..media.rig import Rig
    from ..perception.calibration.calibrate import Calibration
    from ..perception.calibration.scale import Known
    from ..perception.calibration.tracks import Recorded
    from ..perception.networks import Options
    from .calibrate_live import Heard

_log = logging.getLogger(__name__)

POSES_TOPIC = DECLARATIONS["poses_topic"].default
CAMERA_INFO_TOPIC = DECLARATIONS["camera_info_topic"].default


@click.command()
@click.argument("rig_file", metavar="[RIG.yaml]", type=click.Path(path_type=Path))
@click.argument("films", metavar="FILM...|RECORDING", nargs=-1, type=click.Path(path_type=Path))
@times_options
@click.option("--floor", is_flag=True, help="People stand on z = 0 of the fixed frame.")
@options_of(SETTINGS.values())
@smooth_option
@out_option
@quiet_option
def fuse(
    rig_file: Path,
    films: tuple[Path, ...],
    times: tuple[Path, ...],
    film_rate: float | None,
    floor: bool,
    smooth: bool,
    folder: Path,
    quiet: bool,
    **options: Any,  # noqa: ANN401 - click's
) -> None:
    """Fuse the people that several cameras see.

    Their joints are in metres in the rig's fixed frame. FILM... are a film or a folder of pictures
    for each camera, in the rig's order; images with equal numbers are simultaneous unless --times
    says otherwise. A RECORDING of all cameras brings their images and CameraInfo; without a rig
    file it brings their places, too, in /tf_static. Writes poses.jsonl, poses.mcap,
    overlay_CAMERA.mp4 with the fused people, and summary.json.
    """
    from ..media.outputs import result
    from ..perception.networks import Options, load_networks
    from .fuse import CameraFusion, FusedFiles, file_names, fused, misplaced

    cell, feeds = _fed(rig_file, films, times, film_rate)
    outputs = result(folder, file_names(feeds), [rig_file, *films])
    chosen = Options().changed(options)
    with load_networks(chosen) as networks:
        fusion = CameraFusion(
            networks,
            feeds,
            max_people=chosen.max_people,
            floor_frame=cell.fixed_frame if floor else "",
        )
        files = FusedFiles(cell.fixed_frame, feeds, outputs, smooth=smooth)
        try:
            with counted(quiet=quiet) as shown:
                task = shown.add_task("images", total=sum(feed.count for feed in feeds) or None)
                for stamp, frames, bodies in fused(feeds, fusion):
                    files.write(stamp, frames, bodies, fusion.fusion)
                    shown.advance(task, len(frames))
        finally:
            files.close(
                {
                    "cameras": [feed.camera.name for feed in feeds],
                    "degrees_off": fusion.degrees_off,
                    "dropped": fusion.dropped,
                }
            )
    written = outputs.keep()
    if fusion.misplaced:
        _log.warning("%s", misplaced(fusion.misplaced))
    if not quiet:
        images = ", ".join(f"{name} {count}" for name, count in files.images.items())
        click.echo(
            f"moments: {files.counted['moments']}, people: {files.people}, seen "
            f"{files.counted['person_moments']} times; images: {images}"
        )
        listed(written)


def _fed(
    rig_file: Path, films: tuple[Path, ...], times: tuple[Path, ...], film_rate: float | None
) -> tuple[Rig, list[Feed]]:
    """The cameras and their images: a recording's, with or without a rig file, or films'."""
    from ..media import rig
    from ..media.feeds import of_films, of_recording
    from ..media.recording import is_recording
    from ..media.sources import is_sequence

    if is_recording(rig_file):
        if films or times or film_rate:
            raise click.UsageError("a recording brings its own images and times")
        return of_recording(rig_file)
    if len(films) == 1 and is_recording(films[0]):
        if times or film_rate:
            raise click.UsageError("a recording brings its own times")
        return of_recording(films[0], rig.read(rig_file))
    if is_sequence(rig_file):
        raise click.UsageError(
            f"{printable(rig_file)} is a film: the rig file, as of calibrate-rig, comes first"
        )
    cell = rig.read(rig_file)
    return cell, of_films(cell, films, times, film_rate)


_known_options = together(
    click.option(
        "--distance",
        type=(str, str, Number(0, min_open=True)),
        metavar="A B M",
        help="Metres between two cameras.",
    ),
    click.option(
        "--camera-height",
        type=(str, Number(0, min_open=True)),
        metavar="A M",
        help="A camera's height above the floor.",
    ),
    click.option("--stature", type=Number(0.5, 2.5), metavar="M", help="How tall the people are."),
    click.option("--fixed-frame", default="world", show_default=True, metavar="FRAME"),
)


@click.command("calibrate-rig")
@click.argument("recording", required=False, type=click.Path(path_type=Path))
@click.option(
    "--camera",
    "cameras",
    type=(str, click.Path(path_type=Path), click.Path(path_type=Path)),
    multiple=True,
    metavar="NAME CALIBRATION FILM",
    help="A camera: its name, its camera_calibration file, its film or folder. Once for each.",
)
@times_options
@_known_options
@options_of(SETTINGS.values())
@out_option
def calibrate_rig(
    recording: Path | None,
    cameras: tuple[tuple[str, Path, Path], ...],
    times: tuple[Path, ...],
    film_rate: float | None,
    fixed_frame: str,
    folder: Path,
    **options: Any,  # noqa: ANN401 - click's
) -> None:
    """Find where cameras stand from people who walk before them.

    They are given with --camera, or all together as a RECORDING, where they are called by their
    optical frames: front, if that is front_optical_frame; their calibrations are written, too.

    Writes rig.yaml for `fuse`, rig.launch.py for TF, and summary.json. The world stands on the
    floor below the first camera, z up, x where it looks. Metres come from a distance, a camera's
    height or the people's stature where one is given, else from the size people have on average.
    """
    from ..media.outputs import result
    from ..perception.networks import Options
    from . import calibrate_rig as work

    if recording and (cameras or times or film_rate):
        raise click.UsageError("a recording brings its own cameras, images and times")
    if not recording and len(cameras) < 2:
        raise click.UsageError(
            "give a RECORDING of all cameras, or each of them, two at least, with --camera"
        )
    if recording:
        watched = _recorded(recording, folder, fixed_frame)
        known = _known(options, [each.name for each in watched.rig.cameras])
    else:
        known = _known(options, [name for name, _, _ in cameras])
        watched = _filmed(cameras, times, film_rate, fixed_frame)
    rig, chosen = watched.rig, Options().changed(options)
    written = [work.calibration_name(each.name) for each in rig.cameras] if recording else []
    outputs = result(folder, [*work.FILES, *written], watched.sources)
    outputs.check()
    calibration = _calibrated(watched.feeds, chosen, known)
    if recording:
        work.write_calibrations(rig, outputs)
    work.write(rig, calibration, outputs)
    fuse = ["bodypose3d", "fuse", folder / work.RIG, *watched.told, "--out", "fused"]
    _tell(calibration, outputs, fuse)


@dataclass(frozen=True)
class _Watched:
    """Cameras that people walk before, whose places are to be found."""

    rig: Rig
    feeds: list[Feed]
    sources: list[Path]
    """The files that were handed in."""
    told: list[object]
    """How ``fuse`` is told of the same images."""


def _recorded(recording: Path, folder: Path, fixed_frame: str) -> _Watched:
    """The cameras of a recording, whose calibrations are to lie in a folder."""
    from ..media.feeds import unplaced
    from . import calibrate_rig as work

    found, feeds = unplaced(recording, fixed_frame)
    frames = {each.name: each.frame for each in found.cameras}
    cameras = {each.name: each.camera for each in found.cameras}
    rig = work.rig_of(cameras, frames, folder, fixed_frame)
    return _Watched(rig, feeds, [recording], [recording])


def _filmed(
    cameras: tuple[tuple[str, Path, Path], ...],
    times: tuple[Path, ...],
    film_rate: float | None,
    fixed_frame: str,
) -> _Watched:
    """Cameras that each have a calibration and a film."""
    from ..media.feeds import of_films
    from . import calibrate_rig as work

    rig = work.cameras_of([(name, path) for name, path, _ in cameras], fixed_frame)
    films = [film for _, _, film in cameras]
    feeds = of_films(rig, films, times, film_rate)
    told: list[object] = [*films]
    told += [part for path in times for part in ("--times", path)]
    told += ["--film-rate", film_rate] if film_rate else []
    return _Watched(rig, feeds, [path for _, *paths in cameras for path in paths], told)


def _calibrated(feeds: list[Feed], chosen: Options, known: Known) -> Calibration:
    """Where cameras stand, from the people in their images."""
    from ..perception.calibration.calibrate import calibrate
    from ..perception.networks import load_networks
    from . import calibrate_rig as work

    with load_networks(chosen) as networks, err.status("looking for people") as status:
        views = {}
        for feed in feeds:
            status.update(f"looking for people in {feed.camera.name}")
            views[feed.camera.name] = work.seen(networks, feed)
        status.update("finding where the cameras stand")
        return calibrate(views, known)


@click.command("calibrate-live")
@click.argument("cameras", nargs=-1, required=True, metavar="CAMERA...")
@click.option(
    "--seconds",
    type=Number(1),
    default=60.0,
    show_default=True,
    metavar="S",
    help="How long people are watched; again as long while that is not enough. Ctrl-C ends it "
    "sooner.",
)
@click.option("--poses-topic", default=POSES_TOPIC, show_default=True, metavar="TOPIC")
@click.option("--camera-info-topic", default=CAMERA_INFO_TOPIC, show_default=True, metavar="TOPIC")
@_known_options
@graph_options
@out_option
def calibrate_live(
    cameras: tuple[str, ...],
    seconds: float,
    poses_topic: str,
    camera_info_topic: str,
    fixed_frame: str,
    folder: Path,
    **options: Any,  # noqa: ANN401 - click's
) -> None:
    """Find where cameras stand from the poses of their nodes.

    People walk before them meanwhile. Each CAMERA has a bodypose3d node, which publishes in the
    camera's optical frame. Where what was seen does not tell where cameras stand it says so and
    goes on watching. Writes what calibrate-rig writes, and each camera's calibration.
    """
    from ..media.outputs import result
    from ..node.interface import CAMERA_INFO, POSES
    from . import calibrate_live as live
    from . import calibrate_rig as work
    from .graph import graph_node

    if len(cameras) < 2:
        raise click.UsageError("one camera alone has no place among others: name two or more")
    known = _known(options, list(cameras))
    outputs = result(folder, [*work.FILES, *map(work.calibration_name, cameras)])
    outputs.check()
    heard = live.Heard(cameras)
    with graph_node("bodypose3d_calibration", options) as member:
        for name in cameras:
            for topic, kind, take in (
                (poses_topic, replace(POSES, raw=True), partial(heard.poses, name)),
                (camera_info_topic, CAMERA_INFO, partial(heard.camera_info, name)),
            ):
                own = topic.replace(CAMERA, name)
                member.create_subscription(kind.type, own, take, kind.qos, raw=kind.raw)
        views, calibration = _enough(member, heard, seconds, known)
    watched = {name: view.camera for name, view in views.items()}
    rig = work.rig_of(watched, heard.frames, folder, fixed_frame)
    work.write_calibrations(rig, outputs)
    work.write(rig, calibration, outputs)
    if ros2_is_sourced():
        launch = "ros2", "launch", "bodypose3d_ros", "cell.launch.py", f"rig:={folder / work.RIG}"
        _tell(calibration, outputs, [*launch, "nodes:=false", "rviz:=true"])
        return
    command = ["bodypose3d", "fusion", "--rig", folder / work.RIG]
    if poses_topic != POSES_TOPIC:
        command += ["--param", f"poses_topic:={poses_topic}"]
    if camera_info_topic != CAMERA_INFO_TOPIC:
        command += ["--param", f"camera_info_topic:={camera_info_topic}"]
    _tell(calibration, outputs, command, "People are fused by it with")


def _enough(
    member: Node, heard: Heard, seconds: float, known: Known
) -> tuple[dict[str, Recorded], Calibration]:
    """Listen until what was heard tells where the cameras stand, or it is to end.

    Raises:
        InputError: It is to end, and what was heard is not enough.
    """
    from ..perception.calibration.calibrate import calibrate

    while True:
        with err.status("") as status:
            end = time.monotonic() + seconds
            while member.running and (left := end - time.monotonic()) > 0:
                member.spin_once()
                told = ", ".join(f"{name} {count}" for name, count in heard.counts.items())
                status.update(f"watching for {left:.0f} s: images of {told}")
        try:
            views = heard.views()
            with err.status("finding where the cameras stand"):
                return views, calibrate(views, known)
        except InputError as error:
            if not member.running:
                raise
            err.print(
                f"[yellow]not yet:[/yellow] {escaped(error)}\nWatching {seconds:.0f} s more, and "
                "all that was seen still counts. Ctrl-C ends it.",
                soft_wrap=True,
            )


def _tell(
    calibration: Calibration,
    outputs: Outputs,
    look: Iterable[object],
    why: str = "Look whether people fused by it lie on those seen:",
) -> None:
    """Say how sure it is, and by what command one sees whether it is right."""
    from . import calibrate_rig as work

    out.print(work.table(calibration))
    out.print(
        f"Metres: {calibration.scale_source} (± {100 * calibration.scale_sigma:.0f} %). "
        f"Up: {calibration.ground.source} (± {calibration.ground.degrees:.1f} degrees).",
        soft_wrap=True,
    )
    out.print(
        "± is one standard deviation: nearly all answers are right within two of them.",
        soft_wrap=True,
    )
    listed(outputs.keep())
    command = shlex.join(map(str, look))
    out.print(
        f"{why}\n  {escaped(command)}",
        soft_wrap=True,
    )


def _known(options: dict[str, Any], names: list[str]) -> Known:
    """What gives the scale, taken out of the options.

    Raises:
        click.UsageError: More than one does, or it speaks of a camera that there is not.
    """
    from ..perception.calibration.scale import Known

    given = {name: options.pop(name) for name in ("distance", "camera_height", "stature")}
    given = {name: value for name, value in given.items() if value is not None}
    if len(given) > 1:
        raise click.UsageError(f"give one of --{', --'.join(given)}, not several")
    if len(set(names)) < len(names):
        raise click.UsageError("two cameras have the same name")
    known = Known(**given)
    try:
        known.check(names)
    except InputError as error:
        raise click.UsageError(str(error)) from error
    return known
