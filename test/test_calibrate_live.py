"""Cameras are calibrated by what their nodes say, heard live, as by their films."""

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.spatial.transform import Rotation

import cell_sightings as cell
from bodypose3d_ros.apps import calibrate_rig
from bodypose3d_ros.apps.calibrate_live import Heard
from bodypose3d_ros.apps.cli import main
from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.errors import InputError
from bodypose3d_ros.media import rig
from bodypose3d_ros.perception.calibration.alignment import aligned
from bodypose3d_ros.perception.calibration.calibrate import calibrate
from bodypose3d_ros.perception.calibration.scale import Known
from fusion_alone import EPOCH, poses
from node_alone import MESSAGES
from ros_network import PEERS

SECOND = 10**9
CAMERAS = ("front", "left", "back")
TRUTH = np.array([cell.PLACES[f"cell_{name}"] for name in CAMERAS])


def wrong(places):
    """Degrees and metres that places (C, 4, 4) are off, laid onto the truth as a whole."""
    laid = aligned(places, TRUTH)
    turned = Rotation.from_matrix(laid[:, :3, :3].swapaxes(1, 2) @ TRUTH[:, :3, :3]).magnitude()
    moved = np.linalg.norm(laid[:, :3, 3] - TRUTH[:, :3, 3], axis=1)
    return np.degrees(turned).max(), moved.max()


def info(heard, camera):
    header = MESSAGES.header(EPOCH, camera)
    heard.camera_info(camera, MESSAGES.camera_info(cell.FILMS[f"cell_{camera}"].camera, header))


def test_what_nodes_say_is_enough_to_calibrate_their_cameras():
    heard = Heard(CAMERAS)
    for camera in CAMERAS:
        info(heard, camera)
        for number in range(0, 90, 3):
            heard.poses(camera, poses(camera, number, pixels=2.0, size=1.05))
    found = calibrate(heard.views(), Known(camera_height=("front", 2.3)))
    degrees, metres = wrong(np.array([found.cameras[name].place for name in CAMERAS]))
    assert degrees < 0.4
    assert metres < 0.07  # one per cent of the cell


def test_cameras_too_slow_to_have_moments_in_common_are_told_so():
    """A second apart: where people are when the other camera shoots is not known."""
    heard = Heard(CAMERAS[:2])
    for late, camera in enumerate(CAMERAS[:2]):
        info(heard, camera)
        for number in range(60):
            stamp = EPOCH + number * SECOND + late * SECOND // 2
            heard.poses(camera, poses(camera, number, stamp))
    with pytest.raises(InputError) as refused:
        calibrate(heard.views())
    assert "left: sees somebody together with front at 0 moments, and it takes 15" in str(
        refused.value
    )
    assert "front at 1.0 Hz, left at 1.0 Hz: fewer than 4 images a second" in str(refused.value)


def test_the_rig_has_the_frames_that_the_poses_bear(tmp_path):
    """And not those that cameras of these names should have: TF is told of what images bear."""
    heard = Heard(CAMERAS)
    for camera in CAMERAS:
        info(heard, camera)
        heard.poses(camera, poses(camera, 0))
    lenses = {name: view.camera for name, view in heard.views().items()}
    found = calibrate_rig.rig_of(lenses, heard.frames, tmp_path, "world")
    assert [each.optical_frame for each in found.cameras] == list(CAMERAS)


def test_who_was_not_heard_is_named():
    heard = Heard(CAMERAS)
    info(heard, "front")
    heard.poses("front", poses("front", 0))
    heard.poses("left", poses("left", 0))
    with pytest.raises(InputError) as refused:
        heard.views()
    assert str(refused.value).split("; ") == [
        "back: no CameraInfo has come: is --camera-info-topic right?",
        "back: no poses have come: does its node run, and is --poses-topic right?",
        "left: no CameraInfo has come: is --camera-info-topic right?",
    ]


def test_one_camera_alone_is_refused_before_anybody_is_watched():
    done = CliRunner().invoke(main, ["calibrate-live", "front"])
    assert done.exit_code == 2
    assert "name two or more" in done.output


def test_two_cameras_whose_calibrations_would_be_one_file_are_refused(tmp_path):
    done = CliRunner().invoke(
        main, ["calibrate-live", "r2/left", "r2_left", "--out", str(tmp_path)]
    )
    assert done.exit_code == 2
    assert "r2_left.yaml: is the name of two files: call cameras otherwise" in done.output


def test_it_listens_until_it_is_enough_and_writes_a_rig_with_its_calibrations(start, tmp_path):
    """A camera whose node is not there yet costs nobody another walk."""
    pytest.importorskip("cyclonedds", reason="needs cyclonedds (pip install .[dds])")
    program = start(
        PEERS / "real_node.py", "calibrate-live", *CAMERAS, "--seconds", 6,
        "--camera-height", "front", 2.3, "--out", tmp_path / "rig",
    )  # fmt: skip
    program.line("not yet: back: no CameraInfo has come", timeout=60)
    program.line("Watching 6 s more, and all that was seen still counts", timeout=10)
    assert not list((tmp_path / "rig").iterdir())
    for name in CAMERAS:
        start(PEERS / "cell_node.py", name).line("ready", timeout=60)
    assert program.ended(timeout=120) == 0, program.output
    found = rig.read(tmp_path / "rig" / "rig.yaml")
    assert [camera.name for camera in found.cameras] == list(CAMERAS)
    assert found.cameras[0].camera.matrix == pytest.approx(cell.FILMS["cell_front"].camera.matrix)
    assert Camera.from_yaml(tmp_path / "rig" / "left.yaml").width == 640
    degrees, metres = wrong(np.array([camera.place for camera in found.cameras]))
    assert degrees < 2
    assert metres < 0.3
    assert (tmp_path / "rig" / "rig.launch.py").is_file()
