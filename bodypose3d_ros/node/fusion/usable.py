"""What of people that came over the network can be fused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...body.people import STATE_COASTING, Bodies, select
from ...body.skeleton import known
from ...errors import InputError

MOST_PEOPLE = 64
"""More in one image are no image's people."""
_FARTHEST = 1e3
"""Metres."""
_VARIANCES = 1e-8, 1e4
"""Square metres, of the axes of a joint's ellipsoid."""
_LOG_SIZE = 1.0
"""Logarithm of a size: nobody is e times as large as others."""
_SYMMETRIC = 1e-6
"""Of its largest number: how far a covariance may be from its transposed one."""


def usable(bodies: Bodies) -> Bodies:
    """Those who were seen, with their joints of finite place and proper covariance.

    Who is predicted by the node's own tracker is left out.

    Raises:
        InputError: There are more than any image has, or joints but no covariances at all.
    """
    if len(bodies) > MOST_PEOPLE:
        raise InputError(f"{len(bodies)} people in one image: {MOST_PEOPLE} are the most")
    seen = select(bodies, bodies.state != STATE_COASTING)
    there = known(seen.joints) & (np.abs(seen.joints) < _FARTHEST).all(axis=2)
    good = there & _proper(seen)
    if there.any() and not good.any():
        raise InputError(
            "joints come without their covariances: is it a bodypose3d node that sends them?"
        )
    return replace(
        seen,
        joints=np.where(good[..., None], seen.joints, np.nan),
        covariance=np.where(good[..., None, None], seen.covariance, np.nan),
        confidence=np.where(good, np.nan_to_num(seen.confidence), 0).clip(0, 1),
        score=np.nan_to_num(seen.score).clip(0, 1),
        log_size=np.nan_to_num(seen.log_size).clip(-_LOG_SIZE, _LOG_SIZE),
    )


def _proper(bodies: Bodies) -> NDArray[np.bool_]:
    """(N, 34) whose covariance is one."""
    low, high = _VARIANCES
    small = np.all(np.abs(bodies.covariance) < high, axis=(2, 3))  # NaN is not
    covariance = np.where(small[..., None, None], bodies.covariance, 0)
    skew = np.abs(covariance - covariance.swapaxes(2, 3)).max(axis=(2, 3))
    symmetric = skew <= _SYMMETRIC * np.abs(covariance).max(axis=(2, 3))
    return np.asarray(symmetric & (np.linalg.eigvalsh(covariance)[..., 0] > low))
