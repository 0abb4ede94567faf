"""Another number of frames."""

from __future__ import annotations

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import SkeletonTransform
from stgraph.transforms.segments import renumber_segments
from stgraph.transforms.timeline import frame_at, take_times, timeline


def resize_times(start: Tensor, length: Tensor, num_frames: Tensor) -> tuple[Tensor, Tensor]:
    """Times that resize a stretch of each recording, half-pixel centres, clamped to the stretch.

    Args:
        start: First place of the stretch, [B].
        length: Places in the stretch, [B]; 0 gives no times.
        num_frames: Frames wanted, int64 [B].

    Returns:
        Times, float64 [Q], and the recording of each, int64 [Q].
    """
    wanted = torch.where(length > 0, num_frames, torch.zeros_like(num_frames))
    recording = torch.arange(len(wanted), device=wanted.device).repeat_interleave(wanted)
    nth = torch.arange(len(recording), device=wanted.device)
    nth = (nth - (wanted.cumsum(0) - wanted)[recording]).double()
    here = length[recording].double()
    time = (nth + 0.5) * (here / num_frames[recording].double()) - 0.5
    return time.clamp(min=0).minimum(here - 1) + start[recording], recording


class ResampleTime(SkeletonTransform):
    """Gives recordings another number of frames; exactly one argument says which.

    Frames are counted as the recording's timeline has them: those without anybody do not
    exist. New frames are numbered from 0, and ``fps`` follows.

    Args:
        num_frames: The same number for each recording, by linear interpolation in time with
            half-pixel centres (as CTR-GCN and MAMP resize).
        factor: That many times the frames, rounded, at least one; likewise.
        every: Every n-th frame, without interpolation.

    Raises:
        ValueError: if not exactly one argument is given or it is not positive.
    """

    def __init__(
        self, num_frames: int | None = None, factor: float | None = None, every: int | None = None
    ) -> None:
        given = [value for value in (num_frames, factor, every) if value is not None]
        if len(given) != 1 or given[0] <= 0:
            raise ValueError(
                "'ResampleTime' expected one positive value of num_frames, factor and every "
                f"(got {num_frames}, {factor}, {every})"
            )
        self.num_frames = num_frames
        self.factor = factor
        self.every = every

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy with other poses."""
        place, length = timeline(data)
        if self.every is not None:
            return _every(data, place, length, self.every)
        if self.factor is not None:
            wanted = (length * self.factor + 0.5).floor().long().clamp(min=1)
        else:
            wanted = torch.full_like(length, self.num_frames or 0)
        return take_times(data, *resize_times(torch.zeros_like(length), length, wanted))


def _every(data: SkeletonGraph, place: Tensor, length: Tensor, every: int) -> SkeletonGraph:
    keep = place % every == 0
    # neighbours on the thinned timeline are ``every`` places apart, so tracks must not be cut there
    index = keep.nonzero().flatten()
    track = data.track[index]
    counts = torch.bincount(track, minlength=data.num_tracks)
    source = counts.nonzero().flatten()
    out = data.take_poses(index, counts[source], source)
    out.frame = place[index] // every
    if getattr(data, "fps", None) is not None:
        out.fps = data.fps / every
    kept = (length + every - 1) // every
    recording = torch.arange(len(kept), device=kept.device).repeat_interleave(kept)
    nth = torch.arange(len(recording), device=kept.device) - (kept.cumsum(0) - kept)[recording]
    return renumber_segments(data, out, frame_at(data, nth * every, recording), recording)
