"""Preprocessing exactly as published, on dense arrays.

The functions here take the padded arrays of the papers' code and give its numbers, quirks included.
They exist for oracles, published recipes and published weights; :mod:`stgraph.transforms` offers
the same steps on ragged recordings.
"""

from stgraph.transforms.published.crossclr import shear, temporal_crop
from stgraph.transforms.published.ctrgcn import (
    crop_resize,
    even_frames,
    min_max,
    ntu_origin,
    random_crop_resize,
    random_rotation,
    repeated_frames,
    rotation_matrix,
    ucla_centre,
    view_transform,
)
from stgraph.transforms.published.kth import loop_pad
from stgraph.transforms.published.pyskl import (
    format_gcn_input,
    joint_to_bone,
    pad_to,
    pre_normalise_2d,
    pre_normalise_3d,
    random_rotate,
    random_scale,
    skeleton_features,
    to_motion,
    uniform_test_frames,
    uniform_train_frames,
)
from stgraph.transforms.published.stgcn import centred_motion, openpose_match, random_move

__all__ = [
    # PYSKL
    "pre_normalise_2d",
    "pre_normalise_3d",
    "joint_to_bone",
    "to_motion",
    "skeleton_features",
    "uniform_train_frames",
    "uniform_test_frames",
    "format_gcn_input",
    "pad_to",
    "random_rotate",
    "random_scale",
    # CTR-GCN
    "crop_resize",
    "random_crop_resize",
    "rotation_matrix",
    "random_rotation",
    "ntu_origin",
    "ucla_centre",
    "view_transform",
    "min_max",
    "even_frames",
    "repeated_frames",
    # ST-GCN
    "centred_motion",
    "openpose_match",
    "random_move",
    # CrosSCLR
    "shear",
    "temporal_crop",
    # KTH
    "loop_pad",
]
