"""The three levels of Hi-TRS: joints of a pose, poses of a clip, clips of a video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.nn.joint_identity import GraphJointEmbedding, JointEmbedding
from stgraph.nn.token_embedding import sinusoids
from stgraph.nn.transformer import TransformerStack
from stgraph.ops import SLACK, AttentionPlan, Windows, make_attention_plan
from stgraph.skeleton import SkeletonLayout


class FramePlan(NamedTuple):
    """Index tensors of the joints of poses.

    Attributes:
        description: Of the joints, see :class:`~stgraph.nn.GraphJointEmbedding`.
        site: Row of the description for each joint, int64 [K].
        found: Joints that are found in each pose, int64 [P].
        attention: Of the joints of each pose.
    """

    description: Tensor
    site: Tensor
    found: Tensor
    attention: AttentionPlan


class SummaryPlan(NamedTuple):
    """Index tensors of sequences, each with a learned token at its end that sums it up.

    Attributes:
        source: Row of what each place holds, int64 [N]; the learned token is the row after all.
        step: Place in time of each row, int64 [N].
        site: Joint of each row as in the frame plan, int64 [N]; 0 where there are no joints.
        last: Place of the learned token of each sequence, int64 [S].
        attention: Of the sequences.
    """

    source: Tensor
    step: Tensor
    site: Tensor
    last: Tensor
    attention: AttentionPlan


def make_clip_plan(
    frame: FramePlan, windows: Windows, order: Tensor | None = None, slack: float = SLACK
) -> SummaryPlan:
    """The joints of windows, each window with a token that sums it up.

    A joint sees itself, the joints of other poses and the learned token, but not the other joints
    of its own pose; the learned token sees all.

    Args:
        frame: Of the poses.
        windows: W windows of w steps.
        order: Step whose pose stands at each step, int64 [W, w], for windows out of order.
        slack: See :func:`~stgraph.ops.make_attention_plan`.
    """
    device = windows.pose.device
    w, size = windows.pose.shape
    pose, exists = windows.pose, windows.exists
    if order is not None:
        pose, exists = pose.gather(1, order), exists.gather(1, order)
    total = frame.site.numel()
    count = F.pad(frame.found[pose] * exists, (0, 1), value=1)  # the learned token comes last
    first = (frame.found.cumsum(0) - frame.found)[pose]
    first = F.pad(first, (0, 1), value=total)
    step = torch.arange(size + 1, device=device).expand(w, -1)
    counts = count.flatten()
    ends = counts.cumsum(0)
    places = int(ends[-1]) if w else 0
    source = torch.arange(places, device=device)
    shift = first.flatten() - (ends - counts)
    source = source + shift.repeat_interleave(counts, output_size=places)
    step = step.flatten().repeat_interleave(counts, output_size=places)
    length = count.sum(dim=1)
    site = F.pad(frame.site, (0, 1))[source]
    plan = make_attention_plan(length, slack, block=step)
    return SummaryPlan(source, step, site, length.cumsum(0) - 1, plan)


def make_video_plan(
    length: Tensor, number: Tensor, row: Tensor | None = None, slack: float = SLACK
) -> SummaryPlan:
    """The clips of videos, each video with a token that sums it up.

    Args:
        length: Clips of each video, int64 [S].
        number: Place of each clip in its video, int64 [W].
        row: Which embedding each clip has, int64 [W]; by default that of its row.
        slack: See :func:`~stgraph.ops.make_attention_plan`.
    """
    device = length.device
    total, videos = number.numel(), length.numel()
    row = torch.arange(total, device=device) if row is None else row
    video = torch.arange(videos, device=device).repeat_interleave(length, output_size=total)
    place = torch.arange(total, device=device) + video  # one learned token for each video before
    last = length.cumsum(0) + torch.arange(videos, device=device)
    source = torch.full((total + videos,), -1, dtype=torch.long, device=device)
    step = torch.zeros_like(source)
    source[place], step[place] = row, number
    # -1 is the last row, where the learned token lies
    plan = make_attention_plan(length + 1, slack)
    return SummaryPlan(source, step, torch.zeros_like(step), last, plan)


class FrameTransformer(nn.Module):
    r"""Frame level of Hi-TRS (F-TRS): joints attend to the joints of their pose.

    Args:
        in_channels: Channels of a joint.
        width: D.
        depth: Number of blocks.
        num_heads: Heads of each block, one number or a list.
        head_channels: Channels of a head.
        dropout: Dropout in the blocks.
        layout: Layout whose joints have a learned vector each; None: any layouts.
        joint_names: See :class:`~stgraph.nn.GraphJointEmbedding`.
        hidden_channels: Width of the feed-forward layers, one number or a list.

    Shapes:
        - **input:** values :math:`(K, C)` of the joints that are found, and their plan
        - **output:** :math:`(K, D)`
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        depth: int,
        num_heads: int | Sequence[int],
        head_channels: int,
        dropout: float,
        layout: SkeletonLayout | None,
        joint_names: Sequence[str] | None = None,
        hidden_channels: int | Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.embedding = nn.Sequential(
            nn.Linear(in_channels, width), nn.GELU(), nn.LayerNorm(width)
        )
        self.joint = _joint_embedding(layout, width, joint_names)
        self.stack = TransformerStack(
            width,
            depth,
            num_heads,
            1.0,
            dropout,
            0.0,
            head_channels,
            False,
            last_norm=False,
            hidden_channels=hidden_channels,
        )

    def forward(self, x: Tensor, plan: FramePlan) -> Tensor:
        x = self.embedding(x) + self.joint(plan.description)[plan.site]
        return self.stack(x, plan.attention)


class ClipTransformer(nn.Module):
    r"""Clip level of Hi-TRS (C-TRS): a learned token sums up the joints of a window of poses.

    Args:
        in_channels: Channels of the frame level.
        width: D.
        window: Steps of a window.
        depth: Number of blocks.
        num_heads: Heads of each block, one number or a list.
        head_channels: Channels of a head.
        dropout: Dropout in the blocks.
        layout: Layout for each of whose joints at each step there is a learned vector, as
            published; None: any layouts, a vector for the joint and one for the step.
        joint_names: See :class:`~stgraph.nn.GraphJointEmbedding`.
        hidden_channels: Width of the feed-forward layers, one number or a list.

    Shapes:
        - **input:** embeddings :math:`(K, C)` of joints, description of the joints, plan of W
          windows
        - **output:** :math:`(W, D)`
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        window: int,
        depth: int,
        num_heads: int | Sequence[int],
        head_channels: int,
        dropout: float,
        layout: SkeletonLayout | None,
        joint_names: Sequence[str] | None = None,
        hidden_channels: int | Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.width, self.window = width, window
        self.embedding = nn.Linear(in_channels, width)
        self.token = nn.Parameter(torch.empty(width))
        self.joint: GraphJointEmbedding | None = None
        steps = torch.arange(window, dtype=torch.float32)
        if layout is None:
            self.joint = _scaled(GraphJointEmbedding(width, joint_names))
            self.place = nn.Parameter(sinusoids(steps, width))  # [w, D]
        else:
            half = width // 2
            joints = sinusoids(torch.arange(layout.num_joints, dtype=torch.float32), half)
            grid = (window, layout.num_joints, half)
            place = [joints.expand(grid), sinusoids(steps, half)[:, None].expand(grid)]
            self.place = nn.Parameter(torch.cat(place, dim=2).contiguous())  # [w, V, D]
        self.stack = TransformerStack(
            width,
            depth,
            num_heads,
            0.5,
            dropout,
            0.0,
            head_channels,
            False,
            last_norm=False,
            hidden_channels=hidden_channels,
        )
        nn.init.trunc_normal_(self.token, std=0.02)

    def forward(self, x: Tensor, description: Tensor, plan: SummaryPlan) -> Tensor:
        x = self.embedding(x)  # once a joint, however many windows it is in
        real = (plan.source < x.size(0))[:, None]
        step = plan.step.clamp(max=self.window - 1)
        if self.joint is None:
            place = self.place.flatten(0, 1)[step * self.place.size(1) + plan.site]
        else:
            place = self.place[step] + self.joint(description)[plan.site]
        x = torch.cat([x, self.token[None].to(x.dtype)])[plan.source]
        x = x + torch.where(real, place, torch.zeros_like(place))
        return self.stack.summarise(x, plan.attention)


class VideoTransformer(nn.Module):
    r"""Video level of Hi-TRS (V-TRS): a learned token sums up the clips of a track.

    Args:
        in_channels: Channels of the clip level.
        width: D.
        depth: Number of blocks.
        num_heads: Heads of each block, one number or a list.
        head_channels: Channels of a head.
        dropout: Dropout in the blocks.
        num_clips: Clips that have a learned place each, as published; None: sines and cosines
            with a learned scale, for any length.
        hidden_channels: Width of the feed-forward layers, one number or a list.

    Shapes:
        - **input:** embeddings :math:`(W, C)` of clips, plan of S videos
        - **output:** :math:`(S, D)` of the videos and :math:`(W', D)` of the plan's clips
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        depth: int,
        num_heads: int | Sequence[int],
        head_channels: int,
        dropout: float,
        num_clips: int | None = None,
        hidden_channels: int | Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.width, self.num_clips = width, num_clips
        self.embedding = nn.Linear(in_channels, width)
        self.token = nn.Parameter(torch.empty(width))
        if num_clips is None:
            self.place = nn.Parameter(torch.ones(1))
        else:
            self.place = nn.Parameter(sinusoids(torch.arange(num_clips).float(), width))
        self.stack = TransformerStack(
            width,
            depth,
            num_heads,
            0.5,
            dropout,
            0.0,
            head_channels,
            False,
            last_norm=False,
            hidden_channels=hidden_channels,
        )
        nn.init.trunc_normal_(self.token, std=0.02)

    def forward(self, x: Tensor, plan: SummaryPlan) -> tuple[Tensor, Tensor]:
        x = self.embedding(x)
        if self.num_clips is None:
            place = self.place * sinusoids(plan.step.to(x.dtype), self.width)
        else:
            place = self.place[plan.step]
        real = (plan.source >= 0)[:, None]
        x = torch.cat([x, self.token[None].to(x.dtype)])[plan.source]
        x = self.stack(x + torch.where(real, place, torch.zeros_like(place)), plan.attention)
        return x[plan.last], x[real[:, 0]]

    def check_clips(self, number: Tensor) -> None:
        """Raises a ValueError for a clip without a learned place."""
        if self.num_clips is None or not number.numel():
            return
        last = int(number.max())
        if last >= self.num_clips:
            raise ValueError(
                f"this encoder has learned the places of {self.num_clips} clips, and a recording "
                f"has {last + 1}; take fewer frames (ResampleTime), a larger stride, or build the "
                "encoder with num_clips=None for any length"
            )


def _joint_embedding(
    layout: SkeletonLayout | None, width: int, joint_names: Sequence[str] | None
) -> JointEmbedding | GraphJointEmbedding:
    if layout is None:
        return _scaled(GraphJointEmbedding(width, joint_names))
    joint = JointEmbedding(layout.num_joints, width)
    with torch.no_grad():
        joint.weight.copy_(sinusoids(torch.arange(layout.num_joints).float(), width))
    return joint


def _scaled(embedding: GraphJointEmbedding) -> GraphJointEmbedding:
    """As large as sines and cosines: what it is added to has unit variance."""
    for table in (embedding.name, embedding.hops, embedding.part, embedding.side):
        nn.init.normal_(table.weight, std=0.5**1.5)
    return embedding
