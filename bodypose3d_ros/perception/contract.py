"""What a network that a user brings must have; what it has not is said by name."""

from __future__ import annotations

from collections.abc import Sequence

from ..engines import TensorInfo
from ..errors import ModelError


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


def image_size(image: TensorInfo) -> tuple[int, int]:
    """Width and height in pixels of an input of N, 3, height, width; 0 where they are free."""
    height, width = (int(side or 0) for side in image.shape[2:])
    return width, height
