"""Small networks of every kind, for tests."""

from __future__ import annotations

from stgraph.nn import (
    AAGCN,
    CTRGCN,
    DGSTGCN,
    STGCN,
    HiTRS,
    SkeletonGIN,
    SkeletonTransformer,
    STGCNPlusPlus,
)
from stgraph.skeleton import SkeletonLayout

BODY = SkeletonLayout(
    "body", ["a", "b", "c", "d"], [(0, 1), (1, 2), (1, 3)], centre=0, left_right=[(2, 3)]
)
NETWORKS = {
    "STGCN": lambda: STGCN(3, 4, BODY, channels=[8, 8, 16], temporal_kernel=3),
    "STGCNPlusPlus": lambda: STGCNPlusPlus(3, 4, BODY, channels=[12, 12], strides=[1, 2]),
    "CTRGCN": lambda: CTRGCN(3, 4, BODY, channels=[16, 16], strides=[1, 2]),
    "AAGCN": lambda: AAGCN(3, 4, BODY, channels=[16, 16], strides=[1, 2], temporal_kernel=3),
    "DGSTGCN": lambda: DGSTGCN(3, 4, BODY, 4, channels=[16, 16], strides=[1, 2]),
    "SkeletonTransformer": lambda: SkeletonTransformer(
        3, 4, width=16, depth=2, num_heads=2, patch_size=2
    ),
    "SkeletonGIN": lambda: SkeletonGIN(3, width=16, depth=2),
    "HiTRS": lambda: HiTRS(3, num_classes=4, width=8, depth=1, num_heads=2, head_channels=4),
}
LENGTHS = [[9, 4], [1], [12]]
