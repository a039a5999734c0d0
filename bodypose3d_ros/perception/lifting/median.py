"""Medians of what is known: unknown values are NaN and do not count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def median(values: Array, *, upper: bool = False) -> Array:
    """(...,) a value from the middle of values (..., K), itself one of them; NaN where all are NaN.

    Args:
        values: NaN where unknown.
        upper: Of the two in the middle of an even number of values the larger one.
    """
    count = np.isfinite(values).sum(axis=-1)
    middle = (count if upper else np.maximum(count - 1, 0)) // 2
    ordered = np.sort(values, axis=-1)  # NaN last
    at = np.minimum(middle, values.shape[-1] - 1)
    return np.asarray(np.take_along_axis(ordered, at[..., None], axis=-1)[..., 0])
