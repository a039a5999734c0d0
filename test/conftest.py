"""What tests share."""

import pytest

import ros_network


@pytest.fixture
def domain():
    """A ROS domain that no other test uses."""
    return ros_network.new_domain()


@pytest.fixture
def start(domain):
    """Starts programs in the test's domain and ends them after it."""
    processes = []

    def starter(*command):
        processes.append(ros_network.Process(domain, *command))
        return processes[-1]

    yield starter
    for process in processes:
        if process.returncode is None:
            process.kill()
