"""The space-time blocks of PYSKL's networks: a graph unit, then a layer along time."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.nn.channels import (
    BlockChannels,
    Slices,
    channels_of,
    group_of,
    groups_within,
    joined,
)
from stgraph.nn.joint_skeleton_temporal import JointSkeletonTemporalConv
from stgraph.nn.multi_branch import MultiBranchTemporalConv
from stgraph.nn.spatial import Edges, SpatialOperator
from stgraph.nn.stc_attention import STCAttention
from stgraph.nn.temporal import PoseNorm, Shortcut, TemporalConv
from stgraph.ops import TemporalPlan


class STGCNPlusPlusBlock(nn.Module):
    r"""The block of PYSKL: (graph, BN; plus inner shortcut; ReLU), (temporal, BN, dropout); plus
    shortcut; ReLU.

    With the defaults the block of ST-GCN++ (`PYSKL <https://arxiv.org/abs/2205.09443>`_), with
    ``branches={"kernel": 5, "dilations": (1, 2), "mix": False}`` CTR-GCN's, with
    ``spatial_residual=False, branches=None`` PYSKL's own ST-GCN.

    Args:
        spatial: The spatial operator, in_channels to out_channels.
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Stride along time.
        temporal_kernel: Taps of the temporal convolution, where there are no branches.
        dropout: Probability of dropout.
        residual: Add a shortcut.
        spatial_residual: Add a shortcut around the graph convolution.
        branches: Arguments of :class:`MultiBranchTemporalConv`; None for one temporal convolution.
        hidden_channels: Channels between the graph convolution and the temporal one, which
            ``spatial`` then returns; by default as many as the output.
        shortcut_conv: Whether the shortcut has a convolution; by default where it needs one.
        inner_conv: The same of the shortcut around the graph convolution.
    """

    #: What :attr:`branches` are the arguments of.
    branched: ClassVar[type[nn.Module]] = MultiBranchTemporalConv

    def __init__(
        self,
        spatial: SpatialOperator,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        temporal_kernel: int = 9,
        dropout: float = 0.0,
        residual: bool = True,
        spatial_residual: bool = True,
        branches: Mapping[str, Any] | None = MappingProxyType({}),
        hidden_channels: int | None = None,
        shortcut_conv: bool | None = None,
        inner_conv: bool | None = None,
    ) -> None:
        super().__init__()
        hidden = out_channels if hidden_channels is None else hidden_channels
        self.spatial = spatial
        self.norm1 = PoseNorm(hidden)
        self.inner: Shortcut | None = None
        if spatial_residual:
            self.inner = Shortcut(in_channels, hidden, conv=inner_conv)
        self.temporal: nn.Module
        if branches is None:
            self.temporal = TemporalConv(hidden, out_channels, temporal_kernel, stride)
        else:
            self.temporal = self.branched(hidden, out_channels, stride=stride, **branches)
        self.norm2 = PoseNorm(out_channels)
        self.dropout = nn.Dropout(dropout)
        self.shortcut: Shortcut | None = None
        if residual:
            self.shortcut = Shortcut(in_channels, out_channels, stride, conv=shortcut_conv)

    def unit(self, x: Tensor, edges: Edges, plan: TemporalPlan) -> Tensor:
        """The graph unit: (V, P, C_in) to (V, P, C_out)."""
        y = self.norm1(self.spatial(x, edges, plan))
        return F.relu(y if self.inner is None else y + self.inner(x, plan))

    def forward(self, x: Tensor, edges: Edges, plan: TemporalPlan) -> Tensor:
        y = self.dropout(self.norm2(self.temporal(self.unit(x, edges, plan), plan)))
        return F.relu(y if self.shortcut is None else y + self.shortcut(x, plan))

    def channels(self) -> BlockChannels:
        """How it passes channels on; ``hidden`` are those that the temporal layer reads, unless
        an identity around the graph convolution makes them those of the input."""
        return self._channels()

    def _channels(self, after: Slices | None = ()) -> BlockChannels:
        """The same, where a layer that leaves zeros alone has these slices after the unit."""
        spatial, norm1 = channels_of(self.spatial, "spatial"), channels_of(self.norm1, "norm1")
        temporal, norm2 = channels_of(self.temporal, "temporal"), channels_of(self.norm2, "norm2")
        shortcut, inner = channels_of(self.shortcut, "shortcut"), channels_of(self.inner, "inner")
        hidden = joined(spatial.writes, norm1.writes, inner.writes, after, temporal.reads)
        reads = joined(spatial.reads, inner.reads, shortcut.reads)
        groups = groups_within(self, "spatial", "temporal")
        entry: Slices = ()
        if self.inner is not None and self.inner.conv is None:
            reads, entry = joined(reads, hidden), norm1.silences
        else:
            gates = norm1.silences + inner.silences
            groups += group_of("hidden", self.norm1.num_features, gates, hidden)
        return BlockChannels(
            groups,
            reads,
            joined(temporal.writes, norm2.writes, shortcut.writes),
            entry_gates=entry,
            exit_gates=norm2.silences + shortcut.silences,
            carries=self.shortcut is not None and self.shortcut.conv is None,
        )


class AAGCNBlock(STGCNPlusPlusBlock):
    r"""The block of AAGCN: (graph, BN; plus inner shortcut; ReLU; attention), (temporal, BN,
    dropout); plus shortcut; ReLU.

    Args:
        spatial: The spatial operator, in_channels to out_channels.
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Stride along time.
        temporal_kernel: Taps of the temporal convolution.
        dropout: Probability of dropout.
        residual: Add a shortcut.
        branches: Arguments of :class:`MultiBranchTemporalConv`; None for one temporal convolution.
        attended_joints: Joints that :class:`STCAttention` weighs; None for no attention.
        squeezed_channels: Hidden units of its channel map; by default half of its channels.
        hidden_channels: See :class:`STGCNPlusPlusBlock`.
        shortcut_conv: Likewise.
        inner_conv: Likewise.
    """

    def __init__(
        self,
        spatial: SpatialOperator,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        temporal_kernel: int = 9,
        dropout: float = 0.0,
        residual: bool = True,
        branches: Mapping[str, Any] | None = None,
        attended_joints: int | None = None,
        squeezed_channels: int | None = None,
        hidden_channels: int | None = None,
        shortcut_conv: bool | None = None,
        inner_conv: bool | None = None,
    ) -> None:
        super().__init__(
            spatial,
            in_channels,
            out_channels,
            stride,
            temporal_kernel,
            dropout,
            residual,
            branches=branches,
            hidden_channels=hidden_channels,
            shortcut_conv=shortcut_conv,
            inner_conv=inner_conv,
        )
        self.attention: STCAttention | None = None
        if attended_joints is not None:
            self.attention = STCAttention(
                self.norm1.num_features, attended_joints, hidden_channels=squeezed_channels
            )

    def unit(self, x: Tensor, edges: Edges, plan: TemporalPlan) -> Tensor:
        """The graph unit: (V, P, C_in) to (V, P, C_out)."""
        y = super().unit(x, edges, plan)
        return y if self.attention is None else self.attention(y, plan)

    def channels(self) -> BlockChannels:
        """How it passes channels on, see :class:`STGCNPlusPlusBlock`; ``attention.squeeze`` are
        hidden units of the attention to channels."""
        own = self._channels(channels_of(self.attention, "attention").reads)
        if self.attention is None:
            return own
        return own._replace(groups=own.groups + groups_within(self, "attention"))

    def arguments_of(self, state: Mapping[str, Tensor], prefix: str) -> dict[str, int]:
        """The constructor's further numbers of channels, for weights of other shapes.

        Args:
            state: Weights by name.
            prefix: Before the names of this block's own.
        """
        if self.attention is None:
            return {}
        return {"squeezed_channels": state[f"{prefix}attention.squeeze.weight"].size(0)}


class DGSTGCNBlock(STGCNPlusPlusBlock):
    r"""The block of DG-STGCN: that of ST-GCN++ with :class:`JointSkeletonTemporalConv`, whose
    arguments ``branches`` then are (``num_joints`` at least)."""

    branched = JointSkeletonTemporalConv
