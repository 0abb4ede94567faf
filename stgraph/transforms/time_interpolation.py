"""Poses between poses."""

from __future__ import annotations

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import SkeletonTransform, draw, seen, with_positions


class TimeInterpolation(SkeletonTransform):
    r"""Moves every pose the same way towards the next one of its track, from `"Convolutional Neural
    Networks and Long Short-Term Memory for Skeleton-based Human Activity and Hand Gesture
    Recognition" <https://doi.org/10.1016/j.patcog.2017.10.033>`_, as Hi-TRS uses it.

    .. math::
        \mathbf{x}'_t = \mathbf{x}_t + s (\mathbf{x}_{t+1} - \mathbf{x}_t), \quad s \sim U(0, 1)

    The last pose of a track stays, and so does a joint that is missing in either pose.

    Args:
        generator: Source of the draws, one for each recording.
    """

    def __init__(self, generator: torch.Generator | None = None) -> None:
        self.generator = generator

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy with as many poses."""
        return interpolate(data, draw(data, 1, self.generator)[:, 0])


def interpolate(data: SkeletonGraph, share: Tensor) -> SkeletonGraph:
    """A copy whose poses moved towards the next ones.

    Args:
        data: Recording or batch.
        share: How far, of each recording, [B].
    """
    pose, track = data.pose, data.track
    after = (pose + 1).clamp(max=max(data.num_poses - 1, 0))
    inner = (after > pose) & (track[after] == track[pose])
    counts = data.joints_per_pose
    node = (counts.cumsum(0) - counts)[after] + data.joint
    node = torch.where(inner, node, torch.arange(len(pose), device=pose.device))
    found = seen(data)
    step = (data.pos[node] - data.pos) * (found & found[node])[:, None]
    return with_positions(data, data.pos + share[data.pose_batch][pose][:, None] * step)
