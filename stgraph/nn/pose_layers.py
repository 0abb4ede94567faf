"""Layers over the graph of each pose, of SkeletonMAE and its ablation of backbones."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.utils import softmax

from stgraph.nn.channels import ChannelGroup, channels_of, group_of
from stgraph.nn.spatial import Edges
from stgraph.nn.temporal import PoseNorm
from stgraph.ops import partitioned_aggregate


class GINLayer(nn.Module):
    r"""Graph isomorphism layer, from `"How Powerful are Graph Neural Networks?"
    <https://arxiv.org/abs/1810.00826>`_ (eq. 4.1), in the form of `GraphMAE
    <https://arxiv.org/abs/2205.10803>`_.

    .. math::
        \mathbf{x}^{\prime}_i = \sigma \left( \operatorname{BN} \left( \operatorname{MLP} \left(
        (1 + \epsilon) \mathbf{x}_i + \sum_{j \in \mathcal{N}(i)} \mathbf{x}_j \right) \right)
        \right)

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        hidden_channels: Channels within the two-layer MLP; by default as many as the output.

    Shapes:
        - **input:** `x` (V, P, C_in) and the edges of a pose, loops included
        - **output:** (V, P, C_out)
    """

    def __init__(
        self, in_channels: int, out_channels: int, hidden_channels: int | None = None
    ) -> None:
        super().__init__()
        hidden = out_channels if hidden_channels is None else hidden_channels
        self.eps = nn.Parameter(torch.zeros(1))
        self.first = nn.Linear(in_channels, hidden)
        self.first_norm = PoseNorm(hidden)
        self.second = nn.Linear(hidden, out_channels)
        self.norm = PoseNorm(out_channels)
        self.inner, self.outer = nn.PReLU(), nn.PReLU()

    def channel_groups(self) -> tuple[ChannelGroup, ...]:
        """The channels within the MLP, ``hidden``."""
        first, second = channels_of(self.first, "first"), channels_of(self.second, "second")
        norm = channels_of(self.first_norm, "first_norm")
        parts = (first.writes, norm.writes, second.reads)
        return group_of("hidden", self.first.out_features, norm.silences, *parts)

    def forward(self, x: Tensor, edges: Edges) -> Tensor:
        # the edges hold every loop once, which is the 1 of 1 + eps
        h = neighbour_sum(x, edges) + self.eps * x
        h = self.second(self.inner(self.first_norm(self.first(h))))
        return self.outer(self.norm(h))


def neighbour_sum(x: Tensor, edges: Edges) -> Tensor:
    """Sums over the edges of a pose [V, P, C], or over those of all nodes [1, N, C]."""
    if edges.unrolled:
        messages = x[0].index_select(0, edges.edge_index[0]) * edges.edge_weight[:, None]
        return torch.zeros_like(x[0]).index_add(0, edges.edge_index[1], messages)[None]
    return partitioned_aggregate(x, edges.edge_index, edges.edge_type, edges.edge_weight, 1)


class GCNLayer(nn.Module):
    r"""Graph convolutional layer, from `"Semi-Supervised Classification with Graph Convolutional
    Networks" <https://arxiv.org/abs/1609.02907>`_ (eq. 2), the reference layer of SkeletonMAE's
    supplement.

    .. math::
        \mathbf{X}^{\prime} = \sigma \left( \operatorname{BN} \left( \tilde{\mathbf{D}}^{-1/2}
        \tilde{\mathbf{A}} \tilde{\mathbf{D}}^{-1/2} \mathbf{X} \mathbf{W} \right) \right)

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.

    Shapes:
        - **input:** `x` (V, P, C_in) and the edges of a pose, loops included, normalised
        - **output:** (V, P, C_out)
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels)
        self.norm = PoseNorm(out_channels)
        self.outer = nn.PReLU()

    def forward(self, x: Tensor, edges: Edges) -> Tensor:
        # the sum has no weight of its own for the bias, as in the paper's reference code
        h = neighbour_sum(nn.functional.linear(x, self.linear.weight), edges) + self.linear.bias
        return self.outer(self.norm(h))


class GATLayer(nn.Module):
    r"""Graph attention layer, from `"Graph Attention Networks" <https://arxiv.org/abs/1710.10903>`_
    (eq. 3 to 5); heads stand side by side.

    .. math::
        \alpha_{ij} = \operatorname{softmax}_j \operatorname{LeakyReLU} \left( \mathbf{a}_s^{\top}
        \mathbf{W} \mathbf{x}_j + \mathbf{a}_t^{\top} \mathbf{W} \mathbf{x}_i \right)

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output, of all heads.
        num_heads: Number of heads.
        dropout: Dropout of the attention; 0.1 as in SkeletonMAE.

    Shapes:
        - **input:** `x` (V, P, C_in) and the edges of a pose, loops included
        - **output:** (V, P, C_out)

    Raises:
        ValueError: if the channels do not divide among the heads.
    """

    def __init__(
        self, in_channels: int, out_channels: int, num_heads: int = 4, dropout: float = 0.1
    ) -> None:
        super().__init__()
        if out_channels % num_heads:
            raise ValueError(f"{out_channels} channels do not divide among {num_heads} heads")
        self.num_heads = num_heads
        self.linear = nn.Linear(in_channels, out_channels, bias=False)
        self.source = nn.Parameter(torch.empty(num_heads, out_channels // num_heads))
        self.target = nn.Parameter(torch.empty(num_heads, out_channels // num_heads))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.dropout = nn.Dropout(dropout)
        self.norm = PoseNorm(out_channels)
        self.outer = nn.PReLU()
        for vector in (self.source, self.target):
            nn.init.xavier_uniform_(vector)

    def forward(self, x: Tensor, edges: Edges) -> Tensor:
        flat = edges.unrolled
        h = self.linear(x[0][:, None] if flat else x)
        h = h.unflatten(2, (self.num_heads, -1))  # (V, P, H, D)
        to_source, to_target = (h * self.source).sum(dim=3), (h * self.target).sum(dim=3)
        source, target = edges.edge_index
        weight = to_source.index_select(0, source) + to_target.index_select(0, target)
        weight = softmax(nn.functional.leaky_relu(weight, 0.2), target, num_nodes=h.size(0))
        messages = h.index_select(0, source) * self.dropout(weight)[..., None]
        out = torch.zeros_like(h).index_add(0, target, messages).flatten(2) + self.bias
        return self.outer(self.norm(out.transpose(0, 1) if flat else out))


#: Layers by name.
POSE_LAYERS = ("gin", "gcn", "gat")
