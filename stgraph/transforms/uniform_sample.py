"""Frames spread evenly over a recording, as PYSKL and CTR-GCN's NW-UCLA feeder take them."""

from __future__ import annotations

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import SkeletonTransform
from stgraph.transforms.timeline import take_places, timeline

COPIES = 100


def _draws(length: Tensor, number: int, generator: torch.Generator | None) -> Tensor:
    device = "cpu" if generator is None else generator.device
    size = (len(length), number)
    return torch.rand(size, generator=generator, device=device, dtype=torch.float64).to(
        length.device
    )


def uniform_places(
    length: Tensor, num_frames: int, generator: torch.Generator | None = None
) -> Tensor:
    """PYSKL's uniform sampling in training, for all recordings at once.

    At least twice as many frames as wanted: one from each equal bin. At least as many: that
    many, in order, without those left out at random. Fewer: all in a ring from a random start.

    Args:
        length: Frames L of each recording, int64 [B].
        num_frames: Frames wanted, n.
        generator: Source of the draws.

    Returns:
        Places, int64 [B, n]; those of a recording without frames are 0.
    """
    safe = length.clamp(min=1)[:, None]
    draws = _draws(length, num_frames + 1, generator)
    nth = torch.arange(num_frames + 1, device=length.device)
    edges = nth * safe // num_frames
    bins = edges.diff()
    binned = edges[:, :-1] + (draws[:, :-1] * bins).long().minimum((bins - 1).clamp(min=0))
    left_out = draws.argsort(dim=1).argsort(dim=1) < safe - num_frames
    ordered = nth[:-1] + left_out.long().cumsum(dim=1)[:, :-1]
    start = (draws[:, :1] * safe).long().minimum(safe - 1)
    ring = (start + nth[:-1]) % safe
    few = torch.where(safe < num_frames, ring, ordered)
    return torch.where(safe >= 2 * num_frames, binned, few)


def central_places(length: Tensor, num_frames: int) -> Tensor:
    """The middle frame of each of n equal bins, int64 [B, n]; nothing is drawn."""
    nth = torch.arange(num_frames, device=length.device)
    return (2 * nth + 1) * length[:, None] // (2 * num_frames)


def even_places(length: Tensor, num_frames: int = 52) -> Tensor:
    """Evenly spaced places from the first to the last frame, truncated, int64 [B, n]."""
    nth = torch.arange(num_frames, dtype=torch.float64, device=length.device)
    step = (length - 1).clamp(min=0).double()[:, None] / max(num_frames - 1, 1)
    places = nth * step
    if num_frames > 1:
        places[:, -1] = (length - 1).clamp(min=0)
    return places.long()


def repeated_places(
    length: Tensor, num_frames: int = 52, generator: torch.Generator | None = None
) -> Tensor:
    """n of a hundred copies of each frame, in order: the NW-UCLA feeder's training sample.

    The first n different ones of 4 n independent draws are a sample without replacement; frames
    repeat, copies do not.

    Args:
        length: Frames L of each recording, int64 [B].
        num_frames: Frames wanted, n.
        generator: Source of the draws.

    Returns:
        Places in ascending order, int64 [B, n].
    """
    pool = length.clamp(min=1)[:, None] * COPIES
    copies = (_draws(length, 4 * num_frames, generator) * pool).long().minimum(pool - 1)
    ascending, order = copies.sort(dim=1, stable=True)
    again = torch.zeros_like(ascending, dtype=torch.bool)
    again[:, 1:] = ascending[:, 1:] == ascending[:, :-1]
    repeated = torch.zeros_like(again).scatter(1, order, again)
    # different copies first, each group in the order drawn
    first = repeated.long().argsort(dim=1, stable=True)[:, :num_frames]
    return copies.gather(1, first).sort(dim=1).values // COPIES


class UniformSample(SkeletonTransform):
    """Picks a fixed number of frames spread over the recording; nothing is interpolated.

    New frames are numbered from 0, and ``fps`` follows.

    Args:
        num_frames: Frames wanted.
        how: ``"random"`` (one draw from each part: PYSKL in training), ``"centre"`` (the middle of
            each part), ``"even"`` (evenly spaced from first to last: the NW-UCLA feeder in
            testing) or ``"repeated"`` (a sorted sample that may repeat frames: that feeder in
            training).
        short: What becomes of recordings with fewer frames: ``"keep"`` leaves them whole, since
            a ragged batch needs no filling; ``"fill"`` repeats frames as published.
        generator: Source of the draws.

    Raises:
        ValueError: if ``how`` or ``short`` is unknown, or ``num_frames`` is not positive.
    """

    def __init__(
        self,
        num_frames: int,
        how: str = "random",
        short: str = "keep",
        generator: torch.Generator | None = None,
    ) -> None:
        if how not in ("random", "centre", "even", "repeated") or short not in ("keep", "fill"):
            raise ValueError(
                "'UniformSample' expected how='random', 'centre', 'even' or 'repeated' and "
                f"short='keep' or 'fill' (got {how!r}, {short!r})"
            )
        if num_frames < 1:
            raise ValueError(f"'UniformSample' expected at least one frame (got {num_frames})")
        self.num_frames = num_frames
        self.how = how
        self.short = short
        self.generator = generator

    def table(self, length: Tensor) -> Tensor:
        """Places for recordings of given lengths, int64 [B, num_frames]."""
        if self.how == "random":
            return uniform_places(length, self.num_frames, self.generator)
        if self.how == "repeated":
            return repeated_places(length, self.num_frames, self.generator)
        places = central_places if self.how == "centre" else even_places
        return places(length, self.num_frames)

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy with the poses of the frames that were picked."""
        _, length = timeline(data)
        table = self.table(length)
        valid = torch.ones_like(table, dtype=torch.bool)
        if self.short == "keep":
            nth = torch.arange(self.num_frames, device=table.device)
            whole = (length < self.num_frames)[:, None]
            table = torch.where(whole, nth, table)
            valid = nth < torch.where(whole, length[:, None], self.num_frames)
        return take_places(data, table, valid & (length > 0)[:, None])
