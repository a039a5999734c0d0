"""``bodypose3d fuse`` on the cell's own films, as a person calls it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from rosbags.highlevel import AnyReader

import cell_sightings as cell
from bodypose3d_ros.apps.cli import main
from bodypose3d_ros.apps.fuse import CameraFusion, FusedFiles, misplaced
from bodypose3d_ros.body.people import select
from bodypose3d_ros.body.skeleton import INDEX
from bodypose3d_ros.media.feeds import Feed
from bodypose3d_ros.media.film_recording import EPOCH
from bodypose3d_ros.media.outputs import result
from bodypose3d_ros.media.recording import RecordingWriter
from bodypose3d_ros.media.rig import RigCamera
from bodypose3d_ros.media.video import Video, VideoWriter
from bodypose3d_ros.perception.fusion.fusion import Fusion
from bodypose3d_ros.perception.tracking.tracker import Tracker
from bodypose3d_ros.wire.messages import Messages
from bodypose3d_ros.wire.typestore import ros_types
from people_made_up import row

FRAMES = 6
NAMES = ("cell_front", "cell_left")


def calibration(camera):
    return {
        "image_width": camera.width,
        "image_height": camera.height,
        "camera_matrix": {"rows": 3, "cols": 3, "data": camera.matrix.ravel().tolist()},
        "distortion_model": camera.distortion_model,
        "distortion_coefficients": {"rows": 1, "cols": 5, "data": camera.distortion.tolist()},
    }


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """A folder with a rig of two of the cell's cameras and the beginnings of their films."""
    folder = tmp_path_factory.mktemp("cell")
    cameras = {}
    for name in NAMES:
        shown = cell.FILMS[name]
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(calibration(shown.camera)))
        stands = RigCamera(name, shown.camera, shown.place)
        cameras[name] = {
            "calibration": f"{name}.yaml",
            "translation": stands.translation,
            "rotation": stands.rotation,
        }
        with VideoWriter(folder / f"{name}.mp4", shown.rate) as film:
            for _, frame in zip(range(FRAMES), shown.frames(), strict=False):
                film.write(frame.image)
    (folder / "rig.yaml").write_text(yaml.safe_dump({"fixed_frame": "hall", "cameras": cameras}))
    return folder


def films(rig):
    return [str(rig / f"{name}.mp4") for name in NAMES]


@pytest.fixture(scope="module")
def fused(rig):
    out = rig / "out"
    done = CliRunner().invoke(main, ["fuse", str(rig / "rig.yaml"), *films(rig), "--out", str(out)])
    assert done.exit_code == 0, done.output
    return out


def test_people_stand_in_the_fixed_frame_where_they_are(fused):
    lines = [json.loads(line) for line in (fused / "poses.jsonl").read_text().splitlines()]
    assert len(lines) == FRAMES
    last = lines[-1]
    assert last["frame_id"] == "hall"
    assert len(last["people"]) == 2
    truth = cell.FILMS["cell_front"].joints_world[FRAMES - 1][:, INDEX["pelvis"]]
    for person in last["people"]:
        apart = np.linalg.norm(truth - np.array(person["joints"][INDEX["pelvis"]]), axis=1).min()
        # Two views at right angles: what is left is what the network takes for hips.
        assert apart < 0.10
        assert set(person["seen_by"]) == set(NAMES)
        assert set(person["states"]) <= {"tracked", None}


def test_ids_are_the_same_in_every_line(fused):
    lines = [json.loads(line) for line in (fused / "poses.jsonl").read_text().splitlines()]
    ids = [{person["track_id"] for person in line["people"]} for line in lines]
    assert ids == [ids[0]] * FRAMES


def test_the_recording_has_people_and_cameras_in_one_tree(fused):
    with AnyReader([fused / "poses.mcap"]) as reader:
        counts = {topic: each.msgcount for topic, each in reader.topics.items()}
        static = [
            transform.child_frame_id
            for connection, _, raw in reader.messages()
            if connection.topic == "/tf_static"
            for transform in reader.deserialize(raw, connection.msgtype).transforms
        ]
    assert counts["/bodypose3d/poses"] == counts["/tf"] == FRAMES
    assert static == [f"{name}_optical_frame" for name in NAMES]


def test_smoothed_the_last_moment_is_as_before_and_the_others_know_what_came_after(rig, fused):
    out = rig / "smoothed"
    given = ["fuse", str(rig / "rig.yaml"), *films(rig), "--smooth", "--out", str(out)]
    done = CliRunner().invoke(main, given)
    assert done.exit_code == 0, done.output
    assert json.loads((out / "summary.json").read_text())["smoothed"]
    ours, theirs = (
        [json.loads(line) for line in (each / "poses.jsonl").read_text().splitlines()]
        for each in (out, fused)
    )
    assert [line["stamp"] for line in ours] == [line["stamp"] for line in theirs]
    for name, same in (("joints", [False] * 5 + [True]), ("states", [True] * 6)):
        told = [
            [[person[name] for person in line["people"]] for line in of] for of in (ours, theirs)
        ]
        assert [a == b for a, b in zip(*told, strict=True)] == same


def test_every_camera_has_an_overlay_and_the_summary_lists_all_files(fused):
    summary = json.loads((fused / "summary.json").read_text())
    assert summary["cameras"] == list(NAMES)
    assert summary["moments"] == FRAMES
    for name in NAMES:
        assert f"overlay_{name}.mp4" in summary["files"]
        assert Video(fused / f"overlay_{name}.mp4").count == FRAMES


def test_a_film_that_ends_before_the_others_shows_in_what_is_counted(rig):
    front, left = films(rig)
    short, out = rig / "short.mp4", rig / "short"
    with VideoWriter(short, 15) as film:
        for _, (_, image) in zip(range(2), Video(Path(left)).frames(), strict=False):
            film.write(image)
    given = [str(rig / "rig.yaml"), front, str(short)]
    done = CliRunner().invoke(main, ["fuse", *given, "--out", str(out)])
    assert "images: cell_front 6, cell_left 2" in done.output
    counts = json.loads((out / "summary.json").read_text())["images"]
    assert counts == {"cell_front": 6, "cell_left": 2}


@pytest.fixture
def alone(rig, tmp_path):
    """Makes a rig of the front camera, as high above the fixed frame's 0 as is said."""

    def make(height):
        content = yaml.safe_load((rig / "rig.yaml").read_text())
        front = content["cameras"]["cell_front"]
        front["calibration"] = str(rig / front["calibration"])
        front["translation"][2] = height
        path = tmp_path / "rig.yaml"
        path.write_text(yaml.safe_dump({**content, "cameras": {"cell_front": front}}))
        return path

    return make


def pelvis_off(path, *options):
    """Millimetres by which everybody's pelvis is off whom the front camera sees alone, sorted."""
    out = path.parent / "out"
    command = ["fuse", str(path), str(path.parent / "film.mp4"), *options, "--out", str(out)]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    last = json.loads((out / "poses.jsonl").read_text().splitlines()[-1])
    truth = cell.FILMS["cell_front"].joints_world[FRAMES - 1][:, INDEX["pelvis"]]
    found = np.array([person["joints"][INDEX["pelvis"]] for person in last["people"]])
    return np.sort(1000 * np.linalg.norm(truth[:, None] - found, axis=2).min(axis=1))


def test_the_floor_says_how_large_people_are_whom_one_camera_sees(rig, alone):
    """One of the cell's two is large, one small: by the network alone both are far off."""
    path = alone(cell.FILMS["cell_front"].place[2, 3].item())
    (path.parent / "film.mp4").symlink_to(rig / "cell_front.mp4")
    by_network, by_floor = pelvis_off(path), pelvis_off(path, "--floor")
    assert len(by_floor) == len(by_network) == 2
    assert by_floor.mean() < 0.75 * by_network.mean()


def test_a_camera_below_the_floor_is_refused(rig, alone):
    path = alone(-0.5)
    command = ["fuse", str(path), films(rig)[0], "--floor", "--out", str(path.parent / "out")]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 3
    assert "the camera is 0.50 m below z = 0 of 'hall': is that the floor?" in done.output


def test_a_film_too_few_is_an_input_error(rig):
    done = CliRunner().invoke(main, ["fuse", str(rig / "rig.yaml"), films(rig)[0]])
    assert done.exit_code == 3
    assert "cell_left" in done.output


def test_films_without_a_rig_file_are_told_so(rig):
    done = CliRunner().invoke(main, ["fuse", *films(rig)])
    assert done.exit_code == 2
    assert "is a film: the rig file, as of calibrate-rig, comes first" in " ".join(
        done.output.split()
    )


@pytest.fixture(scope="module")
def recording(rig):
    """The same films as a recording, with the cameras' places in /tf_static."""
    types = ros_types()
    messages = Messages(lambda kind: types.types[kind])
    path = rig / "cell.mcap"
    with RecordingWriter(path, types) as recording:
        header = messages.header(EPOCH, "hall")
        for name in NAMES:
            place = cell.FILMS[name].place
            frame_id = f"{name}_optical_frame"
            recording.write("/tf_static", messages.transform(header, frame_id, place), EPOCH)
        for name in NAMES:
            for _, frame in zip(range(FRAMES), cell.FILMS[name].frames(), strict=False):
                stamp = EPOCH + frame.stamp
                header = messages.header(stamp, f"{name}_optical_frame")
                info = messages.camera_info(frame.camera, header)
                recording.write(f"/{name}/camera_info", info, stamp)
                recording.write(f"/{name}/image_raw", messages.image(frame.image, header), stamp)
    return path


@pytest.mark.parametrize(("with_rig", "frame_id"), [(False, "hall"), (True, "shed")])
def test_a_recording_of_several_cameras_is_fused(rig, fused, recording, with_rig, frame_id):
    """Where /tf_static says that they stand, or a rig file: the same people at the same places."""
    moved = rig / "moved.yaml"
    moved.write_text((rig / "rig.yaml").read_text().replace("hall", "shed"))
    out = rig / frame_id
    given = [str(moved), str(recording)] if with_rig else [str(recording)]
    done = CliRunner().invoke(main, ["fuse", *given, "--out", str(out)])
    assert done.exit_code == 0, done.output
    lines, before = (
        [json.loads(text) for text in (each / "poses.jsonl").read_text().splitlines()]
        for each in (out, fused)
    )
    assert len(lines) == FRAMES and lines[0]["frame_id"] == frame_id
    assert lines[0]["stamp"] == EPOCH / 1e9
    here, there = (
        np.array([p["joints"][INDEX["pelvis"]] for p in each[-1]["people"]])
        for each in (lines, before)
    )
    # The film lost a little to H.264, the recording nothing.
    np.testing.assert_allclose(np.sort(here, axis=0), np.sort(there, axis=0), atol=0.05)


def test_a_recording_of_one_camera_is_not_fused(rig):
    types = ros_types()
    messages = Messages(lambda kind: types.types[kind])
    path = rig / "one.mcap"
    with RecordingWriter(path, types) as recording:
        frame = next(cell.FILMS[NAMES[0]].frames())
        header = messages.header(EPOCH, "camera")
        recording.write("/camera_info", messages.camera_info(frame.camera, header), EPOCH)
        recording.write("/image_raw", messages.image(frame.image, header), EPOCH)
    done = CliRunner().invoke(main, ["fuse", str(path), "--out", str(rig / "none")])
    assert done.exit_code == 3 and "it takes two" in done.output


def test_who_is_left_out_leaves_the_recording_at_once(tmp_path):
    """A track that no camera sees may go on, left out, where somebody is seen: markers do not."""
    outputs = result(tmp_path, ["poses.jsonl", "poses.mcap", "summary.json"])
    files, both = FusedFiles("hall", [], outputs), row(2)
    for number, people in enumerate((both, select(both, [0]), both)):
        files.write(number * 10**8, {}, people, Fusion(Tracker))
    files.close({})
    outputs.keep()
    assert deleted(tmp_path / "poses.mcap") == [set(), {2}, set()]


def deleted(recording):
    """Of each message of markers, the ids whose markers it takes away."""
    with AnyReader([recording]) as reader:
        connections = [c for c in reader.connections if c.topic == "/bodypose3d/markers"]
        messages = [
            reader.deserialize(raw, connection.msgtype)
            for connection, _, raw in reader.messages(connections)
        ]
    return [{m.id for m in message.markers if m.action == m.DELETE} for message in messages]


class Seen:
    """Networks and pipelines of cameras that see what the cell's would."""

    def pipeline(self, *_, **__):
        return self

    def expect(self, unseen):
        pass

    def __call__(self, frame):
        return cell.sighting(frame.source, round(frame.stamp * 15e-9), pixels=3.0)


@pytest.mark.parametrize("swapped", [False, True])
def test_films_that_are_not_those_of_their_cameras_are_told_of(swapped):
    """In three seconds: right places fit to half a degree, exchanged ones are degrees off."""
    names = ("cell_front", "cell_left", "cell_back")
    places = dict(zip(names, [names[1], names[0], names[2]] if swapped else names, strict=True))
    stands = {name: RigCamera(name, cell.FILMS[name].camera, cell.PLACES[name]) for name in names}
    feeds = [Feed(stands[name], 0, 15.0, lambda: iter(())) for name in names]
    fusion = CameraFusion(Seen(), feeds)
    for number in range(45):
        stamp = round(number / 15 * 1e9)
        frames = {name: replace(cell.frame(places[name], stamp), source=name) for name in names}
        fusion(stamp, frames)
    off = fusion.degrees_off
    if swapped:
        assert max(fusion.misplaced.values()) > 2  # who is to blame three cameras do not know
        assert all(name in misplaced(fusion.misplaced) for name in fusion.misplaced)
    else:
        assert fusion.misplaced == {}
        assert max(off.values()) < 0.5
