"""``bodypose3d node``, ``play`` and ``echo``: members of the ROS graph, from the command line."""

from __future__ import annotations

import importlib
import logging
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

from ..errors import Bodypose3dError, InputError, printable
from ..node.qos import DEFAULT
from ..wire.typestore import DEFAULT_DISTRO, DISTROS
from .options import Number, camera_options, cameras_of, together, topics_of
from .stopping import asked_by_signals, unfinished_is_said

if TYPE_CHECKING:
    from ..body.people import Frame
    from ..hosts.dds.node import Node
    from ..media.sources import CameraChoice, Topics
    from ..node.kinds import Kind

_log = logging.getLogger("bodypose3d.graph")

_SILENCE_S = 3.0  # longer than members of the graph take to find each other

graph_options = together(
    click.option("--namespace", default="/", show_default=True, help="Of the node's names."),
    click.option("--remap", "rules", multiple=True, metavar="FROM:=TO", help="Rename a topic."),
    click.option("--domain", type=int, metavar="N", help="ROS domain; else ROS_DOMAIN_ID."),
    click.option(
        "--distro",
        type=click.Choice(DISTROS),
        default=DEFAULT_DISTRO,
        show_default=True,
        help="The ROS 2 distribution of the others.",
    ),
    click.option("--interface", metavar="NAME", help="The only network interface to use."),
)
"""A decorator: the options of every member of the graph."""

_node_options = together(
    click.option(
        "--params-file",
        "params_files",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="ROS 2 parameter file.",
    ),
    click.option("--param", "params", multiple=True, metavar="NAME:=VALUE", help="One parameter."),
    click.option(
        "--host",
        type=click.Choice(["auto", "ros2", "dds"]),
        default="auto",
        show_default=True,
        help="ROS 2's rclpy, where one with this package is sourced, or our own DDS runtime.",
    ),
    graph_options,
)
_whose_option = click.option(
    "--node", "node_name", default="/bodypose3d", show_default=True, help="Whose topics."
)
_overwrite_option = click.option("--overwrite", is_flag=True, help="Replace a file that is there.")


@click.command()
@_node_options
def node(**options: Any) -> None:  # noqa: ANN401
    """Run the node: camera topics in, people out.

    Ends on Ctrl-C or SIGTERM, and the ROS graph forgets it at once.
    """
    from ..node.kinds import ESTIMATION

    _run(ESTIMATION, **options)


@click.command()
@click.option(
    "--rig",
    "rig_file",
    type=click.Path(path_type=Path),
    metavar="RIG.yaml",
    help="Its cameras, its fixed frame, and TF of where they stand.",
)
@_node_options
def fusion(**options: Any) -> None:  # noqa: ANN401
    """Run the fusion node: several cameras' poses in, one out.

    Which cameras is said with --rig, as calibrate-rig and calibrate-live write it, with --param
    'cameras:=[front, left]', or in a parameter file; where they stand TF tells without --rig.
    Ends on Ctrl-C or SIGTERM, and the ROS graph forgets it at once.
    """
    from ..node.kinds import FUSION

    _run(FUSION, **options)


def _run(
    kind: Kind,
    host: str,
    params_files: tuple[Path, ...],
    params: tuple[str, ...],
    rig_file: Path | None = None,
    **graph: Any,  # noqa: ANN401
) -> None:
    from ..media import rig

    if host == "ros2" or (host == "auto" and ros2_is_sourced()):
        if rig_file is not None:
            raise click.UsageError(
                f"--rig: with ROS 2 run  ros2 launch bodypose3d_ros cell.launch.py rig:={rig_file}"
            )
        _run_on_ros2(kind, params_files, params, graph)
        return

    cell = None if rig_file is None else rig.read(rig_file)
    with graph_node(kind.name, graph) as member:
        from ..hosts.dds.camera import stand
        from ..hosts.dds.host import DdsHost
        from ..hosts.dds.params_file import read

        values: dict[str, Any] = {}
        if cell is not None:
            values["cameras"] = [camera.name for camera in cell.cameras]
            values["fixed_frame"] = cell.fixed_frame
            places = {camera.optical_frame: camera.place for camera in cell.cameras}
            stand(member, cell.fixed_frame, places)
        for path in params_files:
            values |= read(path, member.names.full_node)
        values |= dict(map(_parsed, params))
        host_ = DdsHost(member, values, kind)
        loaded = False
        try:
            loaded = host_.load()
            if loaded:
                host_.start()
                member.spin()
        finally:
            if loaded:
                host_.core.cleanup()
    if not loaded:
        # Libraries that are loading cannot be interrupted, and abort when Python ends under them.
        os._exit(0)


@click.command()
@click.argument("source", metavar="FILM|VIDEO|RECORDING|CAMERA")
@camera_options
@click.option("--loop", is_flag=True, help="Begin again at the end, until stopped.")
@click.option(
    "--speed",
    type=Number(0, min_open=True),
    default=1.0,
    show_default=True,
    metavar="FACTOR",
    help="2 is twice as fast.",
)
@click.option("--compressed", is_flag=True, help="Send JPEG images, on image/compressed.")
@click.option(
    "--frame",
    metavar="NAME",
    help="The images' optical frame: front_optical_frame; else their own.",
)
@click.option(
    "--wait",
    "wait_for",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Wait for N subscribers.",
)
@graph_options
def play(
    source: str,
    loop: bool,
    speed: float,
    compressed: bool,
    frame: str | None,
    wait_for: int,
    **options: Any,  # noqa: ANN401
) -> None:
    """Be a camera: send images and CameraInfo at their own rate.

    One of `bodypose3d film list`, which comes with its place in the world on /tf_static, a video,
    or a recording. Films of one rig that play in a --loop show the same moment. Or a camera that is
    there now: /dev/video0, or the address of a stream (rtsp://..., http://... of MJPEG).
    """
    from ..media import film
    from ..media.live import LiveCamera, is_live
    from ..media.sources import live

    cameras, topics = cameras_of(options), topics_of(options)
    if is_live(source) and (loop or speed != 1):
        raise click.UsageError("--loop and --speed are for what has an end, which a camera has not")
    if not is_live(source) and source not in film.all_names():
        _check(Path(source), cameras, topics)

    def frames() -> Iterator[Frame]:
        return _frames(source, cameras, topics)

    with (
        graph_node("camera", options) as member,
        LiveCamera(source, cameras.size) if is_live(source) else nullcontext() as newest,
    ):
        from ..hosts.dds.camera import CameraPublisher, by_the_clock, on_time, paced, stand
        from ..hosts.dds.camera import play as send

        camera = CameraPublisher(member, compressed=compressed)
        shown = film.load(source) if source in film.all_names() else None
        if shown is not None:
            stand(member, film.WORLD, {frame or shown.frame_id: shown.place})
        click.echo(f"images go to {camera.topic}")
        camera.wait_for_subscribers(member, wait_for)
        if newest is not None:
            shots = live(newest, cameras, partial(_served, member))
        elif shown is not None and shown.in_rig and loop and speed == 1:
            shots = by_the_clock(shown)
        else:
            shots = on_time(paced(frames, speed=speed, loop=loop))
        if frame is not None:
            shots = (replace(shot, frame_id=frame) for shot in shots)
        sent = send(member, camera, _checked(shots, compressed))
        click.echo(f"sent {sent} images")


@click.command()
@click.option("--topic", default="/bodypose3d/poses", show_default=True, help="A Pose3DArray.")
@click.option(
    "--count", type=click.IntRange(0), default=0, metavar="N", help="Print N messages and end."
)
@graph_options
def echo(topic: str, count: int, **graph: Any) -> None:  # noqa: ANN401
    """Print people as they come: id, distance, state, place.

    The title says how many messages come a second, and how old they are.
    """
    from rich.console import Console
    from rich.live import Live

    from ..node.interface import POSES
    from .echo import Echo

    with graph_node("bodypose3d_echo", graph) as member:
        console, people = Console(), Echo(member.names.topic(topic))
        member.create_subscription(POSES.type, topic, people.add, POSES.qos)
        if count:
            _tell_of_silence(member, topic, lambda: people.poses is not None)
            for _ in range(count):
                _spin_until_next(member, people)
                if member.running:
                    console.print(people.table())
            return
        with Live(get_renderable=people.table, console=console, refresh_per_second=5):
            member.spin()


@click.command()
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE.mcap")
@_overwrite_option
@_whose_option
@graph_options
def record(path: Path, node_name: str, overwrite: bool, **graph: Any) -> None:  # noqa: ANN401
    """Record what the node says, until stopped.

    Poses, markers, TF, the overlay, diagnostics and the camera's calibration. What is being
    recorded is FILE.mcap.part; stopped (Ctrl-C, SIGTERM), it becomes FILE.mcap.
    """
    from ..media.outputs import single

    _check_ending(path, ".mcap")
    outputs = single(path, overwrite=overwrite)
    with graph_node("bodypose3d_recorder", graph) as member, unfinished_is_said(outputs):
        from ..node.interface import POSES
        from .record import Recorder, recorded

        recorder = Recorder(member, recorded(node_name), outputs.part(path.name))
        click.echo(f"recording into {printable(path)}")
        _tell_of_silence(
            member, POSES.name.replace("~", node_name), lambda: POSES.type in recorder.counts
        )
        try:
            member.spin()
        finally:
            recorder.close()
        outputs.keep()
        poses, count = recorder.counts[POSES.type], recorder.counts.total()
        click.echo(f"recorded {count} messages, {poses} of them poses")
        if not poses:
            _log.warning("no poses have come from %s: does it run, in this ROS domain?", node_name)


@click.command()
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    metavar="FILE.rrd",
    help="Do not open a window: write.",
)
@_overwrite_option
@_whose_option
@graph_options
def view(save: Path | None, node_name: str, overwrite: bool, **graph: Any) -> None:  # noqa: ANN401
    """Show people in 3D, in Rerun's viewer, until stopped."""
    if find_spec("rerun") is None:
        raise Bodypose3dError("rerun is missing: run  pip install 'bodypose3d_ros[view]'")
    from ..media.outputs import single
    from ..node import interface
    from .view import Viewer

    if save:
        _check_ending(save, ".rrd")
    outputs = single(save, overwrite=overwrite) if save else None
    if outputs:
        outputs.check()
    with graph_node("bodypose3d_view", graph) as member:
        viewer = Viewer(outputs.part(save.name) if outputs and save else None)
        for topic, show in (
            (replace(interface.POSES, raw=True), viewer.poses),
            (interface.OVERLAY_COMPRESSED, viewer.overlay),
            (replace(interface.CAMERA_INFO, qos=DEFAULT), viewer.camera_info),
        ):
            name = topic.name.replace("~", node_name)
            member.create_subscription(topic.type, name, show, topic.qos, raw=topic.raw)
        click.echo("showing people")
        _tell_of_silence(member, interface.POSES.name.replace("~", node_name), lambda: viewer.heard)
        member.spin()
    if outputs:
        viewer.close()
        outputs.keep()


def _tell_of_silence(member: Node, topic: str, heard: Callable[[], bool]) -> None:
    """Say once where no poses have come: a name may be mistyped, or the domain another."""

    def look() -> None:
        if not heard():
            _log.warning(
                "no poses have come on %s yet: does its node run, in this ROS domain?",
                member.names.topic(topic),
            )
        timer.due = math.inf

    timer = member.create_timer(_SILENCE_S, look)


def _check_ending(path: Path, ending: str) -> None:
    """What reads a file tells by its name what it is; the demo has its own parts written."""
    from ..media.outputs import PART

    if Path(path.name.removesuffix(PART)).suffix != ending:
        wanted = printable(path.with_suffix(ending))
        raise click.UsageError(f"{printable(path)}: what is written is {ending}: call it {wanted}")


def _spin_until_next(member: Node, people: Any) -> None:  # noqa: ANN401 - an Echo
    last = people.poses
    while people.poses is last and member.running:
        member.spin_once()


@contextmanager
def graph_node(name: str, graph: dict[str, Any]) -> Iterator[Node]:
    """A node with what the command line says, which Ctrl-C or SIGTERM asks to stop."""
    if find_spec("cyclonedds") is None:
        raise Bodypose3dError(
            "cyclonedds is missing: run  pip install 'bodypose3d_ros[dds]'  (Linux on x86_64, "
            "Python 3.10 to 3.13), or source a ROS 2 that this package is built in"
        )
    from ..hosts.dds.names import Names
    from ..hosts.dds.network import Network
    from ..hosts.dds.node import Node
    from ..hosts.dds.types import Types
    from ..node.heap import keep_image_buffers

    logging.basicConfig(
        level=logging.INFO, format="[%(levelname)s] [%(created).9f] [%(name)s]: %(message)s"
    )
    keep_image_buffers()
    names = Names.from_rules(name, graph["namespace"], graph["rules"])
    network = Network.from_environment(graph["domain"], graph["interface"])
    with (
        Node(names, network, Types(graph["distro"])) as member,
        asked_by_signals(member.stop),
    ):
        yield member


def _check(path: Path, cameras: CameraChoice, topics: Topics) -> None:
    """Find out before anybody listens whether a file or folder can be played.

    Raises:
        InputError: It cannot.
    """
    from ..media.recording import is_recording
    from ..media.sources import open_source

    if not path.exists():
        raise InputError(
            f"{path}: there is no such file or folder, and no such film: `bodypose3d film list` "
            "names those"
        )
    open_source(path, cameras, topics)
    if not is_recording(path):
        cameras.check(path)


def _frames(source: str, cameras: CameraChoice, topics: Topics) -> Iterator[Frame]:
    from ..media import film
    from ..media.sources import open_source

    if source in film.all_names():
        yield from film.load(source).frames()
        return
    for item in open_source(Path(source), cameras, topics).items():
        if item.problem:
            _log.warning("%s: not sent: %s", source, item.problem)
        elif item.frame is not None:
            yield item.frame


def _served(member: Node) -> bool:
    """Serve the node between two images; whether it goes on."""
    member.spin_once(0)
    return member.running


def _checked(frames: Iterator[Frame], compressed: bool) -> Iterator[Frame]:
    from ..hosts.dds.camera import check_receive_buffer

    for index, frame in enumerate(frames):
        if index == 0 and not compressed:
            check_receive_buffer(frame)
        yield frame


def _parsed(param: str) -> tuple[str, Any]:
    name, separator, value = param.partition(":=")
    if not separator:
        raise InputError(f"{param!r} is not a parameter: write it like hfov:=60.0")
    return name, yaml.safe_load(value)


def ros2_is_sourced() -> bool:
    """Whether a ROS 2 with this package is here."""
    return find_spec("rclpy") is not None and find_spec("bodypose3d_ros.msg") is not None


def _run_on_ros2(
    kind: Kind,
    params_files: tuple[Path, ...],
    params: tuple[str, ...],
    graph: dict[str, Any],
) -> None:
    """The node on rclpy, in this process."""
    if graph["interface"]:
        raise click.UsageError("--interface: with ROS 2, its RMW's own settings choose it")
    if graph["domain"] is not None:
        os.environ["ROS_DOMAIN_ID"] = str(graph["domain"])
    arguments = ["--ros-args", "-r", f"__ns:={graph['namespace']}"]
    for rule in graph["rules"]:
        arguments += ["-r", rule]
    for path in params_files:
        arguments += ["--params-file", str(path)]
    for param in params:
        arguments += ["-p", param]
    ros2 = importlib.import_module("bodypose3d_ros.hosts.ros2.node")
    sys.exit(ros2.main([sys.argv[0], *arguments], kind))
