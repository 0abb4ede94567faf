"""Figures of merit, each a pure function and, as torchmetrics has them, an accumulating class.

The classes add up counts, so that batches and processes of any size weigh by their recordings. A
recording without a pose, or with logits that are no numbers, counts as wrong: the number of
recordings stays the official one. A predicted joint that is no number is infinitely far off.
"""

from stgraph.metrics.accuracy import (
    MeanClassAccuracy,
    TopKAccuracy,
    mean_class_accuracy,
    top_k_accuracy,
)
from stgraph.metrics.confusion import ConfusionMatrix, confusion_matrix
from stgraph.metrics.detection import (
    DetectionRules,
    DetectionScores,
    SegmentScores,
    average_precision,
    detection_scores,
    match_segments,
    mean_2d_ap,
)
from stgraph.metrics.mpjpe import MPJPE, mpjpe
from stgraph.metrics.segments import Segments, join_segments, make_segments, temporal_iou
from stgraph.metrics.votes import VideoVotes, video_votes

functions = ["top_k_accuracy", "mean_class_accuracy", "confusion_matrix", "video_votes"]
classes = ["TopKAccuracy", "MeanClassAccuracy", "ConfusionMatrix", "VideoVotes"]
detection_functions = [
    "detection_scores",
    "mean_2d_ap",
    "average_precision",
    "match_segments",
    "make_segments",
    "join_segments",
    "temporal_iou",
]
detection_classes = ["SegmentScores", "DetectionScores", "DetectionRules", "Segments"]
motion_prediction = ["mpjpe", "MPJPE"]

__all__ = [*functions, *classes, *detection_functions, *detection_classes, *motion_prediction]
