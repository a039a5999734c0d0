"""Medians and quantiles of what is known: unknown values are NaN and do not count."""

from __future__ import annotations

from collections.abc import Sequence

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
    first = np.arange(at.size).reshape(at.shape) * values.shape[-1]
    return np.asarray(ordered.take(first + at))


def quantiles(values: Array, shares: Sequence[float]) -> Array:
    """(..., S) of values (..., K) those that so many lie below, themselves values; NaN of none.

    Args:
        values: NaN where unknown.
        shares: (S,) from 0, the least, to 1, the greatest; between two values the lower one.
    """
    last = np.maximum(np.isfinite(values).sum(axis=-1) - 1, 0)
    at = np.floor(np.multiply.outer(last, shares) + 1e-9).astype(np.intp)
    return np.take_along_axis(np.sort(values, axis=-1), at, axis=-1)  # NaN last
