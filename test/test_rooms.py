"""The folder listing explains the program: data goes forward, and no room knows those before it."""

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "bodypose3d_ros"

EVERYBODY = {"errors", "version"}
KNOWS = {
    "body": set(),
    "engines": set(),
    "perception": {"body", "engines"},
    "wire": {"body"},
    "media": {"body", "wire"},
    "node": {"body", "perception", "wire", "media"},
    "hosts": {"body", "perception", "wire", "media", "node"},
    "apps": {"body", "engines", "perception", "wire", "media", "node", "hosts"},
}
"""Which rooms each room may import."""

HEAVY = {
    "rclpy": {"hosts"},
    "tf2_ros": {"hosts"},
    "tensorrt": {"engines"},
    "pycuda": {"engines"},
    "onnx": {"engines"},
    "onnxruntime": {"engines", "apps"},  # doctor looks whether it is there
    "cyclonedds": {"hosts"},
    "rerun": {"apps"},
    "ray": {"apps"},
    "pyarrow": {"apps", "media"},
    "tritonclient": {"engines"},
    "grpc": {"engines"},
}
"""Packages that only these rooms import."""


@cache
def modules_imported(path: Path) -> set[tuple[str, ...]]:
    """The places of our own that a module imports from, wherever in it: room, module, name."""
    package = path.relative_to(PACKAGE).parent.parts
    found = set()
    for statement in ast.walk(ast.parse(path.read_text())):
        if isinstance(statement, ast.ImportFrom) and statement.level:
            base = package[: len(package) - (statement.level - 1)]
            module = tuple(statement.module.split(".")) if statement.module else ()
            found |= {(*base, *module, alias.name) for alias in statement.names}
    return found


def rooms_imported(path: Path) -> set[str]:
    return {place[0] for place in modules_imported(path)}


@cache
def packages_imported(path: Path) -> set[str]:
    found = set()
    for statement in ast.walk(ast.parse(path.read_text())):
        if isinstance(statement, ast.Import):
            found |= {alias.name.split(".")[0] for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom) and not statement.level:
            found.add((statement.module or "").split(".")[0])
    return found


MODULES = sorted(PACKAGE.glob("*/**/*.py"))


def test_every_module_has_a_room():
    assert {path.relative_to(PACKAGE).parts[0] for path in MODULES} == set(KNOWS)
    assert {path.stem for path in PACKAGE.glob("*.py")} == EVERYBODY | {"__init__", "__main__"}


@pytest.mark.parametrize("room", KNOWS)
def test_no_import_goes_back_up(room):
    allowed = {room} | KNOWS[room] | EVERYBODY
    wrong = {
        str(path.relative_to(PACKAGE)): rooms_imported(path) - allowed
        for path in MODULES
        if path.relative_to(PACKAGE).parts[0] == room and rooms_imported(path) - allowed
    }
    assert not wrong


def test_no_two_rooms_of_perception_know_each_other():
    """The detector comes before the pose network, and so on: none needs what comes after it."""
    knows = {}
    for path in PACKAGE.glob("perception/**/*.py"):
        _, room, *_ = path.relative_to(PACKAGE).with_suffix("").parts
        imported = {place[1] for place in modules_imported(path) if place[0] == "perception"}
        knows.setdefault(room, set()).update(imported - {room})
    TopologicalSorter(knows).prepare()


def test_heavy_packages_stay_where_they_are_used():
    wrong = {
        (str(path.relative_to(PACKAGE)), package)
        for path in MODULES
        for package, rooms in HEAVY.items()
        if package in packages_imported(path) and path.relative_to(PACKAGE).parts[0] not in rooms
    }
    assert not wrong
