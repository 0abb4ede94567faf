"""Random tempo."""

from __future__ import annotations

import math

import torch

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import SkeletonTransform, draw
from stgraph.transforms.resample_time import resize_times
from stgraph.transforms.timeline import take_times, timeline


class RandomSpeed(SkeletonTransform):
    """Lets each recording go faster or slower, by linear interpolation in time.

    The rate ``fps`` stays: it is another movement in fewer or more frames, not the same one
    filmed otherwise (see :class:`~stgraph.transforms.ResampleTime` for that).

    Args:
        factor: Lowest and highest speed; logarithms are drawn evenly between.
        p: Probability that a recording is changed.
        generator: Source of the draws.

    Raises:
        ValueError: if the factors are not positive and in order, or ``p`` is no probability.
    """

    def __init__(
        self,
        factor: tuple[float, float] = (0.8, 1.25),
        p: float = 0.5,
        generator: torch.Generator | None = None,
    ) -> None:
        if not 0 < factor[0] <= factor[1]:
            raise ValueError(f"'RandomSpeed' expected 0 < lowest <= highest factor (got {factor})")
        if not 0 <= p <= 1:
            raise ValueError(f"'RandomSpeed' expected a probability p (got {p})")
        self.factor = factor
        self.p = p
        self.generator = generator

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy with other poses; frames are numbered from 0."""
        _, length = timeline(data)
        draws = draw(data, 2, self.generator)
        low, high = map(math.log, self.factor)
        speed = torch.where(draws[:, 1] < self.p, draws[:, 0] * (high - low) + low, 0.0).exp()
        wanted = (length / speed + 0.5).floor().long().clamp(min=1)
        out = take_times(data, *resize_times(torch.zeros_like(length), length, wanted))
        if getattr(data, "fps", None) is not None:
            out.fps = data.fps
        return out
