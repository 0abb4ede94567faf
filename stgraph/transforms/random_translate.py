"""Random translation."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import SkeletonTransform, draw, node_recording, with_positions


class RandomTranslate(SkeletonTransform):
    """Shifts each recording by U(-distance, distance) along each coordinate.

    Args:
        distance: Greatest shift in units of ``pos``, one for all coordinates or one each.
        generator: Source of the draws.
    """

    def __init__(
        self, distance: float | Sequence[float], generator: torch.Generator | None = None
    ) -> None:
        self.distance = distance
        self.generator = generator

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy, shifted; each recording by itself."""
        draws = draw(data, data.pos.size(1), self.generator)
        shift = (2 * draws - 1) * draws.new_tensor(self.distance)
        return with_positions(data, data.pos + shift.to(data.pos)[node_recording(data)])
