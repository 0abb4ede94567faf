"""The pre-training tasks of Hi-TRS, one for the frame level, one for clips, two for videos."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.nn import Tokens
from stgraph.objectives.contrast.gathering import gather_rows
from stgraph.objectives.contrast.losses import nearest_neighbour_nce
from stgraph.objectives.hierarchy.order import order_loss, swap_far
from stgraph.objectives.output import ObjectiveOutput
from stgraph.ops import Windows
from stgraph.skeleton import SkeletonGraph


class FrameLevel(Protocol):
    """What :class:`MaskedPose` needs of an encoder's ``levels_of(batch)``."""

    batch: SkeletonGraph
    tokens: Tokens

    @property
    def joints(self) -> Tensor: ...


class ClipLevel(Protocol):
    """What :class:`ClipOrder` needs of an encoder's ``levels_of(batch)``."""

    batch: SkeletonGraph
    encoder: Any

    def embed_clips(self, windows: Windows, order: Tensor | None = None) -> Tensor: ...


class VideoLevel(Protocol):
    """What :class:`VideoOrder` and :class:`FutureClip` need of an encoder's
    ``levels_of(batch)``."""

    batch: SkeletonGraph

    @property
    def windows(self) -> Windows: ...

    @property
    def clips(self) -> Tensor: ...

    def embed_videos(self, clips: Tensor, length: Tensor, row: Tensor | None = None) -> Tensor: ...


class MaskedPose(nn.Module):
    r"""Tells where corrupted joints are, from the joints of their pose.

    .. math::
        \operatorname{smooth}_{L1}(s \, \mathbf{W} \mathbf{h}_v, \; s \, \mathbf{p}_v)

    over chosen joints v with embeddings h.

    Args:
        in_channels: Channels of the frame level.
        num_dims: Numbers to tell of each joint.
        scale: s; 10 as published, for metres.
    """

    log_names = ("pose_loss",)

    def __init__(self, in_channels: int, num_dims: int = 3, scale: float = 10.0) -> None:
        super().__init__()
        self.head = nn.Linear(in_channels, num_dims)
        self.scale = scale

    def forward(
        self, levels: FrameLevel, generator: torch.Generator | None = None
    ) -> ObjectiveOutput:
        """The loss over ``node_chosen`` of the batch of the levels."""
        node = levels.tokens.node[:, 0]
        chosen = levels.batch.node_chosen[node]
        told = self.head(levels.joints[chosen])
        truth = levels.batch.node_truth[node[chosen]]
        if truth.size(1) != told.size(1):
            raise ValueError(
                f"'MaskedPose' tells {told.size(1)} numbers of a joint and the recordings have "
                f"{truth.size(1)}; build it for their dimensions (num_dims)"
            )
        if not len(told):
            loss = told.sum()
        else:
            loss = F.smooth_l1_loss(told * self.scale, truth.to(told) * self.scale)
        return ObjectiveOutput(loss, {"pose_loss": loss})


class ClipOrder(nn.Module):
    """Tells whether two poses of a clip were exchanged.

    Of each track one window that moves is drawn; two of its poses, at least two steps apart,
    change places. Tracks without such a window do not count.

    Args:
        in_channels: Channels of the clip level.
    """

    log_names = ("clip_order_loss", "clip_order_accuracy")

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.head = nn.Linear(in_channels, 2)

    def forward(
        self, levels: ClipLevel, generator: torch.Generator | None = None
    ) -> ObjectiveOutput:
        """The loss of a draw of windows."""
        windows, order = self.draw(levels, generator)
        valid = torch.ones_like(windows.track, dtype=torch.bool)
        return self.score(levels, windows, order, valid)

    def score(
        self, levels: ClipLevel, windows: Windows, order: Tensor, valid: Tensor
    ) -> ObjectiveOutput:
        """The loss of given windows.

        Args:
            levels: Of an encoder.
            windows: W windows.
            order: Step whose pose stands at each step of the altered ones, int64 [W, w].
            valid: Which count, bool [W].
        """
        both = torch.cat([levels.embed_clips(windows), levels.embed_clips(windows, order)])
        loss, accuracy = order_loss(self.head(both), valid)
        return ObjectiveOutput(loss, {"clip_order_loss": loss, "clip_order_accuracy": accuracy})

    def draw(
        self, levels: ClipLevel, generator: torch.Generator | None = None
    ) -> tuple[Windows, Tensor]:
        """A window of each track that has one that moves, and its altered order."""
        windows = levels.encoder.windows(levels.batch, stride=1)
        steps = windows.exists.sum(dim=1)
        fit = (steps >= 3) & (window_motion(levels.batch, windows) > 0)
        device = "cpu" if generator is None else generator.device
        u = torch.rand(2, len(fit), generator=generator, device=device).to(fit.device)
        tracks = windows.length.numel()
        # one of each track: that with the greatest draw
        drawn = torch.where(fit, u[0], -1.0)
        best = drawn.new_full((tracks,), -1.0).scatter_reduce(0, windows.track, drawn, "amax")
        keep = fit & (drawn == best[windows.track])
        keep = _first_of_each(keep, windows.track, tracks)
        rows = keep.nonzero().flatten()
        taken = Windows(
            windows.pose[rows],
            windows.exists[rows],
            windows.track[rows],
            torch.bincount(windows.track[rows], minlength=tracks),
        )
        early, late = swap_far(steps[rows], u[1][rows])
        begin = taken.exists.long().argmax(dim=1)  # existing steps follow each other
        order = torch.arange(taken.pose.size(1), device=fit.device).repeat(len(rows), 1)
        early, late = (begin + early)[:, None], (begin + late)[:, None]
        return taken, order.scatter(1, early, late).scatter(1, late, early)


class VideoOrder(nn.Module):
    """Tells whether two clips of a track, at least two places apart, were exchanged.

    The last clip is left out, as it is to be predicted; tracks of fewer than three clips do not
    count.

    Args:
        in_channels: Channels of the video level.
    """

    log_names = ("video_order_loss", "video_order_accuracy")

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.head = nn.Linear(in_channels, 2)

    def forward(
        self, levels: VideoLevel, generator: torch.Generator | None = None
    ) -> ObjectiveOutput:
        """The loss of a draw of exchanges."""
        length, row = past_clips(levels.windows)
        device = "cpu" if generator is None else generator.device
        u = torch.rand(len(length), generator=generator, device=device).to(length.device)
        early, late = swap_far(length, u)
        first = length.cumsum(0) - length
        altered = row.clone()
        altered[first + early], altered[first + late] = row[first + late], row[first + early]
        return self.score(levels, levels.clips, length, row, altered)

    def score(
        self, levels: VideoLevel, clips: Tensor, length: Tensor, row: Tensor, altered: Tensor
    ) -> ObjectiveOutput:
        """The loss of given exchanges.

        Args:
            levels: Of an encoder.
            clips: Embeddings of clips, [W, D].
            length: Clips of each sequence, int64 [S].
            row: Embedding of each clip in the true order, int64 [N].
            altered: The same in the altered order.
        """
        both = torch.cat(
            [
                levels.embed_videos(clips, length, row),
                levels.embed_videos(clips, length, altered),
            ]
        )
        valid = torch.ones_like(length, dtype=torch.bool)
        loss, accuracy = order_loss(self.head(both), valid)
        logs = {"video_order_loss": loss, "video_order_accuracy": accuracy}
        return ObjectiveOutput(loss, logs)


class FutureClip(nn.Module):
    r"""Tells the embedding of a track's last clip from the clips before it, among the last clips of
    the other tracks.

    .. math::
        -\log \frac{\exp(\mathbf{p}_i \cdot \mathbf{c}_i / \tau)}
        {\sum_j \exp(\mathbf{p}_i \cdot \mathbf{c}_j / \tau)}

    Both are of length 1, and no gradient flows into the clips. Clips of all processes that train
    together are negatives.

    Args:
        in_channels: Channels of the video level.
        out_channels: Channels of the clip level.
        temperature: :math:`\tau`.
    """

    log_names = ("future_loss", "future_accuracy")

    def __init__(self, in_channels: int, out_channels: int, temperature: float = 0.07) -> None:
        super().__init__()
        self.head = nn.Linear(in_channels, out_channels)
        self.temperature = temperature

    def forward(
        self, levels: VideoLevel, generator: torch.Generator | None = None
    ) -> ObjectiveOutput:
        """The loss of the tracks of three clips or more."""
        windows = levels.windows
        length, row = past_clips(windows)
        video = levels.embed_videos(levels.clips, length, row)
        last = (windows.length.cumsum(0) - 1)[windows.length >= 3]
        return self.score(video, levels.clips[last])

    def score(self, video: Tensor, clip: Tensor) -> ObjectiveOutput:
        """The loss of given embeddings.

        Args:
            video: Of what came before, [S, D].
            clip: Of what follows, [S, D'].
        """
        told = F.normalize(self.head(video), dim=1)
        every, first = gather_rows(F.normalize(clip.detach(), dim=1))
        if not len(told):
            zero = told.sum()
            return ObjectiveOutput(zero, {"future_loss": zero, "future_accuracy": zero.detach()})
        loss, logits = nearest_neighbour_nce(told, every, self.temperature, first)
        answer = torch.arange(first, first + len(told), device=logits.device)
        accuracy = (logits.argmax(dim=1) == answer).to(loss.dtype).mean()
        return ObjectiveOutput(loss, {"future_loss": loss, "future_accuracy": accuracy})


def past_clips(windows: Windows) -> tuple[Tensor, Tensor]:
    """All clips of each track but the last, for tracks of three clips or more.

    Args:
        windows: Of the tracks.

    Returns:
        Clips of each such track, int64 [S], and their rows, int64 [N].
    """
    long = windows.length >= 3
    row = torch.arange(windows.track.numel(), device=windows.track.device)
    last = windows.length.cumsum(0) - 1
    past = long[windows.track] & (row != last[windows.track])
    return (windows.length - 1)[long], row[past]


def window_motion(batch: SkeletonGraph, windows: Windows) -> Tensor:
    """How far joints move within each window: the greatest displacement from each pose to the next,
    summed from its first to its last step, [W].

    Args:
        batch: Recordings; of ``node_truth`` where there is one.
        windows: Over its tracks.
    """
    value = batch.node_truth if "node_truth" in batch else batch.pos
    counts = batch.joints_per_pose
    start = counts.cumsum(0) - counts
    pose, track = batch.pose, batch.track
    before = (pose - 1).clamp(min=0)
    inner = (pose > 0) & (track[before] == track[pose])
    node = torch.where(inner, start[before] + batch.joint, 0)
    step = (value - value[node]).abs().amax(dim=1) * inner
    score = getattr(batch, "score", None)
    if score is not None:
        step = step * ((score > 0) & (score[node] > 0))
    moved = value.new_zeros(batch.num_poses).scatter_reduce(0, pose, step, "amax")
    total = F.pad(moved.double().cumsum(0), (1, 0))
    first = windows.exists.long().argmax(dim=1, keepdim=True)  # steps that exist are neighbours
    last = first + windows.exists.sum(dim=1, keepdim=True) - 1
    low, high = (windows.pose.gather(1, end)[:, 0] for end in (first, last))
    return (total[high + 1] - total[low + 1]).to(value.dtype)


def _first_of_each(keep: Tensor, group: Tensor, num_groups: int) -> Tensor:
    """The first kept row of each group."""
    row = torch.arange(len(keep), device=keep.device)
    first = row.new_full((num_groups,), len(keep)).scatter_reduce(0, group[keep], row[keep], "amin")
    return keep & (row == first[group])
