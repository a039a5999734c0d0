"""The floor as a camera sees it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from bodypose3d_ros.body.floor import LEVEL, Floor
from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.media import film


def height_over(floor, point):
    return floor.height + point @ floor.up


def test_a_level_camera_sees_up_as_up():
    assert_allclose(Floor.from_mounting(1.2).up, [0, -1, 0])
    assert height_over(Floor.from_mounting(1.2), np.array([0.3, 1.2, 4.0])) == pytest.approx(0)


def test_a_camera_that_looks_down_sees_the_floor_come_nearer_to_its_axis():
    floor = Floor.from_mounting(1.0, pitch=45)
    assert height_over(floor, np.array([0, 0, np.sqrt(2)])) == pytest.approx(0)


def test_up_leans_to_the_right_by_the_roll():
    up = Floor.from_mounting(1.0, roll=30).up
    assert_allclose(np.degrees(np.arctan2(up[0], -up[1])), 30)


@pytest.mark.parametrize(("pitch", "roll"), [(0, 0), (20, 0), (-10, 15), (35, -40)])
def test_pitch_and_roll_are_turns_of_the_camera(pitch, roll):
    """First it is tilted down about its x axis, then rolled about its optical axis."""
    up = Rotation.from_euler("x", pitch, degrees=True).apply([0, -1, 0])
    up = Rotation.from_euler("z", roll, degrees=True).apply(up)
    assert_allclose(Floor.from_mounting(1.0, pitch, roll).up, up, atol=1e-12)


@pytest.mark.parametrize(("pitch", "roll"), [(0, 0), (20, 5), (-10, -40), (89.9, 0)])
def test_the_frame_below_the_camera_has_its_z_up_and_its_x_where_the_camera_looks(pitch, roll):
    floor = Floor.from_mounting(1.5, pitch, roll)
    place = floor.place
    assert_allclose(place[:3, :3] @ place[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(place[:3, :3]) == pytest.approx(1)
    assert_allclose(place[:3, 3], [0, 0, 1.5])
    for point in np.random.default_rng(1).normal(size=(5, 3)):
        assert (place[:3, :3] @ point + place[:3, 3])[2] == pytest.approx(height_over(floor, point))
    ahead = place[:3, :3] @ ([0, -1, 0] if pitch > 89 else [0, 0, 1])
    assert ahead[0] > 0.1
    assert ahead[1] == pytest.approx(0, abs=1e-9)


def test_where_nothing_is_known_of_a_mounting_the_optical_frame_is_turned_as_rep_103_has_it():
    assert_allclose(LEVEL.place[:3, :3], [[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    assert_allclose(LEVEL.place[:3, 3], 0)


@pytest.mark.parametrize("name", film.names())
def test_the_films_people_stand_on_it(name):
    shown = film.load(name)
    floor = Floor.from_mounting(shown.height, shown.tilt)
    ankles = shown.joints[..., [INDEX["left_ankle"], INDEX["right_ankle"]], :]
    heights = floor.height + ankles @ floor.up
    assert_allclose(heights, shown.joints_world[..., [7, 8], 2], atol=1e-6)
