"""Triton's ONNX Runtime backend, in Python: the wheel that brings the server brings none.

Triton gives it what NVIDIA's own backend gets: the model's folder, its configuration, and those
requests that share a run. numpy must be below 2: the wheel was built for that, and takes arrays of
numpy 2 for empty, without a word.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as triton


class TritonPythonModel:
    """One instance of a model. The name and the methods are what Triton looks for."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the network."""
        config = json.loads(args["model_config"])
        folder = Path(args["model_repository"], args["model_version"])
        self._inputs = [each["name"] for each in config["input"]]
        self._outputs = [each["name"] for each in config["output"]]
        options = ort.SessionOptions()
        # Spinning threads would take the cores that the tests' other programs need.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        file = folder / config["default_model_filename"]
        self._session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Run what several clients have asked for at once."""
        asked = [
            [triton.get_input_tensor_by_name(request, name).as_numpy() for name in self._inputs]
            for request in requests
        ]
        ends = np.cumsum([len(arrays[0]) for arrays in asked])
        batch = dict(zip(self._inputs, map(np.concatenate, zip(*asked, strict=True)), strict=True))
        answers = [np.split(each, ends[:-1]) for each in self._session.run(self._outputs, batch)]
        return [
            triton.InferenceResponse(
                [triton.Tensor(*each) for each in zip(self._outputs, answer, strict=True)]
            )
            for answer in zip(*answers, strict=True)
        ]
