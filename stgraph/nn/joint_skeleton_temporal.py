"""A temporal layer of several branches that see each joint and the skeleton as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stgraph.nn.channels import ChannelGroup, LayerChannels
from stgraph.nn.multi_branch import MultiBranchTemporalConv
from stgraph.ops import TemporalPlan


class JointSkeletonTemporalConv(MultiBranchTemporalConv):
    r"""Dynamic group temporal convolution with joint-skeleton fusion (DG-TCN with D-JSF), from
    `"DG-STGCN: Dynamic Spatial-Temporal Modeling for Skeleton-based Action Recognition"
    <https://arxiv.org/abs/2210.05895>`_.

    The mean over the joints of each pose goes through the branches as one more joint, and is added
    to what the branches make of joint :math:`v`, times a learned :math:`\gamma_v`, before the
    channels are mixed. In training, the batch norm before the branches counts that mean as a joint,
    as published.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        num_joints: V.
        kernel: See :class:`MultiBranchTemporalConv`.
        dilations: See there.
        pool: See there.
        stride: See there.
        branch_channels: See there.
        reduced_channels: See there.

    Shapes:
        - **input:** `x` (V, P, C_in), a plan of the same stride
        - **output:** (V, P', C_out)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_joints: int,
        kernel: int | Sequence[int] = 3,
        dilations: Sequence[int] = (1, 2, 3, 4),
        pool: int = 3,
        stride: int = 1,
        branch_channels: Sequence[int] | None = None,
        reduced_channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel,
            dilations,
            pool,
            stride,
            branch_channels=branch_channels,
            reduced_channels=reduced_channels,
        )
        self.fusion = nn.Parameter(torch.zeros(num_joints))

    def forward(self, x: Tensor, plan: TemporalPlan) -> Tensor:
        """(V, P, C_in) to (V, P', C_out)."""
        y = self.side_by_side(torch.cat([x, x.mean(dim=0, keepdim=True)]), plan)
        return self.mixed(y[:-1] + self.fusion[:, None, None] * y[-1:], plan)

    def channel_slices(self) -> LayerChannels:
        """Where its channels lie; the joint that is their mean has the same."""
        return super().channel_slices()

    def channel_groups(self) -> tuple[ChannelGroup, ...]:
        """What each convolution reads, ``branches.i``, and the channels of all branches side by
        side, ``branches``."""
        return super().channel_groups()

    def arguments_of(self, state: Mapping[str, Tensor], prefix: str) -> dict[str, Any]:
        """See :meth:`MultiBranchTemporalConv.arguments_of`."""
        arguments = super().arguments_of(state, prefix)
        del arguments["mix"]  # it always mixes
        return {"num_joints": self.fusion.numel(), **arguments}

    @torch.no_grad()
    def permute_joints(self, order: Tensor) -> None:
        """The same layer for joints in another order: new joint i is the old ``order[i]``."""
        self.fusion.copy_(self.fusion[order.to(self.fusion.device)])
