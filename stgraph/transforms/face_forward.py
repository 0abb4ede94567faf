"""Recordings that all begin facing the same way."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import SkeletonTransform, node_recording, with_positions
from stgraph.transforms.pre_normalise_3d import joint_positions
from stgraph.transforms.rotations import rotation_3d

AXES = ("y", "z")


class FaceForward(SkeletonTransform):
    """Turns each 3-D recording about the vertical, so that its first person begins facing one way.

    In the first pose that shows the joints in question, of the person with the lowest number, the
    line from the right to the left side points along x. Recordings of several cameras then differ
    less; how a person turns later stays. 2-D recordings stay as they are.

    Args:
        left: Joints of the left side, whose mean counts.
        right: Those of the right side.
        up: The vertical axis, ``"y"`` (Kinect's cameras) or ``"z"``; its direction does not matter.

    Raises:
        ValueError: if the axis is unknown, or a 3-D layout has no such joints.
    """

    def __init__(
        self,
        left: Sequence[int | str] = ("left_shoulder", "left_hip"),
        right: Sequence[int | str] = ("right_shoulder", "right_hip"),
        up: str = "y",
    ) -> None:
        if up not in AXES:
            raise ValueError(f"unknown axis {up!r}; known are {', '.join(AXES)}")
        self.left, self.right, self.up = tuple(left), tuple(right), up

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy, turned; each recording by itself."""
        if data.pos.size(1) != 3 or data.num_poses == 0:
            return with_positions(data, data.pos.clone())
        person = data.person[data.track]
        lowest = person.new_full((data.num_recordings,), torch.iinfo(person.dtype).max)
        lowest = lowest.scatter_reduce(0, data.pose_batch, person, "amin")
        first = person == lowest[data.pose_batch]
        sides = joint_positions(data, first, [*self.left, *self.right])
        across = sides[:, : len(self.left)].mean(dim=1) - sides[:, len(self.left) :].mean(dim=1)
        dims = getattr(data, "source_dims", None)
        if dims is not None:
            flat = torch.as_tensor(dims, device=across.device).reshape(-1, 1) < 3
            across = across.masked_fill(flat, 0.0)
        angles = torch.zeros_like(across)
        if self.up == "y":
            angles[:, 1] = torch.atan2(across[:, 2], across[:, 0])
        else:
            angles[:, 2] = -torch.atan2(across[:, 1], across[:, 0])
        matrix = rotation_3d(angles)[node_recording(data)]
        return with_positions(data, (matrix @ data.pos.unsqueeze(-1)).squeeze(-1))
