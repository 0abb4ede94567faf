"""PYSKL's normalisation of pixel coordinates."""

from __future__ import annotations

import torch

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import (
    SkeletonTransform,
    node_recording,
    range_of,
    seen,
    with_nodes,
)

NARROW = 10.0


class PreNormalise2D(SkeletonTransform):
    """Maps pixels to [-1, 1] by the size of the picture or by the range that is used.

    Args:
        size: Width and height of the picture in pixels; ``None`` takes the range of each
            recording's joints instead, unless one of its two ranges is 10 pixels or less (then
            the recording stays as it is).
        threshold: Joints with a score at or below it become missing (score and position 0).

    Source: PYSKL's ``PreNormalize2D``, modes ``fix`` and ``auto``.
    """

    def __init__(self, size: tuple[float, float] | None = None, threshold: float = 0.01) -> None:
        self.size = size
        self.threshold = threshold

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy with mapped positions; coordinates after the second are left alone."""
        score = getattr(data, "score", None)
        exists = seen(data) if score is None else score > self.threshold
        recording = node_recording(data)
        picture = data.pos[:, :2]
        if self.size is not None:
            half = picture.new_tensor(self.size) / 2
            mapped = (picture - half) / half
        else:
            low, high = range_of(picture, recording, data.num_recordings, exists)
            wide = ((high - low) > NARROW).all(dim=1)
            extent = torch.where(wide[:, None], high - low, torch.ones_like(low))
            mapped = (picture - ((high + low) / 2)[recording]) / extent[recording] * 2
            mapped = torch.where(wide[recording, None], mapped, picture)
        pos = torch.cat([mapped, data.pos[:, 2:]], dim=1)
        pos = torch.where(exists[:, None], pos, torch.zeros_like(pos))
        if score is None:
            return with_nodes(data, pos=pos)
        return with_nodes(data, pos=pos, score=torch.where(exists, score, torch.zeros_like(score)))
