"""stgraph: graph learning on skeleton sequences, on PyTorch Geometric.

A recording of people moving is a graph (:class:`SkeletonGraph`), a batch of recordings is a ragged
PyG batch, partition strategies label its edges, and message-passing networks such as
:class:`STGCN` learn on it.
"""

from stgraph.nn import (
    AAGCN,
    CTRGCN,
    DGSTGCN,
    STGCN,
    AdaptiveGraphConv,
    CTRGraphConv,
    DynamicGroupGraphConv,
    HiTRS,
    SkeletonTransformer,
    STGCNPlusPlus,
    STGraphConv,
    load_published,
)
from stgraph.skeleton import (
    Distance,
    Identity,
    InwardOutward,
    Partition,
    PartitionStrategy,
    RandomEdges,
    SkeletonGraph,
    SkeletonLayout,
    SpatialConfiguration,
    Symmetrical,
    Uniform,
    named_layouts,
    resolve_layout,
    resolve_partition,
)

__version__ = "0.1.0"

skeletons = ["SkeletonGraph", "SkeletonLayout", "named_layouts", "resolve_layout"]
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
    "resolve_partition",
]
networks = [
    "STGCN",
    "STGCNPlusPlus",
    "CTRGCN",
    "AAGCN",
    "DGSTGCN",
    "SkeletonTransformer",
    "HiTRS",
    "STGraphConv",
    "CTRGraphConv",
    "AdaptiveGraphConv",
    "DynamicGroupGraphConv",
    "load_published",
]

__all__ = [*skeletons, *partitions, *networks]
