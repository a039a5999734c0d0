"""Of mutants drawn by chance: how many of each module, and what they say of all."""

import random

import pytest

from tools import mutants

NAMES = [f"bodypose3d_ros.perception.{module}.x_f__mutmut_{number}"
         for module, count in (("large", 300), ("pose.small", 100), ("pose.tiny", 2))
         for number in range(count)]  # fmt: skip


def test_each_module_has_its_share_and_three_at_least():
    drawn = mutants.draw(mutants.by_module(NAMES), 200, random.Random(1))
    assert {module: len(names) for module, names in drawn.items()} == {
        "large": 149, "pose.small": 50, "pose.tiny": 2,
    }  # fmt: skip
    few = mutants.draw(mutants.by_module(NAMES), 6, random.Random(1))
    assert [len(set(names)) for names in few.values()] == [4, 3, 2]


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


@pytest.mark.parametrize(
    ("alone", "share"),
    [
        ({"a": [True, True], "c": [False]}, "66.7%"),  # it was slow on a busy machine
        ({"a": [True, True]}, "100.0%"),  # what runs at import is noticed in a process of its own
        ({"a": [True, False]}, "66.7%"),  # a test that fails now and then has noticed nothing
        ({"a": [False]}, "66.7%"),
    ],
)
def test_who_survives_is_killed_by_tests_that_fail_twice_with_it_alone(
    alone, share, monkeypatch, tmp_path, capsys
):
    (tmp_path / "mutants").mkdir()
    (tmp_path / "mutants" / "of an earlier run").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["mutants"])
    ran, names = [], [f"bodypose3d_ros.perception.m.{name}" for name in "abc"]
    results = dict(zip(names, ("no tests", "killed", "timeout"), strict=True))
    monkeypatch.setattr(mutants, "_mutmut", lambda *arguments: ran.append(arguments))
    monkeypatch.setattr(mutants, "_results", lambda: dict(results))
    alone = {"c": [True, True], **alone}
    answers = {"": [False], **{f"bodypose3d_ros.perception.m.{n}": a for n, a in alone.items()}}
    monkeypatch.setattr(mutants, "_fails_alone", lambda name: answers[name].pop(0))
    mutants.main()
    assert f"killed: {share} of 3 mutants" in capsys.readouterr().out
    assert sorted(ran[1][1:]) == names
    assert not (tmp_path / "mutants").exists()
    answers[""] = [True]
    with pytest.raises(SystemExit, match="fail without any mutant"):
        mutants.main()
