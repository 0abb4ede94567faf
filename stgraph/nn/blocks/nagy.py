"""The space-time blocks of Nagy et al.: plain, and with a shortcut around norms that come first."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.nn.channels import BlockChannels, channels_of, group_of, groups_within, joined
from stgraph.nn.spatial import Edges, SpatialOperator
from stgraph.nn.temporal import PoseNorm, Shortcut, TemporalConv
from stgraph.ops import TemporalPlan

NORM_PLACEMENTS = ("both", "start", "end", "none")


class PlainBlock(nn.Module):
    r"""The plain block of Nagy et al.: BN, graph, temporal, BN, ReLU, dropout; no shortcut.

    Args:
        spatial: The spatial operator, in_channels to out_channels.
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Stride along time.
        temporal_kernel: Taps of the temporal convolution.
        dropout: Probability of dropout.
        norm: Where batch norm stands: ``"both"`` ends of the block, ``"start"``, ``"end"`` or
            ``"none"`` (the report's section 5.5).
        relu_first: ReLU before the last batch norm instead of after it.
        hidden_channels: Channels between the graph convolution and the temporal one, which
            ``spatial`` then returns; by default as many as the output.
    """

    def __init__(
        self,
        spatial: SpatialOperator,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        temporal_kernel: int = 9,
        dropout: float = 0.5,
        norm: str = "both",
        relu_first: bool = False,
        hidden_channels: int | None = None,
    ) -> None:
        super().__init__()
        self.hidden_channels = out_channels if hidden_channels is None else hidden_channels
        if norm not in NORM_PLACEMENTS:
            raise ValueError(f"unknown norm {norm!r}; known are {', '.join(NORM_PLACEMENTS)}")
        self.norm1 = PoseNorm(in_channels) if norm in ("both", "start") else nn.Identity()
        self.spatial = spatial
        self.temporal = TemporalConv(self.hidden_channels, out_channels, temporal_kernel, stride)
        self.norm2 = PoseNorm(out_channels) if norm in ("both", "end") else nn.Identity()
        self.relu_first = relu_first
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, edges: Edges, plan: TemporalPlan) -> Tensor:
        y = self.temporal(self.spatial(self.norm1(x), edges, plan), plan)
        y = self.norm2(F.relu(y)) if self.relu_first else F.relu(self.norm2(y))
        return self.dropout(y)

    def channels(self) -> BlockChannels:
        """How it passes channels on; ``hidden`` are those that the temporal convolution reads,
        which no norm gates: a channel is silent where the graph convolution does not make it."""
        spatial, norm1 = channels_of(self.spatial, "spatial"), channels_of(self.norm1, "norm1")
        temporal, norm2 = channels_of(self.temporal, "temporal"), channels_of(self.norm2, "norm2")
        hidden = (spatial.writes, temporal.reads)
        return BlockChannels(
            group_of("hidden", self.hidden_channels, spatial.silences, *hidden)
            + groups_within(self, "spatial"),
            reads=joined(norm1.reads, spatial.reads),
            writes=joined(temporal.writes, norm2.writes),
            # a norm at the entrance turns a zero into a constant, unless it is silent itself
            entry_gates=norm1.silences,
            exit_gates=norm2.silences or temporal.silences,
            screens=isinstance(self.norm1, PoseNorm),
        )


class PreActivationBlock(nn.Module):
    r"""The residual block of Nagy et al.: BN, ReLU, graph, BN, ReLU, temporal; plus shortcut.

    A last ReLU and dropout follow the sum, as in the report's code.

    Args:
        spatial: The spatial operator, in_channels to out_channels.
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Stride along time.
        temporal_kernel: Taps of the temporal convolution.
        dropout: Probability of dropout.
        hidden_channels: Channels between the graph convolution and the temporal one, which
            ``spatial`` then returns; by default as many as the output.
        shortcut_conv: Whether the shortcut has a convolution; by default where it needs one.
    """

    def __init__(
        self,
        spatial: SpatialOperator,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        temporal_kernel: int = 9,
        dropout: float = 0.0,
        hidden_channels: int | None = None,
        shortcut_conv: bool | None = None,
    ) -> None:
        super().__init__()
        hidden = out_channels if hidden_channels is None else hidden_channels
        self.norm1 = PoseNorm(in_channels)
        self.spatial = spatial
        self.norm2 = PoseNorm(hidden)
        self.temporal = TemporalConv(hidden, out_channels, temporal_kernel, stride)
        self.shortcut = Shortcut(in_channels, out_channels, stride, False, shortcut_conv)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, edges: Edges, plan: TemporalPlan) -> Tensor:
        y = self.spatial(F.relu(self.norm1(x)), edges, plan)
        y = self.temporal(F.relu(self.norm2(y)), plan)
        return self.dropout(F.relu(y + self.shortcut(x, plan)))

    def channels(self) -> BlockChannels:
        """How it passes channels on; ``hidden`` are those that the temporal convolution reads.

        No norm stands before the sum: a channel of the output is silent where neither convolution
        makes it, and where the norm of the next block does not make a constant of it.
        """
        spatial, norm1 = channels_of(self.spatial, "spatial"), channels_of(self.norm1, "norm1")
        temporal, norm2 = channels_of(self.temporal, "temporal"), channels_of(self.norm2, "norm2")
        shortcut = channels_of(self.shortcut, "shortcut")
        hidden = (spatial.writes, norm2.writes, temporal.reads)
        return BlockChannels(
            group_of("hidden", self.norm2.num_features, norm2.silences, *hidden)
            + groups_within(self, "spatial"),
            reads=joined(norm1.reads, spatial.reads, shortcut.reads),
            writes=joined(temporal.writes, shortcut.writes),
            entry_gates=norm1.silences,
            exit_gates=temporal.silences + shortcut.silences,
            carries=self.shortcut.conv is None,
        )
