"""A temporal layer of several branches, each with a reach of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.nn.channels import (
    ChannelGroup,
    ChannelSlice,
    LayerChannels,
    Slices,
    channels_of,
    group_of,
    joined,
    placed,
)
from stgraph.nn.temporal import PoseNorm, TemporalConv
from stgraph.ops import TemporalPlan, temporal_max_pool


class MultiBranchTemporalConv(nn.Module):
    r"""Dilated convolutions, a max pool and a strided 1x1 convolution side by side on each track.

    The convolutions and the pool each see a share of the channels, which one 1x1 convolution, batch
    norm and ReLU make for all of them. The branches are concatenated and, with ``mix``, batch norm,
    ReLU and another 1x1 convolution follow (ST-GCN++, `PYSKL <https://arxiv.org/abs/2205.09443>`_).
    CTR-GCN's layer has ``kernel=5, dilations=(1, 2), mix=False``; its batch norm of each branch is
    the batch norm of the concatenation that follows in the block.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Taps of the convolutions, one number or one a convolution.
        dilations: Distance between the taps of each convolution.
        pool: Poses that the max pool sees.
        stride: Every ``stride``-th pose of a track remains.
        mix: Mix the channels of the branches.
        branch_channels: Channels of each branch: the convolutions, the pool, the 1x1 convolution.
            By default equal shares, of which the first branch takes the remainder. A branch of no
            channels is left out.
        reduced_channels: Channels that each convolution reads; by default as many as it writes.

    Shapes:
        - **input:** `x` (V, P, C_in), a plan of the same stride
        - **output:** (V, P', C_out)

    Raises:
        ValueError: if the numbers of channels contradict each other.
    """

    reduce: TemporalConv | None
    norm: PoseNorm | None
    point: TemporalConv | None
    mix_norm: PoseNorm | None
    mix: TemporalConv | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int | Sequence[int] = 3,
        dilations: Sequence[int] = (1, 2, 3, 4),
        pool: int = 3,
        stride: int = 1,
        mix: bool = True,
        branch_channels: Sequence[int] | None = None,
        reduced_channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        kernels = [kernel] * len(dilations) if isinstance(kernel, int) else list(kernel)
        branches, least = len(dilations) + 2, 0
        if branch_channels is None:
            share, least = out_channels // branches, 1
            branch_channels = [out_channels - share * (branches - 1)] + [share] * (branches - 1)
        if len(branch_channels) != branches or min(branch_channels) < least:
            raise ValueError(
                f"'MultiBranchTemporalConv' expected at least one channel for each of {branches} "
                f"branches (got {list(branch_channels)} of {out_channels} channels)"
            )
        *convs, pooled, point = self.branch_channels = list(branch_channels)
        self.reduced_channels = list(convs if reduced_channels is None else reduced_channels)
        pairs = list(zip(self.reduced_channels, convs, strict=False))
        if len(self.reduced_channels) != len(convs) or any((r == 0) != (c == 0) for r, c in pairs):
            raise ValueError(
                f"'MultiBranchTemporalConv' expected 'reduced_channels' for each convolution that "
                f"writes {convs} channels (got {self.reduced_channels})"
            )
        total = sum(self.branch_channels)
        if total == 0 or (total != out_channels and not mix):
            raise ValueError(
                f"'MultiBranchTemporalConv' without mix expected branches of {out_channels} "
                f"channels together (got {self.branch_channels})"
            )
        self.kernels, self.dilations = kernels, list(dilations)
        self.pool, self.stride = pool, stride
        self.reach = pool // 2 if pooled else 0
        self.shares = [*self.reduced_channels, pooled]
        reduced = sum(self.shares)
        self.reduce = TemporalConv(in_channels, reduced, kernel=1) if reduced else None
        self.norm = PoseNorm(reduced) if reduced else None
        # a place for each, so that those that stay keep their names
        self.branches = nn.ModuleList(
            TemporalConv(r, c, k, stride, dilation) if c else nn.Identity()
            for (r, c), k, dilation in zip(pairs, kernels, dilations, strict=True)
        )
        self.point = TemporalConv(in_channels, point, 1, stride) if point else None
        self.mix_norm = PoseNorm(total) if mix else None
        self.mix = TemporalConv(total, out_channels, kernel=1) if mix else None

    def reset_reduce(self) -> None:
        """Draws the first 1x1 convolution by the fan-out of each branch (He et al.)."""
        if self.reduce is None:
            return
        for share in self.reduce.weight.split(self.shares):
            if share.size(0):
                torch.nn.init.normal_(share, 0.0, (2.0 / share.size(0)) ** 0.5)

    def side_by_side(self, x: Tensor, plan: TemporalPlan) -> Tensor:
        """The branches, concatenated: (V, P, C_in) to (V, P', sum of their channels)."""
        out: list[Tensor] = []
        if self.reduce is not None and self.norm is not None:
            shares = F.relu(self.norm(self.reduce(x, plan))).split(self.shares, dim=2)
            pairs = zip(self.branches, shares, strict=False)
            out = [branch(part, plan) for branch, part in pairs if part.size(2)]
            if self.shares[-1]:
                out.append(temporal_max_pool(shares[-1], plan, self.pool, self.stride))
        if self.point is not None:
            out.append(self.point(x, plan))
        return torch.cat(out, dim=2)

    def mixed(self, y: Tensor, plan: TemporalPlan) -> Tensor:
        """What follows the branches, if anything does."""
        if self.mix is None or self.mix_norm is None:
            return y
        return self.mix(F.relu(self.mix_norm(y)), plan)

    def forward(self, x: Tensor, plan: TemporalPlan) -> Tensor:
        """(V, P, C_in) to (V, P', C_out)."""
        return self.mixed(self.side_by_side(x, plan), plan)

    def channel_slices(self) -> LayerChannels:
        """Where its channels lie; without ``mix`` they are those of the branches."""
        reads = joined(channels_of(self.reduce, "reduce").reads, self._point.reads)
        if self.mix is None:
            return LayerChannels(reads, self._concatenated(), (), None)
        mix = channels_of(self.mix, "mix")
        return LayerChannels(reads, mix.writes, mix.silences, None)

    def channel_groups(self) -> tuple[ChannelGroup, ...]:
        """What each convolution reads, ``branches.i``, and with ``mix`` the channels of all
        branches side by side, ``branches``."""
        norm, reduce = channels_of(self.norm, "norm"), channels_of(self.reduce, "reduce")
        name = "branches" if self.mix is not None else ""
        groups: list[ChannelGroup] = []
        start = first = 0
        for i, (size, made) in enumerate(
            zip(self.reduced_channels, self.branch_channels, strict=False)
        ):
            if size:
                parts = (norm.writes, reduce.writes)
                slices = [placed(part or (), 0, size, start) for part in parts]
                slices.append(channels_of(self.branches[i], f"branches.{i}").reads or ())
                gates, fed = placed(norm.silences, 0, size, start), (name, first, first + made)
                groups += group_of(f"branches.{i}", size, gates, *slices, within=fed)
            start, first = start + size, first + made
        if self.mix is not None:
            norm, mix = channels_of(self.mix_norm, "mix_norm"), channels_of(self.mix, "mix")
            slices = [self._concatenated(), norm.writes or (), mix.reads or ()]
            groups += group_of("branches", sum(self.branch_channels), norm.silences, *slices)
        return tuple(groups)

    @property
    def _point(self) -> LayerChannels:
        return channels_of(self.point, "point")

    def _concatenated(self) -> Slices:
        """What writes the channels of the branches side by side."""
        out: list[ChannelSlice] = []
        first = 0
        *convs, pooled, point = self.branch_channels
        for i, size in enumerate(convs):
            if size:
                branch = channels_of(self.branches[i], f"branches.{i}")
                out += placed(branch.writes or (), first, first + size)
            first += size
        if pooled:
            for name, layer in (("reduce", self.reduce), ("norm", self.norm)):
                writes = channels_of(layer, name).writes or ()
                out += placed(writes, first, first + pooled, sum(self.reduced_channels))
        if point:
            out += placed(self._point.writes or (), first + pooled, first + pooled + point)
        return tuple(out)

    def arguments_of(self, state: Mapping[str, Tensor], prefix: str) -> dict[str, Any]:
        """The constructor's further arguments for weights of other numbers of channels.

        Args:
            state: Weights by name; a tensor without a row belongs to a branch that is left out.
            prefix: Before the names of this layer's own.
        """

        def size(name: str, axis: int) -> int:
            key = f"{prefix}{name}.weight"
            return state[key].size(axis) if key in state else 0

        count = range(len(self.branches))
        convs = [size(f"branches.{i}", 0) for i in count]
        reduced = [size(f"branches.{i}", 1) for i in count]
        pooled = size("reduce", 0) - sum(reduced)
        return {
            "kernel": self.kernels,
            "dilations": self.dilations,
            "pool": self.pool,
            "mix": self.mix is not None,
            "branch_channels": [*convs, pooled, size("point", 0)],
            "reduced_channels": reduced,
        }
