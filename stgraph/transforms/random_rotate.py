"""Random rotation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import SkeletonTransform, draw, node_recording, with_positions
from stgraph.transforms.flip import about_point
from stgraph.transforms.rotations import rotation_2d, rotation_3d


def transform_about(
    data: SkeletonGraph, matrix: Tensor, about: str | float | tuple[float, ...]
) -> SkeletonGraph:
    """A copy whose positions are multiplied by a matrix a recording, [B, D, D], about a point."""
    recording = node_recording(data)
    centre = about_point(data, about)[recording]
    moved = matrix.to(data.pos)[recording] @ (data.pos - centre).unsqueeze(-1)
    return with_positions(data, moved.squeeze(-1) + centre)


class RandomRotate(SkeletonTransform):
    """Turns each recording by angles from U(-degrees, degrees).

    Args:
        degrees: Greatest angle: one number in 2-D; in 3-D one for all three axes, or three, about
            x, y and z (a 0 leaves an axis alone).
        order: The product of the three factors from left to right, ``"zyx"`` being Rz Ry Rx.
        about: ``"origin"``, ``"recording"`` (mean of the joints that are seen), or coordinates.
        generator: Source of the draws.

    Raises:
        ValueError: if the coordinates are neither 2-D nor 3-D, or there are three angles in 2-D.

    Source: 17.2 degrees (0.3 radians) about each axis in PYSKL, CTR-GCN, MAMP; on NW-UCLA
    ``(60, 60, 0)`` with order ``"xyz"``.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        order: str = "zyx",
        about: str | tuple[float, ...] = "origin",
        generator: torch.Generator | None = None,
    ) -> None:
        if sorted(order) != ["x", "y", "z"]:
            raise ValueError(f"'RandomRotate' expected an order of x, y and z (got {order!r})")
        self.degrees = degrees
        self.order = order
        self.about = about
        self.generator = generator

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy, turned; each recording by itself."""
        dims = data.pos.size(1)
        number = {2: 1, 3: 3}.get(dims, 0)
        widest = torch.tensor(self.degrees, dtype=torch.float32).reshape(-1)
        if number == 0 or len(widest) not in (1, number):
            raise ValueError(
                f"'RandomRotate' with degrees={self.degrees} cannot turn {dims}-D coordinates"
            )
        draws = draw(data, number, self.generator)
        angles = ((2 * draws - 1) * widest.to(draws)).deg2rad()
        matrix = rotation_2d(angles[:, 0]) if dims == 2 else rotation_3d(angles, self.order)
        return transform_about(data, matrix, self.about)
