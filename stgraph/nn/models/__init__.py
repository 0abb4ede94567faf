"""Encoders: a batch of recordings to one embedding each."""

from stgraph.nn.models.ctrgcn import CTRGCN
from stgraph.nn.models.skeleton_transformer import SkeletonTransformer
from stgraph.nn.models.stgcn import STGCN, NodeEmbeddings, stage_channels, stgcn_channels
from stgraph.nn.models.stgcn_plus_plus import STGCNPlusPlus
from stgraph.nn.models.token_decoder import TokenDecoder

__all__ = [
    "STGCN",
    "STGCNPlusPlus",
    "CTRGCN",
    "SkeletonTransformer",
    "TokenDecoder",
    "NodeEmbeddings",
    "stgcn_channels",
    "stage_channels",
]
