"""Skeletons small enough to check by hand, and the names of the whole ones."""

from __future__ import annotations

from stgraph.skeleton import SkeletonLayout, named_layouts

# a - b - c, seen from a
CHAIN = SkeletonLayout("chain", ["a", "b", "c"], [(0, 1), (1, 2)], centre=0)
# hub with left, right and a tip behind the left
CROSS = SkeletonLayout(
    "cross",
    ["hub", "left", "right", "tip"],
    [(0, 1), (0, 2), (1, 3)],
    centre=0,
    left_right=[(1, 2)],
)
CONNECTED = [n for n in named_layouts() if SkeletonLayout.named(n).num_components == 1]
