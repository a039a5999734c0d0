"""``bodypose3d fuse``: the command for several cameras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..perception.networks import SETTINGS
from .options import options_of


@click.command()
@click.argument("rig_file", metavar="RIG.yaml", type=click.Path(path_type=Path))
@click.argument("films", metavar="FILM...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--times",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="When a film's images were taken, once for each film: a line an image, seconds.",
)
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), metavar="HZ", help="Of pictures in folders."
)
@options_of(SETTINGS.values())
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("out"),
    show_default=True,
    metavar="DIR",
    help="Where to write.",
)
@click.option("--quiet", is_flag=True, help="Print errors only.")
def fuse(
    rig_file: Path,
    films: tuple[Path, ...],
    times: tuple[Path, ...],
    rate: float | None,
    folder: Path,
    quiet: bool,
    **options: Any,  # noqa: ANN401 - click's
) -> None:
    """Fuse the people that several cameras see, in metres in the rig's fixed frame.

    FILM... are a film or a folder of pictures for each camera, in the rig's order; images with
    equal numbers are simultaneous unless --times says otherwise. Writes poses.jsonl, poses.mcap,
    overlay_CAMERA.mp4 with the fused people, and summary.json.
    """
    from ..media import rig
    from ..media.feeds import of_films
    from ..media.outputs import result
    from ..perception.networks import Options, load_networks
    from .fuse import CameraFusion, FusedFiles, file_names, fused

    cell = rig.read(rig_file)
    feeds = of_films(cell, films, times, rate)
    outputs = result(folder, file_names(feeds), [rig_file, *films])
    chosen = Options().changed(options)
    with load_networks(chosen) as networks:
        fusion = CameraFusion(networks, feeds, max_people=chosen.max_people)
        files = FusedFiles(cell.fixed_frame, feeds, outputs)
        try:
            for stamp, frames, bodies in fused(feeds, fusion):
                files.write(stamp, frames, bodies, fusion.fusion)
        finally:
            files.close({"cameras": [f.camera.name for f in feeds], "dropped": fusion.dropped})
    written = outputs.keep()
    if not quiet:
        click.echo(
            f"{files.counted['moments']} moments, {files.counted['person_moments']} people in "
            f"them, from {len(feeds)} cameras"
        )
        for path in written:
            click.echo(f"  {path}")
