"""Named data sets: splits, class names, citation, where to get them; parsing is in ``io``.

Each set is a PyG data set over a :class:`~stgraph.io.Store`: ``KTH(path, split="train")``.
"""

from stgraph.datasets.base import SkeletonDataset, cache_folder
from stgraph.datasets.composite import composite_recordings
from stgraph.datasets.kth import KTH, kth_parts, official_ranges
from stgraph.datasets.msr_action3d import MSRAction3D
from stgraph.datasets.nw_ucla import NWUCLA
from stgraph.datasets.penn_action import PennAction
from stgraph.datasets.pku_mmd import PKUMMD
from stgraph.datasets.sbu_kinect import SBUKinect
from stgraph.datasets.splits import hold_out, hold_out_groups, partition_groups
from stgraph.datasets.synthetic_kth import Difficulty, SyntheticKTH
from stgraph.datasets.utd_mhad import UTDMHAD
from stgraph.datasets.utkinect import UTKinect

sets = [
    "KTH",
    "MSRAction3D",
    "NWUCLA",
    "PennAction",
    "SBUKinect",
    "UTDMHAD",
]
several_actions = ["PKUMMD", "UTKinect"]
generated = ["SyntheticKTH", "Difficulty", "composite_recordings"]
parts = ["hold_out", "hold_out_groups", "kth_parts", "official_ranges", "partition_groups"]
base_class = ["SkeletonDataset", "cache_folder"]

__all__ = [*sets, *several_actions, *generated, *parts, *base_class]
