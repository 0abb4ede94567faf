"""Graph convolution in groups of channels, each on topologies that every track learns anew."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn import functional as F
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import softmax

from stgraph.nn.channels import (
    ChannelGroup,
    ChannelSlice,
    LayerChannels,
    Slices,
    channels_of,
)
from stgraph.nn.conv.lane_mean import lane_mean
from stgraph.nn.temporal import PoseNorm
from stgraph.ops import TemporalPlan
from stgraph.ops.aggregate import adjacency_of
from stgraph.ops.temporal import pointwise
from stgraph.ops.track import chunked_track_mean, make_track_chunks, topology_aggregate


class DynamicGroupGraphConv(MessagePassing):
    r"""Dynamic group graph convolution (DG-GCN), from `"DG-STGCN: Dynamic Spatial-Temporal Modeling
    for Skeleton-based Action Recognition" <https://arxiv.org/abs/2210.05895>`_.

    .. math::
        \mathbf{h}^{(k)}_i = \sum_{j \in \mathcal{N}_k(i)} \left( a^{(k)}_{ji} +
        \alpha \tanh \left( \mathbf{K}_k \bar{\mathbf{x}}_j - \mathbf{Q}_k \bar{\mathbf{x}}_i
        \right) + \beta \, \underset{j}{\mathrm{softmax}} \left( \mathbf{K}_k \bar{\mathbf{x}}_j
        \right)^{\top} \mathbf{Q}_k \bar{\mathbf{x}}_i \right) \odot
        \mathrm{ReLU} \left( \mathrm{BN} (\mathbf{W}_k \mathbf{x}_j) \right)

    .. math::
        \mathbf{x}^{\prime}_i = \mathbf{W} \, [\mathbf{h}^{(1)}_i \, \| \dots \| \,
        \mathbf{h}^{(K)}_i]

    with :math:`\bar{\mathbf{x}}` the mean over the poses of the track (each map also has a bias):
    the types of edges are groups of channels, each of which sees the joints through a topology of
    its own. The paper's :math:`a` is learned between any two joints: ``adaptive="init"`` of
    :class:`SpatialOperator`.

    Args:
        in_channels: Size of each input node's features.
        out_channels: Size of each output node's features.
        num_types: Number K of edge types, and so of groups.
        ratio: Channels of a group as a share of ``out_channels``; by default 1 / K.
        gate_per_group: :math:`\alpha` and :math:`\beta` for each group, instead of one for all
            (PYSKL's ``subset_wise``).
        group_channels: Channels of a group, instead of a share.

    Shapes:
        - **input:** `x` (N, F_in), `edge_index` (2, E), `edge_type` (E) in 0...K-1,
          `edge_weight` (E) or None, `lane` (N): equal for the poses of one joint of one track
        - **output:** (N, F_out)
    """

    per_track = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_types: int = 8,
        ratio: float | None = None,
        gate_per_group: bool = False,
        group_channels: int | None = None,
    ) -> None:
        super().__init__(aggr="add", node_dim=0)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.num_types = num_types
        if group_channels is None:
            share = 1 / num_types if ratio is None else ratio
            # a share read off published weights is a rounded quotient
            group_channels = max(int(share * out_channels + 1e-6), 1)
        self.group_channels = group_channels
        k, inner = num_types, num_types * group_channels
        self.weight = Parameter(torch.empty(inner, in_channels))
        self.bias = Parameter(torch.empty(inner))
        self.norm = PoseNorm(inner)
        self.query_weight = Parameter(torch.empty(inner, in_channels))
        self.query_bias = Parameter(torch.empty(inner))
        self.key_weight = Parameter(torch.empty(inner, in_channels))
        self.key_bias = Parameter(torch.empty(inner))
        self.mix_weight = Parameter(torch.empty(out_channels, inner))
        self.mix_bias = Parameter(torch.empty(out_channels))
        self.alpha = Parameter(torch.empty(k if gate_per_group else 1))
        self.beta = Parameter(torch.empty(k if gate_per_group else 1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters anew, as 1x1 convolutions do; both kinds of attention begin at
        zero."""
        for weight, bias in (
            (self.weight, self.bias),
            (self.query_weight, self.query_bias),
            (self.key_weight, self.key_bias),
            (self.mix_weight, self.mix_bias),
        ):
            torch.nn.init.kaiming_uniform_(weight, a=math.sqrt(5))
            bound = 1 / math.sqrt(weight.size(1))
            torch.nn.init.uniform_(bias, -bound, bound)
        self.norm.reset_parameters()
        torch.nn.init.zeros_(self.alpha)
        torch.nn.init.zeros_(self.beta)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_type: Tensor | None = None,
        edge_weight: Tensor | None = None,
        lane: Tensor | None = None,
    ) -> Tensor:
        """Message passing over explicit edges; without ``lane`` each node is a track of its own."""
        if edge_type is None:
            edge_type = edge_index.new_zeros(edge_index.size(1))
        k, r = self.num_types, self.group_channels
        mean = lane_mean(x, lane)
        query = F.linear(mean, self.query_weight, self.query_bias).view(-1, r)
        key = F.linear(mean, self.key_weight, self.key_bias).view(-1, r)
        sent = F.linear(x, self.weight, self.bias)
        sent = F.relu(self.norm(sent[None])[0]).view(-1, r)
        source, target = edge_index[0] * k + edge_type, edge_index[1] * k + edge_type
        alpha, beta = (gate.expand(k)[edge_type][:, None] for gate in (self.alpha, self.beta))
        within = torch.tanh(key[source] - query[target])
        product = (key[source] * query[target]).sum(dim=1)
        between = softmax(product, target, num_nodes=sent.size(0))[:, None]
        weight = 1.0 if edge_weight is None else edge_weight[:, None]
        out = self.propagate(
            torch.stack([source, target]),
            x=sent,
            topology=weight + alpha * within + beta * between,
            size=(sent.size(0), sent.size(0)),
        )
        return F.linear(out.view(-1, k * r), self.mix_weight, self.mix_bias)

    def message(self, x_j: Tensor, topology: Tensor) -> Tensor:
        """What a source sends along an edge."""
        return topology * x_j

    def topology(self, mean: Tensor, adjacency: Tensor, mask: Tensor | None = None) -> Tensor:
        """The topology of each track and channel.

        Args:
            mean: Mean of each track, [V, M, F_in].
            adjacency: [K, V, V], target joint first.
            mask: How many edges there are, [K, V, V]; None for one everywhere.

        Returns:
            [M, K*R, V, V], target joint before source joint.
        """
        v, m, _ = mean.shape
        k, r = self.num_types, self.group_channels
        query = F.linear(mean, self.query_weight, self.query_bias).permute(1, 2, 0)  # [M, K*R, V]
        key = F.linear(mean, self.key_weight, self.key_bias).permute(1, 2, 0)
        within = torch.tanh(key[:, :, None, :] - query[:, :, :, None]).view(m, k, r, v, v)
        product = query.reshape(m, k, r, v).transpose(2, 3) @ key.reshape(m, k, r, v)
        if mask is not None:
            within = within * mask[:, None]
            lowest = torch.finfo(product.dtype).min
            product = (product + mask.log()).masked_fill(mask == 0, lowest)
        between = product.softmax(dim=-1)
        if mask is not None:
            between = between * (mask > 0)  # of a joint without edges
        fixed = adjacency + self.beta.view(-1, 1, 1) * between  # [M, K, V, V]
        topology = fixed[:, :, None] + self.alpha.view(-1, 1, 1, 1) * within
        return topology.reshape(m, k * r, v, v)

    def folded(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_type: Tensor,
        edge_weight: Tensor,
        plan: TemporalPlan,
    ) -> Tensor:
        """The same on joint-major poses that share the edges of one pose.

        Args:
            x: [V, P, F_in].
            edge_index: Edges of a pose, int64 [2, E].
            edge_type: int64 [E].
            edge_weight: [E].
            plan: Knows the tracks.

        Returns:
            [V, P, F_out].
        """
        v, k = x.size(0), self.num_types
        adjacency = adjacency_of(edge_index, edge_type, edge_weight.to(x.dtype), k, v)
        mask = None
        if edge_type.numel() < k * v * v:
            ones = x.new_ones(edge_type.numel())
            mask = adjacency_of(edge_index, edge_type, ones, k, v)
        chunks = plan.chunks or make_track_chunks(plan.length)
        topology = self.topology(chunked_track_mean(x, chunks), adjacency, mask)
        sent = F.relu(self.norm(pointwise(x, self.weight, self.bias)))
        return pointwise(topology_aggregate(sent, topology, chunks), self.mix_weight, self.mix_bias)

    def channel_slices(self) -> LayerChannels:
        """Where its channels and types of edges lie."""
        r = self.group_channels
        writes = (ChannelSlice("mix_weight"), ChannelSlice("mix_bias"))
        maps = ("weight", "query_weight", "key_weight")
        types = [one._replace(width=r) for one in (*self._made(), *self._compared())]
        types.append(ChannelSlice("mix_weight", axis=1, width=r))
        if self.alpha.numel() > 1:
            types += [ChannelSlice("alpha"), ChannelSlice("beta")]
        reads = tuple(ChannelSlice(name, axis=1) for name in maps)
        return LayerChannels(reads, writes, writes, tuple(types))

    def channel_groups(self) -> tuple[ChannelGroup, ...]:
        """The channels of a group of its own, ``group``, over all of them.

        What a channel sends is zero where its norm is, but joints are compared in it, too.
        """
        k, r = self.num_types, self.group_channels
        every = (*self._made(), *self._compared(), ChannelSlice("mix_weight", axis=1))
        spread = {one: one._replace(copies=k, step=r) for one in every}
        silences = channels_of(self.norm, "norm").silences
        silences += (ChannelSlice("key_weight"), ChannelSlice("key_bias"))
        gates = tuple(spread[one] for one in silences)
        return (ChannelGroup("group", r, gates, tuple(spread.values())),)

    def arguments_of(self, state: Mapping[str, Tensor], prefix: str) -> dict[str, int]:
        """The constructor's numbers of channels within, for weights of other shapes.

        Args:
            state: Weights by name.
            prefix: Before the names of this layer's own.
        """
        return {"group_channels": state[f"{prefix}weight"].size(0) // self.num_types}

    def _made(self) -> Slices:
        """Where the channels that are sent are made and normed, group by group."""
        norm = channels_of(self.norm, "norm").writes or ()
        return (ChannelSlice("weight"), ChannelSlice("bias"), *norm)

    @staticmethod
    def _compared() -> Slices:
        """Where the channels that joints are compared in are made."""
        names = ("query_weight", "query_bias", "key_weight", "key_bias")
        return tuple(ChannelSlice(name) for name in names)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, "
            f"num_types={self.num_types})"
        )
