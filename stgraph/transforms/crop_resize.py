"""CTR-GCN's crop in time."""

from __future__ import annotations

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import SkeletonTransform, draw
from stgraph.transforms.resample_time import resize_times
from stgraph.transforms.timeline import take_times, timeline


def random_stretch(
    length: Tensor, draws: Tensor, part: tuple[float, float], min_frames: int
) -> tuple[Tensor, Tensor]:
    """Start and length of a random stretch of each recording.

    Args:
        length: Frames of each recording, int64 [B].
        draws: Uniform draws in [0, 1), [B, 2].
        part: Interval of the part of the frames that is kept.
        min_frames: Fewest frames of a stretch, or all where there are fewer.
    """
    low, high = part
    share = draws[:, 0].double() * (high - low) + low
    kept = (length * share).floor().long().clamp(min=min_frames).minimum(length)
    room = length - kept + 1
    start = (draws[:, 1].double() * room).long().minimum(room - 1)
    return start, kept


class CropResize(SkeletonTransform):
    """Keeps a stretch of a recording's frames and resizes it to a fixed number.

    Args:
        num_frames: Frames wanted; linear interpolation, half-pixel centres.
        part: Part of the frames that is kept, from the middle; or the interval from which it is
            drawn, at a random place.
        min_frames: Fewest frames of a random stretch, or all where there are fewer.
        generator: Source of the draws.

    Raises:
        ValueError: if a part is not within (0, 1].

    Source: CTR-GCN (64 frames; 0.95 in testing, 0.5 to 1 in training), MAMP and STARS (120).
    """

    def __init__(
        self,
        num_frames: int = 64,
        part: float | tuple[float, float] = 0.95,
        min_frames: int = 64,
        generator: torch.Generator | None = None,
    ) -> None:
        interval = part if isinstance(part, tuple) else (part, part)
        if not 0 < interval[0] <= interval[1] <= 1:
            raise ValueError(f"'CropResize' expected parts within (0, 1] (got {part})")
        self.num_frames = num_frames
        self.part = part
        self.min_frames = min_frames
        self.generator = generator

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy with ``num_frames`` frames in every recording that has any."""
        _, length = timeline(data)
        if isinstance(self.part, tuple):
            draws = draw(data, 2, self.generator)
            start, kept = random_stretch(length, draws, self.part, self.min_frames)
        else:
            start = ((1 - self.part) * length.double() / 2).long()
            kept = length - 2 * start
        wanted = torch.full_like(length, self.num_frames)
        return take_times(data, *resize_times(start, kept, wanted))
