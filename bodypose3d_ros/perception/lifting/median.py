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
    return _in_order(values, middle)


def quantiles(values: Array, shares: Sequence[float]) -> Array:
    """(S, ...) of values (..., K) those that so many lie below, themselves values; NaN of none.

    Args:
        values: NaN where unknown.
        shares: (S,) from 0, the least, to 1, the greatest; between two values the lower one.
    """
    last = np.maximum(np.isfinite(values).sum(axis=-1) - 1, 0)
    at = np.multiply.outer(shares, last) + 1e-9
    return _in_order(values, at.astype(np.intp))


def _in_order(values: Array, at: NDArray[np.intp]) -> Array:
    """(S, ...) or (...,) those of values (..., K) at places, from the least; NaN is last."""
    rows = np.arange(0, values.size, values.shape[-1]).reshape(values.shape[:-1])
    return np.asarray(np.sort(values, axis=-1).take(rows + at))
