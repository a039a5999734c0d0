"""Cameras find their places by the people they see, say how sure they are, and refuse to guess."""

import ast
import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

import cell_sightings as cell
from bodypose3d_ros.apps import calibrate_rig, rigs
from bodypose3d_ros.apps.cli import main
from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.errors import InputError
from bodypose3d_ros.media import rig, rig_launch
from bodypose3d_ros.media.outputs import result
from bodypose3d_ros.media.rig import Rig, RigCamera
from bodypose3d_ros.perception.calibration import bundle, uncertainty
from bodypose3d_ros.perception.calibration.alignment import aligned
from bodypose3d_ros.perception.calibration.calibrate import calibrate
from bodypose3d_ros.perception.calibration.ground import ground_of
from bodypose3d_ros.perception.calibration.observations import Observations, observed
from bodypose3d_ros.perception.calibration.pairs import ways_of
from bodypose3d_ros.perception.calibration.rigs import at_one_scale
from bodypose3d_ros.perception.calibration.scale import LIMBS, Known, stature_of
from bodypose3d_ros.perception.calibration.tracks import Recorded, tracks_of

NAMES = ("cell_front", "cell_left", "cell_right")
WALK = range(0, 90, 3)
SIZE = 1.05  # every view believes in people so much too large


def recorded(name, numbers=WALK, people=(0, 1), size=SIZE):
    shown = cell.FILMS[name]
    # cell_right shoots at 10 Hz, 40 ms late: its own frames at about the same times
    own = sorted({min(round(n * shown.rate / 15), len(shown) - 1) for n in numbers})
    bodies = [cell.sighting(name, n, people, pixels=2.0, size=size) for n in own]
    ids = np.array(people, np.uint32) + 1
    return Recorded(
        shown.camera,
        [shown.stamp(n) for n in own],
        [replace(each, track_id=ids) for each in bodies],
    )


@pytest.fixture(scope="module")
def views():
    return {name: recorded(name) for name in NAMES}


@pytest.fixture(scope="module")
def found(views):
    return calibrate(views, Known(camera_height=("cell_front", 2.3)))


def true_places():
    return np.array([cell.PLACES[name] for name in NAMES])


def between(places):
    """Metres from cell_front to cell_left."""
    return np.linalg.norm(places["cell_front"][:3, 3] - places["cell_left"][:3, 3])


def test_directions_and_positions_are_found(found):
    places = np.array([camera.place for camera in found.cameras.values()])
    laid = aligned(places, true_places())
    turned = Rotation.from_matrix(laid[:, :3, :3].swapaxes(1, 2) @ true_places()[:, :3, :3])
    assert np.degrees(turned.magnitude()).max() < 0.3
    # One per cent of the cell's 7 metres.
    assert np.linalg.norm(laid[:, :3, 3] - true_places()[:, :3, 3], axis=1).max() < 0.07


def test_the_world_stands_on_the_floor_and_is_of_the_right_size(found):
    places = {name: camera.place for name, camera in found.cameras.items()}
    heights = [places[name][2, 3] for name in NAMES]
    # Half a degree of the floor's tilt are 4 cm over 5 metres.
    assert_allclose(heights, [2.3, 2.1, 2.2], atol=0.08)
    truth = cell.PLACES
    between = [
        np.linalg.norm(p["cell_front"][:3, 3] - p["cell_left"][:3, 3]) for p in (places, truth)
    ]
    assert_allclose(between[0], between[1], rtol=0.03)
    assert found.ground.source == "the floor under people's feet"


def test_it_says_how_sure_it_is(found):
    """It is 0.02 degrees and 2 mm off, but networks may draw bodies otherwise than these are."""
    for camera in found.cameras.values():
        assert 0.15 < camera.degrees < 0.3
        assert 0.01 < camera.metres < 0.02
        assert 0.9 < camera.pixels < 2, "keypoints were 2 pixels off on each axis"
        assert camera.coverage == 12 / 16
    # The right camera shot two images where the others shot three.
    assert [camera.moments for camera in found.cameras.values()] == [60, 60, 58]
    # One per cent of the height, and 1.5 cm by the floor's tilt, known to a quarter of a degree.
    assert found.scale_source == "the height of cell_front"
    assert found.scale_sigma == pytest.approx(0.012, abs=0.001)


def test_what_a_network_has_wrong_all_the_time_is_in_how_sure_it_is(views):
    """Each camera's idea of each joint is off by 4 pixels, and stays so: leaving out times would
    say a quarter of what the cameras are off by it."""
    rng = np.random.default_rng(0)
    biased = {}
    for name, view in views.items():
        off = rng.normal(0, 4, (1, 34, 2))
        bodies = [replace(each, pixels=each.pixels + off) for each in view.bodies]
        biased[name] = replace(view, bodies=bodies)
    told = calibrate(biased).cameras.values()
    laid = aligned(np.array([camera.place for camera in told]), true_places())
    turned = Rotation.from_matrix(laid[:, :3, :3].swapaxes(1, 2) @ true_places()[:, :3, :3])
    ratio = np.degrees(turned.magnitude()) / [camera.degrees for camera in told]
    assert 0.5 < np.sqrt((ratio**2).mean()) < 1.5


@pytest.fixture(scope="module")
def adjusted(views):
    places = np.linalg.inv(true_places()[0]) @ true_places()
    seen = observed(tracks_of(views), [[0, 2, 4], [1, 3, 5]], places)
    return bundle.adjust(seen, places)


def test_places_without_a_part_are_those_that_adjusting_without_it_finds(adjusted):
    label = adjusted.observations.joint % 2
    for own, places in enumerate(uncertainty.without(adjusted, label)):
        rest = adjusted.observations.select((label != own)[adjusted.observations.point])
        start = adjusted.points[label != own]
        again = bundle.adjust(replace(rest, start=start), adjusted.places).places
        changed, missed = (
            np.abs(each - again)[:, :3, :3].max() for each in (adjusted.places, places)
        )
        assert missed < 0.3 * changed


def test_bodies_drawn_otherwise_move_cameras_as_adjusting_to_them_does(adjusted, monkeypatch):
    """Were all seen from one side: each view has them aside, wider or leaning, in x or in y."""
    seen = adjusted.observations
    monkeypatch.setattr(uncertainty, "_sides", lambda adjusted: np.zeros(len(seen.view)))
    told = uncertainty._changes(adjusted, uncertainty.biased(adjusted)).sum(axis=0)
    ways = uncertainty.BODY_BIAS * uncertainty._in_body(seen, seen.view)
    found = []
    for view, way, axis in itertools.product(range(len(NAMES)), range(3), range(2)):
        ray = seen.ray.copy()
        ray[:, axis] += np.where(seen.view == view, ways[:, way] * seen.sigma, 0)
        start = replace(seen, ray=ray, start=adjusted.points)
        found.append(bundle.adjust(start, adjusted.places).places)
    assert_allclose(told, uncertainty._changes(adjusted, np.array(found)).sum(axis=0), rtol=0.2)


def test_a_keypoint_lies_in_its_body_as_all_bodies_of_a_side_are_spread(adjusted):
    seen = adjusted.observations
    ways = uncertainty._in_body(seen, seen.view)
    assert (ways[:, 0] == 1).all()
    for view in range(len(NAMES)):
        own = ways[seen.view == view, 1:]
        assert_allclose(own.mean(axis=0), 0, atol=1e-9)
        assert_allclose((own**2).mean(axis=0), 1)


@pytest.mark.parametrize("side", range(8))
def test_a_body_is_seen_from_one_of_eight_sides_by_its_shoulders(side):
    """Seen by a camera that is turned by 90 degrees to the left, a body turned so is as before."""
    turned = np.radians(45 * side + 22.5)
    shoulders = np.array([[np.cos(turned), 0, np.sin(turned)], [0, 0, 0]]) + (0, 0, 3)
    left = np.eye(4)
    left[:3, :3] = Rotation.from_euler("y", 90, degrees=True).as_matrix()
    joint = np.array([INDEX["left_shoulder"], INDEX["right_shoulder"]])
    view, point, none = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.zeros(4, np.intp)
    seen = Observations(
        view, point, np.zeros((4, 2)), np.ones(4), none, shoulders, joint, np.zeros(2, np.intp)
    )
    found = bundle.Adjusted(np.array([np.eye(4), left]), shoulders, seen, np.zeros((4, 2)))
    assert uncertainty._sides(found).tolist() == [side, side, (side + 2) % 8, (side + 2) % 8]
    blind = replace(seen, joint=joint[::-1] + 2)
    assert (uncertainty._sides(replace(found, observations=blind)) == 8).all()


def test_a_distance_that_is_known_is_the_one_that_is_found(views):
    two = {name: views[name] for name in NAMES[:2]}
    told = calibrate(two, Known(distance=("cell_left", "cell_front", 5.0)))
    assert told.scale_source == "the distance of cell_left and cell_front"
    places = {name: camera.place for name, camera in told.cameras.items()}
    assert between(places) == pytest.approx(5)


def test_without_a_known_length_people_are_of_the_size_that_views_believe_in(views):
    known = calibrate({name: views[name] for name in NAMES[:2]}).cameras
    places = {name: camera.place for name, camera in known.items()}
    assert_allclose(between(places) / between(cell.PLACES), SIZE, rtol=0.02)


def test_a_height_above_a_floor_that_nobody_knows_is_not_believed(views, monkeypatch):
    """Where people stay in their places up is known to 5 degrees: 30 cm of a camera 3.5 m away.

    A real film of one man on the spot was 28 % too large, and said to be right to 1 %.
    """
    monkeypatch.setattr(
        "bodypose3d_ros.perception.calibration.calibrate.ground_of",
        lambda bodies: replace(ground_of(bodies), degrees=5.0),
    )
    two = {name: views[name] for name in NAMES[:2]}
    told = calibrate(two, Known(camera_height=("cell_front", 3.0)))
    assert told.scale_sigma == 0.05
    assert told.scale_source == (
        "the size that people have on average, since up is known to 5 degrees, too little for the "
        "height of cell_front: let somebody walk about"
    )
    places = {name: camera.place for name, camera in told.cameras.items()}
    assert_allclose(between(places) / between(cell.PLACES), SIZE, rtol=0.02)


def test_people_of_a_stature_that_is_told_give_the_length_of_a_metre(views):
    """They are 1.79 and 1.68 m tall, and their limbs those of people of 1.85 and 1.66 m."""
    told = calibrate({name: views[name] for name in NAMES[:2]}, Known(stature=1.735))
    places = {name: camera.place for name, camera in told.cameras.items()}
    assert_allclose(between(places) / between(cell.PLACES), 1, rtol=0.03)
    assert "stature" in told.scale_source
    assert told.scale_sigma == 0.03


def test_a_limb_is_a_part_of_the_stature_and_what_is_seldom_seen_does_not_count():
    bodies = np.full((6, 34, 3), np.nan)
    shin = LIMBS["ankle", "knee"]
    for side, metres in (("left", 1.7), ("right", 1.9)):
        bodies[:5, INDEX[f"{side}_ankle"]] = 0
        bodies[:5, INDEX[f"{side}_knee"]] = 0, shin * metres, 0
    assert stature_of(bodies) == pytest.approx(1.8)
    assert shin == pytest.approx(0.402 / 1.775, abs=1e-3)
    assert len(LIMBS) == 3
    bodies[4] = np.nan
    assert stature_of(bodies) is None


def test_a_camera_that_shares_nobody_is_refused_by_name(views):
    alone = recorded("cell_left")
    later = replace(alone, stamps=[stamp + 10**11 for stamp in alone.stamps])
    with pytest.raises(
        InputError, match=r"cell_left: sees somebody together with cell_front at 0 moments"
    ):
        calibrate({"cell_front": views["cell_front"], "cell_left": later})


def test_two_people_are_not_taken_for_one():
    he, she = recorded("cell_front", people=(0,)), recorded("cell_left", people=(1,))
    with pytest.raises(InputError, match="what they see hardly fits: they may be other people"):
        calibrate({"cell_front": he, "cell_left": she})


def test_a_tall_and_a_small_person_make_a_rig_of_one_scale():
    """Views take somebody of 2 m and somebody of 1.55 m for people of 1.75 m."""
    taken_for = np.array([0.875, 1.13])[:, None, None]
    tracks = tracks_of({name: recorded(name, range(0, 60, 3), size=taken_for) for name in NAMES})
    couples = itertools.combinations(range(len(NAMES)), 2)
    pairs = [ways_of(tracks, a, b)[0] for a, b in couples]
    assert [len(pair.same) for pair in pairs] == [2, 2, 2]
    people = [[n for n, _ in enumerate(tracks) if n % 2 == own] for own in (0, 1)]
    tracks, pairs = at_one_scale(tracks, pairs, people)
    metres = [np.linalg.norm(pair.transform[:3, 3]) for pair in pairs]
    true = [
        np.linalg.norm((true_places()[pair.first] - true_places()[pair.second])[:3, 3])
        for pair in pairs
    ]
    ratio = np.array(metres) / true
    assert_allclose(ratio / ratio.mean(), 1, atol=0.02)
    depths = [np.nanmean(tracks[n].joints[..., 2]) for n in (0, 1)]
    truth = [np.nanmean(cell.FILMS["cell_front"].joints[0:60:3, n, :, 2]) for n in (0, 1)]
    assert_allclose(depths[0] / depths[1], truth[0] / truth[1], rtol=0.02)


def test_too_little_time_is_refused():
    few = {name: recorded(name, range(0, 20, 3)) for name in NAMES[:2]}
    with pytest.raises(InputError, match="let somebody walk where both see them"):
        calibrate(few)


def test_a_camera_tied_by_people_whom_no_third_one_sees_is_refused(views):
    """How far away it is nobody knows: cell_right sees her, and cell_left only him."""
    seen = {
        "cell_front": views["cell_front"],
        "cell_left": recorded("cell_left", people=(0,)),
        "cell_right": recorded("cell_right", people=(1,)),
    }
    with pytest.raises(InputError, match=r"cell_(left|right): nobody tells how far away it is"):
        calibrate(seen)


@pytest.mark.parametrize(
    ("known", "says"),
    [
        (Known(camera_height=("cell_front", -1.0)), "the height of cell_front is -1 m"),
        (Known(camera_height=("cell_front", 0.0)), "the height of cell_front is 0 m"),
        (Known(distance=("cell_front", "cell_left", float("nan"))), "cell_left is nan m"),
        (Known(stature=-1.8), "the people's stature is -1.8 m: give it in metres above 0"),
        (Known(distance=("cell_front", "cell_front", 4.0)), "not of cell_front alone"),
        (Known(camera_height=("cell_front", 230.0)), "times as large as .* in metres?"),
        (Known(distance=("cell_front", "cell_left", 1.0)), "by the distance .* 0.2 times as large"),
        (Known(camera_height=("door", 2.0)), "door is none of the cameras cell_front, cell_left"),
    ],
)
def test_a_length_that_cannot_be_is_refused(views, known, says):
    with pytest.raises(InputError, match=says):
        calibrate(views, known)


def test_one_camera_is_refused(views):
    with pytest.raises(InputError, match="one camera alone"):
        calibrate({"cell_front": views["cell_front"]})


def test_what_is_written_is_a_rig_and_a_launch_file(found, tmp_path):
    from test_fuse import calibration

    chosen = []
    for name in NAMES:
        path = tmp_path / f"{name}.yaml"
        path.write_text(json.dumps(calibration(cell.FILMS[name].camera)))
        chosen.append((name, path))
    outputs = result(tmp_path / "out", calibrate_rig.FILES)
    calibrate_rig.write(calibrate_rig.cameras_of(chosen, "cell"), found, outputs)
    outputs.keep()
    again = rig.read(tmp_path / "out" / "rig.yaml")
    assert again.fixed_frame == "cell"
    assert_allclose(again.cameras[1].place, found.cameras["cell_left"].place, atol=1e-5)
    text = (tmp_path / "out" / "rig.launch.py").read_text()
    ast.parse(text)
    assert text.count("static_transform_publisher") == 3
    assert "'--frame-id', 'cell', '--child-frame-id', 'cell_left_optical_frame'" in text
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["cameras"]["cell_left"]["sigma_degrees"] < 0.5


def test_how_sure_it_is_and_how_one_sees_whether_it_is_right_is_told(found, tmp_path, capsys):
    outputs = result(tmp_path / "out", [])
    rigs._tell(found, outputs, ["bodypose3d", "fuse", Path("my cell/rig.yaml"), "front.mp4"])
    told = capsys.readouterr().out
    assert "± is one standard deviation" in told
    assert "bodypose3d fuse 'my cell/rig.yaml' front.mp4" in told
    for name, camera in found.cameras.items():
        assert f"{camera.degrees:.2f} degrees" in next(x for x in told.splitlines() if name in x)


def test_the_launch_file_says_where_a_camera_stands(tmp_path):
    camera = RigCamera("a", cell.FILMS["cell_left"].camera, cell.PLACES["cell_left"])
    rig_launch.write(Rig("map", (camera,)), tmp_path / "rig.launch.py")
    text = (tmp_path / "rig.launch.py").read_text()
    assert "'--x', '-3.500000', '--y', '-0.400000', '--z', '2.100000'" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--stature", "1.8", "--distance", "a", "b", "2"], "give one of"),
        (["--distance", "a", "c", "2"], "c is none of the cameras a, b"),
        (["--distance", "a", "a", "2"], "two different cameras"),
        (["--camera-height", "c", "2"], "c is none of the cameras a, b"),
    ],
)
def test_what_contradicts_itself_is_wrong_usage(arguments, says):
    cameras = ["--camera", "a", "a.yaml", "a.mp4", "--camera", "b", "b.yaml", "b.mp4"]
    done = CliRunner().invoke(main, ["calibrate-rig", *cameras, *arguments])
    assert done.exit_code == 2
    assert says in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give a RECORDING of all cameras, or each of them, two at least, with --camera"),
        (["--camera", "a", "a.yaml", "a.mp4"], "two at least"),
        (["cell.mcap", "--camera", "a", "a.yaml", "a.mp4"], "a recording brings its own cameras"),
    ],
)
def test_it_takes_a_recording_or_cameras(arguments, says):
    done = CliRunner().invoke(main, ["calibrate-rig", *arguments])
    assert done.exit_code == 2
    assert says in " ".join(done.output.split())
