"""Whether the shapes that planners keep clear of hold real people: a film's truth is inside."""

from itertools import islice

import numpy as np

from benchmarks import keep_clear
from benchmarks.accuracy import frames_with
from bodypose3d_ros.media import film
from bodypose3d_ros.perception.networks import load_networks
from bodypose3d_ros.perception.tracking.tracker import Tracker

SHOWN = film.load("two_people")


def test_the_true_joints_lie_inside_the_collision_objects():
    """With depth, where covariances are small: hands, toes and hidden joints, too."""
    with load_networks() as networks:
        pipeline = networks.pipeline(Tracker())
        frames = islice(frames_with(SHOWN, "noisy depth"), 40)
        held = keep_clear.measure(SHOWN, map(pipeline, frames))
    assert len(held.whole) > 60
    assert np.mean(held.whole) >= 0.95
    assert np.mean(held.spare) < 0.25  # metres: who keeps clear of everything gets nothing done
