"""Contrastive objectives and their parts."""

from stgraph.objectives.contrast.gathering import gather_rows
from stgraph.objectives.contrast.losses import (
    info_nce,
    multi_positive_nce,
    nearest_neighbour_nce,
    nt_xent,
    regression_loss,
)
from stgraph.objectives.contrast.momentum import (
    CrossViewContrast,
    MomentumContrast,
    projection_head,
)
from stgraph.objectives.contrast.nearest_neighbour import NearestNeighbourContrast, StarsPredictor
from stgraph.objectives.contrast.queue import FeatureQueue
from stgraph.objectives.contrast.two_views import BootstrapContrast, TwoViewContrast
from stgraph.objectives.contrast.views import View, apply_view

__all__ = [
    "View",
    "apply_view",
    "BootstrapContrast",
    "TwoViewContrast",
    "CrossViewContrast",
    "MomentumContrast",
    "projection_head",
    "NearestNeighbourContrast",
    "StarsPredictor",
    "FeatureQueue",
    "gather_rows",
    "info_nce",
    "multi_positive_nce",
    "nearest_neighbour_nce",
    "nt_xent",
    "regression_loss",
]
