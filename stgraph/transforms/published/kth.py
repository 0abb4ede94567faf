"""The KTH report's preprocessing (nagyrajmund/st-gcn)."""

from __future__ import annotations

import torch
from torch import Tensor


def loop_pad(clip: Tensor, length: int) -> Tensor:
    """Clips ``[N, T, V, C]`` repeated from their start until they have ``length`` frames."""
    return clip[:, torch.arange(length) % clip.shape[1]]
