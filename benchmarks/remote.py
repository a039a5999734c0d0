"""What a server adds to a frame, how many robots one serves, and how soon it is found again.

python -m benchmarks.remote [--seconds S] [--outage S]

Triton's own server (``make triton``) and the robots share this machine: the way between them is the
loopback interface, and both want its cores. Only ratios and differences mean anything elsewhere.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from bodypose3d_ros.body.people import Frame
from bodypose3d_ros.engines import repository
from bodypose3d_ros.engines.triton import Server, TritonEngine
from bodypose3d_ros.errors import EngineError
from bodypose3d_ros.media import film
from bodypose3d_ros.perception.networks import Networks, Options, load_networks
from bodypose3d_ros.perception.tracking.tracker import Tracker
from tools.standin.graph import Graph
from tools.triton.server import TritonServer

ROBOTS = (1, 4, 16)
NETWORK = "blazepose-landmarks"
PATIENCE_S = 60.0
RATE = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--outage", type=float, default=20.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        networks = repository.networks_of("blazepose")
        networks["thin"] = thin_network(Path(folder) / "thin.onnx")
        served = Path(folder) / "served"
        repository.write(networks, served, repository.Serving(max_batch=16))
        with TritonServer(served) as server:
            the_way(server, options.seconds)
            one_frame(server, options.seconds)
            many_robots(server, options.seconds)
            outage(server, options.outage)


def thin_network(file: Path) -> Path:
    """Takes as much as BlazePose's landmark network, gives as much back, computes nothing."""
    g = Graph()
    bounds = (g.constant(np.array([each]), np.int64) for each in (0, 208, 2))
    g.op("Slice", "input", *bounds, name="y")  # 3x208x256 are as many as its heatmaps' 39x64x64
    return g.save(file, "thin", {"input": (3, 256, 256)}, {"y": (3, 208, 256)})


def the_way(server: TritonServer, seconds: float) -> None:
    """There and back, through Triton and the process that runs Python for it."""
    engine = TritonEngine(Server(server.url, PATIENCE_S), "thin")
    crop = {"input": np.zeros((1, 3, 256, 256), np.float32)}
    milliseconds = []
    end = time.monotonic() + seconds / 2
    while (start := time.monotonic()) < end:
        engine.infer(crop)
        milliseconds.append((time.monotonic() - start) * 1e3)
    engine.close()
    least, half, most = np.percentile(milliseconds, (1, 50, 95))
    print(f"The way alone, a crop there and as much as its heatmaps back: {least:.1f} ms at best, "
          f"median {half:.1f}, 95 % {most:.1f} ms")  # fmt: skip


def networks_on(server: TritonServer, timeout: float = PATIENCE_S) -> Networks:
    chosen = Options(engine="triton", triton_url=server.url, triton_timeout=timeout)
    return load_networks(chosen)


def shown() -> Iterator[Frame]:
    """One person, again and again, as a camera that goes on."""
    frames = list(film.load("one_person").frames())
    step = frames[1].stamp - frames[0].stamp
    for count, frame in enumerate(cycle([*frames, *reversed(frames)])):
        yield Frame(frame.image, frame.camera, count * step, frame.frame_id)


def one_frame(server: TritonServer, seconds: float) -> None:
    """Here and on the server in turns, frame by frame: what others do hits both alike."""
    milliseconds: dict[str, list[float]] = {"here": [], "on the server": []}
    furthest = 0.0
    with load_networks(Options(engine="onnxruntime")) as here, networks_on(server) as there:
        pipelines = [networks.pipeline(Tracker(), live=True) for networks in (here, there)]
        end = time.monotonic() + seconds
        for frame in shown():
            found = []
            for pipeline, times in zip(pipelines, milliseconds.values(), strict=True):
                start = time.perf_counter()
                found.append(pipeline.estimate(frame))
                times.append((time.perf_counter() - start) * 1e3)
                pipeline.search(frame)
            if len(found[0]) and len(found[0]) == len(found[1]):
                apart = np.abs(found[0].pixels - found[1].pixels)
                furthest = max(furthest, float(np.nanmax(apart)))
            if time.monotonic() > end:
                break
    local, remote = (np.array(times[10:]) for times in milliseconds.values())
    added = np.median(remote - local)
    print(f"\nA frame of one person, {len(local)} of them, in turns\n")
    print("| networks | median | 95 % |")
    print("| --- | --- | --- |")
    for name, times in (("here", local), ("on the server", remote)):
        print(f"| {name} | {np.median(times):.1f} ms | {np.percentile(times, 95):.1f} ms |")
    print(f"\nadded, median of the pairs: {added:.1f} ms, "
          f"{np.median(remote) / np.median(local):.2f} times; "
          f"keypoints at most {furthest:.1e} px apart")  # fmt: skip


def many_robots(server: TritonServer, seconds: float) -> None:
    """Each asks for one person again as soon as it has been answered."""
    print("\nRobots, each with one person, asking as fast as they are answered\n")
    print("| robots | people a second | of one robot's | answer, median | 95 % | people a run |")
    print("| --- | --- | --- | --- | --- | --- |")
    alone = 0.0
    for robots in ROBOTS:
        before = counted(server)
        times = asked_by(robots, server.url, seconds)
        people, runs = counted(server) - before
        rate = len(times) / seconds
        alone = alone or rate
        print(f"| {robots} | {rate:.0f} | {rate / alone:.2f} | {np.median(times):.0f} ms "
              f"| {np.percentile(times, 95):.0f} ms | {people / runs:.1f} |")  # fmt: skip


def asked_by(robots: int, url: str, seconds: float) -> list[float]:
    """Milliseconds that each answer took."""
    context = multiprocessing.get_context("spawn")
    together, answers = context.Barrier(robots), context.Queue()
    processes = [
        context.Process(target=robot, args=(url, seconds, together, answers)) for _ in range(robots)
    ]
    for process in processes:
        process.start()
    times = [ms for _ in processes for ms in answers.get()]
    for process in processes:
        process.join()
    return times


def robot(url: str, seconds: float, together: Any, answers: Any) -> None:  # noqa: ANN401
    engine = TritonEngine(Server(url, PATIENCE_S), NETWORK)
    crop = {each.name: np.zeros(each.sizes(1), each.dtype) for each in engine.inputs}
    times = []
    together.wait()
    end = time.monotonic() + seconds
    while (start := time.monotonic()) < end:
        engine.infer(crop)
        times.append((time.monotonic() - start) * 1e3)
    engine.close()
    answers.put(times)


def counted(server: TritonServer) -> np.ndarray:
    """People that the server was asked for so far, and in how many runs."""
    client = Server(server.url).connect()
    (told,) = client.get_inference_statistics(NETWORK).model_stats
    client.close()
    return np.array([told.inference_count, told.execution_count])


def outage(server: TritonServer, seconds: float) -> None:
    """Killed, and started again after a while, before a camera that goes on."""
    with networks_on(server, timeout=1.0) as networks:
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
