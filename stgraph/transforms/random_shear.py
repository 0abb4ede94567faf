"""Random shear."""

from __future__ import annotations

import torch

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import SkeletonTransform, draw
from stgraph.transforms.random_rotate import transform_about


class RandomShear(SkeletonTransform):
    """Adds to each coordinate a share of each other one, from U(-amplitude, amplitude).

    Args:
        amplitude: Greatest share.
        about: ``"origin"``, ``"recording"`` (mean of the joints that are seen), or coordinates.
        generator: Source of the draws.

    Source: CrosSCLR and AimCLR, amplitude 0.5.
    """

    def __init__(
        self,
        amplitude: float = 0.5,
        about: str | tuple[float, ...] = "origin",
        generator: torch.Generator | None = None,
    ) -> None:
        self.amplitude = amplitude
        self.about = about
        self.generator = generator

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy, sheared; each recording by itself."""
        dims = data.pos.size(1)
        draws = draw(data, dims * dims, self.generator).unflatten(1, (dims, dims))
        own = torch.eye(dims, device=draws.device)
        matrix = own + (2 * draws - 1) * self.amplitude * (1 - own)
        return transform_about(data, matrix, self.about)
