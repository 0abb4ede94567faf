"""Noise on a few joints."""

from __future__ import annotations

import torch
from torch import Tensor

from stgraph.ops import top_k_of_group
from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import SkeletonTransform, node_recording, with_positions


class JointNoise(SkeletonTransform):
    """Moves some joints by uniform noise, from `"Hierarchically Self-Supervised Transformer for
    Human Skeleton Representation Learning" <https://arxiv.org/abs/2207.09644>`_ (supplement 1).

    Args:
        num_joints: How many joints of a pose, drawn anew for each pose.
        amplitude: Greatest displacement along each axis, in units of ``pos``.
        constant: Draw joints and displacements once a recording, as the published code does.
        generator: Source of the draws.
    """

    def __init__(
        self,
        num_joints: int = 5,
        amplitude: float = 0.2,
        constant: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        self.num_joints = num_joints
        self.amplitude = amplitude
        self.constant = constant
        self.generator = generator

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy with noise; missing joints stay missing."""
        return with_positions(data, data.pos + self.noise(data))

    def noise(self, data: SkeletonGraph) -> Tensor:
        """Displacements, [N, D]."""
        device = "cpu" if self.generator is None else self.generator.device
        n, dims = data.pos.shape
        u = torch.rand(n, 1 + dims, generator=self.generator, device=device).to(data.pos)
        group, count = data.pose, data.num_poses
        if self.constant:  # every pose as the first of its recording
            recording = node_recording(data)
            poses = data.poses_per_recording
            first = (poses.cumsum(0) - poses)[recording]
            counts = data.joints_per_pose
            start = counts.cumsum(0) - counts
            u = u[start[first] + data.joint]
        k = torch.full((count,), self.num_joints, device=group.device)
        moved = top_k_of_group(u[:, 0], group, k)
        return (2 * u[:, 1:] - 1) * self.amplitude * moved[:, None]
