"""Mirroring."""

from __future__ import annotations

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import (
    SkeletonTransform,
    by_layout,
    draw,
    mean_of,
    node_recording,
    seen,
    with_nodes,
)


def mirror_node(data: SkeletonGraph) -> Tensor:
    """The node that holds the mirror joint of each node, int64 [N]; its own inverse."""
    node = torch.arange(data.pos.size(0), device=data.pos.device)
    for layout, here, _, _ in by_layout(data):
        folded = node[here].view(-1, layout.num_joints)
        node[here] = folded[:, layout.mirror.to(node.device)].flatten()
    return node


def about_point(data: SkeletonGraph, about: str | float | tuple[float, ...]) -> Tensor:
    """The fixed point of a geometric transform for each recording, [B, D].

    Args:
        data: Recording or batch.
        about: ``"recording"``: mean of all joints that are seen; ``"origin"``; or coordinates.
    """
    size, dims = data.num_recordings, data.pos.size(1)
    if about == "recording":
        return mean_of(data.pos, node_recording(data), size, seen(data))
    if about == "origin":
        return data.pos.new_zeros(size, dims)
    return data.pos.new_tensor(about).expand(size, dims)


class Flip(SkeletonTransform):
    """Mirrors recordings: reflects a coordinate and exchanges left and right joints.

    Scores go with their joints. Mirroring twice is the identity.

    Args:
        p: Probability with which a recording is mirrored.
        axis: Coordinate that is reflected.
        about: Where the mirror stands: ``"recording"`` (mean of the joints that are seen),
            ``"origin"``, or its position on the axis, such as half the width of the picture.
        generator: Source of the draws.
    """

    def __init__(
        self,
        p: float = 1.0,
        axis: int = 0,
        about: str | float = "recording",
        generator: torch.Generator | None = None,
    ) -> None:
        self.p = p
        self.axis = axis
        self.about = about
        self.generator = generator

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy, mirrored or not, each recording by itself."""
        chosen = draw(data, 1, self.generator)[:, 0] < self.p
        recording = node_recording(data)
        node = torch.arange(data.pos.size(0), device=data.pos.device)
        source = torch.where(chosen[recording], mirror_node(data), node)
        centre = about_point(data, self.about)[recording, self.axis]
        flips = chosen[recording] & seen(data)
        pos = data.pos.clone()
        along = pos[:, self.axis]
        pos[:, self.axis] = torch.where(flips, 2 * centre - along, along)
        moved = {"pos": pos[source]}
        if getattr(data, "score", None) is not None:
            moved["score"] = data.score[source]
        return with_nodes(data, **moved)
