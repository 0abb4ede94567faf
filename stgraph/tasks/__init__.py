"""Training: Lightning modules, the data module, and one function that fits a task.

This is the only room, with the command line, that knows the trainer; networks and objectives work
without it. The epoch is chosen by validation or is the last, never by test recordings.
"""

from stgraph.tasks.base import TrainingTask
from stgraph.tasks.checkpoints import AtomicCheckpointIO, load_checkpoint
from stgraph.tasks.chunks import chunk_recording, chunk_store
from stgraph.tasks.data import (
    JoinedParts,
    SkeletonDataModule,
    StoreSubset,
    as_source,
    fit_partition,
)
from stgraph.tasks.detection import (
    Detected,
    Detection,
    FrameScores,
    detect,
    score_frames,
    true_segments,
)
from stgraph.tasks.fit import FitResult, fit_task
from stgraph.tasks.forecast import HorizonError, evaluate_motion, predict_motion
from stgraph.tasks.keeper import Keeper, TrainingDiverged
from stgraph.tasks.motion_windows import MotionWindows, cut_windows, last_stretches
from stgraph.tasks.optimisation import (
    class_weights,
    layer_decay_groups,
    learning_rate_factor,
    make_optimizer,
    make_schedule,
    parameter_groups,
)
from stgraph.tasks.predict import Predictions, evaluate_recognition, predict_logits, predict_views
from stgraph.tasks.prediction import MotionPrediction
from stgraph.tasks.pretraining import Pretraining
from stgraph.tasks.progress import EpochLines, quiet_lightning
from stgraph.tasks.recognition import Recognition
from stgraph.tasks.saving import (
    load_network,
    load_recognition,
    load_reconstruction,
    read_task,
    save_pretraining,
    save_recognition,
)
from stgraph.tasks.saving_detection import load_detection, save_detection
from stgraph.tasks.saving_prediction import load_prediction, save_prediction
from stgraph.tasks.segmenting import SegmentFinder, finder_options, smooth, suppress
from stgraph.tasks.sparse_recognition import SparseRecognition
from stgraph.tasks.specs import build_transform, describe_transform

pretraining_tasks = ["Pretraining", "JoinedParts", "StoreSubset"]
recognising = [
    "TrainingTask",
    "Recognition",
    "SparseRecognition",
    "SkeletonDataModule",
    "fit_task",
    "FitResult",
]
predictions_of_classes = ["predict_logits", "predict_views", "Predictions", "evaluate_recognition"]
detecting = [
    "Detection",
    "SegmentFinder",
    "score_frames",
    "detect",
    "Detected",
    "FrameScores",
    "chunk_store",
    "chunk_recording",
    "true_segments",
    "finder_options",
    "smooth",
    "suppress",
]
predicting_motion = [
    "MotionPrediction",
    "predict_motion",
    "evaluate_motion",
    "HorizonError",
    "cut_windows",
    "last_stretches",
    "MotionWindows",
]
saved_files = [
    "save_detection",
    "load_detection",
    "save_recognition",
    "save_pretraining",
    "load_reconstruction",
    "load_recognition",
    "save_prediction",
    "load_prediction",
    "load_network",
    "read_task",
    "build_transform",
    "describe_transform",
    "load_checkpoint",
]
parts = [
    "as_source",
    "fit_partition",
    "make_optimizer",
    "make_schedule",
    "learning_rate_factor",
    "parameter_groups",
    "layer_decay_groups",
    "class_weights",
    "AtomicCheckpointIO",
    "Keeper",
    "EpochLines",
    "TrainingDiverged",
    "quiet_lightning",
]

__all__ = [
    *recognising,
    *pretraining_tasks,
    *predictions_of_classes,
    *predicting_motion,
    *detecting,
    *saved_files,
    *parts,
]
