"""Smaller networks: graphs with fewer edges and fewer joints.

A skeleton is a graph, so a network on it can lose edges and joints, not weights alone. What is left
is an ordinary network: it trains on, saves, compiles and permutes as any other, and it is faster
because its edges are gone, not because they are multiplied by zero.
"""

from stgraph.sparsity.edges import EdgeScores, best_edges, edge_penalty, edge_scores, prune_edges
from stgraph.sparsity.joints import joint_scores, prune_joints

__all__ = [
    # edges
    "EdgeScores",
    "edge_scores",
    "edge_penalty",
    "best_edges",
    "prune_edges",
    # joints
    "joint_scores",
    "prune_joints",
]
