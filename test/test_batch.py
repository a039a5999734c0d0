"""Fleets of recordings: results as `estimate` has them, nothing done twice, no worker missed."""

import json
import os
import shutil
import socket
import threading
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from mcap.reader import make_reader

from bodypose3d_ros.apps import fleet, work
from bodypose3d_ros.apps.cli import main
from bodypose3d_ros.body.people import Frame, select
from bodypose3d_ros.body.skeleton import JOINTS
from bodypose3d_ros.errors import EngineError, RefusedError
from bodypose3d_ros.media import film
from bodypose3d_ros.media.sources import CameraChoice
from bodypose3d_ros.media.video import VideoWriter
from fatal_cameras import Deadly, Stuck
from known_people import picture
from node_alone import CAMERA
from people_made_up import row

try:
    fleet._ray()  # as the command imports it: it must not be there before
except EngineError as error:
    pytest.skip(str(error), allow_module_level=True)
from ray import cluster_utils

parquet = pytest.importorskip("pyarrow.parquet")

FRAMES = 6


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def clip(path, name, frames=FRAMES):
    """The first frames of a film of known people."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shown = film.load(name)
    with VideoWriter(path, shown.rate) as writer:
        for _, frame in zip(range(frames), shown.frames(), strict=False):
            writer.write(frame.image)


@dataclass(frozen=True)
class Batch:
    sources: list[Path]
    out: Path
    answer: object

    def again(self, *options):
        return run("batch", *self.sources, "--hfov", 60, "--out", self.out, *options)

    def manifest(self):
        return json.loads((self.out / "manifest.json").read_text())


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """Two films of one name, a picture, and a file that is no film, on two workers."""
    folder = tmp_path_factory.mktemp("batch")
    sources = [folder / name for name in ("a/f.mp4", "b/f.mp4", "room.png", "broken.mp4")]
    clip(sources[0], "one_person")
    clip(sources[1], "two_people")
    cv2.imwrite(str(sources[2]), np.full((48, 64, 3), 128, np.uint8))
    sources[3].write_bytes(b"no film")
    made = Batch(sources, folder / "out", None)
    return replace(made, answer=made.again("--workers", 2))


def test_everything_is_done_but_what_cannot_be_which_is_reported_once(batch):
    assert batch.answer.exit_code == 3, batch.answer.output
    (error,) = (line for line in batch.answer.output.splitlines() if line.startswith("error:"))
    assert "broken.mp4: is not a film" in error
    assert "3 of 4 sources are done, 1 failed" in batch.answer.output
    totals = batch.manifest()["totals"]
    assert (totals["done"], totals["failed"], totals["waiting"]) == (3, 1, 0)
    assert totals["frames"] == 2 * FRAMES + 1
    states = {each["folder"]: each["state"] for each in batch.manifest()["sources"]}
    assert states == {"f": "done", "b_f.mp4": "done", "room": "done", "broken": "failed"}
    assert not list(batch.out.rglob("*.part"))


def messages(path):
    with path.open("rb") as file:
        return [(c.topic, m.log_time, m.data) for _, c, m in make_reader(file).iter_messages()]


@pytest.mark.parametrize("folder", ["f", "b_f.mp4", "room"])
def test_each_source_is_as_estimate_has_it(batch, tmp_path, folder):
    (source,) = (each["source"] for each in batch.manifest()["sources"]
                 if each["folder"] == folder)  # fmt: skip
    answer = run("estimate", source, "--hfov", 60, "--threads", 1, "--out", tmp_path, "--quiet")
    assert answer.exit_code == 0, answer.output
    ours = batch.out / folder
    assert (ours / "poses.jsonl").read_bytes() == (tmp_path / "poses.jsonl").read_bytes()
    assert messages(ours / "poses.mcap") == messages(tmp_path / "poses.mcap")
    names = {path.name for path in tmp_path.iterdir()}
    assert {path.name for path in ours.iterdir()} == names | {"poses.parquet"}


def test_a_table_of_many_frames_holds_them_in_order(tmp_path):
    """More than are put together in one go, and some left over; frames without anybody, too."""
    from bodypose3d_ros.media.table import PoseTable  # of pyarrow, which may not be here

    table = PoseTable(tmp_path / "poses.parquet")
    stamps = range(150)
    for stamp in stamps:
        table.add(Frame(picture(1), CAMERA, stamp), select(row(2), np.arange(2) < stamp % 3))
    table.close()
    read = parquet.read_table(tmp_path / "poses.parquet").to_pylist()
    people = [(each["stamp_ns"], each["track_id"]) for each in read if each["joint"] == "pelvis"]
    assert people == [(stamp, 1 + n) for stamp in stamps for n in range(stamp % 3)]


def test_the_table_holds_what_the_lines_hold(batch):
    lines = (batch.out / "b_f.mp4" / "poses.jsonl").read_text().splitlines()
    rows = parquet.read_table(batch.out / "b_f.mp4" / "poses.parquet").to_pylist()
    table = {(row["stamp_ns"], row["track_id"], row["joint"]): row for row in rows}
    known = 0
    for line in map(json.loads, lines):
        for person in line["people"]:
            for joint, name in enumerate(JOINTS):
                if person["joints"][joint] is None:
                    continue
                known += 1
                row = table[round(line["stamp"] * 1e9), person["track_id"], name]
                # The lines are rounded to a tenth of a millimetre, the table is of 32 bits.
                point = [row["x"], row["y"], row["z"]]
                assert point == pytest.approx(person["joints"][joint], abs=6e-5)
                pixel = person["keypoints"][joint]
                assert (row["u"] is None) == (pixel is None)
                assert pixel is None or [row["u"], row["v"]] == pytest.approx(pixel, abs=6e-3)
                assert row["state"] == person["state"]
                assert row["covariance_zz"] == pytest.approx(
                    person["covariances"][joint][5], abs=1e-8, rel=1e-5
                )
                speed = person["velocity_covariances"][joint]
                assert (row["velocity_covariance_xz"] is None) == (speed is None)
                assert speed is None or row["velocity_covariance_xz"] == pytest.approx(
                    speed[2], abs=1e-6, rel=1e-5
                )
    assert known == len(rows) > 30 * FRAMES


def test_a_second_run_does_nothing_and_says_so(batch, monkeypatch):
    monkeypatch.delattr(fleet, "workers")  # not even Ray is started
    before = {path: path.stat().st_mtime_ns for path in batch.out.glob("*/*")}
    answer = batch.again("--workers", 2)
    assert answer.exit_code == 3  # a failure stays one until it is mended
    assert "3 of 4 sources were done by an earlier run, 1 failed in one" in answer.output
    assert "there was nothing to do" in answer.output
    assert {path: path.stat().st_mtime_ns for path in batch.out.glob("*/*")} == before


@pytest.fixture
def waiting(batch, tmp_path):
    """Says which folders are still to be done, in a copy of the results."""
    out = tmp_path / "out"
    shutil.copytree(batch.out, out)
    choices = json.loads((out / "f" / "summary.json").read_text())["batch"]["choices"]

    def ask(**changes):
        wanted = work.Wanted(choices={**choices, **changes})
        tasks = work.plan(batch.sources, out, wanted)
        manifest = work.Manifest(out, tasks)
        return [t.outputs.folder.name for t in tasks if manifest.state(t) == "waiting"]

    ask.out = out
    return ask


def test_what_is_not_whole_or_of_other_choices_is_done_again(batch, waiting):
    assert waiting() == []
    assert waiting(hfov=61.0) == ["f", "b_f.mp4", "room", "broken"]
    (waiting.out / "f" / "poses.mcap").rename(waiting.out / "f" / "poses.mcap.part")
    (waiting.out / "room" / "poses.parquet").unlink()
    assert waiting() == ["f", "room"]


def test_a_source_that_changed_is_done_again_even_if_it_failed(batch, waiting):
    times = batch.sources[3].stat()
    try:
        os.utime(batch.sources[3], ns=(times.st_atime_ns, times.st_mtime_ns + 1))
        assert waiting() == ["broken"]
    finally:
        os.utime(batch.sources[3], ns=(times.st_atime_ns, times.st_mtime_ns))


def test_folders_stay_their_sources_whatever_is_handed_in_beside_them(batch, waiting):
    reverse = work.plan([*reversed(batch.sources), Path("c/f.mp4")], waiting.out, work.Wanted())
    names = [task.outputs.folder.name for task in reverse]
    assert names == ["broken", "room", "b_f.mp4", "f", "c_f.mp4"]
    work.Manifest(waiting.out, work.plan([Path("c/f.mp4")], waiting.out, work.Wanted()))
    assert waiting() == []


def test_what_is_somebody_elses_is_refused(batch, tmp_path):
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "poses.jsonl").write_text("precious")
    with pytest.raises(RefusedError, match=r"poses\.jsonl: exists already"):
        work.plan(batch.sources, tmp_path, work.Wanted())
    (tmp_path / "manifest.json").write_text("{}")
    answer = run("batch", batch.sources[0], "--hfov", 60, "--out", tmp_path)
    assert answer.exit_code == 2
    assert "is of no earlier run" in answer.output


def test_a_dead_workers_source_is_repeated_and_one_that_kills_is_given_up(
    tmp_path, monkeypatch, caplog, capfd
):
    """64 kills nobody, 66 one worker, 70 everyone: all three are done or told, each once."""
    sources = [tmp_path / f"{width}.png" for width in (64, 66, 70, 72)]
    for source in sources:
        cv2.imwrite(str(source), np.full((48, int(source.stem), 3), 128, np.uint8))
    wanted = work.Wanted(Deadly(hfov=60, deaths=tmp_path))
    here = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(here))  # where workers find Deadly
    tasks = work.plan(sources, tmp_path / "out", wanted)
    with fleet.workers(fleet.Machines(workers=1, attempts=2), wanted, tasks) as hands:
        done = [(task.path.stem, figures["failures"])
                for task, figures in fleet.estimated(hands, tasks, wanted)]  # fmt: skip
    assert [name for name, _ in done] == ["64", "66", "70", "72"]
    assert [bool(failures) for _, failures in done] == [False, False, True, False]
    assert "70.png: given up, since workers died of it" in done[2][1][0]
    assert (tmp_path / "70").read_text() == "2"
    (line,) = caplog.messages
    assert line == f"{sources[1]}: a worker died at it, another did it again"
    assert "worker died" not in "".join(capfd.readouterr())  # Ray's own long message
    assert [bool(task.done()["failures"]) for task in tasks] == [False, False, True, False]


def test_a_long_source_is_measured_in_parts_by_several_and_tracked_as_one(tmp_path):
    """Two parts of 15 images, the first done by an earlier run: stamps and ids as undivided."""
    clip(tmp_path / "f.mp4", "one_person", 30)
    wanted = work.Wanted(CameraChoice(hfov=60), longest=15, smooth=True)
    (task,) = work.plan([tmp_path / "f.mp4"], tmp_path / "out", wanted)
    first, second = work.jobs_of(task, wanted)
    assert first.part.end == second.part.first == 15
    fleet.Worker(wanted).do(first)
    (left,) = work.jobs_of(task, wanted)
    assert left == second
    with fleet.workers(fleet.Machines(workers=2), wanted, [task]) as hands:
        ((_, figures),) = fleet.estimated(hands, [task], wanted)
    assert (figures["frames"], figures["failures"]) == (30, [])
    assert {"network", "track", "smooth"} <= figures["milliseconds"].keys()
    assert figures["smoothed"]
    assert not list(task.outputs.folder.glob(".*"))
    whole = tmp_path / "whole"
    run("estimate", tmp_path / "f.mp4", "--hfov", 60, "--smooth", "--out", whole, "--quiet")
    assert json.loads((whole / "summary.json").read_text())["smoothed"]
    ours, theirs = (
        [json.loads(line) for line in (folder / "poses.jsonl").read_text().splitlines()]
        for folder in (task.outputs.folder, whole)
    )
    assert [line["stamp"] for line in ours] == [line["stamp"] for line in theirs]
    ids = [[[each["track_id"] for each in line["people"]] for line in of] for of in (ours, theirs)]
    assert ids[0] == ids[1]
    assert task.done() == figures


def test_of_a_source_that_is_given_up_no_part_is_done_any_more(tmp_path):
    clip(tmp_path / "f.mp4", "one_person", 30)
    wanted = work.Wanted(CameraChoice(hfov=60), longest=10)
    (task,) = work.plan([tmp_path / "f.mp4"], tmp_path / "out", wanted)
    queue = work.Queue([task], wanted)
    one, two = queue.next(), queue.next()
    assert queue.end(one, {"failures": ["it kills workers"]})
    assert not queue
    assert not queue.end(two, None)


def test_a_cluster_has_room_for_as_many_workers_as_its_machines_have_each():
    nodes = [{"NodeID": "a", "Alive": True, "Resources": {"CPU": 4.0, "GPU": 1.0}},
             {"NodeID": "b", "Alive": True, "Resources": {"CPU": 3.0}},
             {"NodeID": "c", "Alive": False, "Resources": {"CPU": 64.0}}]  # fmt: skip
    assert fleet.places_of(nodes, fleet.Machines(threads=2)) == ["a", "b", "a"]
    assert fleet.places_of(nodes, fleet.Machines(threads=1, gpus=0.25)) == ["a"] * 4
    assert fleet.places_of(nodes, fleet.Machines(threads=8)) == []


def test_what_a_machine_that_goes_had_in_work_is_done_by_another(tmp_path, monkeypatch, caplog):
    """No worker can begin there again, and the other machine has no room for one more."""
    sources = [tmp_path / f"{width}.png" for width in (64, 66, 70)]
    for source in sources:
        cv2.imwrite(str(source), np.full((48, int(source.stem), 3), 128, np.uint8))
    here = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(here))
    monkeypatch.setenv("RAY_health_check_period_ms", "500")  # else Ray takes ten seconds more
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    goes = cluster.add_node(num_cpus=1)
    asked = tmp_path / "asked"
    wanted = work.Wanted(Stuck(hfov=60, fine=cluster.head_node.node_id, asked=asked))
    tasks = work.plan(sources, tmp_path / "out", wanted)
    (tmp_path / "out").mkdir()

    def pull_the_plug():
        while not asked.exists():
            time.sleep(0.05)
        cluster.remove_node(goes, allow_graceful=False)

    threading.Thread(target=pull_the_plug, daemon=True).start()
    try:
        with fleet.workers(fleet.Machines(cluster.address), wanted, tasks) as hands:
            done = [(task.path, figures["failures"])
                    for task, figures in fleet.estimated(hands, tasks, wanted)]  # fmt: skip
    finally:
        cluster.shutdown()
    assert sorted(done) == [(source, []) for source in sources]
    (line,) = caplog.messages
    assert "its worker or machine is gone, another does it" in line


def test_a_cluster_that_is_not_there_is_told_at_once(batch, tmp_path):
    with socket.socket() as nobody:  # bound, and listening to no one
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        answer = run("batch", batch.sources[0], "--hfov", 60, "--out", tmp_path, "--ray", address)
    assert answer.exit_code == 4
    assert f"{address}: no Ray cluster answers" in answer.output


def test_a_ray_that_does_not_start_is_told_in_a_line(batch, tmp_path, monkeypatch):
    """As on a machine that is so busy that Ray gives its own processes up."""

    def init(**_):
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(fleet, "_ray", lambda: SimpleNamespace(init=init, shutdown=bool))
    answer = run("batch", batch.sources[0], "--hfov", 60, "--out", tmp_path)
    assert answer.exit_code == EngineError.exit_code
    assert "Ray does not start here (The current node timed out" in answer.output


def test_a_machine_that_does_not_see_what_this_one_does_is_told_of(tmp_path, monkeypatch):
    """Before anything is done: Ray knows nothing of files, its workers are given their names."""
    source, other, folder = tmp_path / "f.mp4", tmp_path / "other.mp4", tmp_path / "out"
    source.write_bytes(b"12345")
    other.write_bytes(b"1234")
    wanted, here = work.Wanted(CameraChoice(hfov=60)), socket.gethostname()
    seen = {source: 5, other: 5, tmp_path / "gone.mp4": 5}
    assert fleet.Worker(wanted).blind_to(seen) == (here, [other, tmp_path / "gone.mp4"])
    tasks = work.plan([source], folder, wanted)
    folder.mkdir()
    with fleet.workers(fleet.Machines(workers=1), wanted, tasks) as hands:
        fleet.check_sight(hands, tasks, wanted)
        assert not list(folder.iterdir())
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(fleet, "state_of", lambda _: {"bytes": 6})
            with pytest.raises(EngineError, match=f"{here} does not see {source} as this machine"):
                fleet.check_sight(hands, tasks, wanted)
        unshared = nullcontext(SimpleNamespace(name=str(folder / ".seen-nowhere")))
        monkeypatch.setattr(fleet.tempfile, "NamedTemporaryFile", lambda **_: unshared)
        with pytest.raises(EngineError, match=f"{here} does not see {folder} as this machine"):
            fleet.check_sight(hands, tasks, wanted)


def test_all_results_are_of_one_model(batch, tmp_path):
    answer = run("batch", *batch.sources, "--model", "auto", "--out", tmp_path)
    assert answer.exit_code == 2
    assert "name the model" in answer.output
