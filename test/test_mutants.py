"""Of mutants drawn by chance: how many of each module, and what they say of all."""

import random

import pytest

from tools import mutants

NAMES = [f"bodypose3d_ros.perception.{module}.x_f__mutmut_{number}"
         for module, count in (("large", 300), ("pose.small", 100), ("pose.tiny", 4))
         for number in range(count)]  # fmt: skip


def test_each_module_has_its_share_and_ten_at_least():
    drawn = mutants.draw(mutants.by_module(NAMES), 200, random.Random(1))
    assert {module: len(names) for module, names in drawn.items()} == {
        "large": 149, "pose.small": 50, "pose.tiny": 4,
    }  # fmt: skip
    few = mutants.draw(mutants.by_module(NAMES), 20, random.Random(1))
    assert [len(set(names)) for names in few.values()] == [15, 10, 4]


def test_the_share_of_all_weighs_modules_by_their_size():
    """3 in 4 of them have half their sample killed, the rest all of it: 5/8, but for four more."""
    drawn = {"large": NAMES[:100], "small": NAMES[300:350]}
    results = dict.fromkeys(NAMES[:50], "survived") | dict.fromkeys(
        NAMES[50:100] + NAMES[300:349], "killed"
    )
    results[NAMES[349]] = "timeout"
    *lines, last = mutants.report({"large": 300, "small": 100}, drawn, results)
    assert lines[0].split() == ["large", "300", "mutants,", "50", "of", "100", "killed"]
    assert sum(line.startswith("survived: ") for line in lines) == 50
    # Of 100 out of 300 the standard error is sqrt(0.25 / 100 (1 - 1/3)) = 4.1 %, of which 3 in 4.
    low, high = (float(part.rstrip("%)")) for part in last.split("interval ")[1].split(" to "))
    assert last.startswith("killed: 62.5% of 400 mutants, by 150 of them")
    assert (high - low) / 2 == pytest.approx(1.96 * 0.75 * 4.1, abs=0.1)
