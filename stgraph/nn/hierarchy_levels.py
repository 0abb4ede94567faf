"""What the levels of a hierarchical encoder make of a batch, for tasks that combine them anew."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from stgraph.nn.hierarchy import make_clip_plan, make_video_plan
from stgraph.ops import Windows
from stgraph.skeleton import SkeletonGraph
from stgraph.skeleton.levels import level_of


class HierarchyLevels:
    """What the levels of :class:`HiTRS` make of a batch, for tasks that combine them anew.

    Args:
        encoder: The network.
        batch: Recordings, with :meth:`HiTRS.ends`.
    """

    def __init__(self, encoder: Any, batch: SkeletonGraph) -> None:
        self.encoder = encoder
        self.batch = batch
        #: The joints that are found.
        self.tokens = encoder.tokens(batch)
        self._frame = encoder.frame_plan(batch, self.tokens)

    @cached_property
    def joints(self) -> Tensor:
        """Embeddings of the joints that are found, in the order of the tokens, [K, D]."""
        values = self.encoder.features(self.batch)[self.tokens.node[:, 0]]
        return self.encoder.frame(values, self._frame)

    @cached_property
    def windows(self) -> Windows:
        """The windows of the network's stride, with every track's at least one."""
        return self.encoder.windows(self.batch)

    @cached_property
    def clips(self) -> Tensor:
        """Embeddings of those windows, [W, 2 D]."""
        return self.embed_clips(self.windows)

    def embed_clips(self, windows: Windows, order: Tensor | None = None) -> Tensor:
        """Embeddings of any windows, [W', 2 D].

        Args:
            windows: Over the tracks of the batch.
            order: Step whose pose stands at each step, int64 [W', w], for windows out of order.
        """
        assert self.encoder.clip is not None
        plan = make_clip_plan(self._frame, windows, order, self.encoder.slack)
        return self.encoder.clip(self.joints, self._frame.description, plan)

    def embed_videos(self, clips: Tensor, length: Tensor, row: Tensor | None = None) -> Tensor:
        """Embeddings of sequences of clips, [S, 4 D].

        Args:
            clips: Embeddings of clips.
            length: Clips of each sequence, int64 [S].
            row: Which embedding each clip has, int64 [W']; by default they follow each other.

        Raises:
            ValueError: if a sequence has more clips than there are places.
        """
        assert self.encoder.video is not None
        total = int(length.sum())
        first = (length.cumsum(0) - length).repeat_interleave(length, output_size=total)
        number = torch.arange(total, device=length.device) - first
        self.encoder.video.check_clips(number)
        plan = make_video_plan(length, number, row, self.encoder.slack)
        return self.encoder.video(clips, plan)[0]


def zero_ends(batch: SkeletonGraph, count: int) -> SkeletonGraph:
    """Every track with poses at zero before its first and after its last pose.

    Args:
        batch: Recordings.
        count: How many at each end.
    """
    length = batch.track_length + 2 * count
    track = torch.arange(length.numel(), device=length.device).repeat_interleave(length)
    place = torch.arange(track.numel(), device=length.device) - (length.cumsum(0) - length)[track]
    place = place - count
    inside = (place >= 0) & (place < batch.track_length[track])
    index = batch.first_pose[track] + place.clamp(min=0).minimum(batch.track_length[track] - 1)
    out = batch.take_poses(index, length, torch.arange(length.numel(), device=length.device))
    blank = ~inside.repeat_interleave(out.joints_per_pose)
    for name in list(out.keys()):
        if level_of(name, out[name]) == "node":
            rows = blank.view(-1, *[1] * (out[name].dim() - 1))
            out[name] = out[name].masked_fill(rows, 1.0 if name == "score" else 0)
    return out
