"""Sparse networks: fewer weights, fewer edges, fewer joints.

A skeleton is a graph, so a network on it can lose edges and joints, not weights alone. What is left
is an ordinary network: it trains on, saves, compiles and permutes as any other, and without edges
and joints it is faster, because they are gone and not multiplied by zero.
"""

from stgraph.sparsity.assembly import LEVELS, Assembled, SparseAssembly, assemble
from stgraph.sparsity.compress import compress
from stgraph.sparsity.cost import (
    NetworkCost,
    cost_table,
    flops_of,
    network_costs,
    seconds_of,
    size_on_disk,
)
from stgraph.sparsity.edges import EdgeScores, best_edges, edge_penalty, edge_scores, prune_edges
from stgraph.sparsity.generator import Kept, SparseGenerator, sparsify
from stgraph.sparsity.joints import joint_scores, prune_joints
from stgraph.sparsity.latency import LatencyTarget, sparsity_for_latency
from stgraph.sparsity.lottery import (
    Ticket,
    find_tickets,
    magnitude_masks,
    pruning_rounds,
    random_masks,
    sparsity_of,
)
from stgraph.sparsity.masking import (
    FixedMask,
    LearnedMask,
    apply_masks,
    bake_masks,
    has_masks,
)
from stgraph.sparsity.prunable import (
    Prunable,
    PrunableChannels,
    PrunableEdges,
    PrunableParts,
    PrunableWeight,
    prunable_channels,
    prunable_edges,
    prunable_weights,
)
from stgraph.sparsity.published import PUBLISHED_SCHEDULE, load_published_sparse
from stgraph.sparsity.schedule import SparsitySchedule
from stgraph.sparsity.score_pool import ScorePool, threshold

generators = ["sparsify", "SparseGenerator", "SparsitySchedule", "Kept", "load_published_sparse"]
what_is_cut = [
    "prunable_weights",
    "prunable_channels",
    "prunable_edges",
    "PrunableParts",
    "Prunable",
    "PrunableWeight",
    "PrunableChannels",
    "PrunableEdges",
]
masks = [
    "ScorePool",
    "threshold",
    "LearnedMask",
    "FixedMask",
    "apply_masks",
    "bake_masks",
    "has_masks",
]
tickets = [
    "find_tickets",
    "Ticket",
    "magnitude_masks",
    "random_masks",
    "sparsity_of",
    "pruning_rounds",
]
assemblies = ["assemble", "Assembled", "SparseAssembly", "LEVELS"]
edges_of_graphs = ["prune_edges", "edge_scores", "EdgeScores", "edge_penalty", "best_edges"]
joints_of_graphs = ["prune_joints", "joint_scores"]
smaller = [
    "compress",
    "network_costs",
    "NetworkCost",
    "cost_table",
    "size_on_disk",
    "flops_of",
    "seconds_of",
    "sparsity_for_latency",
    "LatencyTarget",
]

__all__ = [
    *generators,
    *smaller,
    *what_is_cut,
    *masks,
    *tickets,
    *assemblies,
    *edges_of_graphs,
    *joints_of_graphs,
    "PUBLISHED_SCHEDULE",
]
