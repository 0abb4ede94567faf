"""Graph convolution on a topology that each track and channel refines for itself."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.nn import MessagePassing

from stgraph.nn.channels import ChannelGroup, ChannelSlice, LayerChannels
from stgraph.nn.conv.lane_mean import lane_mean
from stgraph.ops import TemporalPlan
from stgraph.ops.aggregate import adjacency_of
from stgraph.ops.temporal import pointwise
from stgraph.ops.track import chunked_track_mean, make_track_chunks, topology_aggregate


class CTRGraphConv(MessagePassing):
    r"""Channel-wise topology refinement graph convolution, from `"Channel-wise Topology Refinement
    Graph Convolution for Skeleton-Based Action Recognition" <https://arxiv.org/abs/2107.12213>`_.

    .. math::
        \mathbf{x}^{\prime}_i = \sum_{k} \sum_{j \in \mathcal{N}_k(i)} \left( a^{(k)}_{ji} +
        \alpha \mathbf{V}_k \tanh \left( \mathbf{Q}_k \bar{\mathbf{x}}_i -
        \mathbf{K}_k \bar{\mathbf{x}}_j \right) \right) \odot \mathbf{W}_k \mathbf{x}_j

    with :math:`\bar{\mathbf{x}}` the mean over the poses of the track (each map also has a bias).
    Every channel of every track so has a topology of its own. The paper's :math:`a` is learned
    between any two joints: ``adaptive="init"`` of :class:`SpatialOperator`.

    Args:
        in_channels: Size of each input node's features.
        out_channels: Size of each output node's features.
        num_types: Number K of edge types.
        relation_channels: Channels that relations are compared in; by default 8 for the input of
            a network (3 or 9 channels, as published, or fewer than 8), else an eighth of the input.

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
        num_types: int = 3,
        relation_channels: int | None = None,
    ) -> None:
        super().__init__(aggr="add", node_dim=0)
        if relation_channels is None:
            relation_channels = 8 if in_channels in (3, 9) or in_channels < 8 else in_channels // 8
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.num_types = num_types
        self.relation_channels = relation_channels
        k, r = num_types, relation_channels
        self.weight = Parameter(torch.empty(k * out_channels, in_channels))
        self.bias = Parameter(torch.empty(k * out_channels))
        self.query_weight = Parameter(torch.empty(k * r, in_channels))
        self.query_bias = Parameter(torch.empty(k * r))
        self.key_weight = Parameter(torch.empty(k * r, in_channels))
        self.key_bias = Parameter(torch.empty(k * r))
        self.lift_weight = Parameter(torch.empty(k * out_channels, r))
        self.lift_bias = Parameter(torch.empty(k * out_channels))
        self.alpha = Parameter(torch.empty(1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters anew, as published: the refinement begins at zero."""
        k = self.num_types
        for weight in (self.weight, self.query_weight, self.key_weight, self.lift_weight):
            # of each of the K maps by itself: its fan-out is a K-th of the rows
            std = (2.0 / (weight.size(0) // k)) ** 0.5
            torch.nn.init.normal_(weight, 0.0, std)
        for bias in (self.bias, self.query_bias, self.key_bias, self.lift_bias, self.alpha):
            torch.nn.init.zeros_(bias)

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
        mean = lane_mean(x, lane)
        linear = torch.nn.functional.linear
        k, r = self.num_types, self.relation_channels
        query = linear(mean, self.query_weight, self.query_bias).view(-1, r)
        key = linear(mean, self.key_weight, self.key_bias).view(-1, r)
        sent = linear(x, self.weight, self.bias).view(-1, self.out_channels)
        source, target = edge_index[0] * k + edge_type, edge_index[1] * k + edge_type
        lift = self.lift_weight.view(k, self.out_channels, r)[edge_type]
        relation = torch.tanh(query[target] - key[source])
        refined = torch.einsum("ecr,er->ec", lift, relation)
        refined = self.alpha * (refined + self.lift_bias.view(k, -1)[edge_type])
        weight = 1.0 if edge_weight is None else edge_weight[:, None]
        size = (sent.size(0), x.size(0))
        return self.propagate(
            torch.stack([source, edge_index[1]]),
            x=(sent, None),
            topology=refined + weight,
            size=size,
        )

    def message(self, x_j: Tensor, topology: Tensor) -> Tensor:
        """What a source sends along an edge."""
        return topology * x_j

    def topology(self, mean: Tensor, adjacency: Tensor, mask: Tensor | None = None) -> Tensor:
        """The topology of each track and channel.

        Args:
            mean: Mean of each track, [V, M, F_in].
            adjacency: [K, V, V], target joint first.
            mask: Where there are edges, [K, V, V]; None for everywhere.

        Returns:
            [M, F_out, V, K*V], target joint before types and source joints.
        """
        v, m, _ = mean.shape
        k, r, c = self.num_types, self.relation_channels, self.out_channels
        linear = torch.nn.functional.linear
        query = linear(mean, self.query_weight, self.query_bias).permute(1, 2, 0)  # [M, K*R, V]
        key = linear(mean, self.key_weight, self.key_bias).permute(1, 2, 0)
        relation = torch.tanh(query[:, :, :, None] - key[:, :, None, :])
        relation = relation.view(m, k, r, v * v).transpose(0, 1)  # [K, M, R, V*V]
        lift = (self.alpha * self.lift_weight).view(k, 1, c, r)
        bias = (self.alpha * self.lift_bias).view(k, 1, c, 1)
        fixed = adjacency.view(k, 1, 1, v * v) + bias
        refined = (torch.matmul(lift, relation) + fixed).view(k, m, c, v, v)
        if mask is not None:
            refined = refined * mask[:, None, None]
        return refined.permute(1, 2, 3, 0, 4).reshape(m, c, v, k * v)

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
        return topology_aggregate(pointwise(x, self.weight, self.bias), topology, chunks)

    def channel_slices(self) -> LayerChannels:
        """Where its channels and types of edges lie."""
        c, k, r = self.out_channels, self.num_types, self.relation_channels
        maps = ("weight", "query_weight", "key_weight")
        sent = [ChannelSlice(name, copies=k, step=c) for name in ("weight", "bias")]
        lift = [ChannelSlice(name, copies=k, step=c) for name in ("lift_weight", "lift_bias")]
        rows = {"": c, "lift_": c, "query_": r, "key_": r}
        types = [
            ChannelSlice(f"{part}{kind}", width=width)
            for part, width in rows.items()
            for kind in ("weight", "bias")
        ]
        return LayerChannels(
            tuple(ChannelSlice(name, axis=1) for name in maps),
            tuple(sent + lift),
            tuple(sent),
            tuple(types),
        )

    def channel_groups(self) -> tuple[ChannelGroup, ...]:
        """The channels that relations are compared in, ``relation``, over all types of edges."""
        k, r = self.num_types, self.relation_channels
        names = ("query_weight", "query_bias", "key_weight", "key_bias")
        lift = ChannelSlice("lift_weight", axis=1)
        compared = tuple(ChannelSlice(name, copies=k, step=r) for name in names)
        return (ChannelGroup("relation", r, (lift,), (lift, *compared)),)

    def arguments_of(self, state: Mapping[str, Tensor], prefix: str) -> dict[str, int]:
        """The constructor's numbers of channels within, for weights of other shapes.

        Args:
            state: Weights by name.
            prefix: Before the names of this layer's own.
        """
        return {"relation_channels": state[f"{prefix}lift_weight"].size(1)}

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, "
            f"num_types={self.num_types})"
        )
