"""Layers, blocks and encoders.

A layer is an ordinary PyG message-passing layer. A block joins a spatial operator and a temporal
convolution. An encoder unpacks a batch once and calls a core that takes tensors alone, so that the
core compiles and exports.
"""

from stgraph.nn.blocks import PlainBlock, PreActivationBlock, STGCNBlock
from stgraph.nn.conv import STGraphConv
from stgraph.nn.models import STGCN, NodeEmbeddings, stgcn_channels
from stgraph.nn.plan import EncoderPlan, make_encoder_plan
from stgraph.nn.pretrained import PretrainedMixin, StateDictMismatch
from stgraph.nn.spatial import Edges, SpatialOperator, make_conv
from stgraph.nn.temporal import PoseNorm, Shortcut, TemporalConv

convolutions = ["STGraphConv"]
layers = ["SpatialOperator", "TemporalConv", "PoseNorm", "Shortcut", "make_conv"]
blocks = ["STGCNBlock", "PlainBlock", "PreActivationBlock"]
encoders = ["STGCN", "NodeEmbeddings", "stgcn_channels"]
plans = ["EncoderPlan", "Edges", "make_encoder_plan"]
saving = ["PretrainedMixin", "StateDictMismatch"]

__all__ = [*convolutions, *layers, *blocks, *encoders, *plans, *saving]
