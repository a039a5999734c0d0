"""``bodypose3d node``, but with a pipeline that finds what the image says.

SECONDS_TO_LOAD, SECONDS_PER_IMAGE: what it takes. DEFECTIVE: every image meets a defect.
"""

import os
import time

import known_people
from bodypose3d_ros.apps.cli import main
from bodypose3d_ros.perception import networks


class Defective(known_people.KnownPeople):
    def estimate(self, frame, boxes=None):
        raise ZeroDivisionError("a defect")


def load(*_: object, **__: object):
    time.sleep(float(os.environ.get("SECONDS_TO_LOAD", "0")))
    kind = Defective if "DEFECTIVE" in os.environ else known_people.KnownPeople
    return kind(seconds=float(os.environ.get("SECONDS_PER_IMAGE", "0")))


networks.load_networks = load  # which the node looks up when it is configured

main(prog_name="bodypose3d")
