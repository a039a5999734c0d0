"""An engine that knows how long its network ran."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from . import Engine


class TimedEngine:
    """Another engine, with the time spent inside it counted in ``seconds``."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.inputs, self.outputs = engine.inputs, engine.outputs
        self.max_batch, self.description = engine.max_batch, engine.description
        self.seconds = 0.0

    def infer(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run one batch."""
        start = time.perf_counter()
        try:
            return self.engine.infer(inputs)
        finally:
            self.seconds += time.perf_counter() - start

    def warm_up(self) -> None:
        """Run once on zeros."""
        self.engine.warm_up()

    def close(self) -> None:
        """Give the runtime's memory back."""
        self.engine.close()
