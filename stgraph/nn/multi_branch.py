"""A temporal layer of several branches, each with a reach of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

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
            By default equal shares, of which the first branch takes the remainder.

    Shapes:
        - **input:** `x` (V, P, C_in), a plan of the same stride
        - **output:** (V, P', C_out)
    """

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
    ) -> None:
        super().__init__()
        kernels = [kernel] * len(dilations) if isinstance(kernel, int) else list(kernel)
        branches = len(dilations) + 2
        if branch_channels is None:
            share = out_channels // branches
            branch_channels = [out_channels - share * (branches - 1)] + [share] * (branches - 1)
        if len(branch_channels) != branches or min(branch_channels) < 1:
            raise ValueError(
                f"'MultiBranchTemporalConv' expected at least one channel for each of {branches} "
                f"branches (got {list(branch_channels)} of {out_channels} channels)"
            )
        *convs, pooled, point = self.branch_channels = list(branch_channels)
        self.pool, self.stride = pool, stride
        self.reach = pool // 2
        self.reduce = TemporalConv(in_channels, sum(convs) + pooled, kernel=1)
        self.norm = PoseNorm(sum(convs) + pooled)
        self.branches = nn.ModuleList(
            TemporalConv(c, c, k, stride, dilation)
            for c, k, dilation in zip(convs, kernels, dilations, strict=True)
        )
        self.point = TemporalConv(in_channels, point, kernel=1, stride=stride)
        self.mix_norm: PoseNorm | None = None
        self.mix: TemporalConv | None = None
        if mix:
            self.mix_norm = PoseNorm(sum(self.branch_channels))
            self.mix = TemporalConv(sum(self.branch_channels), out_channels, kernel=1)
        elif sum(self.branch_channels) != out_channels:
            raise ValueError(
                f"'MultiBranchTemporalConv' without mix expected branches of {out_channels} "
                f"channels together (got {self.branch_channels})"
            )

    def reset_reduce(self) -> None:
        """Draws the first 1x1 convolution by the fan-out of each branch (He et al.)."""
        for share in self.reduce.weight.split(self.branch_channels[:-1]):
            torch.nn.init.normal_(share, 0.0, (2.0 / share.size(0)) ** 0.5)

    def side_by_side(self, x: Tensor, plan: TemporalPlan) -> Tensor:
        """The branches, concatenated: (V, P, C_in) to (V, P', sum of their channels)."""
        shares = F.relu(self.norm(self.reduce(x, plan))).split(self.branch_channels[:-1], dim=2)
        out = [branch(part, plan) for branch, part in zip(self.branches, shares, strict=False)]
        out.append(temporal_max_pool(shares[-1], plan, self.pool, self.stride))
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
