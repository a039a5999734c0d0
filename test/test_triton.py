"""Networks on a server: what is asked and answered, and what becomes of a server that fails.

Most of it before a server of ours that speaks the same protocol and fails to order; the last part
before Triton itself, which ``make triton`` brings.
"""

import shutil
import socket
import subprocess
import threading
import time
from contextlib import suppress
from hashlib import sha256
from itertools import count, islice

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose, assert_array_equal

from bodypose3d_ros.apps.cli import main
from bodypose3d_ros.engines import TensorInfo, models, repository
from bodypose3d_ros.engines.batches import zeros
from bodypose3d_ros.engines.int8 import in_8_bits, read_ranges
from bodypose3d_ros.engines.onnxruntime import OnnxRuntimeEngine
from bodypose3d_ros.engines.pixels import taking_bytes
from bodypose3d_ros.engines.triton import Connection, Server, TritonEngine
from bodypose3d_ros.errors import EngineError, InputError
from bodypose3d_ros.media import film
from bodypose3d_ros.node import interface as topics
from bodypose3d_ros.node.diagnostics import ERROR, OK, State
from bodypose3d_ros.perception.crop import as_input, to_tensor
from bodypose3d_ros.perception.networks import Options, load_networks
from bodypose3d_ros.perception.tracking.tracker import Tracker
from kserve_server import MAX_BATCH, serving
from node_alone import SECOND, STAMP, alive
from tensorrt_double import Machine
from tools.standin.contract import contract_network
from tools.triton.server import NotHereError, TritonServer

PATIENCE_S = 30.0
"""For what comes, or comes back, by itself: tests share the machine."""
SOON_S = 0.3
"""For what does not come."""

LANDMARKS, DETECTOR = "blazepose-landmarks", "blazepose-detector"
SHOWN = film.load("one_person")


@pytest.fixture
def server(squares):
    with serving({"squares": squares()}) as started:
        yield started


@pytest.fixture
def engine(server):
    made = TritonEngine(Connection(Server(server.url, timeout=PATIENCE_S)), "squares")
    yield made
    made.close()


@pytest.fixture
def impatient(server):
    made = TritonEngine(Connection(Server(server.url, timeout=SOON_S)), "squares")
    yield made
    made.close()


TYPE_UINT8 = 2
"""In Triton's model_config.proto."""
X = np.arange(6, dtype=np.float32).reshape(3, 2)


def comes_back(engine):
    """The first answer after trouble."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with suppress(EngineError):
            return engine.infer({"x": X})["y"]
        time.sleep(0.03)  # as images come
    raise AssertionError("it did not come back")


# -- asking -------------------------------------------------------------------------------------


def test_a_served_network_is_known_by_its_tensors(engine, server):
    assert engine.inputs == (TensorInfo("x", (None, 2), np.dtype(np.float32)),)
    assert engine.outputs == (TensorInfo("y", (None, 2), np.dtype(np.float32)),)
    assert engine.max_batch == MAX_BATCH
    assert engine.description == f"Triton 1.2.3 at {server.url} (squares)"


def test_crops_travel_in_one_batch_and_no_larger_than_the_server_takes(engine, server):
    for people in (0, 1, 3, MAX_BATCH, MAX_BATCH + 3):
        x = np.arange(2 * people, dtype=np.float32).reshape(people, 2)
        assert_array_equal(engine.infer({"x": x})["y"], x**2)
    assert server.batches == [1, 3, MAX_BATCH, MAX_BATCH, 3]


def test_a_network_whose_batch_is_fixed_is_given_that(squares):
    with serving({"squares": squares(2)}) as server:
        engine = TritonEngine(Connection(Server(server.url, PATIENCE_S)), "squares")
        assert engine.max_batch == 2
        for people in (0, 3):
            assert_array_equal(engine.infer({"x": X[:people]})["y"], X[:people] ** 2)
        assert server.batches == [2, 2]
        engine.close()


def test_several_threads_use_one_engine(engine):
    answers = {}

    def ask(number):
        x = np.full((2, 2), number, np.float32)
        answers[number] = [engine.infer({"x": x})["y"] for _ in range(20)]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((np.array(answers[number]) == number**2).all() for number in range(4))


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({}, "input x is missing"),
        ({"x": np.zeros((1, 3))}, "input x has shape"),
        ({"x": np.zeros((1, 2), complex)}, "input x is complex128, not float32"),
    ],
)
def test_inputs_that_are_not_the_networks_are_an_error(engine, server, inputs, says):
    with pytest.raises(EngineError, match=says):
        engine.infer(inputs)
    assert server.batches == []


def test_a_network_that_the_server_has_not_is_told_with_what_to_do(server):
    with pytest.raises(EngineError, match=r"has no network cubes .*engine export-triton"):
        TritonEngine(Connection(Server(server.url)), "cubes")


def test_a_closed_engine_says_so(engine):
    engine.warm_up()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.warm_up()


# -- failing ------------------------------------------------------------------------------------


def test_an_answer_that_is_late_is_not_waited_for_and_the_next_one_counts(impatient, server):
    server.answers.clear()
    with pytest.raises(EngineError, match=r"squares has not answered within 0\.3 s"):
        impatient.infer({"x": X})
    server.answers.set()
    assert_array_equal(comes_back(impatient), X**2)


def test_a_server_that_is_gone_is_said_at_once_and_found_when_it_is_back(engine, server):
    server.stop()
    for _ in range(3):
        with pytest.raises(EngineError, match=r"no Triton server answers .*is it running"):
            engine.infer({"x": X})
    server.start()
    assert_array_equal(comes_back(engine), X**2)


class Cable:
    """Between a client and a port: what goes through connections that were cut is lost silently."""

    def __init__(self, port):
        self.cut = []
        """Ends of connections whose bytes get lost."""
        self._port, self._open = port, []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._begin(self._accept)

    def pull(self):
        self.cut += self._open

    def close(self):
        for each in (self._listener, *self._open):
            each.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                self._open += [near, far]
                self._begin(self._carry, near, far)
                self._begin(self._carry, far, near)

    def _carry(self, source, target):
        with suppress(OSError):
            while content := source.recv(1 << 16):
                if source not in self.cut:
                    target.sendall(content)

    def _begin(self, work, *arguments):
        threading.Thread(target=work, args=arguments, daemon=True).start()


def test_a_connection_on_which_nothing_comes_any_more_is_given_up(server):
    """As when a machine or a cable goes: nobody says that the connection has ended."""
    cable = Cable(server.port)
    engine = TritonEngine(Connection(Server(cable.url, timeout=SOON_S)), "squares")
    assert_array_equal(comes_back(engine), X**2)
    cable.pull()
    with pytest.raises(EngineError, match=r"has not answered within 0\.3 s"):
        engine.infer({"x": X})
    assert_array_equal(comes_back(engine), X**2)
    engine.close()
    cable.close()


def test_a_connection_that_is_given_up_is_so_for_every_network_of_the_server(squares):
    """Else an image waits for each of them in turn, after the server is back."""
    with serving({"squares": squares(), "others": squares(2)}) as server:
        cable = Cable(server.port)
        connection = Connection(Server(cable.url, timeout=1.0))
        engines = [TritonEngine(connection, name) for name in ("squares", "others")]
        for engine in engines:
            assert_array_equal(comes_back(engine), X**2)
        cable.pull()
        with pytest.raises(EngineError, match="squares has not answered within 1 s"):
            engines[0].infer({"x": X})
        assert_array_equal(engines[1].infer({"x": X})["y"], X**2)
        connection.close()
        cable.close()


def without_a_tensor(answer):
    answer.ClearField("outputs")
    answer.ClearField("raw_output_contents")
    return answer


def of_fewer_people(answer):
    answer.outputs[0].shape[0] = 2
    answer.raw_output_contents[0] = answer.raw_output_contents[0][:16]
    return answer


def of_fewer_bytes(answer):
    answer.raw_output_contents[0] = answer.raw_output_contents[0][:-3]
    return answer


def of_another_type(answer):
    answer.outputs[0].datatype = "INT32"
    return answer


def of_no_type(answer):
    answer.outputs[0].datatype = "COMPLEX"
    return answer


@pytest.mark.parametrize(
    "spoil",
    [without_a_tensor, of_fewer_people, of_fewer_bytes, of_another_type, of_no_type],
)
def test_an_answer_that_cannot_be_one_is_refused_and_the_next_one_counts(engine, server, spoil):
    server.spoil = spoil
    with pytest.raises(EngineError, match="squares answers with something else"):
        engine.infer({"x": X})
    server.spoil = lambda answer: answer
    assert_array_equal(engine.infer({"x": X})["y"], X**2)


def test_a_server_that_is_not_there_at_the_start_is_said():
    with pytest.raises(EngineError, match=r"127\.0\.0\.1:1: no Triton server answers"):
        TritonEngine(Connection(Server("127.0.0.1:1")), "squares")


# -- who may listen -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A key and a certificate of localhost that signs itself."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here, which makes certificates")
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out",
         certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, certificate


def test_tls_lets_in_whom_both_sides_know(squares, certificates):
    key, certificate = certificates
    with serving({"squares": squares()}, tls=certificates) as server:
        url = f"grpcs://localhost:{server.port}"
        engine = TritonEngine(
            Connection(Server(url, PATIENCE_S, certificate, certificate, key)), "squares"
        )
        assert_array_equal(engine.infer({"x": X})["y"], X**2)
        engine.close()
        for stranger in (Server(url), Server(url, 1.0, certificate), Server(url[8:])):
            with pytest.raises(EngineError, match="no Triton server answers"):
                TritonEngine(Connection(stranger), "squares")


def test_certificates_are_never_forgotten_silently(tmp_path):
    with pytest.raises(EngineError, match="for TLS only: write grpcs://host:8001"):
        Server("host:8001", root_certificates=tmp_path / "root.pem").client()
    with pytest.raises(EngineError, match=r"root\.pem: cannot be read"):
        Server("grpcs://host:8001", root_certificates=tmp_path / "root.pem").client()


# -- a repository -------------------------------------------------------------------------------


def export(*arguments):
    return CliRunner().invoke(main, ["engine", "export-triton", *map(str, arguments)])


def test_a_repository_holds_what_the_server_is_to_know(tmp_path, squares):
    answer = export(tmp_path / "served", squares(), "--queue-delay", 1.5, "--instances", 2)
    assert answer.exit_code == 0, answer.output
    folder = tmp_path / "served/squares"
    assert answer.output.split() == [str(folder)]
    assert (folder / "1/model.onnx").read_bytes() == squares().read_bytes()
    config = read_config(folder)
    assert (config.name, config.backend, config.max_batch_size) == ("squares", "onnxruntime", 8)
    assert config.dynamic_batching.max_queue_delay_microseconds == 1500
    assert [(t.name, t.data_type, list(t.dims)) for t in config.input] == [("x", 11, [2])]
    assert [(t.name, t.data_type, list(t.dims)) for t in config.output] == [("y", 11, [2])]
    assert [group.count for group in config.instance_group] == [2]
    assert [each.batch_size for each in config.model_warmup] == [1, 8]


def test_a_network_whose_batch_is_fixed_is_not_batched(tmp_path, squares):
    assert export(tmp_path, squares(2)).exit_code == 0
    config = read_config(tmp_path / "squares")
    assert (config.max_batch_size, config.HasField("dynamic_batching")) == (0, False)
    assert [list(tensor.dims) for tensor in config.input] == [[2, 2]]


def test_a_repository_that_cannot_be_written_is_an_error(tmp_path, squares):
    (tmp_path / "file").write_text("in the way")
    answer = export(tmp_path / "file" / "served", squares())
    assert answer.exit_code == 3
    assert answer.output.startswith(f"error: {tmp_path / 'file' / 'served'}: cannot be written to")


def test_blazepose_takes_crops_as_bytes(tmp_path):
    assert export(tmp_path, "blazepose").exit_code == 0
    for network, size in ((LANDMARKS, 256), (DETECTOR, 224)):
        (pixels,) = read_config(tmp_path / network).input
        assert (pixels.name, list(pixels.dims)) == ("input", [3, size, size])
        assert pixels.data_type == TYPE_UINT8
        engine = OnnxRuntimeEngine(tmp_path / network / "1/model.onnx")
        assert engine.inputs[0].dtype == np.uint8


def test_blazepose_keeps_its_heatmaps_to_itself(tmp_path):
    assert export(tmp_path, "blazepose").exit_code == 0
    told = {each.name: list(each.dims) for each in read_config(tmp_path / LANDMARKS).output}
    assert told == {"landmarks": [195], "presence": [1], "world": [117], "refined": [39, 2]}


def test_the_network_in_8_bits_is_served_as_well(tmp_path, monkeypatch):
    """Whose nodes the quantizer leaves in another order than ONNX wants them in."""
    detector, landmarks = models.paths("blazepose")
    fetched = tmp_path / "cache/blazepose-int8"
    fetched.mkdir(parents=True)
    shutil.copyfile(detector, fetched / detector.name)
    ranges = read_ranges(models.DATA / "blazepose_int8.json")
    onnx.save(in_8_bits(onnx.load(landmarks), ranges), fetched / landmarks.name)
    sums = [f"{sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in fetched.iterdir()]
    (fetched / models.SUMS).write_text("".join(sums))
    monkeypatch.setenv("BODYPOSE3D_CACHE", str(tmp_path / "cache"))
    answer = export(tmp_path / "served", "blazepose-int8")
    assert answer.exit_code == 0, answer.output
    engine = OnnxRuntimeEngine(tmp_path / "served/blazepose-int8-landmarks/1/model.onnx")
    assert engine.infer(zeros(engine.inputs))["refined"].shape == (1, 39, 2)


@pytest.mark.parametrize("network", [LANDMARKS, DETECTOR])
def test_of_bytes_a_network_answers_what_it_does_of_floats(tmp_path, network):
    file = repository.networks_of("blazepose")[network]
    assert export(tmp_path, "blazepose").exit_code == 0
    floats, of_bytes = (
        OnnxRuntimeEngine(path, threads=1)
        for path in (file.path(), tmp_path / network / "1/model.onnx")
    )
    size = floats.inputs[0].shape[2]
    crops = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), np.uint8)
    wanted, found = (
        engine.infer({"input": as_input(engine.inputs[0], crops, file.part.value_range)})
        for engine in (floats, of_bytes)
    )
    if network == DETECTOR:
        which = found["likeliest_anchors"]
        wanted = {
            f"likeliest_{name}": np.take_along_axis(tensor, which, axis=1)
            for name, tensor in wanted.items()
        }
    compared = wanted.keys() & found.keys()
    assert (
        compared
        == {
            LANDMARKS: {"landmarks", "presence", "world"},
            DETECTOR: {"likeliest_boxes", "likeliest_scores"},
        }[network]
    )
    for name in compared:
        assert_allclose(found[name], wanted[name], rtol=1e-5, atol=1e-4)


def test_a_plan_is_served_where_one_can_be_built(tmp_path, monkeypatch):
    monkeypatch.setenv("BODYPOSE3D_CACHE", str(tmp_path / "cache"))
    machine = Machine()
    machine.install(monkeypatch)
    file = contract_network(tmp_path / "contract.onnx")
    answer = export(tmp_path / "served", file, "--tensorrt", "--max-batch", 4)
    assert answer.exit_code == 0, answer.output
    (kept,) = (tmp_path / "cache/engines").glob("contract-*/model.engine")
    folder = tmp_path / "served/contract"
    assert (folder / "1/model.plan").read_bytes() == kept.read_bytes()
    assert not (folder / "1/model.onnx").exists()
    assert (read_config(folder).backend, read_config(folder).max_batch_size) == ("tensorrt", 4)


def test_what_is_served_is_replaced_on_request_only(tmp_path, squares):
    file = squares()
    export(tmp_path / "served", file)
    (tmp_path / "served/squares/labels.txt").write_text("mine")
    answer = export(tmp_path / "served", file)
    assert answer.exit_code == 2
    assert "squares: exists already" in " ".join(answer.output.split())
    assert (tmp_path / "served/squares/labels.txt").exists()
    assert export(tmp_path / "served", file, "--overwrite").exit_code == 0
    assert not (tmp_path / "served/squares/labels.txt").exists()


def test_what_is_neither_a_model_nor_a_file_is_said_with_what_there_is(tmp_path):
    answer = export(tmp_path / "served", "auto")
    assert answer.exit_code == 4
    assert "there is no model 'auto': choose one of blazepose" in " ".join(answer.output.split())


def test_what_is_no_network_leaves_nothing_behind(tmp_path):
    (tmp_path / "text.onnx").write_text("no network")
    assert export(tmp_path / "served", tmp_path / "text.onnx").exit_code == 4
    assert list((tmp_path / "served").iterdir()) == []


def read_config(folder):
    from google.protobuf import text_format
    from tritonclient.grpc.model_config_pb2 import ModelConfig

    return text_format.Parse((folder / "config.pbtxt").read_text(), ModelConfig())


# -- people -------------------------------------------------------------------------------------


def test_a_server_must_be_named(tmp_path):
    with pytest.raises(InputError, match="triton_url: name the server"):
        load_networks(Options(engine="triton"))
    with pytest.raises(InputError, match="model: auto measures this machine"):
        load_networks(Options("auto", engine="triton", triton_url="host:8001"))


def blazepose():
    """As it was fetched: it takes floats."""
    return {name: file.path() for name, file in repository.networks_of("blazepose").items()}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A repository of BlazePose, which takes bytes."""
    folder = tmp_path_factory.mktemp("served")
    repository.write(repository.networks_of("blazepose"), folder, repository.Serving())
    return folder


def options(url, **others):
    return Options(engine="triton", triton_url=url, **others)


def test_networks_may_have_other_names_on_the_server():
    files = blazepose()
    served = {"pose": files[LANDMARKS], "boxes": files[DETECTOR]}
    with serving(served) as server:
        chosen = options(server.url, triton_model="pose", triton_detector="boxes")
        with load_networks(chosen) as networks:
            assert networks.pose.engine.description.endswith("(pose)")
            assert networks.detector.engine.description.endswith("(boxes)")


@pytest.fixture
def live(alone):
    """Starts nodes on networks of a server, before a picture of one person that goes on."""

    def starter(server):
        frame = next(SHOWN.frames())
        patience = {"triton_timeout": PATIENCE_S, "engine_timeout": 2 * PATIENCE_S}
        node = alone(load=load_networks, engine="triton", triton_url=server.url, **patience)
        node.info(SHOWN.frame_id, frame.camera)
        stamps = count(STAMP, SECOND // 1000)

        def show():
            stamp = next(stamps)
            node.image(frame.image, stamp, SHOWN.frame_id)
            return stamp

        return node, show

    return starter


def stamps_of_poses(node):
    headers = [message.header for message in node.host.sent[topics.POSES]]
    return [header.stamp.sec * SECOND + header.stamp.nanosec for header in headers]


def check_an_outage(node, show, stop, start):
    """Poses stop, the node says why, and they come back by themselves."""
    before = show()
    node.wait(topics.POSES)
    stop()
    for images in range(1, 4):
        show()
        node.skipped(images)
    report = node.core.diagnose()
    assert report.level == ERROR
    assert "no Triton server answers" in report.message
    end = time.monotonic() + PATIENCE_S
    while (state_and_reason := alive(node)[::2]) != (State.BLIND, report.message):
        assert time.monotonic() < end, state_and_reason
        show()
        time.sleep(0.05)
    assert stamps_of_poses(node) == [before]
    start()
    shown = set()
    end = time.monotonic() + PATIENCE_S
    while len(stamps_of_poses(node)) < 2:
        assert time.monotonic() < end, "no poses came back"
        shown.add(show())
        time.sleep(0.1)
    # None of the images that were shown meanwhile is told of later.
    assert set(stamps_of_poses(node)) <= {before} | shown
    assert node.core.diagnose().level == OK


def test_without_its_server_a_node_says_so_and_is_silent_until_it_is_back(live):
    with serving(blazepose()) as server:
        check_an_outage(*live(server), server.stop, server.start)


def people(options, frames):
    with load_networks(options) as networks:
        pipeline = networks.pipeline(Tracker())
        return [pipeline(frame) for frame in frames]


def check_poses_are_the_local_ones(url):
    frames = list(islice(film.load("two_people").frames(), 8))
    here = people(Options(engine="onnxruntime"), frames)
    there = people(options(url, triton_timeout=PATIENCE_S), frames)
    assert sum(map(len, here)) >= 12
    for ours, theirs in zip(here, there, strict=True):
        assert_array_equal(ours.track_id, theirs.track_id)
        assert_allclose(theirs.pixels, ours.pixels, atol=1e-3)
        assert_allclose(theirs.joints, ours.joints, atol=1e-4)


def test_poses_of_a_server_are_the_local_ones():
    with serving(blazepose()) as server:
        check_poses_are_the_local_ones(server.url)
        assert max(server.batches) > 1
        assert set(server.bytes_a_person) == {3 * 256 * 256 * 4, 3 * 224 * 224 * 4}


def test_what_is_exported_gets_bytes_and_answers_in_brief_with_the_same_poses(exported, caplog):
    networks = {name: exported / name / "1/model.onnx" for name in blazepose()}
    with serving(networks) as server:
        check_poses_are_the_local_ones(server.url)
        assert set(server.bytes_a_person) == {3 * 256 * 256, 3 * 224 * 224}
        # 39 landmarks of five floats, three, and two doubles, and one; 64 candidates of 13, and
        # their numbers.
        assert set(server.bytes_back) == {39 * (8 * 4 + 2 * 8) + 4, 64 * (13 * 4 + 8)}
    assert "heatmaps" not in caplog.text


def test_what_was_exported_before_works_on_and_is_said(tmp_path, caplog):
    """It takes bytes, and answers with heatmaps."""
    networks = {name: tmp_path / f"{name}.onnx" for name in blazepose()}
    for name, file in repository.networks_of("blazepose").items():
        network = taking_bytes(onnx.load(file.path()), file.part.value_range)
        onnx.save(network, networks[name])
    with serving(networks) as server:
        check_poses_are_the_local_ones(server.url)
        assert max(server.bytes_back) == (39 * (8 + 64 * 64) + 1) * 4
    assert f"{LANDMARKS} answers with heatmaps, 640 kB a person" in caplog.text


def test_floats_are_never_cut_to_bytes(exported):
    """Pixels of 0 to 1 would be black."""
    networks = {"landmarks": exported / "blazepose-landmarks/1/model.onnx"}
    with serving(networks) as server:
        engine = TritonEngine(Connection(Server(server.url, PATIENCE_S)), "landmarks")
        with pytest.raises(EngineError, match="input input is float32, not uint8"):
            engine.infer({"input": np.ones((1, 3, 256, 256), np.float32)})
        engine.close()


# -- Triton itself --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def triton_server(exported):
    try:
        server = TritonServer(exported)
    except NotHereError as error:
        pytest.skip(str(error))
    with server:
        yield server


def test_triton_takes_what_is_exported_and_gives_the_local_poses(triton_server):
    check_poses_are_the_local_ones(triton_server.url)


def test_triton_puts_what_robots_ask_at_the_same_time_into_one_run(triton_server):
    """And gives each of them its own back."""
    robots, runs = 6, 5
    local = OnnxRuntimeEngine(blazepose()[LANDMARKS], threads=1)
    shown = np.random.default_rng(0).integers(0, 256, (robots, 1, 256, 256, 3), np.uint8)
    wanted = [local.infer({"input": to_tensor(each, (0, 1))})["world"] for each in shown]
    crops = [each[..., ::-1].transpose(0, 3, 1, 2) for each in shown]
    engines = [
        TritonEngine(Connection(Server(triton_server.url, timeout=30)), LANDMARKS)
        for _ in range(robots)
    ]
    together = threading.Barrier(robots)
    answers = {}

    def ask(robot):
        for _ in range(runs):
            together.wait()
            answers[robot] = engines[robot].infer({"input": crops[robot]})["world"]

    before = inferences(engines[0])
    threads = [threading.Thread(target=ask, args=(robot,)) for robot in range(robots)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for robot in range(robots):
        assert_allclose(answers[robot], wanted[robot], atol=1e-4)
    # Triton counts a run once its answers have left.
    end = time.monotonic() + PATIENCE_S
    while (counted := inferences(engines[0]) - before)[0] < robots * runs:
        assert time.monotonic() < end, "Triton has not run what it answered"
        time.sleep(0.03)
    asked, ran = counted
    assert asked == robots * runs
    assert ran < asked
    for engine in engines:
        engine.close()


def inferences(engine):
    """How many people Triton was asked for, and in how many runs."""
    ask = Server(engine._server.url).client().get_inference_statistics
    (told,) = ask(engine._name).model_stats
    return np.array([told.inference_count, told.execution_count])


def test_a_node_outlives_triton_itself(live, triton_server):
    check_an_outage(*live(triton_server), triton_server.kill, triton_server.start)
