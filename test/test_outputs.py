"""What is written: beside what was there, and in its place when it is whole."""

import json
from pathlib import Path

import pytest

from bodypose3d_ros.errors import RefusedError, WriteError
from bodypose3d_ros.media.outputs import SUMMARY, beside, fitting, result, single


def write(folder, *names, text="old"):
    """A run of this program that was kept."""
    outputs = result(folder, [*names, "summary.json"])
    for name in names:
        outputs.part(name).write_text(text)
    outputs.describe(SUMMARY, {})
    outputs.keep()


def test_a_file_is_in_its_place_when_it_is_whole(tmp_path):
    outputs = result(tmp_path / "out", ["poses.txt"])
    outputs.part("poses.txt").write_text("all of it")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["poses.txt.part"]
    assert outputs.left() == [tmp_path / "out" / "poses.txt.part"]
    assert outputs.keep() == [tmp_path / "out" / "poses.txt"]
    assert (tmp_path / "out" / "poses.txt").read_text() == "all of it"
    assert outputs.left() == []


def test_an_earlier_result_stays_until_the_new_one_is_whole_and_is_then_replaced_as_a_whole(
    tmp_path,
):
    write(tmp_path, "poses.txt", "overlay.mp4")
    again = result(tmp_path, ["poses.txt", "overlay.png", "summary.json"])
    for name in again.names:
        again.part(name).write_text("new")
    assert (tmp_path / "poses.txt").read_text() == "old"
    again.keep()
    assert {path.name for path in tmp_path.iterdir()} == {
        "poses.txt", "overlay.png", "summary.json",
    }  # fmt: skip
    assert (tmp_path / "poses.txt").read_text() == "new"


def test_what_is_no_earlier_result_is_never_replaced(tmp_path):
    (tmp_path / "poses.txt").write_text("somebody's")
    with pytest.raises(RefusedError, match=r"poses\.txt: exists already"):
        result(tmp_path, ["poses.txt"])
    with pytest.raises(RefusedError, match=r"poses\.txt: exists already.*--overwrite"):
        single(tmp_path / "poses.txt", overwrite=False)


def test_what_was_left_of_a_file_is_not_replaced_either(tmp_path):
    """A recorder that was killed leaves the only copy of what it has recorded."""
    (tmp_path / "poses.mcap.part").write_text("precious")
    with pytest.raises(RefusedError, match=r"poses\.mcap\.part: exists already"):
        single(tmp_path / "poses.mcap", overwrite=False)


def test_one_file_is_replaced_where_that_is_wanted_and_nothing_else(tmp_path):
    write(tmp_path, "poses.txt", "overlay.mp4")
    one = single(tmp_path / "poses.txt", overwrite=True)
    one.part("poses.txt").write_text("new")
    assert one.keep() == [tmp_path / "poses.txt"]
    assert (tmp_path / "poses.txt").read_text() == "new"
    assert (tmp_path / "overlay.mp4").exists()


def test_a_summary_of_another_program_gives_no_leave(tmp_path):
    (tmp_path / "summary.json").write_text('{"files": ["summary.json"]}')
    with pytest.raises(RefusedError, match=r"summary\.json: exists already"):
        result(tmp_path, ["summary.json"])


def test_a_result_lists_files_of_its_own_folder_only(tmp_path):
    (tmp_path / "precious.txt").write_text("1")
    write(tmp_path / "out", "poses.txt")
    summary = tmp_path / "out" / SUMMARY
    content = {**json.loads(summary.read_text()), "files": ["../precious.txt", "poses.txt"]}
    summary.write_text(json.dumps(content))
    again = result(tmp_path / "out", ["other.txt"])
    again.part("other.txt").write_text("new")
    again.keep()
    assert (tmp_path / "precious.txt").exists()


@pytest.mark.parametrize("how", ["same", "symbolic link", "hard link", "earlier result", "inside"])
def test_a_source_is_never_an_output(tmp_path, how):
    names, source = ["poses.txt"], tmp_path / "poses.txt"
    if how == "earlier result":  # it would go, though this run does not write it
        write(tmp_path, "poses.txt")
        names = ["other.txt"]
    source.write_text("handed in")
    if how == "symbolic link":
        source = tmp_path / "link.txt"
        source.symlink_to("poses.txt")
    elif how == "hard link":
        source = tmp_path / "hard.txt"
        source.hardlink_to(tmp_path / "poses.txt")
    elif how == "inside":  # a recording is a folder
        source = tmp_path
    with pytest.raises(RefusedError, match="was handed in and would be replaced"):
        result(tmp_path, names, [source])


def test_a_folder_in_the_way_is_named(tmp_path):
    (tmp_path / "poses.txt.part").mkdir()
    with pytest.raises(WriteError, match=r"poses\.txt\.part: is a folder"):
        result(tmp_path, ["poses.txt"]).part("poses.txt")
    (tmp_path / "other.txt").mkdir()
    outputs = single(tmp_path / "other.txt", overwrite=True)
    outputs.part("other.txt").write_text("new")
    with pytest.raises(WriteError, match=r"other\.txt: cannot be written to \(Is a directory\)"):
        outputs.keep()
    assert outputs.left()


def test_a_place_that_is_no_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match=r"file: cannot be written to"):
        result(tmp_path / "file", ["poses.txt"]).part("poses.txt")


def test_a_folder_in_which_nobody_can_write_is_told_of_before_the_work(tmp_path):
    outputs = result(tmp_path / "new" / "out", [SUMMARY])
    outputs.check()
    assert list((tmp_path / "new" / "out").iterdir()) == []
    with pytest.raises(WriteError, match="/proc/self: cannot be written to"):
        result(Path("/proc/self"), [SUMMARY]).check()


def test_names_are_as_short_as_file_systems_want_them(tmp_path):
    name = fitting("overlay_" + "ü" * 200, ".png")
    assert len(beside(tmp_path / name).name.encode()) <= 255
    beside(tmp_path / name).write_text("")
    longest = "x" * 252
    outputs = result(tmp_path, [longest])
    outputs.part(longest).write_text("all of it")
    assert outputs.keep() == [tmp_path / longest]
