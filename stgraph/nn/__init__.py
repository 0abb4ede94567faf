"""Layers, blocks and encoders.

A layer is an ordinary PyG message-passing layer. A block joins a spatial operator and a temporal
convolution. An encoder unpacks a batch once and calls a core that takes tensors alone, so that the
core compiles and exports.
"""

from stgraph.nn.blocks import (
    AAGCNBlock,
    DGSTGCNBlock,
    PlainBlock,
    PreActivationBlock,
    STGCNBlock,
    STGCNPlusPlusBlock,
)
from stgraph.nn.channels import (
    BlockChannels,
    ChannelGroup,
    ChannelSlice,
    LayerChannels,
    channels_of,
)
from stgraph.nn.conv import AdaptiveGraphConv, CTRGraphConv, DynamicGroupGraphConv, STGraphConv
from stgraph.nn.data_norm import JointNorm, PersonJointNorm
from stgraph.nn.edge_types import idle_types, without_types
from stgraph.nn.hierarchy import (
    ClipTransformer,
    FramePlan,
    FrameTransformer,
    SummaryPlan,
    VideoTransformer,
    make_clip_plan,
    make_video_plan,
)
from stgraph.nn.hierarchy_levels import HierarchyLevels
from stgraph.nn.joint_identity import GraphJointEmbedding, JointEmbedding
from stgraph.nn.joint_skeleton_temporal import JointSkeletonTemporalConv
from stgraph.nn.lanes import Lanes, make_lanes
from stgraph.nn.models import (
    AAGCN,
    CTRGCN,
    DGSTGCN,
    LEVELS,
    STGCN,
    STRL,
    FrameClassifier,
    FrameLogits,
    GraphDecoder,
    HierarchyPlan,
    HiTRS,
    MotionContext,
    MotionPredictor,
    NodeDecoder,
    NodeEmbeddings,
    RecurrentDecoder,
    SkeletonGIN,
    SkeletonTransformer,
    STGCNPlusPlus,
    TokenDecoder,
    frames_of,
    stage_channels,
    stgcn_channels,
)
from stgraph.nn.motion import (
    BodyFrame,
    LastSeen,
    body_frame,
    constant_velocity,
    last_seen,
    recent_motion,
    zero_velocity,
)
from stgraph.nn.multi_branch import MultiBranchTemporalConv
from stgraph.nn.plan import EncoderPlan, make_encoder_plan
from stgraph.nn.pose_embeddings import embed_poses, pose_channels
from stgraph.nn.pose_layers import POSE_LAYERS, GATLayer, GCNLayer, GINLayer
from stgraph.nn.pretrained import PretrainedMixin
from stgraph.nn.published import (
    HiTRSParts,
    MAMPParts,
    load_hitrs,
    load_mamp,
    load_published,
    read_state_dict,
    to_hitrs,
    to_mamp,
    to_published,
)
from stgraph.nn.shrinking import (
    channel_groups,
    living_channels,
    silence_channels,
    with_channels,
)
from stgraph.nn.spatial import Edges, SpatialOperator, make_conv
from stgraph.nn.state import StateDictMismatch
from stgraph.nn.stc_attention import STCAttention
from stgraph.nn.temporal import PoseNorm, Shortcut, TemporalConv
from stgraph.nn.token_embedding import PlaceEmbedding, TokenEmbedding
from stgraph.nn.tokens import (
    Tokens,
    check_joints,
    distinct_layouts,
    make_tokens,
    take_tokens,
    token_values,
)
from stgraph.nn.transformer import TransformerBlock, TransformerStack

convolutions = ["STGraphConv", "CTRGraphConv", "AdaptiveGraphConv", "DynamicGroupGraphConv"]
layers = [
    "SpatialOperator",
    "TemporalConv",
    "MultiBranchTemporalConv",
    "JointSkeletonTemporalConv",
    "STCAttention",
    "PoseNorm",
    "JointNorm",
    "PersonJointNorm",
    "Shortcut",
    "make_conv",
]
tokens_of_joints = [
    "Tokens",
    "make_tokens",
    "take_tokens",
    "token_values",
    "check_joints",
    "distinct_layouts",
]
transformer_layers = [
    "TransformerBlock",
    "GINLayer",
    "GCNLayer",
    "GATLayer",
    "POSE_LAYERS",
    "TransformerStack",
    "TokenEmbedding",
    "PlaceEmbedding",
    "JointEmbedding",
    "GraphJointEmbedding",
]
space_time_blocks = [
    "STGCNBlock",
    "PlainBlock",
    "PreActivationBlock",
    "STGCNPlusPlusBlock",
    "AAGCNBlock",
    "DGSTGCNBlock",
]
encoders = [
    "STGCN",
    "STGCNPlusPlus",
    "CTRGCN",
    "AAGCN",
    "DGSTGCN",
    "SkeletonTransformer",
    "SkeletonGIN",
    "STRL",
    "HiTRS",
    "NodeEmbeddings",
    "stgcn_channels",
    "stage_channels",
]
levels_of_a_hierarchy = [
    "FrameTransformer",
    "ClipTransformer",
    "VideoTransformer",
    "FramePlan",
    "SummaryPlan",
    "HierarchyPlan",
    "HierarchyLevels",
    "make_clip_plan",
    "make_video_plan",
    "LEVELS",
]
frame_networks = ["FrameClassifier", "FrameLogits", "frames_of", "embed_poses", "pose_channels"]
decoders = ["TokenDecoder", "NodeDecoder"]
motion_decoders = ["RecurrentDecoder", "GraphDecoder"]
motion_prediction = [
    "MotionPredictor",
    "MotionContext",
    "zero_velocity",
    "constant_velocity",
    "LastSeen",
    "last_seen",
    "recent_motion",
    "BodyFrame",
    "body_frame",
]
plans = ["EncoderPlan", "Edges", "make_encoder_plan", "Lanes", "make_lanes"]
smaller_networks = [
    "with_channels",
    "silence_channels",
    "living_channels",
    "channel_groups",
    "ChannelGroup",
    "ChannelSlice",
    "LayerChannels",
    "BlockChannels",
    "channels_of",
    "without_types",
    "idle_types",
]
saving = ["PretrainedMixin", "StateDictMismatch"]
weights = [
    "load_published",
    "to_published",
    "load_mamp",
    "to_mamp",
    "MAMPParts",
    "load_hitrs",
    "to_hitrs",
    "HiTRSParts",
    "read_state_dict",
]

__all__ = [
    *convolutions,
    *layers,
    *space_time_blocks,
    *tokens_of_joints,
    *transformer_layers,
    *encoders,
    *levels_of_a_hierarchy,
    *frame_networks,
    *decoders,
    *motion_decoders,
    *motion_prediction,
    *plans,
    *smaller_networks,
    *saving,
    *weights,
]
