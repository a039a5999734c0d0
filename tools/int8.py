"""Measure between which values BlazePose's trunk works, for its network in 8 bits.

    python -m tools.int8

writes ``bodypose3d_ros/data/blazepose_int8.json`` from crops of two of the project's films, and of
the same in other light, colour and noise: rendered pictures are tamer than a camera's, and a range
that is too small cuts off what a camera shows.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import patch

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from bodypose3d_ros.engines import Tensors, models
from bodypose3d_ros.media import film
from bodypose3d_ros.perception.networks import load_networks
from bodypose3d_ros.perception.tracking.tracker import Tracker

FILMS = ("two_people", "walk_through")
EVERY = 4  # crops
FIRST, LAST = "conv_15", "clip_108"
"""The trunk in 8 bits is what lies between. Before it images are large and errors cost most; after
it the two heads need their digits."""

Crops = NDArray[np.float32]


def main() -> None:
    """Write the ranges."""
    network = onnx.load(models.path(models.BLAZEPOSE, "landmarks.onnx"))
    outputs = [node.output[0] for node in network.graph.node]
    trunk = outputs[outputs.index(FIRST) : outputs.index(LAST) + 1]
    network.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in trunk)
    session = onnxruntime.InferenceSession(network.SerializeToString())
    low, high = np.full(len(trunk), np.inf), np.full(len(trunk), -np.inf)
    for crop in varied(crops()):
        values = session.run(trunk, {"input": crop[None]})
        low = np.minimum(low, [value.min() for value in values])
        high = np.maximum(high, [value.max() for value in values])
    ranges = [
        f"{json.dumps(name)}: [{least:.4f}, {most:.4f}]"
        for name, least, most in zip(trunk, low, high, strict=True)
    ]
    to = Path(film.__file__).parents[1] / "data" / "blazepose_int8.json"
    to.write_text("{\n" + ",\n".join(ranges) + "\n}\n")


def crops() -> Crops:
    """What the network is shown while it follows the people of the films, every fourth."""
    shown: list[Crops] = []
    with load_networks() as networks:
        infer = networks.pose.engine.infer

        def watched(inputs: Mapping[str, Crops]) -> Tensors:
            shown.append(inputs["input"].copy())
            return infer(inputs)

        with patch.object(networks.pose.engine, "infer", watched):
            for name in FILMS:
                pipeline = networks.pipeline(Tracker())
                for frame in film.load(name).frames():
                    pipeline(frame)
    return np.concatenate(shown)[::EVERY]


def varied(crops: Crops) -> Crops:
    """The crops, the same in other light, and mirrored in other colours, both with noise."""
    random = np.random.default_rng(0)
    each = (len(crops), 1, 1, 1)
    contrast, light = random.uniform(0.5, 2, each), random.uniform(0.2, 0.8, each)
    lit = (crops - 0.5) * contrast + light + random.normal(0, 0.05, crops.shape)
    colours = random.uniform(0.4, 1.6, (len(crops), 3, 1, 1))
    coloured = crops[..., ::-1] * colours + random.normal(0, 0.1, crops.shape)
    return np.concatenate([crops, lit.clip(0, 1), coloured.clip(0, 1)]).astype(np.float32)


if __name__ == "__main__":
    main()
