"""Noise."""

from __future__ import annotations

import torch

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import SkeletonTransform, with_positions


class Jitter(SkeletonTransform):
    """Adds Gaussian noise to the joints that are seen.

    Args:
        deviation: Standard deviation in units of ``pos``.
        generator: Source of the draws.
    """

    def __init__(self, deviation: float, generator: torch.Generator | None = None) -> None:
        self.deviation = deviation
        self.generator = generator

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy with noise."""
        device = "cpu" if self.generator is None else self.generator.device
        noise = torch.randn(data.pos.shape, generator=self.generator, device=device)
        return with_positions(data, data.pos + self.deviation * noise.to(data.pos))
