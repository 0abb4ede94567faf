"""Fewer weights and fewer edges: learned masks, lottery tickets, smaller networks."""

from stgraph.sparsity.assembly import LEVELS, Assembled, SparseAssembly, assemble
from stgraph.sparsity.generator import Kept, SparseGenerator, sparsify
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
from stgraph.sparsity.prunable import PrunableWeight, PrunableWeights, prunable_weights
from stgraph.sparsity.published import PUBLISHED_SCHEDULE, load_published_sparse
from stgraph.sparsity.schedule import SparsitySchedule
from stgraph.sparsity.score_pool import ScorePool, threshold

generators = ["sparsify", "SparseGenerator", "SparsitySchedule", "Kept", "load_published_sparse"]
what_is_cut = ["prunable_weights", "PrunableWeights", "PrunableWeight"]
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

__all__ = [
    *generators,
    *what_is_cut,
    *masks,
    *tickets,
    *assemblies,
    "PUBLISHED_SCHEDULE",
]
