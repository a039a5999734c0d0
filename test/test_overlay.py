"""What is drawn into pictures."""

from dataclasses import replace

import numpy as np
import pytest

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.people import STATE_COASTING, select
from bodypose3d_ros.media import overlay
from people_made_up import row, standing

CAMERA = Camera.from_hfov(640, 480, 60)
GREY = np.full((480, 640, 3), 60, np.uint8)


def seen():
    """Somebody 3 m in front of the camera."""
    bodies = row(1)
    return replace(bodies, pixels=CAMERA.project(bodies.joints))


def hidden():
    bodies = seen()
    return replace(
        bodies,
        pixels=np.full_like(bodies.pixels, np.nan),
        state=np.array([STATE_COASTING], np.uint8),
    )


def drawn(bodies, camera=CAMERA):
    """(480, 640) where something was drawn."""
    return (overlay.draw(GREY, bodies, camera) != GREY).any(axis=2)


def test_who_is_predicted_is_drawn_thinner_where_the_camera_would_see_them():
    thick, thin = drawn(seen()), drawn(hidden())
    for u, v in seen().pixels[0].round().astype(int):
        assert thin[v, u]
    below = slice(150, None)  # the labels are above
    assert 0 < thin[below].sum() < 0.8 * thick[below].sum()
    assert not (thin[below] & ~thick[below]).any()


def test_without_a_camera_who_is_predicted_is_left_out():
    assert not drawn(hidden(), None).any()


def test_the_picture_itself_is_left_alone():
    before = GREY.copy()
    overlay.draw(GREY, seen(), CAMERA)
    assert (before == GREY).all()


def black(bodies):
    """How many pixels are black, as the labels' ground is and nothing else."""
    return (overlay.draw(GREY, bodies, CAMERA) == 0).all(axis=2).sum()


@pytest.mark.parametrize("height", [0.0, -1.2, 1.2])
def test_labels_of_people_in_one_place_lie_beside_each_other(height):
    """In the middle of the image, and where the labels are at its upper and lower edge."""
    bodies = row(3)
    joints = standing((0.0, height, 3.0)) + np.array([[[0.0]], [[0.03]], [[-0.05]]])
    crowd = replace(bodies, joints=joints, pixels=CAMERA.project(joints))
    each = [select(crowd, np.arange(3) == n) for n in range(3)]
    assert black(crowd) == sum(map(black, each)) > 3000
