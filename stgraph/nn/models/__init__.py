"""Encoders: a batch of recordings to one embedding each."""

from stgraph.nn.models.stgcn import STGCN, NodeEmbeddings, stgcn_channels

__all__ = ["STGCN", "NodeEmbeddings", "stgcn_channels"]
