"""Encoders: a batch of recordings to one embedding each."""

from stgraph.nn.models.ctrgcn import CTRGCN
from stgraph.nn.models.stgcn import STGCN, NodeEmbeddings, stage_channels, stgcn_channels
from stgraph.nn.models.stgcn_plus_plus import STGCNPlusPlus

__all__ = ["STGCN", "STGCNPlusPlus", "CTRGCN", "NodeEmbeddings", "stgcn_channels", "stage_channels"]
