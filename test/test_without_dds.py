"""Without ROS 2 and without a DDS runtime members of the graph say what to install."""

import sys

import pytest
from click.testing import CliRunner

from bodypose3d_ros.apps.cli import main

NEEDED = ("cyclonedds", "bodypose3d_ros.hosts.dds", "bodypose3d_ros.apps.record")


@pytest.mark.parametrize(
    "command", ["node --host dds", "fusion --host dds", "play one_person", "record x.mcap", "echo"]
)
def test_a_member_of_the_graph_says_what_is_missing(command, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(NEEDED)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cyclonedds", None)  # as if it were not installed

    result = CliRunner().invoke(main, command.split())

    assert result.exit_code == 1
    assert "pip install 'bodypose3d_ros[dds]'" in result.output
