"""``python -m tools.standin contract|load FILE.onnx``: write a stand-in network."""

from __future__ import annotations

from pathlib import Path

import click

from .contract import contract_network
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


main()
