"""The command line: what it writes, and what it says when something is wrong."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from mcap.reader import make_reader

from bodypose3d_ros.__main__ import main as start
from bodypose3d_ros.apps.cli import main
from bodypose3d_ros.body.people import (
    SCALE_DEPTH,
    SCALE_GROUND,
    SCALE_LIMBS,
    SCALE_NAMES,
    Bodies,
)
from bodypose3d_ros.engines import models
from bodypose3d_ros.errors import EngineError
from bodypose3d_ros.perception import networks
from bodypose3d_ros.perception.pipeline import Pipeline
from bodypose3d_ros.perception.tracking.tracker import Tracker
from people_made_up import people


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "room.png"
    cv2.imwrite(str(path), np.full((48, 64, 3), 128, np.uint8))
    return path


def test_nobody_in_the_picture_is_a_correct_empty_result(tmp_path, picture):
    answer = run("estimate", picture, "--hfov", 60, "--out", tmp_path / "out")
    assert answer.exit_code == 0, answer.output
    (line,) = (tmp_path / "out" / "poses.jsonl").read_text().splitlines()
    assert json.loads(line) == {"stamp": 0.0, "frame_id": "camera_optical_frame",
                                "source": "room.png", "size": [64, 48], "people": []}  # fmt: skip
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["frames"], summary["person_frames"]) == (1, 0)
    assert summary["assumed_hfov_degrees"] == 60
    assert "every distance is as wrong" in answer.output.replace("\n", " ")


@pytest.mark.parametrize("size", [(1, 1), (6000, 8000)])
def test_pictures_of_any_size_are_looked_at(tmp_path, size):
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), np.zeros((*size, 3), np.uint8))
    answer = run("estimate", path, "--hfov", 60, "--out", tmp_path / "out")
    assert answer.exit_code == 0, answer.output


def test_one_bad_file_is_reported_and_the_others_are_done(tmp_path, picture):
    gone = tmp_path / "gone.png"
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    answer = run("estimate", bad, picture, gone, "--hfov", 60, "--out", tmp_path / "out", "--quiet")
    assert answer.exit_code == 3
    lines = [line for line in answer.output.splitlines() if line]
    assert len(lines) == 2
    assert "bad.png" in lines[0]
    assert "gone.png" in lines[1]
    assert len((tmp_path / "out" / "poses.jsonl").read_text().splitlines()) == 1
    assert (tmp_path / "out" / "overlay_room.png").exists()
    assert len(json.loads((tmp_path / "out" / "summary.json").read_text())["failures"]) == 2


def test_a_folder_is_everything_in_it(tmp_path, picture):
    (tmp_path / "notes.txt").write_text("not a picture")
    cv2.imwrite(str(tmp_path / "hall.jpg"), np.zeros((48, 64, 3), np.uint8))
    answer = run("estimate", tmp_path, "--hfov", 60, "--out", tmp_path / "out", "--quiet")
    assert answer.exit_code == 0, answer.output
    lines = (tmp_path / "out" / "poses.jsonl").read_text().splitlines()
    assert [json.loads(line)["source"] for line in lines] == ["hall.jpg", "room.png"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["estimate"], 2, "Missing argument"),
        (["estimate", "{picture}", "--hfov", "60", "--camera", "x.yaml"], 2, "not both"),
        (["estimate", "{picture}"], 3, "give a camera_calibration file with --camera"),
        (["estimate", "{picture}", "--hfov", "200"], 2, "200.0 is not in the range 0<x<180"),
        (["estimate", "{picture}", "--hfov", "nan"], 2, "nan is not a finite number"),
        (["play", "one_person", "--speed", "inf"], 2, "inf is not a finite number"),
        (["echo", "--count", "-1"], 2, "-1 is not in the range x>=0"),
        (["play", "nofilm"], 3, "`bodypose3d film list` names those"),
        (["estimate", "{picture}", "--camera", "gone.yaml"], 3, "gone.yaml: cannot be read"),
        (["estimate", "{empty}", "--hfov", "60"], 3, "no pictures, films or recordings"),
        (["estimate", "{picture}", "--hfov", "60", "--model", "yolo"], 4, "no model 'yolo'"),
        (["estimate", "{words}", "--hfov", "60", "--model", "yolo"], 3, "is not a picture"),
        (["estimate", "{picture}", "--hfov", "60", "--model", "bodypose3dnet-accuracy"], 4,
         "bodypose3d models fetch bodypose3dnet-accuracy"),
        (["models", "fetch", "yolo"], 4, "no model 'yolo'"),
    ],
)  # fmt: skip
def test_exit_codes_and_what_to_do(tmp_path, picture, arguments, code, says, monkeypatch):
    empty = tmp_path / "empty"
    empty.mkdir()
    words = tmp_path / "notes.txt"
    words.write_text("these are words")
    filled = [a.format(picture=picture, empty=empty, words=words) for a in arguments]
    if filled[0] == "estimate":
        filled += ["--out", str(tmp_path / "out")]
    answer = run(*filled)
    assert answer.exit_code == code, answer.output
    assert says in " ".join(answer.output.split())


def test_where_nothing_can_be_estimated_an_earlier_result_stays(tmp_path, picture):
    folder = tmp_path / "out"
    assert run("estimate", picture, "--hfov", 60, "--out", folder).exit_code == 0
    before = {path: path.read_bytes() for path in folder.iterdir()}
    answer = run("estimate", picture, "--camera", "gone.yaml", "--out", folder)
    assert answer.exit_code == 3
    assert "frames:" not in answer.output
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.fixture
def interrupted_import(monkeypatch):
    """Ctrl-C while the commands are being loaded."""

    class Interrupted:
        def find_spec(self, name, *_):
            if name == "bodypose3d_ros.apps.cli":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "bodypose3d_ros.apps.cli")
    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])


def test_who_stops_it_at_once_sees_no_traceback(interrupted_import):
    with pytest.raises(SystemExit) as ended:
        start()
    assert ended.value.code == 130


def test_every_command_that_is_stopped_says_so_and_ends_with_130(monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(models, "fetch", stopped)
    answer = run("models", "fetch", "blazepose")
    assert answer.exit_code == 130
    assert answer.output.split()[-1] == "stopped"


def test_an_output_folder_that_is_a_file_is_refused(tmp_path, picture):
    answer = run("estimate", picture, "--hfov", 60, "--out", picture)
    assert answer.exit_code == 3
    assert "cannot be written to" in answer.output


@pytest.mark.parametrize(
    "command",
    [["benchmark"], ["demo"], ["calibrate-live", "front", "left"]],
    ids=lambda command: command[0],
)
def test_work_of_minutes_is_not_begun_for_a_folder_that_cannot_be_written_to(command):
    answer = run(*command, "--out", "/proc/self")
    assert answer.exit_code == 3
    assert "/proc/self: cannot be written to" in answer.output


def test_a_view_that_cannot_be_saved_is_an_error():
    pytest.importorskip("rerun", reason="the extra view is not installed")
    answer = run("view", "--save", "/proc/self/people.rrd")
    assert answer.exit_code == 3
    assert "/proc/self: cannot be written to" in answer.output


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["record", "poses.bag"], "poses.mcap"),
        (["record", "poses"], "poses.mcap"),
        (["view", "--save", "poses.mcap"], "poses.rrd"),
    ],
)
def test_a_file_is_called_what_it_is(arguments, wanted, tmp_path, monkeypatch):
    """What reads it tells by its name: `estimate poses.bag` would take MCAP for ROS 1."""
    monkeypatch.chdir(tmp_path)
    answer = run(*arguments)
    assert answer.exit_code == 2
    assert f"{arguments[-1]}: what is written is .{wanted[-4:].strip('.')}" in answer.output
    assert f"call it {wanted}" in answer.output
    assert not list(tmp_path.iterdir())


def test_a_camera_that_is_not_known_is_told_before_networks_are_loaded(
    tmp_path, picture, monkeypatch
):
    monkeypatch.setattr(networks, "load_networks", pytest.fail)
    for choice, says in (
        ([], "room.png: its camera is not known: give a camera_calibration file"),
        (["--camera", tmp_path / "none.yaml"], "none.yaml"),
    ):
        answer = run("estimate", picture, *choice, "--out", tmp_path / "out")
        assert answer.exit_code == 3
        assert says in answer.output


def sources(folder):
    lines = (folder / "poses.jsonl").read_text().splitlines()
    return [json.loads(line)["source"] for line in lines]


def overlays(folder):
    return sorted(path.name for path in folder.glob("overlay*"))


@pytest.mark.parametrize(("names", "labels", "expected"), [
    (["a/1.png", "b/1.png"], ["a/1.png", "b/1.png"],
     ["overlay_a_1.png.png", "overlay_b_1.png.png"]),
    (["IMG.jpg", "IMG.png", "IMG_1.jpg"], ["IMG.jpg", "IMG.png", "IMG_1.jpg"],
     ["overlay_IMG.jpg.png", "overlay_IMG.png.png", "overlay_IMG_1.png"]),
    (["a_b/1.png", "a/b/1.png", "b/1.png"], ["a_b/1.png", "a/b/1.png", "{tmp}/b/1.png"], None),
    (["a.png", "a.png"], ["a.png", "a.png (2)"],
     ["overlay_a.png (2).png", "overlay_a.png.png"]),
    (["IMG.jpg", "IMG.png", "IMG.jpg.png"], ["IMG.jpg", "IMG.png", "IMG.jpg.png"],
     ["overlay_IMG.jpg.png", "overlay_IMG.jpg_2.png", "overlay_IMG.png.png"]),
])  # fmt: skip
def test_every_source_has_a_name_and_an_overlay_of_its_own(tmp_path, names, labels, expected):
    for name in set(names):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.full((48, 64, 3), 128, np.uint8))
    paths = [tmp_path / name for name in names]
    answer = run("estimate", *paths, "--hfov", 60, "--out", tmp_path / "out", "--quiet")
    assert answer.exit_code == 0, answer.output
    assert sources(tmp_path / "out") == [label.format(tmp=tmp_path.name) for label in labels]
    written = overlays(tmp_path / "out")
    assert len(written) == len(names)
    assert expected is None or written == expected


def test_a_source_is_never_replaced_by_a_result(tmp_path, picture):
    out = tmp_path / "out"
    assert run("estimate", picture, "--hfov", 60, "--out", out).exit_code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for source in ("overlay.png", "poses.mcap"):
        answer = run("estimate", out / source, "--hfov", 60, "--out", out)
        assert answer.exit_code == 2, answer.output
        assert "was handed in" in answer.output.replace("\n", " ")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_result_replaces_an_earlier_one_as_a_whole(tmp_path, picture):
    out = tmp_path / "out"
    film = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    assert run("estimate", film, "--hfov", 60, "--out", out).exit_code == 0
    assert overlays(out) == ["overlay.mp4"]
    assert run("estimate", picture, "--hfov", 60, "--out", out).exit_code == 0
    assert overlays(out) == ["overlay.png"]
    (out / "overlay.mp4").write_bytes(b"somebody's own")
    answer = run("estimate", film, "--hfov", 60, "--out", out)
    assert answer.exit_code == 2
    assert (out / "overlay.mp4").read_bytes() == b"somebody's own"
    assert overlays(out) == ["overlay.mp4", "overlay.png"]


def test_a_run_that_fails_leaves_its_parts_and_the_earlier_result(tmp_path, picture, monkeypatch):
    out = tmp_path / "out"
    assert run("estimate", picture, "--hfov", 60, "--out", out).exit_code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def fails(*_):
        raise EngineError("the network is gone")

    monkeypatch.setattr(Pipeline, "__call__", fails)
    answer = run("estimate", picture, "--hfov", 60, "--out", out)
    assert answer.exit_code == 4
    for name in ("poses.jsonl", "poses.mcap", "summary.json"):
        assert f"left unfinished: {out / name}.part" in answer.output.replace("\n", "")
    after = {path.name: path.read_bytes() for path in out.iterdir()}
    assert {name: after[name] for name in before} == before


def damaged(film, number):
    """A film of five frames, one of which holds nothing; where the frames begin in the file."""
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    noise = np.random.default_rng(0).integers(0, 255, (5, 48, 64, 3), np.uint8)
    for image in noise:
        writer.write(image)
    writer.release()
    content = bytearray(film.read_bytes())
    starts = [at for at in range(len(content)) if content[at : at + 2] == b"\xff\xd8"]
    content[starts[number] : starts[number] + 700] = bytes(700)
    film.write_bytes(content)
    return starts


def test_a_film_is_told_of_by_its_damaged_frames(tmp_path):
    film = tmp_path / "film.avi"
    damaged(film, 2)
    answer = run("estimate", film, "--hfov", 60, "--out", tmp_path / "out")
    assert answer.exit_code == 0, answer.output
    assert "unreadable frames: 1" in answer.output
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["frames"], summary["unreadable_frames"]) == (4, 1)


def test_a_film_is_told_of_by_what_it_lacks_at_its_end_too(tmp_path, caplog):
    """One that was cut off has a damaged frame or two before, of which alone it was told."""
    film = tmp_path / "film.avi"
    starts = damaged(film, 1)
    film.write_bytes(film.read_bytes()[: starts[3]])
    answer = run("estimate", film, "--hfov", 60, "--out", tmp_path / "out")
    assert answer.exit_code == 0, answer.output
    assert "film.avi: a frame after 0.000 s is damaged" in caplog.text
    assert "film.avi: 2 frames could not be used; the last: the film ends at 0.300 s" in caplog.text


def test_pictures_behind_the_first_of_a_file_are_told_of(tmp_path, caplog):
    path = tmp_path / "scan.tiff"
    cv2.imwritemulti(str(path), [np.zeros((48, 64, 3), np.uint8)] * 3)
    answer = run("estimate", path, "--hfov", 60, "--out", tmp_path / "out")
    assert answer.exit_code == 0, answer.output
    assert "scan.tiff: holds 3 pictures" in caplog.text
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["unreadable_frames"] == 1


@pytest.mark.parametrize(
    ("name", "says"), [("old.bag", "rosbags-convert"), ("IMG.heic", "heif-convert")]
)
def test_what_cannot_be_read_is_told_by_name_what_to_do(tmp_path, name, says):
    (tmp_path / name).write_bytes(b"\0\0\0\x24ftypheic" + bytes(100))
    answer = run("estimate", tmp_path, "--hfov", 60, "--out", tmp_path / "out")
    assert answer.exit_code == 3
    assert f"{name}: is a " in answer.output.replace("\n", " ")
    assert says in answer.output.replace("\n", " ")


@pytest.fixture
def frames(monkeypatch):
    """The frames that the pipeline is handed, in which it finds nobody."""
    seen = []
    nobody = Bodies.none()
    monkeypatch.setattr(Pipeline, "__call__", lambda self, frame: seen.append(frame) or nobody)
    return seen


def test_pictures_have_the_depths_and_the_floor_that_are_given(tmp_path, picture, frames):
    depths = tmp_path / "depths"
    depths.mkdir()
    for number in range(2):
        cv2.imwrite(str(depths / f"{number}.png"), np.full((12, 16), 1000 + number, np.uint16))
    options = ["--hfov", 60, "--depth", depths, "--depth-scale", 0.002, "--out", tmp_path / "out"]
    floor = ["--camera-height", 1.4, "--camera-pitch", 90, "--quiet"]
    answer = run("estimate", picture, picture, *options, *floor)
    assert answer.exit_code == 0, answer.output
    assert [float(frame.depth.values[0, 0]) for frame in frames] == pytest.approx([2.0, 2.002])
    assert frames[0].floor.height == 1.4
    assert frames[0].floor.up == pytest.approx([0, 0, -1])
    answer = run("estimate", picture, *options)
    assert answer.exit_code == 3
    assert "holds 2 depth images for 1 images" in " ".join(answer.output.split())


@pytest.mark.parametrize(("off", "said"), [((1.6, 0.3), True), ((0.5, 0.3), False)])
def test_a_pitch_that_people_say_is_wrong_is_told(
    tmp_path, picture, frames, monkeypatch, off, said
):
    monkeypatch.setattr(Tracker, "pitch_off", lambda self, floor: off)
    floor = ["--hfov", 60, "--camera-height", 1.4, "--camera-pitch", 4]
    answer = run("estimate", picture, *floor, "--out", tmp_path / "out")
    assert answer.exit_code == 0, answer.output
    assert ("--camera-pitch 5.6 (+- 0.3) fits the floor better" in answer.output) == said
    monkeypatch.setattr(Tracker, "floor_misfit", -0.2)
    answer = run("estimate", picture, *floor, "--out", tmp_path / "out")
    assert "who stands on it would be 20% smaller than people are" in answer.output


@pytest.mark.parametrize(
    ("source", "said"), [(SCALE_LIMBS, True), (SCALE_GROUND, False), (SCALE_DEPTH, False)]
)
def test_a_floor_on_which_nobodys_metres_rest_is_told(tmp_path, picture, monkeypatch, source, said):
    """A pitch of the wrong sign, say: feet are where nobody's can be, and nothing else shows it."""
    somebody = replace(people((0, 0, 3)), scale_source=np.array([source], np.uint8))
    monkeypatch.setattr(Pipeline, "__call__", lambda self, frame: somebody)
    floor = ["--hfov", 60, "--camera-height", 1.4, "--camera-pitch", -4]
    answer = run("estimate", picture, *floor, "--out", tmp_path / "out")
    assert answer.exit_code == 0, answer.output
    assert ("Nobody's metres rest on the floor" in answer.output) == said


@pytest.mark.parametrize(("source", "said"), [(SCALE_LIMBS, True), (SCALE_DEPTH, False)])
def test_depths_on_which_nobodys_metres_rest_are_told(tmp_path, picture, monkeypatch, source, said):
    """A wrong --depth-scale, say: people would be giants, and nothing else shows it."""
    somebody = replace(people((0, 0, 3)), scale_source=np.array([source], np.uint8))
    monkeypatch.setattr(Pipeline, "__call__", lambda self, frame: somebody)
    depths = tmp_path / "depths"
    depths.mkdir()
    cv2.imwrite(str(depths / "0.png"), np.full((480, 640), 3000, np.uint16))
    depth = ["--hfov", 60, "--depth", depths, "--depth-scale", 1]
    answer = run("estimate", picture, *depth, "--out", tmp_path / "out")
    assert answer.exit_code == 0, answer.output
    assert ("Nobody's metres rest on the depth images" in answer.output) == said
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["metres_from"] == {SCALE_NAMES[source]: 1}


@pytest.mark.parametrize(("arguments", "says"), [
    (["{picture}", "--camera-pitch", "5"], "need a --camera-height"),
    (["{picture}", "--camera-height", "nan"], "nan is not a finite number"),
    (["{picture}", "--camera-height", "-1.4"], "-1.4 is not in the range 0<x<=100"),
    (["{picture}", "--depth-topic", "/depth"], "--depth-topic: for recordings, and there is none"),
    (["{picture}", "--image-topic", "/a", "--info-topic", "/b"], "--image-topic, --info-topic:"),
    (["{bag}", "--depth", "{folder}"], "see --depth-topic"),
    (["{picture}", "{folder}/film.avi", "--depth", "{folder}"], "for a single film"),
])  # fmt: skip
def test_depths_and_floors_that_belong_to_nothing_are_refused(tmp_path, picture, arguments, says):
    filled = [
        each.format(picture=picture, bag=tmp_path / "a.mcap", folder=tmp_path) for each in arguments
    ]
    (tmp_path / "a.mcap").write_bytes(b"")
    answer = run("estimate", *filled, "--hfov", 60, "--out", tmp_path / "out")
    assert answer.exit_code == 2
    assert says in " ".join(answer.output.split())


def program(*arguments, **changes):
    """The command line as a process of its own, for what only a process has."""
    command = [sys.executable, "-m", "bodypose3d_ros", *map(str, arguments)]
    environment = {**os.environ, **changes.pop("env", {})}
    return subprocess.run(
        command, env=environment, capture_output=True, timeout=60, check=False, **changes
    )


def test_of_a_text_for_a_film_nobody_speaks_but_us(tmp_path):
    (tmp_path / "text.mp4").write_text("no film")
    answer = program("estimate", tmp_path / "text.mp4", "--hfov", 60, "--out", tmp_path / "out")
    assert answer.returncode == 3
    (line,) = answer.stderr.splitlines()
    assert line.endswith(b"convert it, for example with  ffmpeg -i text.mp4 film.mp4")


def test_what_is_logged_is_a_line_however_narrow_the_terminal(tmp_path, picture):
    """Who looks for it in a file finds it whole."""
    done = program(
        "estimate", picture, "--hfov", "60", "--out", tmp_path / "out", env={"COLUMNS": "40"}
    )
    lines = done.stderr.decode().splitlines()
    assert any("run on ONNX Runtime" in each and "tensorrt" in each for each in lines), lines
    assert not [each for each in lines if each != each.rstrip()]


def test_any_name_on_any_terminal(tmp_path):
    """Names that are not UTF-8, or not ASCII on a terminal that is, or as long as they may be."""
    content = cv2.imencode(".png", np.full((48, 64, 3), 128, np.uint8))[1].tobytes()
    paths = [tmp_path / name for name in ("\udce9t\udce9.png", "Jürgen.png", "x" * 248 + ".png")]
    for path in paths:
        path.write_bytes(content)
    gone = tmp_path / "n\udcffe.png"
    answer = program(
        "estimate", *paths, gone, "--hfov", 60, "--out", tmp_path / "r\udce9sultat",
        env={"PYTHONIOENCODING": "ascii:strict", "LC_ALL": "C"},
    )  # fmt: skip
    assert answer.returncode == 3, answer.stderr
    assert b"Traceback" not in answer.stderr
    assert b"error:" in answer.stderr
    out = tmp_path / "r\udce9sultat"
    assert sources(out) == ["\ufffdt\ufffd.png", "Jürgen.png", "x" * 248 + ".png"]
    assert len(overlays(out)) == 3


def test_a_full_disk_is_said_and_what_is_there_is_left_as_parts(tmp_path):
    """A limit on the size of files stands in for a full disk: both fail while writing."""
    picture = tmp_path / "noise.png"
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    cv2.imwrite(str(picture), noise)

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    answer = program(
        "estimate", picture, "--hfov", 60, "--images", "--out", tmp_path / "out", preexec_fn=limit
    )
    assert answer.returncode == 3, answer.stderr
    assert b"Traceback" not in answer.stderr
    assert b"cannot be written to (File too large)" in answer.stderr.replace(b"\n", b" ")
    assert b"left unfinished" in answer.stderr
    assert all(path.suffix == ".part" for path in (tmp_path / "out").iterdir())


def test_asked_to_stop_it_finishes_what_it_has_and_leaves_it_as_parts(tmp_path):
    film = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 10, (640, 480))
    for _ in range(400):
        writer.write(np.zeros((480, 640, 3), np.uint8))
    writer.release()
    out = tmp_path / "out"
    command = ["estimate", film, "--hfov", 60, "--out", out]
    process = subprocess.Popen([sys.executable, "-m", "bodypose3d_ros", *map(str, command)])
    lines, end = out / "poses.jsonl.part", time.monotonic() + 60
    while time.monotonic() < end and not (lines.exists() and lines.stat().st_size):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert overlays(out) == ["overlay.mp4.part"]
    done = len(lines.read_text().splitlines())
    assert 0 < done < 400
    with (out / "poses.mcap.part").open("rb") as file:
        counts = make_reader(file).get_summary().statistics.channel_message_counts
    assert done in counts.values()


@pytest.mark.parametrize("group", [(), ("models",), ("engine",), ("film",)])
def test_no_command_is_described_by_half_a_sentence(group):
    described = (
        CliRunner()
        .invoke(main, [*group, "--help"], terminal_width=80)
        .output.partition("Commands:")[2]
        .splitlines()
    )
    commands = main.commands[group[0]].commands if group else main.commands
    assert len([line for line in described if line.endswith(".")]) == len(commands)
    assert not [line for line in described if "..." in line]


def test_the_doctor_gives_the_command_that_mends_what_is_missing(monkeypatch, tmp_path):
    assert run("doctor").exit_code == 0
    monkeypatch.setenv("BODYPOSE3D_CACHE", str(tmp_path))
    answer = run("doctor")
    assert answer.exit_code == 4
    assert "missing model blazepose" in answer.output
    assert "bodypose3d models fetch blazepose" in answer.output


def test_verify_fails_when_a_model_was_changed(monkeypatch, tmp_path):
    where = tmp_path / "blazepose"
    where.mkdir()
    for file in models.BLAZEPOSE.files:
        (where / file).write_bytes(b"")
    sums = "".join(f"{'0' * 64}  {file}\n" for file in models.BLAZEPOSE.files)
    (where / models.SUMS).write_text(sums)
    monkeypatch.setenv("BODYPOSE3D_CACHE", str(tmp_path))
    answer = run("models", "verify")
    assert answer.exit_code == 4
    assert "detector.onnx has changed" in answer.output


def test_a_film_of_the_package_is_not_a_file_but_can_be_made_one():
    done = CliRunner().invoke(main, ["estimate", "one_person", "--hfov", "60"])
    assert done.exit_code == 3
    assert "bodypose3d film to-bag one_person FOLDER" in " ".join(done.output.split())
