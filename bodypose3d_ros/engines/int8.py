"""Convolutions in 8 bits, for processors that multiply bytes faster than floats."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx

Ranges = Mapping[str, tuple[float, float]]
"""The least and the largest value of each tensor, by its name."""


def read_ranges(path: Path) -> Ranges:
    """What ``python -m tools.int8`` measured: a JSON object of name to [least, largest]."""
    return {name: (low, high) for name, (low, high) in json.loads(path.read_text()).items()}


def in_8_bits(model: onnx.ModelProto, ranges: Ranges) -> onnx.ModelProto:
    """The network with those nodes in 8 bits whose tensors all have a range; the rest stays float.

    Weights have a scale for each channel, as ONNX Runtime's documentation on quantization advises
    for convolutions of few weights a channel.

    Args:
        model: In float32; every node is named.
        ranges: Of the tensors between the nodes that are to be in 8 bits.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorData, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        onnx.save(model, before)
        # Padding becomes part of the convolutions; the quantizer finds its types.
        quant_pre_process(str(before), str(after), skip_symbolic_shape=True)
        model = onnx.load(after)
    constants = {weight.name for weight in model.graph.initializer}
    measured = {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high))
        for name, (low, high) in ranges.items()
    }
    nodes = [
        node
        for node in model.graph.node
        if ({*node.input, *node.output} - constants - {""}) <= measured.keys()
    ]
    quantizer = QDQQuantizer(
        model,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, measured),
        nodes_to_quantize=[node.name for node in nodes],
        nodes_to_exclude=[],
        op_types_to_quantize=sorted({node.op_type for node in nodes}),
        extra_options={},
    )
    quantizer.quantize_model()
    quantized: onnx.ModelProto = quantizer.model.model
    return quantized
