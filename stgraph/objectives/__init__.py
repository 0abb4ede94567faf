"""Self-supervised objectives: a batch in, a loss out.

An objective is a module that takes a batch and gives a loss and what to log. It is composed of
parts (a masking, a target, a loss, a queue), each of which can be replaced by one of your own, as a
partition strategy can.
"""

from stgraph.objectives.contrast import (
    BootstrapContrast,
    CrossViewContrast,
    FeatureQueue,
    MomentumContrast,
    NearestNeighbourContrast,
    StarsPredictor,
    TwoViewContrast,
    View,
    apply_view,
    gather_rows,
    info_nce,
    multi_positive_nce,
    nearest_neighbour_nce,
    nt_xent,
    projection_head,
    regression_loss,
)
from stgraph.objectives.hierarchy import (
    ClipLevel,
    ClipOrder,
    Corrupted,
    FrameLevel,
    FutureClip,
    HierarchicalPretraining,
    MaskedPose,
    PoseCorruption,
    VideoLevel,
    VideoOrder,
    order_loss,
    past_clips,
    swap_far,
    window_motion,
)
from stgraph.objectives.latent_target import LatentTarget
from stgraph.objectives.mask_tokens import MaskTokens
from stgraph.objectives.masked_reconstruction import (
    Filled,
    MaskedEncoder,
    MaskedReconstruction,
    Reconstruction,
)
from stgraph.objectives.masking import (
    BodyParts,
    Frames,
    Masking,
    MaskingFunction,
    MotionAware,
    Persons,
    RandomJoints,
    RandomTokens,
    Tubes,
    gumbel_noise,
    log_masking_probability,
    motion_intensity,
    number_hidden,
    skeletonmae_parts,
)
from stgraph.objectives.output import ObjectiveOutput
from stgraph.objectives.reconstruction_loss import (
    ReconstructionLoss,
    scaled_cosine_error,
    smooth_l1,
    squared_error,
)
from stgraph.objectives.systems import crossclr, hitrs, mamp, skeletonclr, skeletonmae, stars
from stgraph.objectives.target import (
    Bones,
    Coordinates,
    Motion,
    Target,
    TargetValues,
    normalise_tokens,
)

published_systems = ["mamp", "stars", "skeletonmae", "skeletonclr", "crossclr", "hitrs"]
masked = [
    "MaskedReconstruction",
    "MaskedEncoder",
    "MaskTokens",
    "Reconstruction",
    "Filled",
    "ObjectiveOutput",
]
maskings = [
    "Masking",
    "MaskingFunction",
    "RandomTokens",
    "RandomJoints",
    "BodyParts",
    "MotionAware",
    "Tubes",
    "Frames",
    "Persons",
    "number_hidden",
    "gumbel_noise",
    "motion_intensity",
    "log_masking_probability",
    "skeletonmae_parts",
]
hierarchical = [
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
targets = [
    "Target",
    "TargetValues",
    "Coordinates",
    "Motion",
    "Bones",
    "LatentTarget",
    "normalise_tokens",
]
losses = ["ReconstructionLoss", "squared_error", "smooth_l1", "scaled_cosine_error"]
contrastive = [
    "NearestNeighbourContrast",
    "MomentumContrast",
    "CrossViewContrast",
    "TwoViewContrast",
    "BootstrapContrast",
    "StarsPredictor",
    "projection_head",
    "FeatureQueue",
    "gather_rows",
    "View",
    "apply_view",
]
contrastive_losses = [
    "info_nce",
    "multi_positive_nce",
    "nearest_neighbour_nce",
    "nt_xent",
    "regression_loss",
]

__all__ = [
    *published_systems,
    *contrastive,
    *contrastive_losses,
    *masked,
    *maskings,
    *hierarchical,
    *targets,
    *losses,
]
