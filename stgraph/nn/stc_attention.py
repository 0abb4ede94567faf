"""Attention to joints, poses and channels of a track."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stgraph.nn.channels import (
    ChannelGroup,
    ChannelSlice,
    LayerChannels,
    channels_of,
    group_of,
    joined,
)
from stgraph.nn.temporal import TemporalConv
from stgraph.ops import TemporalPlan, chunked_track_mean, track_mean


class STCAttention(nn.Module):
    r"""Spatial, then temporal, then channel attention, from `"Skeleton-Based Action Recognition
    with Multi-Stream Adaptive Graph Convolutional Networks" <https://arxiv.org/abs/1912.06971>`_
    (its STC-attention module).

    .. math::
        \mathbf{y} = \mathbf{x} \odot (1 + \mathbf{m}_s) \odot (1 + \mathbf{m}_t) \odot
        (1 + \mathbf{m}_c)

    Each map is a sigmoid of what is left of the product before it: of the mean over the poses of a
    track, the mean over the joints of a pose, the mean over both. As published, the spatial map
    convolves along the *numbering* of the joints. :meth:`permute_joints` therefore keeps the
    numbers that the kernel was learned with, in the buffer ``position``.

    Args:
        channels: C.
        num_joints: V; the spatial kernel has V taps, or V - 1 if V is even.
        temporal_kernel: Taps of the temporal kernel.
        reduction: The channel map has ``channels // reduction`` hidden units.
        hidden_channels: Hidden units of the channel map, instead of that.

    Shapes:
        - **input:** `x` (V, P, C), a plan for the same poses
        - **output:** (V, P, C)
    """

    position: Tensor

    def __init__(
        self,
        channels: int,
        num_joints: int,
        temporal_kernel: int = 9,
        reduction: int = 2,
        hidden_channels: int | None = None,
    ) -> None:
        super().__init__()
        kernel = num_joints - 1 + num_joints % 2
        hidden = max(channels // reduction, 1) if hidden_channels is None else hidden_channels
        self.spatial = nn.Conv1d(channels, 1, kernel, padding=kernel // 2)
        self.temporal = TemporalConv(channels, 1, temporal_kernel)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)
        self.register_buffer("position", torch.arange(num_joints))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters anew, as published: temporal and channel maps begin at 1/2."""
        nn.init.xavier_normal_(self.spatial.weight)
        nn.init.kaiming_normal_(self.squeeze.weight)
        nn.init.zeros_(self.temporal.weight)
        nn.init.zeros_(self.excite.weight)
        for module in (self.spatial, self.temporal, self.squeeze, self.excite):
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor, plan: TemporalPlan) -> Tensor:
        """See the class for shapes."""
        mean = _track_mean(x, plan)  # [V, M, C]
        line = torch.zeros_like(mean).index_copy(0, self.position, mean)
        joints = torch.sigmoid(self.spatial(line.permute(1, 2, 0)))[:, 0]  # [M, V]
        joints = 1 + joints.t().index_select(0, self.position)
        x = x * joints.index_select(1, plan.track)[:, :, None]
        # what follows is the same for all joints: gates can be gathered on the mean over joints
        pose = x.mean(dim=0, keepdim=True)  # [1, P, C]
        gate = 1 + torch.sigmoid(self.temporal(pose, plan.unstrided()))  # [1, P, 1]
        hidden = F.relu(self.squeeze(_track_mean(pose * gate, plan)))
        channels = 1 + torch.sigmoid(self.excite(hidden))  # [1, M, C]
        return x * (gate * channels.index_select(1, plan.track))

    def channel_slices(self) -> LayerChannels:
        """Where its channels lie: all maps are made of all channels, and multiply each, so that
        what is zero stays zero and says nothing."""
        maps = (ChannelSlice("spatial.weight", axis=1), ChannelSlice("squeeze.weight", axis=1))
        temporal = channels_of(self.temporal, "temporal")
        excite = channels_of(self.excite, "excite")
        own = joined(maps, temporal.reads, excite.writes)
        return LayerChannels(own, own, (), None)

    def channel_groups(self) -> tuple[ChannelGroup, ...]:
        """The hidden units of the channel map, ``squeeze``."""
        squeeze, excite = channels_of(self.squeeze, "squeeze"), channels_of(self.excite, "excite")
        hidden = self.squeeze.out_features
        # its rows and not what reads them, which is zero before training
        return group_of("squeeze", hidden, squeeze.silences, squeeze.writes, excite.reads)

    @torch.no_grad()
    def permute_joints(self, order: Tensor) -> None:
        """The same attention for joints in another order: new joint i is the old ``order[i]``."""
        self.position.copy_(self.position[order.to(self.position.device)])


def _track_mean(x: Tensor, plan: TemporalPlan) -> Tensor:
    # chunks are there if a layer of the network needs them, and then they are faster
    return track_mean(x, plan) if plan.chunks is None else chunked_track_mean(x, plan.chunks)
