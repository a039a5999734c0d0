"""What a network must have and answer; what is wrong with it is said by name."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from ..engines import TensorInfo, Tensors
from ..errors import ModelError, OutputError


def check_kind(kind: str, differences: Sequence[str]) -> None:
    """Refuse a network that is another one than it was taken for.

    Args:
        kind: What it was taken for.
        differences: What its tensors have not or have besides, a phrase each.

    Raises:
        ModelError: There are differences.
    """
    if differences:
        raise ModelError(
            f"the network is not {kind}: {'; '.join(differences)}. docs/models.md tells which "
            "tensors it must have, `bodypose3d engine info FILE` what else it may be"
        )


def check_finite(answer: Tensors, names: Collection[str]) -> None:
    """Refuse an answer of no numbers: of comparisons with them nobody would come out, silently.

    Raises:
        OutputError: One of the outputs named holds NaN or infinity.
    """
    wrong = [name for name in names if not np.isfinite(answer[name]).all()]
    if wrong:
        raise OutputError(
            f"the network gave NaN or infinity in {', '.join(wrong)}: this image is left out. "
            "If it happens again and again, build the engine in full precision"
        )


def image_size(image: TensorInfo) -> tuple[int, int]:
    """Width and height in pixels of an input of N, 3, height, width; 0 where they are free."""
    height, width = (int(side or 0) for side in image.shape[2:])
    return width, height
