"""Mapping to [-1, 1]."""

from __future__ import annotations

import torch

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import (
    SkeletonTransform,
    node_recording,
    range_of,
    seen,
    with_positions,
)


class NormaliseRange(SkeletonTransform):
    """Maps each recording to [-1, 1] by the range of the joints that are seen.

    Args:
        per_coordinate: Each coordinate by its own range (CTR-GCN on NW-UCLA); else all by the
            widest, which keeps the proportions of bodies.

    Units: ``pos`` becomes "half ranges" of the recording; a coordinate without extent becomes 0.
    """

    def __init__(self, per_coordinate: bool = True) -> None:
        self.per_coordinate = per_coordinate

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy with mapped positions."""
        recording = node_recording(data)
        low, high = range_of(data.pos, recording, data.num_recordings, seen(data))
        extent = high - low
        if not self.per_coordinate:
            middle, widest = (low + high) / 2, extent.amax(dim=1, keepdim=True)
            low, extent = middle - widest / 2, widest.expand_as(extent)
        flat = (extent == 0)[recording]
        extent = torch.where(extent == 0, torch.ones_like(extent), extent)
        mapped = (data.pos - low[recording]) / extent[recording] * 2 - 1
        return with_positions(data, torch.where(flat, torch.zeros_like(mapped), mapped))
