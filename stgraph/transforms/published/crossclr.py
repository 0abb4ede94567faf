"""CrosSCLR's augmentations on clips ``[C, T, V, M]`` (LinguoLi/CrosSCLR)."""

from __future__ import annotations

import random as python_random

import numpy as np
import torch
from torch import Tensor


def shear_matrix(draws: Tensor) -> Tensor:
    """The matrix ``[..., 3, 3]`` of a shear for column vectors.

    Args:
        draws: ``[..., 6]``: entries (0,1), (1,0), (2,0), then (0,2), (1,2), (2,1).
    """
    a0, a1, a2, b0, b1, b2 = draws.unbind(dim=-1)
    one = torch.ones_like(a0)
    rows = [one, a0, b0, a1, one, b1, a2, b2, one]
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def shear(
    clip: Tensor, amplitude: float = 0.5, random: python_random.Random | int | None = None
) -> tuple[Tensor, Tensor]:
    """A sheared clip; each coordinate takes in U(-amplitude, amplitude) of the two others.

    Args:
        clip: ``[3, T, V, M]``.
        amplitude: Largest share.
        random: Python generator, or the seed for one.

    Returns:
        The clip, and the six draws.
    """
    if not isinstance(random, python_random.Random):
        random = python_random.Random(random)
    draws = torch.tensor([random.uniform(-amplitude, amplitude) for _ in range(6)])
    return torch.einsum("ac,ctvm->atvm", shear_matrix(draws).to(clip.dtype), clip), draws


def temporal_crop(
    clip: Tensor, padding_ratio: int = 6, random: np.random.RandomState | int | None = None
) -> tuple[Tensor, int]:
    """A window of the clip's own length, from the clip mirrored in time at both ends.

    Args:
        clip: ``[C, T, V, M]``.
        padding_ratio: ``T // padding_ratio`` frames are added at each end.
        random: Legacy numpy generator, or the seed for one.

    Returns:
        The window, and where it starts.
    """
    if not isinstance(random, np.random.RandomState):
        random = np.random.RandomState(random)
    frames = clip.shape[1]
    padding = frames // padding_ratio
    start = int(random.randint(0, padding * 2 + 1))
    padded = torch.cat(
        [clip[:, :padding].flip(1), clip, clip[:, frames - padding :].flip(1)], dim=1
    )
    return padded[:, start : start + frames], start
