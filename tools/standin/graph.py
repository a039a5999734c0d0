"""Writing an ONNX graph node by node."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
"""The newest that TensorRT 8.6's parser reads."""
_IR_VERSION = 8


class Graph:
    """Nodes and constants, collected; tensors are their names."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: ArrayLike, dtype: type = np.float32) -> str:
        """A tensor that never changes."""
        name = f"c{len(self.constants)}"
        array: NDArray[np.generic] = np.asarray(value, dtype)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def op(
        self,
        kind: str,
        *inputs: str,
        outputs: int = 1,
        name: str = "",
        **attributes: Any,  # noqa: ANN401 - whatever an operator has
    ) -> str:
        """Append a node and give the name of its first output; the others end in _1, _2."""
        first = name or f"t{len(self.nodes)}"
        names = [first, *(f"{first}_{i}" for i in range(1, outputs))]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return first

    def save(
        self,
        path: Path,
        name: str,
        inputs: Mapping[str, tuple[int, ...]],
        outputs: Mapping[str, tuple[int, ...]],
        batch: int | str = "N",
        whole: tuple[str, ...] = (),
    ) -> Path:
        """Check the graph and write it, its tensors batched over ``batch``.

        Those named in ``whole`` are of whole numbers, all others of 32 bit floats.
        """
        given, answered = (
            [
                helper.make_tensor_value_info(
                    each, TensorProto.INT64 if each in whole else TensorProto.FLOAT, [batch, *shape]
                )
                for each, shape in shapes.items()
            ]
            for shapes in (inputs, outputs)
        )
        graph = helper.make_graph(self.nodes, name, given, answered, self.constants)
        model = helper.make_model(
            graph,
            ir_version=_IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
            producer_name="bodypose3d_ros stand-in",
        )
        onnx.checker.check_model(model)
        onnx.save(model, path)
        return path
