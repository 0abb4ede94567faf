"""A stretch of time."""

from __future__ import annotations

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import SkeletonTransform, draw, keep_poses
from stgraph.transforms.crop_resize import random_stretch
from stgraph.transforms.segments import cut_segments
from stgraph.transforms.timeline import timeline


class TimeCrop(SkeletonTransform):
    """Keeps a stretch of a recording's frames as it is.

    Args:
        part: Part of the frames that is kept, rounded up.
        at: Where it lies: 0 at the beginning, 0.5 in the middle, 1 at the end.

    Raises:
        ValueError: if ``part`` is not within (0, 1] or ``at`` not within [0, 1].
    """

    def __init__(self, part: float, at: float = 0.5) -> None:
        if not 0 < part <= 1:
            raise ValueError(f"'TimeCrop' expected a part within (0, 1] (got {part})")
        if not 0 <= at <= 1:
            raise ValueError(f"'TimeCrop' expected 'at' within [0, 1] (got {at})")
        self.part = part
        self.at = at

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy with fewer poses; frame numbers stay."""
        place, length = timeline(data)
        kept = (length * self.part).ceil().long()
        start = ((length - kept) * self.at).round().long()
        return keep_stretch(data, place, start, kept)


class RandomTimeCrop(SkeletonTransform):
    """Keeps a random stretch of a recording's frames as it is.

    Args:
        part: Interval from which the part of the frames that is kept is drawn.
        num_frames: Keep that many frames instead (all where there are fewer).
        min_frames: Fewest frames of a stretch that is given by ``part``.
        generator: Source of the draws.

    Raises:
        ValueError: if the interval is not within (0, 1].
    """

    def __init__(
        self,
        part: tuple[float, float] = (0.5, 1.0),
        num_frames: int | None = None,
        min_frames: int = 1,
        generator: torch.Generator | None = None,
    ) -> None:
        if not 0 < part[0] <= part[1] <= 1:
            raise ValueError(f"'RandomTimeCrop' expected parts within (0, 1] (got {part})")
        self.part = part
        self.num_frames = num_frames
        self.min_frames = min_frames
        self.generator = generator

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy with fewer poses; frame numbers stay."""
        place, length = timeline(data)
        draws = draw(data, 2, self.generator)
        if self.num_frames is None:
            start, kept = random_stretch(length, draws, self.part, self.min_frames)
        else:
            # a share of nothing leaves exactly the fewest frames allowed
            start, kept = random_stretch(length, draws, (0.0, 0.0), self.num_frames)
        return keep_stretch(data, place, start, kept)


def keep_stretch(data: SkeletonGraph, place: Tensor, start: Tensor, kept: Tensor) -> SkeletonGraph:
    """The poses of a stretch of each recording, and its annotated actions, cut at its ends.

    Args:
        data: Recording or batch.
        place: Place of each pose on the timeline of its recording, int64 [P].
        start: First place that is kept, int64 [B].
        kept: How many are, int64 [B].
    """
    recording = data.pose_batch
    inside = (place >= start[recording]) & (place < (start + kept)[recording])
    return cut_segments(data, keep_poses(data, inside))
