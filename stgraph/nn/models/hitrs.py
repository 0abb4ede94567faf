"""Hi-TRS: transformers over joints of a pose, poses of a clip, clips of a video."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from stgraph.nn.channels import ChannelGroup, groups_within
from stgraph.nn.hierarchy import (
    ClipTransformer,
    FramePlan,
    FrameTransformer,
    SummaryPlan,
    VideoTransformer,
    make_clip_plan,
    make_video_plan,
)
from stgraph.nn.hierarchy_levels import HierarchyLevels, zero_ends
from stgraph.nn.lanes import node_features
from stgraph.nn.node_embeddings import NodeEmbeddings
from stgraph.nn.pretrained import PretrainedMixin
from stgraph.nn.tokens import Tokens, check_batch, check_joints, distinct_layouts, make_tokens
from stgraph.ops import (
    SLACK,
    Windows,
    check_window,
    make_attention_plan,
    person_weights,
    sliding_windows,
    take_windows,
)
from stgraph.skeleton import SkeletonGraph, SkeletonLayout, resolve_layout

LEVELS = ("frame", "clip", "video")


class HierarchyPlan(NamedTuple):
    """Index tensors that the core of :class:`HiTRS` takes.

    Attributes:
        frame: Of the joints of poses.
        clip: Of the windows; None without a clip level.
        video: Of the tracks; None without a video level.
        share: Share of each pose, window or track in its recording, by the highest level, [S].
        recording: Recording of each of them, int64 [S].
        recordings: 0...B-1.
    """

    frame: FramePlan
    clip: SummaryPlan | None
    video: SummaryPlan | None
    share: Tensor
    recording: Tensor
    recordings: Tensor


class HiTRS(PretrainedMixin, nn.Module):
    r"""Hierarchical transformer of `"Hierarchically Self-Supervised Transformer for Human Skeleton
    Representation Learning" <https://arxiv.org/abs/2207.09644>`_.

    The joints of a pose attend to each other (frame level); a learned token sums up the joints of
    a window of poses (clip level), another one the clips of a track (video level). Poses outside
    of a track, missing joints and absent persons take no part and cost nothing. An embedding is
    that of the highest level, the mean over a person's tracks by their poses, then over persons.

    Args:
        in_channels: Channels of ``batch.x`` (of ``batch.pos`` where there is no ``x``; there a
            missing last coordinate is 0, so that 2-D recordings enter a 3-D network).
        num_classes: Size of a linear classifier on the embedding; None for none.
        layout: The layout whose joints have a place each, as published; None: any layouts, also
            mixed in one batch.
        width: Channels of the frame level; those of the clip level are twice, those of the video
            level four times as many.
        depth: Blocks of each level.
        num_heads: Heads of each block; one number, or a list of lists: of each level, of each
            block.
        head_channels: Channels of a head.
        window: Poses of a window.
        stride: Poses from one window to the next.
        dilation: Poses from one step of a window to the next.
        num_clips: Clips of a video that have a learned place each: 200 as published; None: any
            length.
        dropout: Dropout in the blocks.
        levels: ``("frame", "clip", "video")``, or the lower ones alone.
        zero_ends: As published: steps outside of a track are poses at zero, which take part.
        joint_names: Canonical names with an embedding where ``layout`` is None.
        hidden_channels: Width of the feed-forward layers, a list of lists as of ``num_heads``; by
            default once the width in the frame level, half of it in the others.

    Shapes:
        - **input:** a batch of B recordings
        - **output:** :math:`(B, 4D)` or :math:`(B, \text{num\_classes})`

    Raises:
        ValueError: if a batch does not fit the layout or the channels, or a recording has more
            clips than there are places.

    Differs from the source: nothing is padded, and a window's steps outside of its track do not
    exist, but for ``zero_ends=True``.
    """

    #: Poses of a token.
    patch_size = 1

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int | None = None,
        layout: SkeletonLayout | str | None = None,
        width: int = 128,
        depth: int = 3,
        num_heads: int | Sequence[Sequence[int]] = 8,
        head_channels: int = 64,
        window: int = 7,
        stride: int = 7,
        dilation: int = 2,
        num_clips: int | None = None,
        dropout: float = 0.2,
        levels: Sequence[str] = LEVELS,
        zero_ends: bool = False,
        joint_names: Sequence[str] | None = None,
        hidden_channels: Sequence[Sequence[int]] | None = None,
    ) -> None:
        super().__init__()
        self.config = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        if tuple(levels) not in (LEVELS[:1], LEVELS[:2], LEVELS):
            raise ValueError(f"'HiTRS' expected levels from 'frame' upwards (got {levels!r})")
        check_window(window, stride, dilation, "'HiTRS'")
        if width % 4:
            raise ValueError(f"'HiTRS' expected a width that 4 divides (got {width})")
        self.in_channels, self.num_classes, self.width = in_channels, num_classes, width
        self.layout = None if layout is None else resolve_layout(layout)
        self.window, self.stride, self.dilation = window, stride, dilation
        self.levels, self.zero_ends = tuple(levels), zero_ends
        #: See :func:`~stgraph.ops.make_attention_plan`; 1 to compile or export.
        self.slack = SLACK
        count = len(self.levels)
        heads = [num_heads] * count if isinstance(num_heads, int) else list(num_heads)
        hidden = [None] * count if hidden_channels is None else list(hidden_channels)
        for name, own in (("num_heads", heads), ("hidden_channels", hidden)):
            if len(own) != count:
                raise ValueError(
                    f"'HiTRS' expected {name!r} for each of {count} levels (got {len(own)})"
                )
        rest = [(depth, own, head_channels, dropout) for own in heads]
        self.frame = FrameTransformer(
            in_channels, width, *rest[0], self.layout, joint_names, hidden[0]
        )
        self.clip: ClipTransformer | None = None
        self.video: VideoTransformer | None = None
        if "clip" in levels:
            self.clip = ClipTransformer(
                width, 2 * width, window, *rest[1], self.layout, joint_names, hidden[1]
            )
        if "video" in levels:
            self.video = VideoTransformer(2 * width, 4 * width, *rest[2], num_clips, hidden[2])
        if self.layout is None:
            self.config["joint_names"] = list(self.frame.joint.joint_names)  # type: ignore[arg-type]
        self.out_channels = width * (1, 2, 4)[len(self.levels) - 1]
        self.head = None if num_classes is None else nn.Linear(self.out_channels, num_classes)

    # --- a batch ---
    def tokens(self, batch: SkeletonGraph) -> Tokens:
        """The joints that are found in a batch.

        Raises:
            ValueError: if the network is bound to a layout of other joints.
        """
        check_joints(self.layout, batch, type(self).__name__)
        return make_tokens(batch, 1)

    def features(self, batch: SkeletonGraph) -> Tensor:
        """What of the nodes enters the network, [N, C]."""
        x = node_features(batch)
        if "x" not in batch and x.size(1) < self.in_channels:
            x = nn.functional.pad(x, (0, self.in_channels - x.size(1)))
        if x.size(1) != self.in_channels:
            raise ValueError(
                f"this {type(self).__name__} expected {self.in_channels} input channels (got "
                f"{x.size(1)}). Is a stream transform missing, or one too many?"
            )
        return x

    def frame_plan(self, batch: SkeletonGraph, tokens: Tokens) -> FramePlan:
        """Of the joints of each pose."""
        layouts = distinct_layouts(batch) if self.layout is None else [self.layout]
        site = tokens.site if self.layout is None else tokens.site % self.layout.num_joints
        count = torch.bincount(batch.pose[tokens.node[:, 0]], minlength=batch.num_poses)
        attention = make_attention_plan(count[count > 0], self.slack)
        return FramePlan(self.frame.joint.describe(layouts), site, count, attention)

    def windows(self, batch: SkeletonGraph, stride: int | None = None) -> Windows:
        """The windows of every track.

        Args:
            batch: Recordings, with :meth:`ends`.
            stride: Another one than that of the network.
        """
        margin = self.reach if self.zero_ends else 0
        stride = self.stride if stride is None else stride
        return sliding_windows(batch.track_length, self.window, stride, self.dilation, margin)

    def ends(self, batch: SkeletonGraph) -> SkeletonGraph:
        """The recordings that the network sees: with poses at zero at their ends, or as they
        are."""
        return zero_ends(batch, self.reach) if self.zero_ends else batch

    def unpack(self, batch: SkeletonGraph) -> tuple[Tensor, HierarchyPlan]:
        """The tensors that :meth:`core` takes: values of joints [K, C] and a plan."""
        check_batch(batch)
        batch = self.ends(batch)
        tokens = self.tokens(batch)
        frame = self.frame_plan(batch, tokens)
        seen = frame.found > 0
        track, clip, video = batch.track[seen], None, None
        if self.clip is not None:
            windows = self.windows(batch)
            number = windows.number
            full = (seen[windows.pose] & windows.exists).any(dim=1)
            windows = take_windows(windows, full)
            track = windows.track
            clip = make_clip_plan(frame, windows, slack=self.slack)
            if self.video is not None:
                track = windows.length.nonzero().flatten()
                self.video.check_clips(number[full])
                video = make_video_plan(windows.length[track], number[full], slack=self.slack)
        share, recording = _shares(batch, track)
        recordings = torch.arange(batch.num_recordings, device=batch.pos.device)
        plan = HierarchyPlan(frame, clip, video, share, recording, recordings)
        return self.features(batch)[tokens.node[:, 0]], plan

    # --- tensors alone ---
    def core(self, x: Tensor, plan: HierarchyPlan) -> Tensor:
        """Values of joints [K, C] to embeddings of the highest level, [S, D]."""
        x = self.frame(x, plan.frame)
        if self.clip is None or plan.clip is None:
            count = plan.frame.found
            pose = torch.arange(count.numel(), device=x.device).repeat_interleave(count)
            total = x.new_zeros(count.numel(), x.size(1)).index_add(0, pose, x)
            return (total / count.clamp(min=1)[:, None])[count > 0]
        x = self.clip(x, plan.frame.description, plan.clip)
        if self.video is None or plan.video is None:
            return x
        return self.video(x, plan.video)[0]

    def pooled(self, x: Tensor, plan: HierarchyPlan) -> Tensor:
        """Values of joints [K, C] to what :meth:`forward` returns."""
        x = self._embedded(x, plan)
        return x if self.head is None else self.head(x)

    def _embedded(self, x: Tensor, plan: HierarchyPlan) -> Tensor:
        x = self.core(x, plan)
        weighted = x * plan.share[:, None].to(x.dtype)
        return x.new_zeros(plan.recordings.size(0), x.size(1)).index_add(
            0, plan.recording, weighted
        )

    # --- embeddings ---
    def forward(self, batch: SkeletonGraph) -> Tensor:
        """Embeddings [B, D], or logits [B, num_classes]."""
        return self.pooled(*self.unpack(batch))

    def embed(self, batch: SkeletonGraph) -> Tensor:
        """Embeddings [B, D], also of a network with a classifier; 0 without a found joint."""
        return self._embedded(*self.unpack(batch))

    def nodes(self, batch: SkeletonGraph) -> NodeEmbeddings:
        """Embeddings of the frame level, [P, V, D], 0 for missing joints.

        Raises:
            ValueError: if layouts of different joints share the batch.
        """
        tokens = self.tokens(batch)
        x = self.features(batch)[tokens.node[:, 0]]
        x = self.frame(x, self.frame_plan(batch, tokens))
        every = x.new_zeros(batch.pos.size(0), x.size(1)).index_copy(0, tokens.node[:, 0], x)
        pose = torch.arange(batch.num_poses, device=x.device)
        v = batch.num_joints
        return NodeEmbeddings(every.view(-1, v, x.size(1)), pose, batch.pose_batch)

    def poses(self, batch: SkeletonGraph, of: Tensor | None = None) -> Tensor:
        """An embedding of the window around each pose, [P, D'], whatever the stride.

        Args:
            batch: The recordings.
            of: Poses to embed, int64 [P']; by default all.

        Raises:
            ValueError: if the network has no clip level.
        """
        if self.clip is None:
            raise ValueError("this HiTRS has no clip level; its levels are " + str(self.levels))
        batch = self.ends(batch)
        windows = self.windows(batch, stride=1)
        if of is not None:
            track = windows.track[of]
            length = torch.bincount(track, minlength=windows.length.numel())
            windows = Windows(windows.pose[of], windows.exists[of], track, length)
        tokens = self.tokens(batch)
        frame = self.frame_plan(batch, tokens)
        x = self.frame(self.features(batch)[tokens.node[:, 0]], frame)
        return self.clip(x, frame.description, make_clip_plan(frame, windows, slack=self.slack))

    def levels_of(self, batch: SkeletonGraph) -> HierarchyLevels:
        """What the levels make of a batch, each computed when it is asked for."""
        check_batch(batch)
        return HierarchyLevels(self, self.ends(batch))

    @property
    def pose_channels(self) -> int:
        """Channels of :meth:`poses`."""
        return 2 * self.width

    @property
    def reach(self) -> int:
        """Poses to either side that the embedding of a pose depends on."""
        return self.dilation * (self.window // 2)

    def layers(self) -> list[list[nn.Parameter]]:
        """Parameters from input to output: of each level its embedding and its blocks."""
        out = []
        for level in (self.frame, self.clip, self.video):
            if level is not None:
                blocks = {id(p) for p in level.stack.parameters()}
                out.append([p for p in level.parameters() if id(p) not in blocks])
                out += [list(block.parameters()) for block in level.stack.blocks]
        return out

    # --- fewer channels ---
    def channel_groups(self) -> list[ChannelGroup]:
        """What can be left out of the blocks; see :func:`~stgraph.nn.with_channels`."""
        return list(groups_within(self, *(f"{level}.stack" for level in self.levels)))

    def config_of(self, state: Mapping[str, Tensor]) -> dict[str, Any]:
        """Arguments of the network that such weights, of fewer channels, belong to."""
        own = [
            level.stack.arguments_of(state, f"{name}.stack.")
            for name, level in zip(LEVELS, (self.frame, self.clip, self.video), strict=True)
            if level is not None
        ]
        return {**self.config, **{name: [level[name] for level in own] for name in own[0]}}

    # --- joints are only names ---
    @torch.no_grad()
    def permute_joints(self, perm: Sequence[int]) -> HiTRS:
        """The same network for a layout whose new joint i is the old ``perm[i]``, in place."""
        if self.layout is not None:
            order = torch.as_tensor(list(perm))
            self.layout = self.layout.permute(perm)
            self.config["layout"] = self.layout
            self.frame.joint.permute_joints(order)  # type: ignore[operator]
            if self.clip is not None:
                self.clip.place.copy_(self.clip.place[:, order.to(self.clip.place.device)])
        return self

    @classmethod
    def config_names(cls) -> list[str]:
        """Names of the constructor's arguments."""
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]


def _shares(batch: SkeletonGraph, track: Tensor) -> tuple[Tensor, Tensor]:
    """Share of some of each track's parts in its recording, and the recording, [S] each.

    A person's tracks count by their poses; those without any part do not count.
    """
    parts = torch.bincount(track, minlength=batch.num_tracks)
    here = parts > 0
    b, poses = batch.num_recordings, batch.track_length
    weight = torch.zeros_like(poses, dtype=torch.float32)
    weight[here] = person_weights(poses[here], batch.track_batch[here], batch.person[here], b)
    weight = weight * poses / parts.clamp(min=1)
    return weight[track], batch.track_batch[track]
