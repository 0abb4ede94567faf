"""Random scaling."""

from __future__ import annotations

import torch

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import SkeletonTransform, draw
from stgraph.transforms.random_rotate import transform_about


class RandomScale(SkeletonTransform):
    """Scales each recording by a factor from an interval.

    Args:
        scale: Lowest and highest factor.
        per_coordinate: A factor of its own for each coordinate (PYSKL).
        about: ``"origin"``, ``"recording"`` (mean of the joints that are seen), or coordinates.
        generator: Source of the draws.

    Raises:
        ValueError: if the factors are not positive and in order.
    """

    def __init__(
        self,
        scale: tuple[float, float] = (0.8, 1.2),
        per_coordinate: bool = False,
        about: str | tuple[float, ...] = "origin",
        generator: torch.Generator | None = None,
    ) -> None:
        if not 0 < scale[0] <= scale[1]:
            raise ValueError(f"'RandomScale' expected 0 < lowest <= highest factor (got {scale})")
        self.scale = scale
        self.per_coordinate = per_coordinate
        self.about = about
        self.generator = generator

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy, scaled; each recording by itself."""
        dims = data.pos.size(1)
        low, high = self.scale
        draws = draw(data, dims if self.per_coordinate else 1, self.generator)
        factor = (draws * (high - low) + low).expand(-1, dims)
        return transform_about(data, torch.diag_embed(factor), self.about)
