"""The registry: a network is named once, and everything a user can say about it follows."""

import threading
from types import SimpleNamespace

import pytest

from bodypose3d_ros.apps.cli import estimate
from bodypose3d_ros.engines import models
from bodypose3d_ros.engines.timed import network_time, timed
from bodypose3d_ros.errors import InputError, ModelError
from bodypose3d_ros.node.parameters import DECLARATIONS, Parameters
from bodypose3d_ros.perception import networks
from bodypose3d_ros.perception.networks import (
    NETWORKS,
    SETTINGS,
    Options,
    heaviest_in_time,
    load_networks,
)
from bodypose3d_ros.perception.tracking.tracker import Tracker


def test_every_network_can_be_fetched_and_every_model_is_a_network():
    fetched = {name: network for name, network in NETWORKS.items() if network.model}
    assert list(fetched) == list(models.MODELS)
    assert all(network.file in network.model.files for network in fetched.values())
    assert list(NETWORKS.keys() - fetched.keys()) == ["simcc"]  # users bring the file


def test_every_setting_is_a_parameter_and_an_option_with_the_same_words_and_default():
    options = {option.name: option for option in estimate.params}
    for name, setting in SETTINGS.items():
        assert DECLARATIONS[name].read_only
        assert DECLARATIONS[name].description == options[name].help == setting.description
        assert DECLARATIONS[name].default == options[name].default == setting.default


def test_what_is_chosen_by_parameters_is_what_is_loaded():
    values = {"max_people": 3, "channels": "RGB", "lift": "reference", "hfov": 60.0}
    chosen = Parameters().changed(values).perception
    assert (chosen.max_people, chosen.own) == (3, {"channels": "RGB"})
    assert chosen.value("channels") == "RGB"
    assert chosen.value("lift") == "reference"
    assert chosen.changed({"channels": "auto"}) == Options(max_people=3)


def test_a_setting_of_another_network_is_refused_before_anything_is_loaded(monkeypatch):
    monkeypatch.setattr(networks, "load", None)
    with pytest.raises(InputError, match="channels, lift: not a setting of the model blazepose"):
        load_networks(Options().changed({"channels": "RGB", "lift": "network"}))


def test_a_name_that_nobody_knows_lists_those_there_are():
    with pytest.raises(ModelError, match=r"blazepose, .*, bodypose3dnet-accuracy"):
        load_networks(Options("yolo"))


def test_what_was_loaded_is_given_back_when_the_rest_cannot_be(monkeypatch):
    class Engine:
        closed = warm = 0
        inputs = outputs = ()
        max_batch, description = None, ""

        def warm_up(self):
            Engine.warm += 1
            if Engine.warm == 2:
                raise ModelError("damaged")

        def close(self):
            Engine.closed += 1

    monkeypatch.setattr(networks, "load", lambda *_, **__: Engine())
    with pytest.raises(ModelError, match="damaged"):
        load_networks()
    assert Engine.closed == 2


@pytest.mark.parametrize(
    ("milliseconds", "here", "taken"),
    [
        # Of 1/10 s, 70 ms are for the detector and two people.
        ({"heavy": 60}, "full lite heavy", "blazepose-heavy"),
        ({"heavy": 61}, "full lite heavy", "blazepose"),
        ({"heavy": 61}, "lite heavy", "blazepose-lite"),
        ({"heavy": 600, "full": 100, "lite": 61}, "full lite heavy", "blazepose-lite"),
        ({}, "full", "blazepose"),
    ],
)
def test_auto_takes_the_heaviest_that_keeps_up_and_says_so(
    monkeypatch, caplog, milliseconds, here, taken
):
    def seconds(file, people, options):
        variant = file.parent.name.partition("-")[2] or "full"
        if file.name == "detector.onnx":
            assert people == 1
            return 0.01
        assert people == 2
        return milliseconds.get(variant, 5) / 1000

    def is_fetched(model):
        return (model.name.partition("-")[2] or "full") in here.split()

    def path(model, file):
        return models.folder(model) / file

    monkeypatch.setattr(models, "is_fetched", is_fetched)
    monkeypatch.setattr(models, "path", path)
    monkeypatch.setattr(networks, "_seconds", seconds)
    with caplog.at_level("INFO"):
        assert heaviest_in_time(Options("auto", rate=10.0)).name == taken
    assert caplog.messages[-1].startswith((f"{taken} takes", "nothing here is fast enough"))


def test_a_pipeline_has_the_parts_and_the_limits_that_are_asked_for():
    pose, detector, tracker = object(), SimpleNamespace(), Tracker()
    made = networks.Networks(pose, detector).pipeline(tracker, max_people=3, live=True)
    assert (made.pose, made.detector, made.tracker) == (pose, detector, tracker)
    assert (made.max_people, made._whole) == (3, False)


def test_auto_with_nothing_here_says_what_to_fetch(monkeypatch, tmp_path):
    monkeypatch.setenv("BODYPOSE3D_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"bodypose3d models fetch blazepose$"):
        load_networks(Options("auto"))


def test_auto_measures_what_is_here_and_loads_it():
    with load_networks(Options("auto", rate=0.1)) as loaded:
        assert loaded.pose.shape.size_factor >= 1


class Engine:
    @timed
    def infer(self, inputs):
        threading.Event().wait(0.01)
        return inputs


def test_networks_are_timed_for_whoever_asks_in_his_own_thread():
    engine = Engine()
    with network_time() as all_of_it:
        with network_time() as first:
            engine.infer({})
        other = threading.Thread(target=engine.infer, args=({},))
        other.start()
        other.join()
        assert all_of_it.seconds == first.seconds >= 0.01
        engine.infer({})
    assert all_of_it.seconds > first.seconds


def test_the_processs_time_is_read_for_who_asks_for_it_alone(clock):
    clock.before("engines.timed")
    readings = iter(range(100))
    clock.process_time = lambda: float(next(readings))
    with network_time() as wall:
        Engine().infer({})
        with network_time(cpu=True) as both:
            Engine().infer({})
        Engine().infer({})
    assert next(readings) == 2
    assert (both.cpu_seconds, both.counts_cpu) == (1, True)
    assert wall.seconds > both.seconds
