"""The command line: what it writes, and what it says when something is wrong."""

import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from bodypose3d_ros.apps.cli import main
from bodypose3d_ros.engines import models


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
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    gone = tmp_path / "gone.png"
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
        (["estimate", "{picture}", "--hfov", "200"], 3, "between 0 and 180"),
        (["estimate", "{picture}", "--camera", "gone.yaml"], 3, "gone.yaml: cannot be read"),
        (["estimate", "{empty}", "--hfov", "60"], 3, "no pictures, films or recordings"),
        (["estimate", "{picture}", "--hfov", "60", "--model", "yolo"], 4, "no model 'yolo'"),
        (["estimate", "{picture}", "--hfov", "60", "--model", "bodypose3dnet-accuracy"], 4,
         "bodypose3d models fetch bodypose3dnet-accuracy"),
        (["models", "fetch", "yolo"], 4, "no model 'yolo'"),
    ],
)  # fmt: skip
def test_exit_codes_and_what_to_do(tmp_path, picture, arguments, code, says, monkeypatch):
    empty = tmp_path / "empty"
    empty.mkdir()
    filled = [a.format(picture=picture, empty=empty) for a in arguments]
    if filled[0] == "estimate":
        filled += ["--out", str(tmp_path / "out")]
    answer = run(*filled)
    assert answer.exit_code == code, answer.output
    assert says in " ".join(answer.output.split())


def test_an_output_folder_that_is_a_file_is_refused(tmp_path, picture):
    answer = run("estimate", picture, "--hfov", 60, "--out", picture)
    assert answer.exit_code == 3
    assert "cannot be written to" in answer.output


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
