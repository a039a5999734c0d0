"""TensorRT: the same tests on doubles of versions 8.6 to 11 and, with ``-m gpu``, on hardware."""

import errno
import gc
import hashlib
import json
import os
import pathlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose

from bodypose3d_ros.apps.cli import main
from bodypose3d_ros.engines import cache, cuda, plans
from bodypose3d_ros.engines.load import load
from bodypose3d_ros.engines.onnxruntime import OnnxRuntimeEngine
from bodypose3d_ros.engines.precision import half_precision
from bodypose3d_ros.engines.tensorrt import load_tensorrt
from bodypose3d_ros.errors import EngineError, ModelError
from bodypose3d_ros.perception.pose.bodypose3dnet import INPUTS, OUTPUTS
from people_made_up import roomy
from tensorrt_double import Machine
from test_bodypose3dnet import (
    FOUR_PLACES,
    PINHOLE,
    BodyPose3DNet,
    errors,
    lift,
    people,
    regions_of,
    view,
)
from tools.standin.contract import contract_network

VERSIONS = ["8.6.1", "9.3.0", "10.3.0", "11.4.0.106"]
FULL = plans.BuildOptions(fp16=False)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return contract_network(tmp_path_factory.mktemp("network") / "contract.onnx")


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """An empty cache of ours."""
    monkeypatch.setenv("BODYPOSE3D_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "engines"


@pytest.fixture(params=[*VERSIONS, pytest.param("real", marks=pytest.mark.gpu)])
def anywhere(request, kept, monkeypatch):
    """TensorRT of each version, and the real one where there is a GPU."""
    if request.param != "real":
        Machine(request.param).install(monkeypatch)
        return
    try:
        cuda.device()
    except EngineError as error:
        pytest.skip(f"not run on hardware: {error}")


@pytest.fixture
def machine(kept, monkeypatch):
    """A machine without faults; give it some."""
    machine = Machine()
    machine.install(monkeypatch)
    return machine


@pytest.fixture(scope="module")
def batch(network):
    """Inputs of 11 people, all different, and what ONNX Runtime makes of them."""
    random = np.random.default_rng(1)
    reference = OnnxRuntimeEngine(network, threads=2)
    crops = []
    for seed in range(11):
        joints = roomy(seed, (random.uniform(-0.5, 0.5), 0, 3.0))[None]
        recorded = _Recording(reference)
        BodyPose3DNet(recorded).estimate(view(joints), regions_of(joints))
        crops.append(recorded.seen)
    inputs = {name: np.concatenate([crop[name] for crop in crops]) for name in INPUTS}
    return inputs, reference.infer(inputs)


class _Recording:
    def __init__(self, engine):
        self.engine, self.inputs, self.outputs = engine, engine.inputs, engine.outputs

    def infer(self, inputs):
        self.seen = inputs
        return self.engine.infer(inputs)


def taken(tensors, count):
    return {name: array[:count] for name, array in tensors.items()}


# -- on doubles and on hardware -----------------------------------------------------------------


def test_it_answers_as_onnx_runtime_does(anywhere, network, batch):
    """Any batch, also one larger than the engine's, and one after another."""
    inputs, expected = batch
    engine = load_tensorrt(network, FULL)
    for count in (1, 4, 8, 11, 2):
        answer = engine.infer(taken(inputs, count))
        for name in ("pose2d", "pose2d_org_img", "pose25d"):
            assert_allclose(answer[name], expected[name][:count], atol=0.02, err_msg=name)
        assert_allclose(answer["pose3d"], expected["pose3d"][:count], atol=2)  # millimetres
    engine.close()


def test_half_precision_leaves_the_geometry_alone(anywhere, network, batch):
    inputs, expected = batch
    engine = load_tensorrt(network, plans.BuildOptions(fp16=True))
    answer = engine.infer(inputs)
    assert_allclose(answer["pose25d"][..., :2], expected["pose25d"][..., :2], atol=0.1)
    assert_allclose(answer["pose3d"], expected["pose3d"], atol=2)  # millimetres: FP16 has none
    assert {array.dtype for array in answer.values()} == {np.dtype(np.float32)}
    assert "FP16" in engine.description
    engine.close()


def test_from_an_image_to_metres(anywhere, network):
    joints = people(FOUR_PLACES)
    engine = load_tensorrt(network, FULL)
    bodies = lift(BodyPose3DNet(engine).estimate(view(joints), regions_of(joints)), PINHOLE)
    assert errors(bodies, joints).mean() < 0.005
    engine.close()


def test_it_knows_its_tensors_and_its_largest_batch(anywhere, network):
    engine = load_tensorrt(network, plans.BuildOptions(max_batch=4))
    assert {t.name: t.shape for t in engine.inputs} == {n: (None, *s) for n, s in INPUTS.items()}
    assert {t.name: t.shape for t in engine.outputs} == {n: (None, *s) for n, s in OUTPUTS.items()}
    assert engine.max_batch == 4
    nobody = engine.infer({n: np.zeros((0, *s), np.float32) for n, s in INPUTS.items()})
    assert {n: a.shape for n, a in nobody.items()} == {n: (0, *s) for n, s in OUTPUTS.items()}
    engine.close()


def test_a_network_of_a_fixed_batch_needs_no_profile(anywhere, tmp_path, batch):
    inputs, expected = batch
    engine = load_tensorrt(contract_network(tmp_path / "two.onnx", batch=2), FULL)
    assert engine.max_batch == 2
    for count in (0, 5):
        answer = engine.infer(taken(inputs, count))
        assert_allclose(answer["pose25d"], expected["pose25d"][:count], atol=0.02)
    engine.close()


def test_any_thread_may_use_it(anywhere, network, batch):
    inputs, expected = batch
    engine = load_tensorrt(network, FULL)
    wrong = []

    def work(first):
        for person in range(first, 11, 3):
            answer = engine.infer({n: a[person : person + 1] for n, a in inputs.items()})
            if not np.allclose(answer["pose25d"][0], expected["pose25d"][person], atol=0.02):
                wrong.append(person)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    engine.close()


def test_answers_stay_as_they_were_when_the_next_batch_runs(anywhere, network, batch):
    inputs, _ = batch
    engine = load_tensorrt(network, FULL)
    first = engine.infer(taken(inputs, 1))["pose25d"]
    before = first.copy()
    engine.infer({name: array[5:6] for name, array in inputs.items()})
    assert (first == before).all()
    engine.close()


def test_a_closed_engine_says_so(anywhere, network, batch):
    engine = load_tensorrt(network, FULL)
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.infer(taken(batch[0], 1))


def test_the_time_on_the_gpu_is_told_by_what_it_went_into(anywhere, network):
    engine = load_tensorrt(network, FULL)
    engine.warm_up()
    assert list(engine.milliseconds) == ["copies in", "network", "copies out"]
    assert min(engine.milliseconds.values()) >= 0
    engine.close()


# -- what is built ------------------------------------------------------------------------------


def header_of(folder):
    return json.loads((folder / plans.ENGINE_FILE).read_bytes().partition(b"\n")[0][4:])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("fp16", [True, False])
def test_precision_is_what_was_asked_for_in_every_version(version, fp16, kept, network,
                                                          monkeypatch):  # fmt: skip
    Machine(version).install(monkeypatch)
    header = header_of(plans.obtain(network, plans.BuildOptions(fp16=fp16)).built.folder)
    weak = version.startswith(("8.", "9."))
    assert header["flags"] == (["FP16", "OBEY_PRECISION_CONSTRAINTS"] if weak and fp16 else [])
    assert header["profile"]["input0"] == [[n, 3, 256, 192] for n in (1, 4, 8)]
    assert set(header["profile"]) == set(INPUTS)
    (convolution,) = (n for n in onnx.load(network).graph.node if n.op_type == "Conv")
    halves = {name.removesuffix(".half") for name in header["half"]} - {"input0"}
    assert halves == ({convolution.output[0]} if fp16 else set())


def test_an_engine_is_built_once(machine, network):
    for _ in range(3):
        load_tensorrt(network, FULL).close()
    assert machine.builds == 1


def test_another_network_gpu_version_precision_or_batch_is_another_engine(
    kept, network, tmp_path, monkeypatch
):
    built = set()
    other = contract_network(tmp_path / "contract.onnx", batch=3)
    same = (Machine(), network, FULL)
    for here, path, options in (
        same,
        (Machine(gpu="NVIDIA H200"), *same[1:]),
        (Machine("10.7.0"), *same[1:]),
        (same[0], other, FULL),
        (*same[:2], plans.BuildOptions(fp16=True)),
        (*same[:2], plans.BuildOptions(fp16=False, max_batch=2)),
    ):
        here.install(monkeypatch)
        built.add(plans.obtain(path, options).built.folder)
    assert len(built) == 6
    assert {folder.name.rsplit("-")[0] for folder in built} == {"contract"}


def test_the_same_network_under_another_name_is_the_same_engine_but_for_its_folder(
    machine, network, tmp_path
):
    copy = tmp_path / "renamed.onnx"
    copy.write_bytes(network.read_bytes())
    first, second = plans.obtain(network, FULL), plans.obtain(copy, FULL)
    assert first.content == second.content


def test_convolutions_are_halved_and_what_follows_them_is_not(network):
    graph = half_precision(onnx.load(network)).graph
    casts = [node for node in graph.node if node.op_type == "Cast"]
    assert sum(node.attribute[0].i == onnx.TensorProto.FLOAT16 for node in casts) == 1  # input0
    halves = {t.name for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT16}
    (convolution,) = (node for node in graph.node if node.op_type == "Conv")
    assert halves == {convolution.input[1]}
    assert {t.type.tensor_type.elem_type for t in (*graph.input, *graph.output)} == {
        onnx.TensorProto.FLOAT
    }


# -- what can be wrong with files -----------------------------------------------------------------


def test_a_truncated_engine_is_built_again(machine, network, caplog):
    folder = plans.obtain(network, FULL).built.folder
    content = (folder / plans.ENGINE_FILE).read_bytes()
    (folder / plans.ENGINE_FILE).write_bytes(content[: len(content) // 2])
    load_tensorrt(network, FULL).close()
    assert machine.builds == 2
    assert "is truncated or was changed; it is built again" in caplog.text


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"built": {"gpu": 1}}'])
def test_a_damaged_record_is_built_again(machine, network, content):
    folder = plans.obtain(network, FULL).built.folder
    (folder / plans.RECORD_FILE).write_bytes(content)
    load_tensorrt(network, FULL).close()
    assert machine.builds == 2


def test_an_engine_that_tensorrt_refuses_is_built_again(machine, network, caplog):
    """Built elsewhere: by its name and checksum it is ours, by its content it is not."""
    folder = plans.obtain(network, FULL).built.folder
    engine = folder / plans.ENGINE_FILE
    engine.write_bytes(engine.read_bytes().replace(b"Orin", b"Thor"))
    record = json.loads((folder / plans.RECORD_FILE).read_text())
    record["engine_sha256"] = hashlib.sha256(engine.read_bytes()).hexdigest()
    (folder / plans.RECORD_FILE).write_text(json.dumps(record))
    load_tensorrt(network, FULL).close()
    assert machine.builds == 2
    assert "not compatible with this version of TensorRT or this device" in caplog.text


@pytest.mark.parametrize("place", [plans.ENGINE_FILE, plans.RECORD_FILE, ""])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_an_engine_that_others_could_write_to_is_never_loaded(
    machine, network, place, mode, caplog
):
    folder = plans.obtain(network, FULL).built.folder
    open_to_others = folder / place
    open_to_others.chmod(open_to_others.stat().st_mode | mode)
    load_tensorrt(network, FULL).close()
    assert machine.builds == 2
    assert f"chmod go-w {open_to_others}; it is built again" in caplog.text
    cache.check_ownership(open_to_others)
    load_tensorrt(network, FULL).close()
    assert machine.builds == 2


def test_a_cache_that_others_can_write_to_is_not_used_and_that_is_said_once(
    machine, network, kept, caplog
):
    """Said before the minutes that the build takes, with the command that mends it."""
    plans.obtain(network, FULL)
    before = sorted(kept.rglob("*"))
    kept.chmod(0o777)
    for options in (FULL, plans.BuildOptions(fp16=True)):
        engine = load_tensorrt(network, options)
        assert not engine.kept
        engine.warm_up()
        engine.close()
    assert machine.builds == 3
    assert sorted(kept.rglob("*")) == before
    said = [record.message for record in caplog.records]
    (warning,) = (line for line in said if "are not kept" in line)
    assert warning.endswith(f"chmod go-w {kept}")
    assert any(line.startswith("building") for line in said[said.index(warning) :])


@pytest.mark.parametrize("below", ["", "a/b"])
def test_the_caches_folders_are_its_users_alone_whatever_the_umask(
    machine, network, tmp_path, monkeypatch, below
):
    """002 is Ubuntu's."""
    place = tmp_path / "home" / below
    monkeypatch.setenv("BODYPOSE3D_CACHE", str(place / "cache"))
    before = os.umask(0o002)
    try:
        for _ in range(2):
            load_tensorrt(network, FULL).close()
        made = [f for f in (tmp_path / "home").rglob("*") if f.is_dir()] + [tmp_path / "home"]
    finally:
        os.umask(before)
    assert machine.builds == 1
    assert {oct(folder.stat().st_mode & 0o777) for folder in made} == {"0o700"}


def test_a_full_disk_costs_only_the_keeping(machine, network, kept, monkeypatch, caplog):
    def full(self, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pathlib.Path, "write_bytes", full)
    engine = load_tensorrt(network, FULL)
    engine.warm_up()
    assert not engine.kept
    engine.close()
    assert "No space left on device: make room" in caplog.text
    assert list(kept.iterdir()) == []


def test_nodes_that_build_the_same_engine_at_once_do_not_disturb_each_other(
    machine, network, kept, monkeypatch
):
    """As two nodes do that are started together: each has its engine, and one of them is kept."""
    together, keep = threading.Barrier(3), plans._keep

    def at_once(content, built):
        together.wait(20)
        return keep(content, built)

    monkeypatch.setattr(plans, "_keep", at_once)
    with ThreadPoolExecutor(3) as threads:
        made = list(threads.map(lambda _: plans.obtain(network, FULL), range(3)))
    assert machine.builds == 3
    assert all(plan.kept for plan in made)
    (folder,) = {plan.built.folder for plan in made}
    assert plans.read(folder).content in {plan.content for plan in made}
    assert [path.name for path in kept.iterdir() if path.is_dir()] == [folder.name]


def test_an_engine_that_is_kept_already_is_not_taken_from_under_others(machine, network, kept):
    """Who reads it while a second one is put there must not find a folder half removed."""
    plan = plans.obtain(network, FULL)
    there = (plan.built.folder / plans.ENGINE_FILE).stat().st_ino
    assert plans._keep(plan.content, plan.built)
    assert (plan.built.folder / plans.ENGINE_FILE).stat().st_ino == there


def test_what_a_killed_build_has_left_goes_after_a_day(machine, network, kept):
    kept.mkdir(mode=0o700, parents=True)
    now = time.time()
    for name, hours in ((".building-young", 1), (".building-old", 25)):
        (kept / name).mkdir()
        os.utime(kept / name, (now - hours * 3600,) * 2)
    plans.obtain(network, FULL)
    assert {path.name for path in kept.glob(".building-*")} == {".building-young"}


def test_layers_timed_for_one_engine_are_not_timed_again_for_the_next(machine, network, kept):
    load_tensorrt(network, FULL).close()
    load_tensorrt(network, plans.BuildOptions(fp16=True)).close()
    nothing, known = machine.timed
    assert (nothing, known) == (b"", b"times 10.3.0 NVIDIA Orin")
    (file,) = kept.glob("timing-*")
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"damaged", b"times 8.6.1 NVIDIA Orin"])
def test_timings_that_do_not_fit_are_taken_anew(machine, network, kept, content):
    load_tensorrt(network, FULL).close()
    (file,) = kept.glob("timing-*")
    file.write_bytes(content)
    load_tensorrt(network, plans.BuildOptions(fp16=True)).close()
    assert machine.timed == [b"", b""]
    assert file.read_bytes() == b"times 10.3.0 NVIDIA Orin"


def test_timings_that_others_could_write_to_are_not_read(machine, network, kept):
    load_tensorrt(network, FULL).close()
    (file,) = kept.glob("timing-*")
    file.chmod(0o666)
    load_tensorrt(network, plans.BuildOptions(fp16=True)).close()
    assert machine.timed == [b"", b""]
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("fp16", [True, False])
@pytest.mark.parametrize("content", [b"", b"no network", None], ids=["empty", "text", "truncated"])
def test_a_damaged_network_is_the_files_fault(machine, network, tmp_path, content, fp16):
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(network.read_bytes()[:5000] if content is None else content)
    with pytest.raises(ModelError, match="damaged"):
        load_tensorrt(damaged, plans.BuildOptions(fp16=fp16))


# -- what can be wrong with machines --------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"has_driver_library": False}, "NVIDIA driver is not installed .*onnxruntime"),
        ({"has_gpu": False}, "no CUDA-capable device is detected.*onnxruntime"),
        ({"driver_too_old": True}, "CUDA initialization failure with error: 35.*too old"),
        ({"tensorrt": "8.5.2"}, "TensorRT 8.5.2 is too old: 8.6 is needed"),
    ],
)
def test_what_is_missing_is_said_and_auto_goes_on_without(kept, network, monkeypatch, caplog,
                                                           fault, says):  # fmt: skip
    Machine(**fault).install(monkeypatch)
    with pytest.raises(EngineError, match=says):
        load(network, "tensorrt")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    engine = load(network, "auto", threads=2)
    assert engine.description.startswith("ONNX Runtime")
    assert "contract.onnx cannot run on TensorRT: " in caplog.text


def test_auto_takes_tensorrt_where_it_is(machine, network, monkeypatch, caplog):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    with caplog.at_level("INFO"):
        engine = load(network, "auto")
    assert engine.description == "TensorRT 10.3.0 FP16 (NVIDIA Orin (compute capability 8.7))"
    assert f"contract.onnx runs on {engine.description}" in caplog.text


@pytest.mark.parametrize("version", VERSIONS)
def test_auto_goes_on_without_tensorrt_whatever_it_raises(kept, network, monkeypatch, caplog,
                                                          version):  # fmt: skip
    machine = Machine(version)
    machine.install(monkeypatch)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    for fails in ("bodypose3d_ros.engines.versions.create_network",
                  "bodypose3d_ros.engines.tensorrt.TensorRtEngine.warm_up"):  # fmt: skip
        with monkeypatch.context() as broken:
            broken.setattr(fails, lambda *_: [][1])
            engine = load(network, "auto", threads=2)
        assert engine.description.startswith("ONNX Runtime")
        assert "contract.onnx cannot run on TensorRT: list index out of range" in caplog.text
        assert machine.allocated == {}
        caplog.clear()


def test_auto_goes_on_without_tensorrt_where_the_first_run_fails(machine, network, monkeypatch,
                                                                 caplog):  # fmt: skip
    machine.fail_next_run = "once"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    assert load(network, "auto", threads=2).description.startswith("ONNX Runtime")
    assert "cannot run on TensorRT: CUDA failed" in caplog.text


def test_a_network_of_half_precisions_in_the_file_itself_is_refused_in_words_not_built_wrong(
    kept, network, tmp_path, monkeypatch
):
    """TensorRT 8 wants its flag for that; ``--fp16`` sets it."""
    Machine("8.6.1").install(monkeypatch)
    half = tmp_path / "half.onnx"
    onnx.save(half_precision(onnx.load(network)), half)
    with pytest.raises(EngineError, match="fp16 precision has been set"):
        load_tensorrt(half, FULL)
    load_tensorrt(half, plans.BuildOptions(fp16=True)).close()


def test_memory_that_does_not_suffice_is_said_and_given_back(machine, network):
    machine.memory = 1 << 20
    with pytest.raises(EngineError, match=r"memory is full.*smaller batch"):
        load_tensorrt(network, FULL)
    assert machine.allocated == {}
    assert machine.pinned == 0
    load_tensorrt(network, plans.BuildOptions(fp16=False, max_batch=1)).close()


def test_a_failure_in_mid_run_costs_one_image(machine, network, batch):
    inputs, expected = batch
    engine = load_tensorrt(network, FULL)
    machine.fail_next_run = "once"
    with pytest.raises(EngineError, match=r"unspecified launch failure.*tried anew"):
        engine.infer(taken(inputs, 2))
    assert machine.allocated == {}
    answer = engine.infer(taken(inputs, 2))
    assert_allclose(answer["pose25d"], expected["pose25d"][:2], atol=1e-3)
    engine.close()
    assert machine.allocated == {}


def test_a_lost_context_is_an_error_for_every_image_and_never_a_crash(machine, network, batch):
    engine = load_tensorrt(network, FULL)
    machine.fail_next_run = "sticky"
    for _ in range(3):
        with pytest.raises(EngineError, match="start this program again"):
            engine.infer(taken(batch[0], 1))
    engine.close()


def test_closing_gives_all_memory_back(machine, network):
    engine = load_tensorrt(network, FULL)
    assert len(machine.allocated) == len(INPUTS) + len(OUTPUTS)
    assert machine.pinned > 8 * 3 * 256 * 192 * 4
    engine.close()
    assert machine.allocated == {}
    assert machine.pinned == 0
    del engine
    gc.collect()
    assert machine.left_behind == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda inputs: inputs.pop("k_inv"), "input k_inv is missing"),
        (lambda inputs: inputs.update(k_inv=np.zeros((1, 4, 4), np.float32)), "has shape"),
    ],
)
def test_inputs_that_do_not_fit_are_named(machine, network, batch, change, says):
    inputs = taken(batch[0], 1)
    change(inputs)
    with pytest.raises(EngineError, match=says):
        load_tensorrt(network, FULL).infer(inputs)


# -- the doctor ---------------------------------------------------------------------------------


def doctor():
    return " ".join(CliRunner().invoke(main, ["doctor"]).output.split())


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A machine with NVIDIA's driver: without one the doctor speaks of no GPU."""
    tool = tmp_path / "nvidia-smi"
    tool.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)


@pytest.mark.usefixtures("driver")
def test_the_doctor_finds_all_well(machine, network):
    load_tensorrt(network, FULL).close()
    said = doctor()
    assert "ok TensorRT: 10.3.0" in said
    assert "ok pycuda: works on NVIDIA Orin (compute capability 8.7)" in said
    assert "ok TensorRT engines: 1 in " in said


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"tensorrt": "8.5.2"}, "no TensorRT: TensorRT 8.5.2 is too old"),
        ({"has_gpu": False}, "no pycuda: no NVIDIA GPU can be used"),
        ({"has_driver_library": False}, "no pycuda: the NVIDIA driver is not installed"),
    ],
)
@pytest.mark.usefixtures("driver")
def test_the_doctor_tells_what_is_missing_line_by_line(kept, monkeypatch, fault, says):
    Machine(**fault).install(monkeypatch)
    assert says in doctor()


def test_the_doctor_sees_engines_that_others_can_write_to(machine, kept):
    kept.mkdir(parents=True)
    kept.chmod(0o777)
    assert f"chmod go-w {kept}" in doctor()
