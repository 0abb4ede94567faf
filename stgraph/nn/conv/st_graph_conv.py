"""Graph convolution with one weight matrix for each type of edge."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.nn import MessagePassing

from stgraph.nn.channels import ChannelSlice, LayerChannels
from stgraph.ops import partitioned_aggregate
from stgraph.ops.temporal import pointwise


class STGraphConv(MessagePassing):
    r"""Spatial graph convolution over partitioned neighbours, from `"Spatial Temporal Graph
    Convolutional Networks for Skeleton-Based Action Recognition"
    <https://arxiv.org/abs/1801.07455>`_ (eq. 4 and 10).

    .. math::
        \mathbf{x}^{\prime}_i = \sum_{k} \sum_{j \in \mathcal{N}_k(i)} a^{(k)}_{ji}
        \left( \mathbf{W}_k \mathbf{x}_j + \mathbf{b}_k \right)

    Args:
        in_channels: Size of each input node's features.
        out_channels: Size of each output node's features.
        num_types: Number K of edge types, each with its own weight matrix.
        bias: Learn :math:`\mathbf{b}_k`.
        aggregate_first: Sum up the neighbours first and transform the sums, so that a node has one
            bias :math:`\mathbf{b}` that no edge weighs (PYSKL's ``conv_pos="post"``).

    Shapes:
        - **input:** `x` (N, F_in), `edge_index` (2, E), `edge_type` (E) in 0...K-1,
          `edge_weight` (E) or None
        - **output:** (N, F_out)

    Raises:
        ValueError: if `edge_type` and `edge_index` disagree in length.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_types: int = 1,
        bias: bool = True,
        aggregate_first: bool = False,
    ) -> None:
        super().__init__(aggr="add", node_dim=0)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.num_types = num_types
        self.weight = Parameter(torch.empty(num_types * out_channels, in_channels))
        self.aggregate_first = aggregate_first
        biases = out_channels if aggregate_first else num_types * out_channels
        self.bias = Parameter(torch.empty(biases)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters anew, as a 1x1 convolution does."""
        torch.nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = self.in_channels * (self.num_types if self.aggregate_first else 1)
            bound = 1 / math.sqrt(fan_in)
            torch.nn.init.uniform_(self.bias, -bound, bound)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_type: Tensor | None = None,
        edge_weight: Tensor | None = None,
    ) -> Tensor:
        """Message passing over explicit edges; see the class for shapes."""
        if edge_type is None:
            edge_type = edge_index.new_zeros(edge_index.size(1))
        if edge_type.numel() != edge_index.size(1):
            raise ValueError(
                f"'STGraphConv' expected an 'edge_type' for each of {edge_index.size(1)} edges "
                f"(got {edge_type.numel()})"
            )
        # all K projections once, then one row for each edge: fixed shapes, so this compiles
        sent = torch.nn.functional.linear(x, self.weight, self._sent_bias)
        sent = sent.view(-1, self.out_channels)
        row = edge_index[0] * self.num_types + edge_type
        size = (sent.size(0), x.size(0))
        out = self.propagate(
            torch.stack([row, edge_index[1]]), x=(sent, None), edge_weight=edge_weight, size=size
        )
        return out if self._node_bias is None else out + self._node_bias

    def message(self, x_j: Tensor, edge_weight: Tensor | None) -> Tensor:
        """What a source sends along an edge."""
        return x_j if edge_weight is None else x_j * edge_weight.unsqueeze(-1)

    def folded(
        self, x: Tensor, edge_index: Tensor, edge_type: Tensor, edge_weight: Tensor
    ) -> Tensor:
        """The same on joint-major poses that share the edges of one pose.

        Args:
            x: [V, P, F_in].
            edge_index: Edges of a pose, int64 [2, E].
            edge_type: int64 [E].
            edge_weight: [E].

        Returns:
            [V, P, F_out].
        """
        # one product with all K matrices, whatever comes first: sums and maps are both linear
        sent = pointwise(x, self.weight, self._sent_bias)
        out = partitioned_aggregate(sent, edge_index, edge_type, edge_weight, self.num_types)
        return out if self._node_bias is None else out + self._node_bias

    def channel_slices(self) -> LayerChannels:
        """Where its channels and types of edges lie."""
        c, k = self.out_channels, self.num_types
        writes = [ChannelSlice("weight", copies=k, step=c)]
        types = [ChannelSlice("weight", width=c)]
        if self.bias is not None:
            writes.append(ChannelSlice("bias", copies=self.bias.numel() // c, step=c))
        if self._sent_bias is not None:
            types.append(ChannelSlice("bias", width=c))
        every = tuple(writes)
        return LayerChannels((ChannelSlice("weight", axis=1),), every, every, tuple(types))

    @property
    def _sent_bias(self) -> Parameter | None:
        return None if self.aggregate_first else self.bias

    @property
    def _node_bias(self) -> Parameter | None:
        return self.bias if self.aggregate_first else None

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, "
            f"num_types={self.num_types})"
        )
