"""``bodypose3d benchmark`` and what it measures with: small runs of the real thing."""

import itertools
import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import mediapipe_speed, speed_page
from bodypose3d_ros.apps import benchmark, charts, crowd, measuring
from bodypose3d_ros.apps.cli import main

SMALL = (320, 240)


@pytest.fixture(scope="module")
def networks():
    from bodypose3d_ros.perception.networks import load_networks

    with load_networks() as loaded:
        yield loaded


@pytest.mark.parametrize("people", [1, 2, 4, 8])
def test_a_crowd_is_as_many_people_as_were_asked_for(networks, people):
    figures = measuring.stages(networks, people, (640, 480), 1)
    assert figures["found"] == people


def test_a_crowd_moves_on_without_a_jump():
    pictures = crowd.pictures(2, SMALL)
    assert {picture.shape for picture in pictures} == {(240, 320, 3)}
    steps = [
        np.abs(one.astype(float) - other).mean() for one, other in itertools.pairwise(pictures)
    ]
    assert max(steps) < 5 * np.median(steps)


def test_stages_add_up_to_the_whole(networks):
    figures = measuring.stages(networks, 1, SMALL, 1)
    for kind in ("wall_ms", "cpu_ms"):
        stages = dict(figures[kind])
        assert stages.pop("all") == pytest.approx(sum(stages.values()), abs=0.1)
        assert set(stages) == set(measuring.STAGES)
        assert stages["network"] > 0
        assert stages["message"] > 0


def test_under_load_every_image_is_published_or_counted(networks):
    """One may wait and one be in work when the count begins or ends."""
    figures, latencies = measuring.load(networks, SMALL, 200.0, 1.0)
    assert figures["dropped"] > 0
    assert figures["published"] > 0
    accounted = figures["published"] + figures["dropped"] + figures["skipped"]
    assert abs(accounted - figures["sent"]) <= 4
    assert figures["latency_ms"]["max"] == pytest.approx(max(latencies), abs=0.01)


def test_what_is_held_is_told_in_tenths(networks):
    rows = measuring.held(networks, SMALL, 10)
    assert [row["frames"] for row in rows] == list(range(1, 11))
    assert all(row["memory_mb"] > 50 and row["threads"] and row["handles"] for row in rows)


def test_a_histogram_shows_where_the_values_are(tmp_path):
    """The outline of values that are all high leaves the left half empty but for the axis."""
    axes = charts.Axes("title", "ms", "part")
    charts.histogram(tmp_path / "h.png", axes, {"a": [90.0, 95.0, 100.0]}, 20)
    picture = cv2.imread(str(tmp_path / "h.png")).astype(int)
    blue = (picture[..., 0] - picture[..., 2]) > 80
    middle = blue[80:440]
    assert middle[:, 460:640].sum() == 0
    assert middle[:, 700:].sum() > 100


@pytest.mark.parametrize(
    ("last", "ticks"),
    [
        (92.0, [0, 20, 40, 60, 80, 100]),
        (8, [0, 2, 4, 6, 8]),
        (0.101, [0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12]),
        (1930, [0, 500, 1000, 1500, 2000]),
        (0, [0, 1e-10]),  # nothing was measured
    ],
)
def test_axes_are_marked_in_round_numbers_from_nought_to_beyond_the_last(last, ticks):
    assert charts._ticks(last) == pytest.approx(ticks)


@pytest.mark.parametrize(("load", "said"), [(7.8, True), (0.4, False)])
def test_a_machine_that_is_busy_is_told_of_beside_the_times(tmp_path, monkeypatch, load, said):
    monkeypatch.setattr(measuring, "machine", lambda: {"cpu": "x", "cores": 2, "load": load})
    done = CliRunner().invoke(main, ["benchmark", "--model", "none", "--out", str(tmp_path)])
    assert done.exit_code == 4, "it ends before anything is measured"
    assert ("Other programs have the cores" in done.output) == said


def test_the_command_writes_figures_charts_and_the_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "PEOPLE", (1,))
    monkeypatch.setattr(benchmark, "SIZES", (SMALL,))
    monkeypatch.setattr(benchmark, "LOADS", (2,))
    small = ["--frames", "1", "--seconds", "0.5", "--held-frames", "10"]
    done = CliRunner().invoke(main, ["benchmark", *small, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["machine"]["cpu"] in done.output
    assert "memory, MB" in done.output
    assert report["machine"]["cores"] >= 1
    assert [row["people"] for row in report["stages"]] == [1]
    assert [row["times"] for row in report["load"]] == [2]
    for name in ("cost.png", "latencies.png", "load.png"):
        assert cv2.imread(str(tmp_path / name)) is not None
    costs = np.array([[30.0, 40], [20, 40], [60, 44]])  # of three rounds: time, processor
    ours = {**mediapipe_speed.beside(costs / 2, costs), "pixels": 4.8, "pelvis_on_pelvis_mm": 73}
    peer = {"machine": report["machine"], "film": "one_person", "figures": {"blazepose": ours}}
    text = speed_page.page(report, peer)
    machine, load = report["machine"], report["load"][0]
    assert f"{machine['cpu']}, {machine['cores']} cores" in text
    stages = report["stages"][0]["wall_ms"]
    assert f"| 320x240 | 1 | {stages['network']:.1f} | {stages['pose']:.1f} |" in text
    assert f"| 2 | {load['sent_hz']:.1f} | {load['published_hz']:.1f} | {load['dropped']} |" in text
    assert f"| 10 | {report['held'][-1]['memory_mb']:.1f} |" in text
    report["held"] = [{"frames": 1, "memory_mb": 100.0}, {"frames": 2, "memory_mb": 102.5}]
    assert "From the first row to the last +2.5 MB" in speed_page.page(report)
    half = "0.50 (0.50 to 0.50)"
    assert f"| blazepose | 15.0 ms | 20.0 ms | 4.8 px | 73 mm | {half} | {half} |" in text
    heads = [line for line in text.splitlines() if line.startswith("| ---")]
    assert len(heads) == 5  # as many tables


def test_a_ratio_is_of_rounds_and_one_that_was_disturbed_does_not_move_it():
    peer = np.tile([20.0, 40], (21, 1))  # rounds: time, processor
    disturbed = np.where(np.arange(21)[:, None] == 0, 3, 1) * peer * [0.5, 0.75]
    told = mediapipe_speed.beside(disturbed, peer)
    assert (told["wall_ratio"], told["cpu_ratio"]) == (0.5, 0.75)
    assert told["cpu_ratios"] == [0.75, 0.75]  # of nine in ten rounds
    assert told["wall_ms"] == 10
