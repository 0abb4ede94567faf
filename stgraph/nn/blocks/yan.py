"""The space-time block of Yan et al."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.nn.channels import BlockChannels, channels_of, group_of, groups_within, joined
from stgraph.nn.spatial import Edges, SpatialOperator
from stgraph.nn.temporal import PoseNorm, Shortcut, TemporalConv
from stgraph.ops import TemporalPlan


class STGCNBlock(nn.Module):
    r"""The block of Yan et al.: graph, BN, ReLU, temporal, BN, dropout; plus shortcut; ReLU.

    Args:
        spatial: The spatial operator, in_channels to out_channels.
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Stride along time.
        temporal_kernel: Taps of the temporal convolution.
        dropout: Probability of dropout.
        residual: Add a shortcut.
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
        residual: bool = True,
        hidden_channels: int | None = None,
        shortcut_conv: bool | None = None,
    ) -> None:
        super().__init__()
        hidden = out_channels if hidden_channels is None else hidden_channels
        self.spatial = spatial
        self.norm1 = PoseNorm(hidden)
        self.temporal = TemporalConv(hidden, out_channels, temporal_kernel, stride)
        self.norm2 = PoseNorm(out_channels)
        self.dropout = nn.Dropout(dropout)
        self.shortcut: Shortcut | None = None
        if residual:
            self.shortcut = Shortcut(in_channels, out_channels, stride, conv=shortcut_conv)

    def forward(self, x: Tensor, edges: Edges, plan: TemporalPlan) -> Tensor:
        y = F.relu(self.norm1(self.spatial(x, edges, plan)))
        y = self.dropout(self.norm2(self.temporal(y, plan)))
        if self.shortcut is not None:
            y = y + self.shortcut(x, plan)
        return F.relu(y)

    def channels(self) -> BlockChannels:
        """How it passes channels on; ``hidden`` are those that the temporal convolution reads."""
        spatial, norm1 = channels_of(self.spatial, "spatial"), channels_of(self.norm1, "norm1")
        temporal, norm2 = channels_of(self.temporal, "temporal"), channels_of(self.norm2, "norm2")
        shortcut = channels_of(self.shortcut, "shortcut")
        hidden = (spatial.writes, norm1.writes, temporal.reads)
        return BlockChannels(
            group_of("hidden", self.norm1.num_features, norm1.silences, *hidden)
            + groups_within(self, "spatial"),
            reads=joined(spatial.reads, shortcut.reads),
            writes=joined(temporal.writes, norm2.writes, shortcut.writes),
            exit_gates=norm2.silences + shortcut.silences,
            carries=self.shortcut is not None and self.shortcut.conv is None,
        )
