"""``bodypose3d node``, but with a pipeline that finds what the image says."""

import os

import known_people
from bodypose3d_ros.apps.cli import main
from bodypose3d_ros.perception import networks


def load(*_: object, **__: object):
    return known_people.KnownPeople(seconds=float(os.environ.get("SECONDS_PER_IMAGE", "0")))


networks.load_networks = load  # which the node looks up when it is configured

main(prog_name="bodypose3d")
