"""The decoder of SkeletonMAE: a graph layer over each pose."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from stgraph.nn.lanes import make_lanes
from stgraph.nn.models.skeleton_gin import SkeletonGIN
from stgraph.nn.pretrained import PretrainedMixin
from stgraph.nn.tokens import Tokens
from stgraph.skeleton import SkeletonGraph


class NodeDecoder(PretrainedMixin, nn.Module):
    """GIN layers over embedded nodes, and a linear map to a prediction for each.

    Args:
        in_channels: Width of the encoder's nodes.
        out_channels: Numbers to predict for each node.
        width: Channels between.
        depth: Number of GIN layers; 1 as published.
        hidden_channels: Channels within the MLP of a layer; by default as many as ``width``.
        layer: As of :class:`SkeletonGIN`.
        remask: Replace hidden nodes by a learned vector again before the layers, as GraphMAE does;
            SkeletonMAE does not say so.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        width: int = 64,
        depth: int = 1,
        hidden_channels: int | None = None,
        remask: bool = False,
        layer: str = "gin",
    ) -> None:
        super().__init__()
        self.config = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        self.layers = SkeletonGIN(
            in_channels, width, depth, hidden_channels, dropout=0.0, layer=layer
        )
        self.head = nn.Linear(width, out_channels)
        self.mask_token = nn.Parameter(torch.zeros(in_channels)) if remask else None

    def forward(
        self, encoded: Tensor, batch: SkeletonGraph, tokens: Tokens, visible: Tensor
    ) -> Tensor:
        """Predictions for all tokens, [K, out_channels].

        Args:
            encoded: Embeddings of all nodes that are found, [K, D].
            batch: The recordings.
            tokens: Those nodes, as tokens of one pose.
            visible: Which of them were visible, bool [K].
        """
        if self.mask_token is not None:
            encoded = torch.where(visible[:, None], encoded, self.mask_token.to(encoded.dtype))
        node = tokens.node[:, 0]
        x = encoded.new_zeros(batch.pos.size(0), encoded.size(1)).index_copy(0, node, encoded)
        lanes = make_lanes(batch)
        x = self.layers.core(lanes.enter(x).contiguous(), self.layers.plan(batch))
        return self.head(lanes.leave(x)[node])
