"""Hi-TRS: tasks for joints, clips and videos, alone or together."""

from stgraph.objectives.hierarchy.corruption import Corrupted, PoseCorruption
from stgraph.objectives.hierarchy.order import order_loss, swap_far
from stgraph.objectives.hierarchy.pretraining import HierarchicalPretraining
from stgraph.objectives.hierarchy.tasks import (
    ClipLevel,
    ClipOrder,
    FrameLevel,
    FutureClip,
    MaskedPose,
    VideoLevel,
    VideoOrder,
    past_clips,
    window_motion,
)

__all__ = [
    "HierarchicalPretraining",
    "MaskedPose",
    "ClipOrder",
    "VideoOrder",
    "FutureClip",
    "PoseCorruption",
    "Corrupted",
    "FrameLevel",
    "ClipLevel",
    "VideoLevel",
    "swap_far",
    "order_loss",
    "past_clips",
    "window_motion",
]
