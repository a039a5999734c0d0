"""``python -m tools.standin contract|load|simcc|detector FILE.onnx``: write a stand-in network."""

from __future__ import annotations

from pathlib import Path

import click

from .contract import contract_network
from .detectors import KINDS, detector_network
from .keypoints import simcc_network
from .load import load_network


@click.group(help=__doc__)
def main() -> None:
    """Stand-ins."""


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
def contract(file: Path) -> None:
    """The network that finds painted markers."""
    contract_network(file)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
def load(file: Path) -> None:
    """The network of BodyPose3DNet's size, of random weights."""
    macs = load_network(file)
    print(f"{macs / 1e9:.2f} billion multiply-adds for one person")


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--keypoints", type=click.Choice(["17", "26", "133"]), default="17")
def simcc(file: Path, keypoints: str) -> None:
    """The 2D network that finds painted markers."""
    simcc_network(file, int(keypoints))


@main.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("file", type=click.Path(path_type=Path))
def detector(kind: str, file: Path) -> None:
    """The person detector that finds painted people."""
    detector_network(file, kind)


main()
