"""Engines: what they are given, what they refuse, and which one is taken."""

import sys
from hashlib import sha256

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose

from bodypose3d_ros.apps.cli import main
from bodypose3d_ros.engines import TensorInfo, models
from bodypose3d_ros.engines.batches import in_batches
from bodypose3d_ros.engines.load import load, load_all
from bodypose3d_ros.engines.onnxruntime import OnnxRuntimeEngine
from bodypose3d_ros.engines.precision import half_precision
from bodypose3d_ros.errors import EngineError, ModelError
from bodypose3d_ros.perception.pose.bodypose3dnet import INPUTS, OUTPUTS
from tensorrt_double import Machine
from tools.standin.contract import contract_network
from tools.standin.detectors import KINDS, detector_network
from tools.standin.graph import Graph
from tools.standin.keypoints import simcc_network
from tools.standin.load import load_network


@pytest.fixture(scope="module")
def contract(tmp_path_factory):
    return contract_network(tmp_path_factory.mktemp("network") / "contract.onnx")


# -- ONNX Runtime -------------------------------------------------------------------------------


def test_a_network_is_known_by_its_tensors(squares):
    engine = OnnxRuntimeEngine(squares(), threads=1)
    assert engine.inputs == (TensorInfo("x", (None, 2), np.dtype(np.float32)),)
    assert engine.outputs == (TensorInfo("y", (None, 2), np.dtype(np.float32)),)
    assert engine.max_batch is None
    assert engine.description == f"ONNX Runtime {onnxruntime.__version__} (CPU, 1 threads)"


@pytest.mark.parametrize("batch", ["N", 1, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_every_batch_is_answered_whatever_the_network_takes(squares, batch, count):
    engine = OnnxRuntimeEngine(squares(batch), threads=1)
    x = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
    assert_allclose(engine.infer({"x": x})["y"], x**2)


def test_batches_are_no_larger_than_asked_for():
    sizes = []

    def run(inputs):
        sizes.append(len(inputs["x"]))
        return {"y": inputs["x"] + 1}

    x = np.arange(20.0).reshape(10, 2)
    assert_allclose(in_batches(run, {"x": x}, 4, fixed=False)["y"], x + 1)
    assert_allclose(in_batches(run, {"x": x}, 4, fixed=True)["y"], x + 1)
    assert sizes == [4, 4, 2, 4, 4, 4]


def test_runs_that_give_more_than_others_are_put_together_with_zeros():
    """A detector of a batch of one, which gives as many boxes as are left, asked for two images."""

    def boxes(inputs):
        (count,) = inputs["x"].astype(int)
        return {"dets": np.ones((1, count, 5)), "labels": np.full((1, count), 7)}

    answer = in_batches(boxes, {"x": np.array([2.0, 0, 3])}, 1, fixed=True)
    assert answer["dets"].shape == (3, 3, 5)
    assert answer["dets"][..., 4].tolist() == [[1, 1, 0], [0, 0, 0], [1, 1, 1]]
    assert answer["labels"].tolist() == [[7, 7, 0], [0, 0, 0], [7, 7, 7]]


@pytest.mark.parametrize("inputs", [{}, {"z": np.zeros((1, 2), np.float32)}], ids=["none", "other"])
def test_inputs_that_are_not_the_networks_are_an_error(squares, inputs):
    inputs = inputs or {"x": np.zeros((1, 3), np.float32)}
    with pytest.raises(EngineError, match="ONNX Runtime failed"):
        OnnxRuntimeEngine(squares(), threads=1).infer(inputs)


def test_a_closed_engine_says_so(squares):
    engine = OnnxRuntimeEngine(squares(), threads=1)
    engine.warm_up()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.warm_up()


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_is_not_there_is_passed_over_loudly(squares, caplog):
    providers = ("CUDAExecutionProvider", "CPUExecutionProvider")
    engine = OnnxRuntimeEngine(squares(), providers=providers, threads=1)
    assert "CPU" in engine.description
    assert "CUDAExecutionProvider did not start: CPUExecutionProvider runs" in caplog.text


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_onnx_runtimes_own_tensorrt_keeps_its_engines_where_nobody_else_can_write(
    squares, tmp_path, monkeypatch, caplog
):
    monkeypatch.setenv("BODYPOSE3D_CACHE", str(tmp_path / "cache"))
    providers = ("TensorrtExecutionProvider", "CPUExecutionProvider")
    OnnxRuntimeEngine(squares(), providers=providers, threads=1)
    folder = tmp_path / "cache" / "engines" / "onnxruntime"
    assert folder.stat().st_mode & 0o077 == 0
    folder.chmod(0o777)
    OnnxRuntimeEngine(squares(), providers=providers, threads=1).warm_up()
    assert f"are not kept, each start builds them anew: {folder}: other users can" in caplog.text


# -- which one, and which files -------------------------------------------------------------------


def test_auto_says_what_it_took_and_why(contract, caplog, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with caplog.at_level("INFO"):
        engine = load(contract, threads=1)
    assert f"contract.onnx runs on {engine.description}: " in caplog.text
    assert "tensorrt and pycuda not installed, and ONNX Runtime was built without CUDA" in (
        caplog.text
    )


def test_networks_on_the_same_engine_for_the_same_reason_are_one_line(contract, squares, caplog):
    with caplog.at_level("INFO"):
        first, _ = load_all([contract, squares()], "onnxruntime", threads=1)
    told = f"contract.onnx and squares.onnx run on {first.description}: it was asked for"
    assert caplog.messages == [told]


def test_where_one_network_cannot_be_loaded_none_is(contract, tmp_path, monkeypatch):
    closed = []
    monkeypatch.setattr(OnnxRuntimeEngine, "close", lambda engine: closed.append(engine))
    with pytest.raises(ModelError, match="there is no such file"):
        load_all([contract, tmp_path / "gone.onnx"], "onnxruntime", threads=1)
    assert len(closed) == 1


@pytest.fixture
def without_tensorrt(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)


def test_tensorrt_asked_for_is_never_replaced(contract, without_tensorrt):
    with pytest.raises(EngineError, match=r"TensorRT does not load .*pip install tensorrt"):
        load(contract, "tensorrt")


def test_an_engine_nobody_knows_is_refused(contract):
    with pytest.raises(EngineError, match="'openvino': choose one of auto, onnxruntime, tensorrt"):
        load(contract, "openvino")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("model.etlt", b"\0", r"encrypted file .*bodypose3d models fetch bodypose3dnet-accuracy"),
        ("model.tlt", b"\0", "encrypted file"),
        ("model.engine", b"ftrt", "give the ONNX file it was made of"),
        ("gone.onnx", None, "there is no such file"),
        ("text.onnx", b"no network", "not an ONNX file, or a damaged one"),
        ("empty.onnx", b"", "not an ONNX file, or a damaged one"),
    ],
)
def test_files_that_are_no_networks_are_refused_with_what_to_do(tmp_path, name, content, says):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=says):
        load(path, threads=1)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_network_is_refused(contract, tmp_path, share):
    content = contract.read_bytes()
    path = tmp_path / "truncated.onnx"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match="damaged"):
        load(path, threads=1)


# -- half precision -------------------------------------------------------------------------------


def test_a_network_of_the_real_ones_size_keeps_its_answers_in_half_precision(tmp_path):
    macs = load_network(tmp_path / "full.onnx")
    assert 7e9 < macs < 8e9  # HRNet-W32's 7.1 and the heads
    onnx.save(half_precision(onnx.load(tmp_path / "full.onnx")), tmp_path / "half.onnx")
    # Half the weights, hence half the file.
    full, half = (tmp_path / name for name in ("full.onnx", "half.onnx"))
    assert 0.49 < half.stat().st_size / full.stat().st_size < 0.52
    random = np.random.default_rng(0)
    inputs = {name: np.ones((1, *shape), np.float32) for name, shape in INPUTS.items()}
    inputs["input0"] = random.uniform(0, 1, (1, *INPUTS["input0"])).astype(np.float32)
    inputs["t_form_inv"] = inputs["k_inv"] = np.eye(3, dtype=np.float32)[None]
    a, b = (OnnxRuntimeEngine(path, threads=2).infer(inputs) for path in (full, half))
    assert set(a) == set(OUTPUTS)
    # A fifth of a cell of the heatmap, from weights of 11 bits; on the CPU, ONNX Runtime adds and
    # multiplies in FP32 all the same.
    assert np.median(np.abs(a["pose2d"] - b["pose2d"])[..., :2]) < 0.8


def test_a_network_that_half_precision_breaks_is_refused():
    g = Graph()
    g.op("Conv", "input0", g.constant(np.ones((1, 3, 1, 1))), name="a")
    # CumSum takes FP32, and a convolution needs it.
    g.op("Erf", g.op("CumSum", "a", g.constant(1, np.int64)), name="b")
    g.op("Conv", "b", g.constant(np.ones((1, 1, 1, 1))), name="c")
    g.op("BitShift", "c", "c", direction="LEFT", name="y")
    graph = onnx.helper.make_graph(
        g.nodes, "broken",
        [onnx.helper.make_tensor_value_info("input0", 1, [1, 3, 4, 4])],
        [onnx.helper.make_tensor_value_info("y", 1, [1, 1, 4, 4])], g.constants,
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    with pytest.raises(ModelError, match=r"cannot be converted.*--fp32"):
        half_precision(model)


# -- the command line ---------------------------------------------------------------------------


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_info_tells_a_networks_tensors_and_which_option_takes_it(contract, squares, tmp_path):
    answer = run("engine", "info", contract)
    assert answer.exit_code == 0
    assert "output pose25d Nx34x4 float32" in answer.output
    assert "--model takes it" in answer.output
    answer = run("engine", "info", simcc_network(tmp_path / "pose.onnx"))
    assert "--model simcc --model-file takes it" in answer.output
    for kind in KINDS:
        answer = run("engine", "info", detector_network(tmp_path / "find.onnx", kind))
        assert f"--detector {kind} --detector-model takes it" in answer.output
    answer = run("engine", "info", squares())
    assert answer.exit_code == 4
    assert "input  x Nx2 float32" in answer.output
    assert "input k_inv is missing" in answer.output


def test_info_tells_whose_network_a_file_is_by_its_content(tmp_path):
    """Wherever it lies and whatever it is called; one that was changed is nobody's."""
    for file, option in (
        ("landmarks.onnx", "--model blazepose --model-file takes it"),
        ("detector.onnx", ""),
    ):
        content = models.path(models.BLAZEPOSE, file).read_bytes()
        (tmp_path / "copy.onnx").write_bytes(content)
        answer = run("engine", "info", tmp_path / "copy.onnx")
        assert answer.exit_code == 0
        assert f"It is {file} of blazepose, as it was fetched." in answer.output
        assert f"SHA-256 {sha256(content).hexdigest()}" in answer.output
        assert option in answer.output
    network = onnx.load(models.path(models.BLAZEPOSE, "landmarks.onnx"))
    network.doc_string = "changed"
    onnx.save(network, tmp_path / "copy.onnx")
    answer = run("engine", "info", tmp_path / "copy.onnx")
    assert answer.exit_code == 0
    assert "as it was fetched" not in answer.output
    assert "the tensors of BlazePose's landmark network" in answer.output


@pytest.mark.parametrize(("option", "precision"), [("--fp16", "half"), ("--fp32", "full")])
def test_an_engine_is_built_and_told_of(contract, tmp_path, monkeypatch, option, precision):
    monkeypatch.setenv("BODYPOSE3D_CACHE", str(tmp_path))
    Machine().install(monkeypatch)
    answer = run("engine", "build", contract, option, "--max-batch", 4)
    assert answer.exit_code == 0, answer.output
    assert "contract.onnx: TensorRT 10.3.0" in answer.output
    (folder,) = (tmp_path / "engines").glob("contract-*")
    for file in (folder, folder / "model.engine"):
        answer = run("engine", "info", file)
        assert answer.exit_code == 0, answer.output
        words = " ".join(answer.output.split())
        assert "TensorRT: 10.3.0 GPU: NVIDIA Orin (compute capability 8.7)" in words
        assert f"precision: {precision}" in words
        assert "largest batch: 4" in words


def test_an_engine_that_could_not_be_kept_is_not_built_by_hand(contract, tmp_path, monkeypatch):
    monkeypatch.setenv("BODYPOSE3D_CACHE", str(tmp_path))
    machine = Machine()
    machine.install(monkeypatch)
    tmp_path.chmod(0o777)
    answer = run("engine", "build", contract)
    assert answer.exit_code == 4
    assert f"chmod go-w {tmp_path}" in "".join(answer.output.splitlines())
    assert machine.builds == 0


def test_an_engine_from_elsewhere_is_told_apart(tmp_path):
    (tmp_path / "foreign.engine").write_bytes(b"ftrt")
    answer = run("engine", "info", tmp_path / "foreign.engine")
    assert answer.exit_code == 4
    assert "is not an engine that this program built" in " ".join(answer.output.split())


def test_building_without_tensorrt_says_what_to_install(contract, without_tensorrt):
    answer = run("engine", "build", contract)
    assert answer.exit_code == 4
    assert "pip install tensorrt" in answer.output
