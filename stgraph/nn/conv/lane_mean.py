"""Means over the poses of a track, in message passing over explicit edges."""

from __future__ import annotations

import torch
from torch import Tensor


def lane_mean(x: Tensor, lane: Tensor | None) -> Tensor:
    """The mean over each node's lane, at each node; without lanes a node is a lane of its own.

    Args:
        x: [N, F].
        lane: Equal for the poses of one joint of one track, int64 [N].
    """
    if lane is None:
        return x
    lanes = int(lane.max()) + 1
    total = x.new_zeros(lanes, x.size(1)).index_add(0, lane, x)
    return (total / torch.bincount(lane, minlength=lanes)[:, None].to(x.dtype))[lane]
