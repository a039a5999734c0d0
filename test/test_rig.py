"""Rig files: what is written is read, and whatever is wrong is said with its place."""

import numpy as np
import pytest
import yaml
from numpy.testing import assert_allclose

from bodypose3d_ros.errors import CameraError, InputError, WriteError
from bodypose3d_ros.media import rig, rig_launch

CALIBRATION = {
    "image_width": 640,
    "image_height": 480,
    "camera_matrix": {"rows": 3, "cols": 3, "data": [480, 0, 319.5, 0, 480, 239.5, 0, 0, 1]},
    "distortion_model": "plumb_bob",
    "distortion_coefficients": {"rows": 1, "cols": 5, "data": [0, 0, 0, 0, 0]},
}
HALF = 0.70710678
CONTENT = {
    "fixed_frame": "world",
    "cameras": {
        "front": {
            "calibration": "front.yaml",
            "translation": [0.5, -3.5, 2.3],
            "rotation": [-HALF, 0, 0, HALF],
        }
    },
}


@pytest.fixture
def written(tmp_path):
    def write(content):
        (tmp_path / "front.yaml").write_text(yaml.safe_dump(CALIBRATION))
        path = tmp_path / "rig.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return path

    return write


def changed(**entry):
    return {**CONTENT, "cameras": {"front": {**CONTENT["cameras"]["front"], **entry}}}


def test_a_camera_that_looks_along_y_sees_what_lies_there(written):
    cell = rig.read(written(CONTENT))
    front = cell.cameras[0]
    assert (cell.fixed_frame, front.name, front.optical_frame) == (
        "world", "front", "front_optical_frame",
    )  # fmt: skip
    two_metres_ahead = front.place @ [0, 0, 2, 1]
    assert_allclose(two_metres_ahead[:3], [0.5, -1.5, 2.3], atol=1e-7)
    assert front.camera.matrix[0, 0] == 480


def test_a_camera_whose_images_bear_a_frame_of_another_name_keeps_it(written, tmp_path):
    """A RealSense's front_color_optical_frame: under another name TF would not tell its place."""
    cell = rig.read(written(changed(frame="front_color_optical_frame")))
    assert cell.cameras[0].optical_frame == "front_color_optical_frame"
    rig.write(cell, tmp_path / "again.yaml")
    assert rig.read(tmp_path / "again.yaml").cameras[0].frame == "front_color_optical_frame"
    rig_launch.write(cell, tmp_path / "rig.launch.py")
    assert "front_color_optical_frame" in (tmp_path / "rig.launch.py").read_text()
    rig.write(rig.read(written(changed(frame="front_optical_frame"))), tmp_path / "again.yaml")
    assert "frame" not in yaml.safe_load((tmp_path / "again.yaml").read_text())["cameras"]["front"]
    with pytest.raises(InputError, match="frame of the camera front has to be the name"):
        rig.read(written(changed(frame=7)))


def test_what_is_written_is_read_again(written, tmp_path):
    cell = rig.read(written(CONTENT))
    rig.write(cell, tmp_path / "again.yaml")
    again = rig.read(tmp_path / "again.yaml")
    assert again.fixed_frame == cell.fixed_frame
    assert_allclose(again.cameras[0].place, cell.cameras[0].place, atol=1e-6)
    text = yaml.safe_load((tmp_path / "again.yaml").read_text())
    assert text["cameras"]["front"]["calibration"] == "front.yaml"


@pytest.mark.parametrize("write", [rig.write, rig_launch.write])
def test_a_place_where_nobody_can_write_is_named(written, tmp_path, write):
    with pytest.raises(WriteError, match=r"no_folder/rig: cannot be written to \(No such file"):
        write(rig.read(written(CONTENT)), tmp_path / "no_folder" / "rig")


def test_a_quaternion_typed_with_few_digits_is_made_a_unit_one(written):
    place = rig.read(written(changed(rotation=[-0.707, 0, 0, 0.707]))).cameras[0].place
    assert_allclose(place[:3, :3] @ place[:3, :3].T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1, 2", "is not a YAML file"),
        ({"fixed_frame": "world"}, "a rig has no cameras"),
        ({**CONTENT, "fixed_frame": 3}, "fixed_frame has to be the name"),
        ({**CONTENT, "cameras": {}}, "at least one camera"),
        ({**CONTENT, "camera": {}}, "a rig has camera, which is not known"),
        (changed(rotation=[0, 0, 0, 2]), "front is not a unit quaternion"),
        (changed(rotation=[0, 0, 1]), "rotation of the camera front has to be 4 finite"),
        (changed(translation=[0, 0, float("nan")]), "translation of the camera front has to be 3"),
        (changed(translation="here"), "translation of the camera front has to be 3"),
    ],
)
def test_what_is_wrong_with_a_rig_is_said_with_its_place(written, content, message):
    with pytest.raises(InputError, match=message) as caught:
        rig.read(written(content))
    assert "rig.yaml" in str(caught.value)


def test_a_calibration_that_is_missing_is_named(written):
    with pytest.raises(CameraError, match=r"nowhere\.yaml"):
        rig.read(written(changed(calibration="nowhere.yaml")))
    with pytest.raises(InputError, match="cannot be read"):
        rig.read(written(CONTENT).with_name("none.yaml"))
