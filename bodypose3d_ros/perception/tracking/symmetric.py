"""Many small covariances at once: LAPACK, called for each, takes twice as long."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_WHOLE = 1 - 2e-5
# The part of its variance that one error can be of a joint: no view knows one to less than 5 mm
# whose size puts it one metre off.
_NEARLY_ALL = 0.9
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
    determinant = np.einsum("...j,...j->...", matrices[..., 0, :], cofactors[..., 0, :])
    return np.asarray(cofactors / determinant[..., None, None])


def without(covariance: Array, part: Array) -> Array:
    """Covariances (..., 3, 3) less that of one error, (..., 3) by a standard deviation of it.

    C - p p^T is positive definite if p^T C^-1 p < 1. Where the two do not belong together any more
    (joints have moved since), as much of p p^T is taken away as leaves it so.
    """
    explained = (part[..., None, :] @ inverse(covariance) @ part[..., None])[..., 0, 0]
    fits = explained < _WHOLE
    share = np.where(fits, 1, _NEARLY_ALL / np.where(fits, 1, explained))[..., None]
    return np.asarray(covariance - (share * part)[..., :, None] * part[..., None, :])
