"""Options that several commands have: settings, what is known of the sources, and outputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..perception.settings import Setting

if TYPE_CHECKING:
    from ..body.floor import Floor
    from ..media.sources import CameraChoice, Topics

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


class Number(click.FloatRange):
    """A number of a range: neither infinite nor nan, which no limit keeps out."""

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """The number that a text is."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{number} is not a finite number.", param, ctx)
        return number


def options_of(settings: Iterable[Setting]) -> Callable[[CommandT], CommandT]:
    """A decorator that gives a command an option for each setting, named as the setting."""
    return together(*map(_option, settings))


def together(*options: Callable[[Any], Any]) -> Callable[[CommandT], CommandT]:
    """A decorator that gives a command several options, in this order."""

    def decorate(command: CommandT) -> CommandT:
        for option in reversed(options):  # decorators are applied from the last to the first
            command = option(command)
        return command

    return decorate


out_option: Callable[[Any], Any] = click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("out"),
    show_default=True,
    metavar="DIR",
    help="Where to write.",
)
quiet_option: Callable[[Any], Any] = click.option(
    "--quiet", is_flag=True, help="Print errors only."
)
images_option: Callable[[Any], Any] = click.option(
    "--images", "keep_images", is_flag=True, help="Put the images into poses.mcap, too."
)
smooth_option: Callable[[Any], Any] = click.option(
    "--smooth",
    is_flag=True,
    help="Positions and velocities by what comes after, too, not only by what came before.",
)
times_options: Callable[[Any], Any] = together(
    click.option(
        "--times",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="When a film's images were taken, once for each film: a line an image, seconds.",
    ),
    click.option(
        "--film-rate",
        type=Number(0, min_open=True),
        metavar="HZ",
        help="Of pictures in folders.",
    ),
)
"""A decorator: when the images of several cameras' films were taken."""

camera_options: Callable[[Any], Any] = together(
    click.option(
        "--camera",
        "calibration",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="camera_calibration YAML of pictures and films; of recordings instead of CameraInfo.",
    ),
    click.option(
        "--hfov",
        type=Number(0, 180, min_open=True, max_open=True),
        metavar="DEG",
        help="Horizontal field of view of an uncalibrated camera, and of recordings without "
        "CameraInfo; distances depend on it.",
    ),
    click.option("--rectified", is_flag=True, help="The images are rectified: P describes them."),
    click.option("--image-topic", metavar="TOPIC", help="Which images of a recording."),
    click.option("--info-topic", metavar="TOPIC", help="Their CameraInfo."),
)
"""A decorator: the camera of pictures and films, and which one of a recording."""

source_options: Callable[[Any], Any] = together(
    camera_options,
    click.option("--depth-topic", metavar="TOPIC", help="Depth images registered to them."),
    click.option(
        "--camera-height",
        type=Number(0, 100, min_open=True),
        metavar="M",
        help="Of the camera above the floor that people stand on.",
    ),
    click.option(
        "--camera-pitch",
        type=Number(-90, 90),
        default=0.0,
        metavar="DEG",
        help="How far the camera looks down.",
    ),
    click.option(
        "--camera-roll",
        type=Number(-180, 180),
        default=0.0,
        metavar="DEG",
        help="How far 'up' leans to the right in the image.",
    ),
)
"""A decorator: what is known of the cameras, topics and floor of sources."""


def cameras_of(options: dict[str, Any]) -> CameraChoice:
    """The camera that ``camera_options`` say took pictures and films.

    Raises:
        UsageError: They say two.
    """
    from ..media.sources import CameraChoice

    if options["calibration"] and options["hfov"]:
        raise click.UsageError("give --camera or --hfov, not both")
    return CameraChoice(options["calibration"], options["hfov"], options["rectified"])


def topics_of(options: dict[str, Any]) -> Topics:
    """The topics of recordings that ``camera_options`` or ``source_options`` name."""
    from ..media.sources import Topics

    return Topics(options["image_topic"], options["info_topic"], options.get("depth_topic"))


def check_topics(paths: Sequence[Path], options: dict[str, Any]) -> None:
    """Refuse topics where no source has any: what they ask for would be passed over silently.

    Raises:
        UsageError: There is no recording among the sources.
    """
    from ..media.recording import is_recording

    flags = ("image_topic", "info_topic", "depth_topic")
    given = [f"--{flag.replace('_', '-')}" for flag in flags if options.get(flag)]
    if given and not any(map(is_recording, paths)):
        raise click.UsageError(f"{', '.join(given)}: for recordings, and there is none")


def floor_of(options: dict[str, Any]) -> Floor | None:
    """The floor that ``source_options`` tell of.

    Raises:
        UsageError: They tell of its slant, and not how far below it is.
    """
    from ..body.floor import Floor

    height, pitch, roll = (options[f"camera_{name}"] for name in ("height", "pitch", "roll"))
    if height is not None:
        return Floor.from_mounting(height, pitch, roll)
    if pitch or roll:
        raise click.UsageError("--camera-pitch and --camera-roll need a --camera-height")
    return None


def _option(each: Setting) -> Callable[[CommandT], CommandT]:
    flag = each.name.replace("_", "-")
    name = f"--{flag}/--no-{flag}" if each.type is bool else f"--{flag}"
    return click.option(
        name,
        each.name,
        type=_type(each),
        default=each.default,
        show_default=each.default != "",
        metavar=each.unit.upper() or None,
        help=each.description,
    )


def _type(each: Setting) -> click.ParamType[Any] | type[Any]:
    if each.choices:
        return click.Choice(each.choices)
    if each.type is int:
        return click.IntRange(_whole(each.minimum), _whole(each.maximum))
    if each.type is float:
        return Number(each.minimum, each.maximum)
    return each.type


def _whole(limit: float | None) -> int | None:
    return None if limit is None else int(limit)
