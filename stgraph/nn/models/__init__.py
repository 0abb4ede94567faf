"""Encoders: a batch of recordings to one embedding each."""

from stgraph.nn.models.aagcn import AAGCN
from stgraph.nn.models.ctrgcn import CTRGCN
from stgraph.nn.models.dgstgcn import DGSTGCN
from stgraph.nn.models.frame_classifier import FrameClassifier, FrameLogits, frames_of
from stgraph.nn.models.graph_decoder import GraphDecoder
from stgraph.nn.models.hitrs import LEVELS, HierarchyPlan, HiTRS
from stgraph.nn.models.motion_predictor import MotionContext, MotionPredictor
from stgraph.nn.models.node_decoder import NodeDecoder
from stgraph.nn.models.recurrent_decoder import RecurrentDecoder
from stgraph.nn.models.skeleton_gin import SkeletonGIN
from stgraph.nn.models.skeleton_transformer import SkeletonTransformer
from stgraph.nn.models.stgcn import STGCN
from stgraph.nn.models.stgcn_plus_plus import STGCNPlusPlus
from stgraph.nn.models.strl import STRL
from stgraph.nn.models.token_decoder import TokenDecoder
from stgraph.nn.node_embeddings import NodeEmbeddings
from stgraph.nn.stages import stage_channels, stgcn_channels

__all__ = [
    "STGCN",
    "STGCNPlusPlus",
    "CTRGCN",
    "AAGCN",
    "DGSTGCN",
    "SkeletonTransformer",
    "TokenDecoder",
    "SkeletonGIN",
    "STRL",
    "HiTRS",
    "HierarchyPlan",
    "LEVELS",
    "FrameClassifier",
    "FrameLogits",
    "frames_of",
    "NodeDecoder",
    "MotionPredictor",
    "MotionContext",
    "RecurrentDecoder",
    "GraphDecoder",
    "NodeEmbeddings",
    "stgcn_channels",
    "stage_channels",
]
