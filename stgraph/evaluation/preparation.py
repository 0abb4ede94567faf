"""What happens to recordings once, before a comparison trains on them: the same for every row."""

from __future__ import annotations

from typing import Any

import torch
from torch_geometric.transforms import Compose

from stgraph.io import Store
from stgraph.skeleton import SkeletonGraph
from stgraph.transforms import BridgeGaps, FillMissing, SkeletonTransform
from stgraph.transforms.base import mean_of, node_recording, seen, with_positions

__all__ = ["BodyUnits", "prepare_poses", "prepared_store"]

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


def prepare_poses(
    centre: str = "recording",
    scale: bool = True,
    bridge: bool = True,
    fill: bool = True,
    max_gap: int | None = None,
) -> Compose:
    """The preparation of a comparison, to apply once to whole sets.

    Args:
        centre: See :class:`BodyUnits`.
        scale: See :class:`BodyUnits`.
        bridge: Join the tracks of a person over frames in which nobody was found.
        fill: Interpolate joints that are missing between two times at which they were found, with
            a small score; the others stay missing.
        max_gap: Longest gap to bridge and to fill, in frames; by default any.
    """
    steps: list[SkeletonTransform] = []
    if bridge:
        steps.append(BridgeGaps(max_gap=max_gap))
    if fill:
        steps.append(FillMissing(max_gap=max_gap))
    return Compose([*steps, BodyUnits(centre, scale)])


def prepared_store(source: Any, transform: Any, batch_size: int = 512) -> Store:
    """All recordings of a data set's split, transformed, in memory.

    Args:
        source: A data set.
        transform: Deterministic; applied to batches.
        batch_size: Recordings to transform at a time.
    """
    graphs: list[SkeletonGraph] = []
    for start in range(0, len(source), batch_size):
        indices = torch.arange(start, min(start + batch_size, len(source)))
        graphs += transform(source.batch(indices)).to_data_list()
    return Store.from_graphs(graphs, class_names=source.class_names)
