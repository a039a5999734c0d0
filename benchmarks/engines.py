"""Latency and throughput of engines on a network of BodyPose3DNet's size and random weights.

python -m benchmarks.engines [--engine onnxruntime|tensorrt] [--threads N] [--runs N]

First the engine alone, per batch and precision; on a GPU with the time in copies and in the
network as CUDA's events have it, and what is left outside. Then a whole frame of the pipeline, by
stage: how much of it is the network's own.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bodypose3d_ros.body.camera import Camera
from bodypose3d_ros.body.people import Frame
from bodypose3d_ros.engines import Engine
from bodypose3d_ros.engines.load import load
from bodypose3d_ros.engines.plans import BuildOptions
from bodypose3d_ros.engines.tensorrt import TensorRtEngine, load_tensorrt
from bodypose3d_ros.perception.detection import Boxes
from bodypose3d_ros.perception.networks import Options, load_networks
from bodypose3d_ros.perception.pose.bodypose3dnet import INPUTS
from bodypose3d_ros.perception.tracking.tracker import Tracker
from tools.standin.load import load_network

BATCHES = (1, 2, 4, 8)
PEOPLE = (1, 4)
SIZE = (1280, 720)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("onnxruntime", "tensorrt"), default="onnxruntime")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "load.onnx"
        macs = load_network(file)
        cores = len(os.sched_getaffinity(0))
        print(f"{macs / 1e9:.1f} billion multiply-adds a person; {cores} CPU cores")
        for engine in loaded(file, options.engine, options.threads):
            engine_alone(engine, options.runs)
            engine.close()
        whole_frames(file, options.engine, options.threads, options.runs)


def loaded(file: Path, engine: str, threads: int) -> Iterator[Engine]:
    """The engine, in each precision that it has."""
    if engine != "tensorrt":
        yield load(file, engine, threads=threads)
        return
    for fp16 in (False, True):
        yield load_tensorrt(file, BuildOptions(fp16=fp16))


def engine_alone(engine: Engine, runs: int) -> None:
    print(f"\n{engine.description}\n")
    print("| people | median | 95 % | people a second | copies | network | outside |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for batch in BATCHES:
        inputs = {name: np.ones((batch, *shape), np.float32) for name, shape in INPUTS.items()}
        engine.infer(inputs)
        walls, copies, network = [], [], []
        for _ in range(runs):
            start = time.perf_counter()
            engine.infer(inputs)
            walls.append((time.perf_counter() - start) * 1000)
            if isinstance(engine, TensorRtEngine):
                network.append(engine.milliseconds["network"])
                copies.append(sum(engine.milliseconds.values()) - network[-1])
        wall, late = np.median(walls), np.percentile(walls, 95)
        split: tuple[str, ...] = ("-",) * 3
        if network:
            on_gpu = np.median(copies), np.median(network)
            split = tuple(f"{ms:.2f} ms" for ms in (*on_gpu, wall - sum(on_gpu)))
        print(f"| {batch} | {wall:.2f} ms | {late:.2f} ms | {1000 * batch / wall:.1f} "
              f"| {' | '.join(split)} |")  # fmt: skip


def whole_frames(file: Path, engine: str, threads: int, runs: int) -> None:
    print(f"\nA frame of {SIZE[0]}x{SIZE[1]}, regions given, medians in ms\n")
    print("| people | network | crops, inputs, keypoints | lift | track | network's share |")
    print("| --- | --- | --- | --- | --- | --- |")
    networks = load_networks(Options(model=str(file), engine=engine, threads=threads))
    pipeline = networks.pipeline(Tracker())
    random = np.random.default_rng(0)
    image = random.integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8)
    camera = Camera.from_hfov(*SIZE, 70)
    for people in PEOPLE:
        left = np.arange(people) * 300.0
        boxes = np.stack([left, left * 0 + 100, left + 200, left * 0 + 600], axis=1)
        stages = []
        for run in range(runs + 1):
            pipeline(Frame(image, camera, run * 10**8), Boxes(boxes, np.ones(people)))
            stages.append([pipeline.milliseconds[s] for s in ("network", "pose", "lift", "track")])
        network, pose, lift, track = np.median(stages[1:], axis=0)
        share = network / (network + pose + lift + track)
        print(f"| {people} | {network:.1f} | {pose:.2f} | {lift:.2f} | {track:.2f} | {share:.1%} |")
    networks.close()


if __name__ == "__main__":
    main()
