"""The registry: a network is named once, and everything a user can say about it follows."""

import threading
from pathlib import Path
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
    monkeypatch.setattr(networks, "load_all", None)
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

    monkeypatch.setattr(networks, "load_all", lambda *_, **__: [Engine(), Engine()])
    with pytest.raises(ModelError, match="damaged"):
        load_networks()
    assert Engine.closed == 2


class Known:
    """An engine that says which file it is of."""

    inputs = outputs = ()
    max_batch = None

    def __init__(self, path):
        self.description = str(path)

    def warm_up(self):
        pass

    def close(self):
        pass


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
    def seconds(engine, people):
        model, file = Path(engine.description).parts[-2:]
        if file == "detector.onnx":
            assert people == 1
            return 0.01
        assert people == 2
        return milliseconds.get(model.partition("-")[2] or "full", 5) / 1000

    def is_fetched(model):
        return (model.name.partition("-")[2] or "full") in here.split()

    def path(model, file):
        return models.folder(model) / file

    monkeypatch.setattr(models, "is_fetched", is_fetched)
    monkeypatch.setattr(models, "path", path)
    monkeypatch.setattr(networks, "load_all", lambda paths, *_, **__: list(map(Known, paths)))
    monkeypatch.setattr(networks, "_median_seconds", seconds)
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


def test_settings_of_single_networks_are_what_is_said_of_them():
    least, channels, height = (SETTINGS[name] for name in ("min_confidence", "channels",
                                                           "person_height"))  # fmt: skip
    assert (least.default, least.minimum, least.maximum) == (0.3, 0.0, 1.0)
    assert "is less sure of are unknown" in least.description
    assert (channels.default, channels.choices) == ("auto", ("auto", "BGR", "RGB"))
    assert "auto: BGR for BodyPose3DNet, RGB for SimCC" in channels.description
    assert (height.default, height.unit, height.maximum) == (0.0, "m", 2.7)
    with pytest.raises(InputError, match="person_height: no number is as large as that"):
        height.check(10**400)


def test_how_tall_people_are_is_told_to_every_blazepose():
    """Twice as tall as its people are on average, with its own factor on top, and surely so."""
    for name in ("blazepose", "blazepose-lite", "blazepose-heavy", "blazepose-int8"):
        network = NETWORKS[name]
        tall = 2 * network.shape.stature
        told = network.factory(SimpleNamespace(), network.shape, {"person_height": tall}).shape
        assert told.size_factor == pytest.approx(2 * network.shape.size_factor)
        assert told.size_sigma < network.shape.size_sigma
        assert network.factory(SimpleNamespace(), network.shape, {}).shape == network.shape


@pytest.mark.parametrize(
    ("options", "pose", "detector"),
    [
        ({}, "blazepose/landmarks.onnx", "blazepose/detector.onnx"),
        (
            {"model": "blazepose-lite"},
            "blazepose-lite/landmarks.onnx",
            "blazepose-lite/detector.onnx",
        ),
        ({"model": "blazepose", "model_file": "own.onnx"}, "own.onnx", "blazepose/detector.onnx"),
        ({"model": "contract.onnx"}, "contract.onnx", "blazepose/detector.onnx"),
        ({"model": "simcc", "model_file": "s.onnx"}, "s.onnx", "blazepose/detector.onnx"),
        ({"detector": "yolox", "detector_model": "y.onnx"}, "blazepose/landmarks.onnx", "y.onnx"),
    ],
)
def test_files_are_the_networks_own_unless_others_are_named(options, pose, detector):
    chosen = Options().changed(options)
    network = networks.chosen(chosen.model)

    def path(file):
        return file.name if file.model is None else f"{file.model.name}/{file.name}"

    assert path(networks._pose_file(network, chosen)) == pose
    assert path(networks._detector_file(network, chosen)) == detector


def test_a_server_is_talked_to_as_the_options_say():
    plain = networks._server(Options(triton_url="here:1"))
    assert plain == networks.Server("here:1", 1.0, None, None, None)
    told = networks._server(
        Options(triton_url="grpcs://here:1", triton_timeout=0.3, triton_root_certificates="r.pem",
                triton_certificate="c.pem", triton_private_key="k.pem")
    )  # fmt: skip
    files = (Path("r.pem"), Path("c.pem"), Path("k.pem"))
    assert told == networks.Server("grpcs://here:1", 0.3, *files)


def test_an_engine_that_hangs_is_told_of_for_as_long_as_the_longest_waits():
    given_up = []
    engines = [SimpleNamespace(silent_for=s, give_up=lambda s=s: given_up.append(s))
               for s in (0.0, 2.0, 1.0)]  # fmt: skip
    loaded = networks.Networks(None, None, tuple(engines))
    assert loaded.silent_for == 2.0
    loaded.give_up()
    assert given_up == [0.0, 2.0, 1.0]
    assert networks.Networks(None, None).silent_for == 0.0
