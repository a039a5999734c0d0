"""What is drawn into pictures."""

from dataclasses import replace

import numpy as np
import pytest

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.people import STATE_COASTING, select
from bodypose3d_ros.body.skeleton import INDEX
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


@pytest.mark.parametrize(("others", "height"), [((0.0, -0.2, 3.0), 0.0), ((9.0, 0.0, 3.0), -0.55)])
def test_labels_cover_no_heads(others, height):
    """Neither of who stands behind, nor one's own, where it is at the image's upper edge."""
    joints = np.stack([standing(others), standing((0.0, height, 3.0))])
    bodies = replace(row(2), joints=joints, pixels=CAMERA.project(joints))
    covered = (overlay.draw(GREY, bodies, CAMERA) == 0).all(axis=2)
    head = [INDEX[name] for name in ("nose", "left_ear", "right_ear")]
    for person in range(2):
        (left, top), (right, bottom) = (
            end(bodies.pixels[person, head], axis=0).astype(int) for end in (np.min, np.max)
        )
        assert not covered[max(top, 0) : bottom, max(left, 0) : right].any()
    assert covered.sum() > 1500


@pytest.mark.parametrize("ground", [0, 60, 250])
def test_the_less_sure_the_nearer_to_the_picture_on_any_ground(ground):
    """Drawn darker instead, a limb that nobody is sure of would stand out of snow."""
    picture = np.full_like(GREY, ground)
    changes = []
    for confidence in (0.3, 0.6, 0.95):
        bodies = replace(seen(), confidence=np.full((1, 34), confidence))
        drawn = overlay.draw(picture, bodies, CAMERA)[150:]  # the label is above
        changes.append(np.abs(drawn.astype(int) - ground).sum())
    assert changes[0] < 0.7 * changes[1] < 0.7 * changes[2]


def test_a_white_spine_is_seen_on_snow():
    snow = np.full_like(GREY, 250)
    spine = np.isin(np.arange(34), [INDEX[name] for name in ("pelvis", "torso", "neck")])
    pixels = np.where(spine[:, None], seen().pixels, np.nan)
    alone = replace(seen(), pixels=pixels, confidence=np.ones((1, 34)))
    dark = (overlay.draw(snow, alone, CAMERA) < 180).all(axis=2)
    top, bottom = pixels[0, spine, 1].min().astype(int), pixels[0, spine, 1].max().astype(int)
    assert (dark[top:bottom].sum(axis=1) >= 2).mean() > 0.8  # an edge on either side


def test_a_label_lies_in_the_middle_of_its_ground():
    """Whatever this version of OpenCV tells of a text's size."""
    drawn = overlay.draw(GREY, seen(), CAMERA)
    black = (drawn == 0).all(axis=2)
    rows, columns = np.flatnonzero(black.any(axis=1)), np.flatnonzero(black.any(axis=0))
    box = drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    written = np.flatnonzero((box > 200).all(axis=2).any(axis=1))
    above, below = written[0], len(box) - 1 - written[-1]
    assert abs(above - below) <= 1
    assert min(above, below) >= 3
