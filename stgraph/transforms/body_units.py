"""Positions in body sizes."""

from __future__ import annotations

import torch

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import (
    SkeletonTransform,
    mean_of,
    node_recording,
    seen,
    with_positions,
)

CENTRES = ("recording", "pose", "none")


class BodyUnits(SkeletonTransform):
    """Centres on the joints that are found and divides by the size of the body.

    The size is the root mean square distance of the found joints from the mean of their pose, over
    the recording: one number a recording, that a missing joint hardly changes. Joints that were
    not found lie at 0, which is the centre.

    Args:
        centre: ``"recording"``: one centre for the recording, so that the path of a person who
            crosses the picture stays; ``"pose"``: each pose has its own; ``"none"``.
        scale: Whether to divide by the size.

    Raises:
        ValueError: if ``centre`` is unknown.

    Units: ``pos`` becomes "body sizes".
    """

    def __init__(self, centre: str = "recording", scale: bool = True) -> None:
        if centre not in CENTRES:
            raise ValueError(f"unknown centre {centre!r}; known are {', '.join(CENTRES)}")
        self.centre = centre
        self.scale = scale

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy with other positions."""
        found, pose, recording = seen(data), data.pose, node_recording(data)
        middle = mean_of(data.pos, pose, data.num_poses, found)
        distance = (data.pos - middle[pose]).square().sum(dim=1, keepdim=True)
        size = mean_of(distance, recording, data.num_recordings, found).sqrt()
        size = torch.where(size > 0, size, torch.ones_like(size))
        pos = data.pos
        if self.centre == "pose":
            pos = pos - middle[pose]
        elif self.centre == "recording":
            pos = pos - mean_of(pos, recording, data.num_recordings, found)[recording]
        return with_positions(data, pos / size[recording] if self.scale else pos)
