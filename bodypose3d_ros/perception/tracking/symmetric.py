"""Inverses of many small covariances at once: LAPACK, called for each, takes twice as long."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_NEXT, _LAST = np.array([1, 2, 0]), np.array([2, 0, 1])


def _at(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.intp]:
    """(3, 3) places in the nine numbers of a matrix."""
    return 3 * rows[:, None] + columns


# The cofactor of row i and column j is m[i+1, j+1] m[i+2, j+2] - m[i+1, j+2] m[i+2, j+1], modulo 3.
_PRODUCTS = (_at(_NEXT, _NEXT), _at(_LAST, _LAST)), (_at(_NEXT, _LAST), _at(_LAST, _NEXT))


def inverse(matrices: Array) -> Array:
    """Of symmetric positive definite matrices (..., 3, 3), by their cofactors."""
    numbers = matrices.reshape(*matrices.shape[:-2], 9)
    plus, minus = (numbers.take(a, axis=-1) * numbers.take(b, axis=-1) for a, b in _PRODUCTS)
    cofactors = plus - minus
    determinant = (matrices[..., 0, :] * cofactors[..., 0, :]).sum(axis=-1)
    return np.asarray(cofactors / determinant[..., None, None])
