"""Scaling by the length of the torso."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import (
    SkeletonTransform,
    by_layout,
    joint_numbers,
    mean_of,
    median_of,
    node_recording,
    seen,
    with_positions,
)

Joints = int | str | Sequence[int | str]
SHOULDERS = ("left_shoulder", "right_shoulder")
HIPS = ("left_hip", "right_hip")


def torso_length(data: SkeletonGraph, start: Joints = SHOULDERS, end: Joints = HIPS) -> Tensor:
    """Median distance between two joints, or the middles of two sets, of each recording, [B].

    Poses in which one of the joints is missing do not count. A recording without any such pose
    gives the root mean square distance of its joints from their pose's mean instead, which for a
    standing body is about as long; a recording without extent gives 1.
    """
    size = data.num_recordings
    length = data.pos.new_zeros(data.num_poses)
    complete = torch.zeros(data.num_poses, dtype=torch.bool, device=length.device)
    exists = seen(data)
    for layout, node, pose, _ in by_layout(data):
        pos = data.pos[node].view(-1, layout.num_joints, data.pos.size(1))
        here = exists[node].view(-1, layout.num_joints)
        a, b = joint_numbers(layout, start), joint_numbers(layout, end)
        length[pose] = (pos[:, a].mean(dim=1) - pos[:, b].mean(dim=1)).norm(dim=-1)
        complete[pose] = here[:, [*a, *b]].all(dim=1)
    complete &= length > 0
    median, count = median_of(length[complete], data.pose_batch[complete], size)
    centre = mean_of(data.pos, data.pose, data.num_poses, exists)[data.pose]
    squared = (data.pos - centre).square().sum(dim=1, keepdim=True)
    spread = mean_of(squared, node_recording(data), size, exists)[:, 0].sqrt()
    result = torch.where(count > 0, median, spread)
    return torch.where(result > 0, result, torch.ones_like(result))


class NormaliseScale(SkeletonTransform):
    """Divides by the length of the recording's torso, so that bodies of 2-D and 3-D compare.

    The scale is one number a recording: differences between its people stay.

    Args:
        start: Joint or joints (their middle) at one end; by default the shoulders.
        end: Joint or joints at the other end; by default the hips.

    Raises:
        ValueError: if the layout has no such joints.

    Units: ``pos`` becomes "torso lengths".
    """

    def __init__(self, start: Joints = SHOULDERS, end: Joints = HIPS) -> None:
        self.start = start
        self.end = end

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy with scaled positions."""
        length = torso_length(data, self.start, self.end)
        return with_positions(data, data.pos / length[node_recording(data), None])
