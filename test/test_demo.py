"""The demo as a user starts it: camera, node and recorder, three processes over DDS."""

import json
import os
import subprocess
import sys

import cv2
import pytest
from rosbags.highlevel import AnyReader

pytest.importorskip("cyclonedds", reason="the demo is live over DDS: needs bodypose3d_ros[dds]")
pytest.importorskip("rerun", reason="the demo's 3D view: needs bodypose3d_ros[view]")


def test_the_demo_ends_by_itself_with_people_in_metres(tmp_path):
    command = [sys.executable, "-m", "bodypose3d_ros", "demo", "--rrd", "--out", str(tmp_path)]
    answer = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env=dict(os.environ)
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["images_sent"] == 60
    # A slow machine drops images rather than fall behind: the newest wins.
    assert 5 <= report["frames"] <= 60
    assert report["detection_rate"] == 1
    assert report["limb_joints"]["pixels"] < 7
    assert report["limb_joints"]["root_aligned_mm"] < 120
    assert report["limb_joints"]["procrustes_mm"] < 80
    with AnyReader([tmp_path / "poses.mcap"]) as reader:
        counts = {name: topic.msgcount for name, topic in reader.topics.items()}
    assert counts["/bodypose3d/poses"] == counts["/tf"] == report["frames"]
    assert counts["/tf_static"] == 1
    overlay = cv2.VideoCapture(str(tmp_path / "overlay.mp4"))
    assert overlay.get(cv2.CAP_PROP_FRAME_COUNT) >= 2
    assert cv2.imread(str(tmp_path / "report.png")) is not None
    view = subprocess.run(
        [sys.executable, "-m", "rerun", "rrd", "print", str(tmp_path / "people.rrd")],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    for shown in ("image", "people/joints", "people/limbs", "people/ids", "people/frames"):
        assert f"/camera/{shown}" in view.stdout
