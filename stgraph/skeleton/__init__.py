"""What a skeleton is: layouts, partition strategies, and recordings as graphs.

This room knows torch and PyG only. A :class:`SkeletonLayout` names joints and bones, a
:class:`PartitionStrategy` labels the edges of a pose, and a :class:`SkeletonGraph` is one recording
of people moving: a ``torch_geometric.data.Data`` whose batches are ragged and free of padding.
"""

from stgraph.skeleton.annotation import ActionTable, annotated_actions, pose_labels
from stgraph.skeleton.graph import SkeletonGraph
from stgraph.skeleton.layout import SkeletonLayout
from stgraph.skeleton.layouts import named_layouts, resolve_layout
from stgraph.skeleton.partition import (
    FunctionPartition,
    Partition,
    PartitionStrategy,
    normalise_adjacency,
)
from stgraph.skeleton.strategies import (
    Distance,
    Identity,
    InwardOutward,
    RandomEdges,
    SpatialConfiguration,
    Symmetrical,
    Uniform,
    measured_joint_distance,
    resolve_partition,
)

skeletons = ["SkeletonLayout", "named_layouts", "resolve_layout"]
partitions = [
    "Partition",
    "PartitionStrategy",
    "Uniform",
    "Distance",
    "SpatialConfiguration",
    "Symmetrical",
    "InwardOutward",
    "Identity",
    "RandomEdges",
    "FunctionPartition",
    "normalise_adjacency",
    "measured_joint_distance",
    "resolve_partition",
]
graphs = ["SkeletonGraph"]
annotations = ["annotated_actions", "pose_labels", "ActionTable"]

__all__ = [*skeletons, *partitions, *graphs, *annotations]
