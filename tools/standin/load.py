"""A network with BodyPose3DNet's tensors and size, of random weights: to measure speed on.

HRNet-W32 (Sun, Xiao, Liu and Wang 2019, arXiv 1902.09212) at 256 x 192, 7.1 billion multiply-adds,
batch normalisation folded into the convolutions as exporters do; a heatmap and a depth map a joint
at a quarter of the resolution, read by soft-argmax; then the published geometry.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bodypose3d_ros.body.skeleton import JOINT_COUNT
from bodypose3d_ros.perception.pose.bodypose3dnet import CROP, INPUTS, OUTPUTS

from .geometry import four_outputs
from .graph import Graph

_WIDTHS = (32, 64, 128, 256)
"""Channels of the four resolutions."""
_BLOCKS = 4
_MODULES = {2: 1, 3: 4, 4: 3}
"""By how many resolutions a stage has: how many modules it has."""
_STRIDE = 4


class _HRNet:
    """Layers by name of the paper; ``macs`` counts multiply-adds as they are appended."""

    def __init__(self, graph: Graph, seed: int) -> None:
        self.g = graph
        self.macs = 0
        self._random = np.random.default_rng(seed)

    def conv(
        self, x: str, source: int, target: int, kernel: int, down: int, stride: int = 1
    ) -> str:
        """A convolution; ``down`` is how much smaller than the crop its output is."""
        scale = np.sqrt(2 / (source * kernel**2))  # He initialisation: values keep their size
        weights = self._random.normal(0, scale, (target, source, kernel, kernel))
        pad = [kernel // 2] * 4
        self.macs += weights.size * (CROP[0] // down) * (CROP[1] // down)
        constants = self.g.constant(weights), self.g.constant(np.zeros(target))
        return self.g.op("Conv", x, *constants, strides=[stride] * 2, pads=pad)

    def relu(self, x: str) -> str:
        return self.g.op("Relu", x)

    def add(self, x: str, y: str) -> str:
        # Scaled, or values would grow from block to block.
        return self.g.op("Mul", self.g.op("Add", x, y), self.g.constant(np.sqrt(0.5)))

    def bottleneck(self, x: str, source: int) -> str:
        y = self.relu(self.conv(x, source, 64, 1, 4))
        y = self.relu(self.conv(y, 64, 64, 3, 4))
        y = self.conv(y, 64, 256, 1, 4)
        shortcut = x if source == 256 else self.conv(x, source, 256, 1, 4)
        return self.relu(self.add(y, shortcut))

    def basic_block(self, x: str, width: int, down: int) -> str:
        y = self.relu(self.conv(x, width, width, 3, down))
        return self.relu(self.add(self.conv(y, width, width, 3, down), x))

    def module(self, branches: list[str], fused: int) -> list[str]:
        """Four blocks at each resolution, then all resolutions into each of the first ones."""
        for level, width in enumerate(_WIDTHS[: len(branches)]):
            for _ in range(_BLOCKS):
                branches[level] = self.basic_block(branches[level], width, _STRIDE << level)
        return [self.fuse(branches, level) for level in range(fused)]

    def fuse(self, branches: list[str], level: int) -> str:
        total = branches[level]
        for other, x in enumerate(branches):
            if other > level:
                y = self.conv(x, _WIDTHS[other], _WIDTHS[level], 1, _STRIDE << other)
                total = self.add(total, self.enlarge(y, 1 << (other - level)))
            elif other < level:
                total = self.add(total, self.shrink(x, other, level))
        return self.relu(total)

    def enlarge(self, x: str, factor: int) -> str:
        scales = self.g.constant([1, 1, factor, factor])
        return self.g.op("Resize", x, "", scales, mode="nearest", nearest_mode="floor",
                         coordinate_transformation_mode="asymmetric")  # fmt: skip

    def shrink(self, x: str, source: int, target: int) -> str:
        for level in range(source, target):
            last = level == target - 1
            width = _WIDTHS[target] if last else _WIDTHS[source]
            x = self.conv(x, _WIDTHS[source], width, 3, _STRIDE << (level + 1), stride=2)
            x = x if last else self.relu(x)
        return x

    def features(self, image: str) -> str:
        """(N, 32, 64, 48) of the crop."""
        x = self.relu(self.conv(image, 3, 64, 3, 2, stride=2))
        x = self.relu(self.conv(x, 64, 64, 3, 4, stride=2))
        for source in (64, 256, 256, 256):
            x = self.bottleneck(x, source)
        branches = [
            self.relu(self.conv(x, 256, _WIDTHS[0], 3, 4)),
            self.relu(self.conv(x, 256, _WIDTHS[1], 3, 8, stride=2)),
        ]
        for levels, modules in _MODULES.items():
            if len(branches) < levels:
                lowest = self.conv(branches[-1], _WIDTHS[levels - 2], _WIDTHS[levels - 1], 3,
                                   _STRIDE << (levels - 1), stride=2)  # fmt: skip
                branches.append(self.relu(lowest))
            for module in range(modules):
                is_last = levels == len(_WIDTHS) and module == modules - 1
                branches = self.module(branches, 1 if is_last else levels)
        return branches[0]


def load_network(path: Path, seed: int = 0) -> int:
    """Write the network and give its multiply-adds for one person."""
    g = Graph()
    net = _HRNet(g, seed)
    features = net.features("input0")
    maps = net.conv(features, _WIDTHS[0], 2 * JOINT_COUNT, 1, _STRIDE)
    cells = CROP[0] // _STRIDE * (CROP[1] // _STRIDE)
    flat = g.op("Reshape", maps, g.constant([0, 2 * JOINT_COUNT, cells], np.int64))
    half = g.constant([JOINT_COUNT, JOINT_COUNT], np.int64)
    heat = g.op("Split", flat, half, outputs=2, axis=1)
    mass = g.op("Softmax", heat, axis=2)
    y, x = np.mgrid[: CROP[1] : _STRIDE, : CROP[0] : _STRIDE]
    places = g.constant(np.stack([x.ravel(), y.ravel()], 1))
    xy = g.op("MatMul", mass, places)
    last = g.constant([2], np.int64)
    depth = g.op("ReduceSum", g.op("Mul", mass, f"{heat}_1"), last, keepdims=1)
    confidence = g.op("Sigmoid", g.op("ReduceMax", heat, axes=[2], keepdims=1))
    four_outputs(g, xy, depth, confidence)
    g.save(path, "load", INPUTS, OUTPUTS)
    return net.macs
