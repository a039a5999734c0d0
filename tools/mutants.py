"""What share of the mutants of perception/ the tests kill, by a random sample of each module.

    make mutants SAMPLE=400 [SEED=0]

All of them take hours. ``mutmut`` makes and runs them, from nothing each time: what it remembers of
tests that have changed since is wrong. This draws which, as many of each module as its share of all
asks for and three at least, and weighs the modules by how many mutants they have. ``mutmut`` begins
with the package imported, and so misses what runs only then, and which tests a shared fixture
serves, and on a busy machine takes what is slow for what never ends: who survives or takes too long
is tried once more in a process of its own, with all the tests. There it counts as killed if tests
fail twice that pass without it. Prints the share killed of each module and of
all, with a 95 % interval, and who survived: ``mutmut show NAME`` shows one.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

KILLED = ("killed", "timeout", "segfault", "caught by type check")
"""What mutmut calls those that a test has noticed."""
LEAST = 3
"""Of each module."""
_ANY = "bodypose3d_ros.perception.settings.x_checked__mutmut_*"
_PATIENCE = 1800.0
"""Seconds that all the tests take at most."""
_MUTMUT = Path(sys.executable).with_name("mutmut")


def main() -> None:
    """Draw, run, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    shutil.rmtree("mutants", ignore_errors=True)
    _mutmut("run", _ANY)  # which makes all of them, and learns which test runs what
    drawn = draw(by_module(list(_results())), options.sample, random.Random(options.seed))  # noqa: S311
    _mutmut("run", *(name for names in drawn.values() for name in names))
    results = _results()
    if _fails_alone(""):
        raise SystemExit("the tests fail without any mutant: nothing can be said of survivors")
    for names in drawn.values():
        for name in names:
            if results[name] in KILLED and results[name] != "timeout":
                continue
            # Twice, for a test that fails now and then notices nothing.
            killed = _fails_alone(name) and _fails_alone(name)
            results[name] = "killed" if killed else "survived"
    sizes = {module: len(names) for module, names in by_module(list(results)).items()}
    for line in report(sizes, drawn, results):
        print(line)


def by_module(names: list[str]) -> dict[str, list[str]]:
    """Mutants by the module they are of: ``perception.search.xǁSearchǁreset__mutmut_1``."""
    modules = defaultdict(list)
    for name in names:
        module, _, _ = name.rpartition(".")
        modules[module.removeprefix("bodypose3d_ros.perception.")].append(name)
    return dict(modules)


def draw(
    modules: Mapping[str, list[str]], sample: int, dice: random.Random
) -> dict[str, list[str]]:
    """Some mutants of each module."""
    every = sum(map(len, modules.values()))
    return {
        module: dice.sample(names, min(len(names), max(LEAST, round(sample * len(names) / every))))
        for module, names in sorted(modules.items())
    }


def report(
    sizes: Mapping[str, int], drawn: Mapping[str, list[str]], results: Mapping[str, str]
) -> list[str]:
    """Lines about each module and about all: a stratified estimate (Cochran 1977, chapter 5)."""
    lines, share, variance = [], 0.0, 0.0
    for module, names in drawn.items():
        killed = sum(results[name] in KILLED for name in names)
        size, count = sizes[module], len(names)
        weight, part = size / sum(sizes.values()), killed / count
        share += weight * part
        # One more of each kind: of a module whose sample is all killed, not all may be.
        unsure = (killed + 1) / (count + 2)
        variance += weight**2 * unsure * (1 - unsure) / count * (1 - count / size)
        lines.append(f"{module:28} {size:5} mutants, {killed:3} of {count:3} killed")
    lines += [f"{results[n]}: {n}" for names in drawn.values() for n in names
              if results[n] not in KILLED]  # fmt: skip
    count, around = sum(map(len, drawn.values())), 1.96 * variance**0.5
    lines.append(
        f"killed: {share:.1%} of {sum(sizes.values())} mutants, by {count} of them "
        f"(95 % interval {share - around:.1%} to {min(share + around, 1):.1%})"
    )
    return lines


def _results() -> dict[str, str]:
    """Every mutant's name, and what became of it."""
    told = subprocess.run(
        [_MUTMUT, "results", "--all", "true"], check=True, capture_output=True, text=True
    )
    lines = (line.strip().rpartition(": ") for line in told.stdout.splitlines() if ": " in line)
    return {name: result for name, _, result in lines}


def _fails_alone(name: str) -> bool:
    """Whether some test notices a mutant that is there from the first import on; "" is none."""
    import tomllib  # of Python 3.11

    settings = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]
    command = [sys.executable, "-m", "pytest", "-x", "-q", *settings["pytest_add_cli_args"],
               *settings["pytest_add_cli_args_test_selection"]]  # fmt: skip
    try:
        done = subprocess.run(
            command, cwd="mutants", env={**os.environ, "MUTANT_UNDER_TEST": name},
            capture_output=True, check=False, timeout=_PATIENCE,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return True  # it never ends
    return done.returncode != 0


def _mutmut(*arguments: str) -> None:
    subprocess.run([_MUTMUT, *arguments], check=True)


if __name__ == "__main__":
    main()
