"""Zero mean and unit deviation."""

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


class Standardise(SkeletonTransform):
    """Gives each recording mean 0 and standard deviation 1 over the joints that are seen.

    Args:
        per_coordinate: One deviation for each coordinate; else a common one, which keeps the
            proportions of bodies.

    Units: ``pos`` becomes "standard deviations" of the recording; one without extent stays at 0.
    """

    def __init__(self, per_coordinate: bool = True) -> None:
        self.per_coordinate = per_coordinate

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy with standardised positions."""
        recording, size, exists = node_recording(data), data.num_recordings, seen(data)
        centred = data.pos - mean_of(data.pos, recording, size, exists)[recording]
        variance = mean_of(centred.square(), recording, size, exists)
        if not self.per_coordinate:
            variance = variance.mean(dim=1, keepdim=True)
        deviation = torch.where(variance > 0, variance.sqrt(), torch.ones_like(variance))
        return with_positions(data, centred / deviation[recording])
