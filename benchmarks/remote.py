"""What a server adds to a frame, how many robots one serves, and how soon it is found again.

python -m benchmarks.remote [--seconds S] [--line MBITS] [--outage S]

Triton's own server (``make triton``) and the robots share this machine: the way between them is the
loopback interface, and both want its cores. Only ratios and differences mean anything elsewhere. A
line of fewer bits a second, as a robot's radio is one, is a proxy between them.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import multiprocessing
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from bodypose3d_ros.body.people import Frame
from bodypose3d_ros.engines import repository
from bodypose3d_ros.engines.batches import zeros
from bodypose3d_ros.engines.models import NetworkFile
from bodypose3d_ros.engines.pixels import taking_bytes
from bodypose3d_ros.engines.triton import Connection, Server, TritonEngine
from bodypose3d_ros.errors import EngineError
from bodypose3d_ros.media import film
from bodypose3d_ros.perception.networks import Networks, Options, load_networks
from bodypose3d_ros.perception.tracking.tracker import Tracker
from tools.standin.graph import Graph
from tools.triton.server import TritonServer

ROBOTS = (1, 4, 16)
NETWORK, DETECTOR = "blazepose-landmarks", "blazepose-detector"
WHOLE, FLOATS = "-whole", "-floats"
FORMS = {
    "": "bytes, in brief",
    WHOLE: "bytes, whole",
    FLOATS: "floats, whole",
}
"""What a network's name on the server ends with, and how crops go there and answers come back: as
networks are exported, as they once were, and as plans are."""
PATIENCE_S = 60.0
CHUNK = 16384
"""Bytes that a sender has the line for."""
COUNTED = 10
WARM_UP = 3
"""First frames, which are slower."""
RATE = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--line", type=float, default=50.0, help="its Mbit/s, both ways together")
    parser.add_argument("--outage", type=float, default=20.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        served = Path(folder) / "served"
        repository.write(networks(Path(folder)), served, repository.Serving(max_batch=16))
        with TritonServer(served) as server:
            the_way(server, options.seconds)
            print("\nOn the loopback interface")
            one_frame(server.url, options.seconds, "one person", shown())
            with line(server.port, options.line) as (url, carried):
                print(f"\nOver a line of {options.line:g} Mbit/s, both ways together")
                carry(url, carried)
                one_frame(url, options.seconds, "one person", shown())
                one_frame(url, options.seconds, "nobody", nobody())
            many_robots(server, options.seconds)
            outage(server, options.outage)


def networks(folder: Path) -> dict[str, NetworkFile]:
    """BlazePose in all forms, and what computes nothing of any of them."""
    exported = repository.networks_of("blazepose")
    files = {f"{name}{FLOATS}": NetworkFile(str(file.path())) for name, file in exported.items()}
    for name, file in exported.items():
        if file.part is not None:
            before = folder / f"{name}.onnx"
            onnx.save(taking_bytes(onnx.load(file.path()), file.part.value_range), before)
            files[f"{name}{WHOLE}"] = NetworkFile(str(before))
    # 3x208x256 floats are BlazePose's heatmaps, 3x1x256 what is left without them.
    for form, pixels, rows in (
        ("", TensorProto.UINT8, 1),
        (WHOLE, TensorProto.UINT8, 208),
        (FLOATS, TensorProto.FLOAT, 208),
    ):
        thin = thin_network(folder / f"thin{form}.onnx", pixels, rows)
        files[f"thin{form}"] = NetworkFile(str(thin))
    return {**exported, **files}


def thin_network(file: Path, pixels: int, rows: int) -> Path:
    """Takes as much as BlazePose's landmark network, gives as much back, computes nothing."""
    g = Graph()
    bounds = (g.constant(np.array([each]), np.int64) for each in (0, rows, 2))
    g.op("Slice", "input", *bounds, name="part")
    g.op("Cast", "part", to=TensorProto.FLOAT, name="y")
    g.save(file, "thin", {"input": (3, 256, 256)}, {"y": (3, rows, 256)})
    network = onnx.load(file)
    network.graph.input[0].type.tensor_type.elem_type = pixels
    onnx.save(network, file)
    return file


def the_way(server: TritonServer, seconds: float) -> None:
    """There and back, through Triton and the process that runs Python for it."""
    engines = [
        TritonEngine(Connection(Server(server.url, PATIENCE_S)), f"thin{form}") for form in FORMS
    ]
    milliseconds: dict[str, list[float]] = {form: [] for form in FORMS}
    end = time.monotonic() + seconds / 2
    while time.monotonic() < end:
        for engine, times in zip(engines, milliseconds.values(), strict=True):
            start = time.monotonic()
            engine.infer(zeros(engine.inputs))
            times.append((time.monotonic() - start) * 1e3)
    print("The way alone, on the loopback interface, a crop there and an answer back, in turns\n")
    print("| there, back | at best | median | 95 % |")
    print("| --- | --- | --- | --- |")
    for form, times in milliseconds.items():
        least, half, most = np.percentile(times, (1, 50, 95))
        print(f"| {FORMS[form]} | {least:.1f} ms | {half:.1f} ms | {most:.1f} ms |")
    for engine in engines:
        engine.close()


@contextmanager
def line(port: int, megabits: float) -> Iterator[tuple[str, Any]]:
    """A proxy before a server; its address, and how many bytes went there and came back so far."""
    context = multiprocessing.get_context("spawn")
    carried, ready = context.Array("q", 2), context.Event()
    with socket.create_server(("127.0.0.1", 0)) as near:
        # Else what is short waits 40 ms for the receipt of what went before; asyncio leaves it so.
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        arguments = near, port, megabits * 1e6, carried, ready
        process = context.Process(target=proxy, args=arguments)
        process.start()
        ready.wait(PATIENCE_S)
        try:
            yield f"127.0.0.1:{near.getsockname()[1]}", carried
        finally:
            process.terminate()
            process.join()


def proxy(
    near: socket.socket, far: int, bits_a_second: float, carried: Any, ready: Any  # noqa: ANN401
) -> None:  # fmt: skip
    asyncio.run(serve_line(near, far, bits_a_second, carried, ready))


async def serve_line(
    near: socket.socket, far: int, bits_a_second: float, carried: Any, ready: Any  # noqa: ANN401
) -> None:  # fmt: skip
    """Both ways share the bits: of a radio's ends one sends at a time."""
    loop = asyncio.get_running_loop()
    free = loop.time()

    async def pass_on(way: int, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        nonlocal free
        with suppress(OSError):
            while content := await source.read(CHUNK):
                free = max(free, loop.time()) + len(content) * 8 / bits_a_second
                carried[way] += len(content)
                loop.call_at(free, target.write, content)
        loop.call_at(free, target.close)

    async def connect(robot: asyncio.StreamReader, to_robot: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection("127.0.0.1", far)
        await asyncio.gather(pass_on(0, robot, to_server), pass_on(1, server, to_robot))

    async with await asyncio.start_server(connect, sock=near) as listening:
        ready.set()
        await listening.serve_forever()


def carry(url: str, carried: Any) -> None:  # noqa: ANN401
    """What gRPC makes of a person and of an area searched, counted on the line."""
    print("\n| there, back | a person there | back | an area there | back |")
    print("| --- " * 5 + "|")
    for form, what in FORMS.items():
        sizes = []
        for network in (NETWORK, DETECTOR):
            engine = TritonEngine(Connection(Server(url, PATIENCE_S)), f"{network}{form}")
            engine.infer(zeros(engine.inputs))
            before = np.array(carried[:])
            for _ in range(COUNTED):
                engine.infer(zeros(engine.inputs))
            sizes += list((np.array(carried[:]) - before) / COUNTED / 1e3)
            engine.close()
        print(f"| {what} | " + " | ".join(f"{size:.1f} kB" for size in sizes) + " |")


def networks_on(url: str, form: str = "", timeout: float = PATIENCE_S) -> Networks:
    chosen = Options(
        engine="triton",
        triton_url=url,
        triton_timeout=timeout,
        triton_model=f"{NETWORK}{form}",
        triton_detector=f"{DETECTOR}{form}",
    )
    return load_networks(chosen)


def shown() -> Iterator[Frame]:
    """One person, again and again, as a camera that goes on."""
    frames = list(film.load("one_person").frames())
    step = frames[1].stamp - frames[0].stamp
    for count, frame in enumerate(itertools.cycle([*frames, *reversed(frames)])):
        yield Frame(frame.image, frame.camera, count * step, frame.frame_id)


def nobody() -> Iterator[Frame]:
    """An empty room, whose areas are searched two a frame."""
    frame = next(film.load("walk_through").frames())
    for count in itertools.count():
        yield Frame(frame.image, frame.camera, count * round(1e9 / RATE), frame.frame_id)


def one_frame(url: str, seconds: float, who: str, frames: Iterator[Frame]) -> None:
    """Here and on the server in turns, frame by frame: what others do hits all alike."""
    where = ("here", *(f"on the server: {what}" for what in FORMS.values()))
    milliseconds: dict[str, list[float]] = {each: [] for each in where}
    furthest = dict.fromkeys(where, 0.0)
    with ExitStack() as stack:
        loaded = [load_networks(Options(engine="onnxruntime"))]
        loaded += [networks_on(url, form) for form in FORMS]
        pipelines = [stack.enter_context(each).pipeline(Tracker(), live=True) for each in loaded]
        end = time.monotonic() + seconds
        for frame in frames:
            found = []
            for pipeline, times in zip(pipelines, milliseconds.values(), strict=True):
                start = time.perf_counter()
                found.append(pipeline.estimate(frame))
                times.append((time.perf_counter() - start) * 1e3)
                pipeline.search(frame)
            for each, people in zip(where, found, strict=True):
                if len(people) != len(found[0]):
                    raise SystemExit(f"{each}: {len(people)} people, {len(found[0])} here")
                apart = np.abs(found[0].pixels - people.pixels)
                furthest[each] = max(furthest[each], float(np.nanmax(apart, initial=0)))
            if time.monotonic() > end:
                break
    local = np.array(milliseconds["here"][WARM_UP:])
    print(f"\nA frame of {who}, {len(local)} of them, in turns\n")
    print("| networks | median | 95 % | more than here, median | keypoints apart, at most |")
    print("| --- | --- | --- | --- | --- |")
    for each in where:
        took = np.array(milliseconds[each][WARM_UP:])
        print(f"| {each} | {np.median(took):.1f} ms | {np.percentile(took, 95):.1f} ms "
              f"| {np.median(took - local):.1f} ms | {furthest[each]:.1e} px |")  # fmt: skip


def many_robots(server: TritonServer, seconds: float) -> None:
    """Each asks for one person again as soon as it has been answered."""
    print("\nRobots, each with one person, asking as fast as they are answered\n")
    print("| robots | there, back | people a second | of one robot's | answer, median | 95 % "
          "| people a run |")  # fmt: skip
    print("| --- " * 7 + "|")
    alone: dict[str, float] = {}
    for robots in ROBOTS:
        for form, what in FORMS.items():
            network = f"{NETWORK}{form}"
            before = counted(server, network)
            times = asked_by(robots, server.url, network, seconds / 2)
            people, runs = counted(server, network) - before
            rate = len(times) / (seconds / 2)
            share = rate / alone.setdefault(form, rate)
            print(f"| {robots} | {what} | {rate:.0f} | {share:.2f} | {np.median(times):.0f} ms "
                  f"| {np.percentile(times, 95):.0f} ms | {people / runs:.1f} |")  # fmt: skip


def asked_by(robots: int, url: str, network: str, seconds: float) -> list[float]:
    """Milliseconds that each answer took."""
    context = multiprocessing.get_context("spawn")
    together, answers = context.Barrier(robots), context.Queue()
    processes = [
        context.Process(target=robot, args=(url, network, seconds, together, answers))
        for _ in range(robots)
    ]
    for process in processes:
        process.start()
    times = [ms for _ in processes for ms in answers.get()]
    for process in processes:
        process.join()
    return times


def robot(
    url: str, network: str, seconds: float, together: Any, answers: Any  # noqa: ANN401
) -> None:  # fmt: skip
    engine = TritonEngine(Connection(Server(url, PATIENCE_S)), network)
    crop = zeros(engine.inputs)
    times = []
    together.wait()
    end = time.monotonic() + seconds
    while (start := time.monotonic()) < end:
        engine.infer(crop)
        times.append((time.monotonic() - start) * 1e3)
    engine.close()
    answers.put(times)


def counted(server: TritonServer, network: str) -> np.ndarray:
    """People that the server was asked for so far, and in how many runs."""
    client = Server(server.url).client()
    (told,) = client.get_inference_statistics(network).model_stats
    client.close()
    return np.array([told.inference_count, told.execution_count])


def outage(server: TritonServer, seconds: float) -> None:
    """Killed, and started again after a while, before a camera that goes on."""
    with networks_on(server.url, timeout=1.0) as networks:
        pipeline = networks.pipeline(Tracker(), live=True)
        frames = shown()
        pipeline.estimate(next(frames))
        server.kill()
        failed, longest = 0, 0.0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            start = time.monotonic()
            try:
                pipeline.estimate(next(frames))
            except EngineError as error:
                failed, said = failed + 1, str(error)
            longest = max(longest, time.monotonic() - start)
            time.sleep(1 / RATE)
        server.start()
        ready = time.monotonic()
        while True:
            try:
                pipeline.estimate(next(frames))
                break
            except EngineError:
                time.sleep(1 / RATE)
        back = time.monotonic() - ready
    print(f"\nWithout the server for {seconds:g} s: {failed} images left, each within "
          f"{longest:.2f} s; {said!r}. First answer {back:.2f} s after it was ready")  # fmt: skip


if __name__ == "__main__":
    main()
