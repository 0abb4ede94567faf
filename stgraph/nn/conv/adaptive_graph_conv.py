"""Graph convolution on a topology that each track adapts by attention between its joints."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.nn import MessagePassing

from stgraph.nn.channels import ChannelGroup, ChannelSlice, LayerChannels
from stgraph.ops import TemporalPlan
from stgraph.ops.aggregate import adjacency_of
from stgraph.ops.temporal import pointwise
from stgraph.ops.track import make_track_chunks, shared_topology_aggregate, track_products


class AdaptiveGraphConv(MessagePassing):
    r"""Adaptive graph convolution, from `"Skeleton-Based Action Recognition with Multi-Stream
    Adaptive Graph Convolutional Networks" <https://arxiv.org/abs/1912.06971>`_ (the paper's
    :math:`\mathbf{B}_k + \alpha \mathbf{C}_k`), with tanh for the softmax, as PYSKL has it.

    .. math::
        \mathbf{x}^{\prime}_i = \sum_{k} \sum_{j \in \mathcal{N}_k(i)} \left( a^{(k)}_{ji} + \alpha
        \tanh \frac{1}{R T} \sum_{t=1}^{T} \left( \mathbf{Q}_k \mathbf{x}_{i,t} \right)^{\top}
        \mathbf{K}_k \mathbf{x}_{j,t} \right) \mathbf{W}_k \mathbf{x}_j + \mathbf{b}_k

    where t runs over the T poses of the track (Q and K also have a bias), so each track has a
    topology of its own. The paper's :math:`a` is learned between any two joints:
    ``adaptive="init"`` of :class:`SpatialOperator`.

    Args:
        in_channels: Size of each input node's features.
        out_channels: Size of each output node's features.
        num_types: Number K of edge types.
        reduction: Joints are compared in R = ``out_channels // reduction`` channels.
        embedding_channels: Channels that joints are compared in, instead of R.
        divisor: What products are divided by, instead of the number of these channels.

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
        reduction: int = 4,
        embedding_channels: int | None = None,
        divisor: int | None = None,
    ) -> None:
        super().__init__(aggr="add", node_dim=0)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.num_types = num_types
        if embedding_channels is None:
            embedding_channels = max(out_channels // reduction, 1)
        self.embedding_channels = embedding_channels
        self.divisor = embedding_channels if divisor is None else divisor
        k, r = num_types, embedding_channels
        self.weight = Parameter(torch.empty(k * out_channels, in_channels))
        self.bias = Parameter(torch.empty(k * out_channels))
        self.query_weight = Parameter(torch.empty(k * r, in_channels))
        self.query_bias = Parameter(torch.empty(k * r))
        self.key_weight = Parameter(torch.empty(k * r, in_channels))
        self.key_bias = Parameter(torch.empty(k * r))
        self.alpha = Parameter(torch.empty(1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters anew, as published: attention begins at zero."""
        k = self.num_types
        # as published: smaller than by fan-out alone, both ends and all K maps count
        torch.nn.init.normal_(self.weight, 0.0, (2.0 / self.weight.numel()) ** 0.5)
        for weight in (self.query_weight, self.key_weight):
            torch.nn.init.normal_(weight, 0.0, (2.0 / (weight.size(0) // k)) ** 0.5)
        for bias in (self.bias, self.query_bias, self.key_bias, self.alpha):
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
        linear = torch.nn.functional.linear
        k, r = self.num_types, self.embedding_channels
        query = linear(x, self.query_weight, self.query_bias).view(-1, r)
        key = linear(x, self.key_weight, self.key_bias).view(-1, r)
        sent = linear(x, self.weight).view(-1, self.out_channels)
        source, target = edge_index[0] * k + edge_type, edge_index[1] * k + edge_type
        product = (query[target] * key[source]).sum(dim=1) / self.divisor
        if lane is not None:
            # the same pair of joints, in the same track, by the same type: one value for all poses
            lanes = int(lane.max()) + 1
            pair = (lane[edge_index[0]] * lanes + lane[edge_index[1]]) * k + edge_type
            _, pair = pair.unique(return_inverse=True)
            total = product.new_zeros(int(pair.max()) + 1).index_add(0, pair, product)
            product = (total / torch.bincount(pair).to(x.dtype))[pair]
        topology = self.alpha * torch.tanh(product)
        topology = topology + (1.0 if edge_weight is None else edge_weight)
        out = self.propagate(
            torch.stack([source, edge_index[1]]),
            x=(sent, None),
            topology=topology,
            size=(sent.size(0), x.size(0)),
        )
        return out + self._node_bias

    def message(self, x_j: Tensor, topology: Tensor) -> Tensor:
        """What a source sends along an edge."""
        return topology[:, None] * x_j

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
        chunks = plan.chunks or make_track_chunks(plan.length)
        query = pointwise(x, self.query_weight, self.query_bias)
        key = pointwise(x, self.key_weight, self.key_bias)
        products = track_products(key, query, k, chunks)  # [M, K, V, V]
        poses = chunks.length[:, None, None, None].to(x.dtype)
        adapted = self.alpha * torch.tanh(products / (self.divisor * poses))
        if edge_type.numel() < k * v * v:
            ones = x.new_ones(edge_type.numel())
            adapted = adapted * adjacency_of(edge_index, edge_type, ones, k, v)
        # sums first, as published: the input of a network has fewer channels than its output
        sums = shared_topology_aggregate(x, adjacency + adapted, chunks)
        weight = self.weight.view(k, self.out_channels, -1).transpose(0, 1).flatten(1)
        return pointwise(sums, weight, self._node_bias)

    def channel_slices(self) -> LayerChannels:
        """Where its channels lie. Types of edges cannot be cut: each has a bias that no edge
        weighs."""
        sent = tuple(
            ChannelSlice(name, copies=self.num_types, step=self.out_channels)
            for name in ("weight", "bias")
        )
        maps = ("weight", "query_weight", "key_weight")
        return LayerChannels(tuple(ChannelSlice(name, axis=1) for name in maps), sent, sent, None)

    def channel_groups(self) -> tuple[ChannelGroup, ...]:
        """The channels that joints are compared in, ``embedding``, over all types of edges."""
        r = self.embedding_channels
        query, key = (
            tuple(
                ChannelSlice(f"{part}_{kind}", copies=self.num_types, step=r)
                for kind in ("weight", "bias")
            )
            for part in ("query", "key")
        )
        return (ChannelGroup("embedding", r, key, query + key),)

    def arguments_of(self, state: Mapping[str, Tensor], prefix: str) -> dict[str, int]:
        """The constructor's numbers of channels within, for weights of other shapes.

        Args:
            state: Weights by name.
            prefix: Before the names of this layer's own.
        """
        rows = state[f"{prefix}key_weight"].size(0)
        return {"embedding_channels": rows // self.num_types, "divisor": self.divisor}

    @property
    def _node_bias(self) -> Tensor:
        # published networks have a bias for each of the K maps, behind the sums over joints
        return self.bias.view(self.num_types, -1).sum(dim=0)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, "
            f"num_types={self.num_types})"
        )
