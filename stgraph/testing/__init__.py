"""Helpers for tests: random recordings, and the laws that every encoder obeys.

A new encoder gets its law tests in five lines::

    encoder = MyEncoder(3, layout="coco_17")
    graphs = [random_skeleton_graph("coco_17", lengths) for lengths in ([5, 3], [1], [8])]
    assert_batch_consistent(encoder, graphs)
    assert_people_invariant(encoder, graphs[0])
    assert_track_ends_hard(encoder, graphs[0])

An encoder here is a module that obeys the contract: ``encoder(batch)`` [B, D],
``encoder.nodes(batch)`` with ``x`` [P', V, D], ``pose`` and ``pose_batch``; for compilation and
export also ``encoder.unpack(batch)`` and ``encoder.pooled(x, plan)``. Differences are relative to
the largest entry of what is expected.
"""

from stgraph.testing.closeness import (
    BACKWARD_TOLERANCE,
    FORWARD_TOLERANCE,
    assert_close,
    evaluating,
    randomise_norms,
    relative_difference,
)
from stgraph.testing.compiling import assert_compiles, assert_exports
from stgraph.testing.laws import (
    assert_backends_agree,
    assert_batch_consistent,
    assert_folded_equals_unrolled,
    assert_joint_permutation,
    assert_people_invariant,
    assert_track_ends_hard,
)
from stgraph.testing.recordings import (
    SHARE_OF_PAIRS,
    natural_lengths,
    ntu_like_lengths,
    random_batch,
    random_layout,
    random_skeleton_graph,
    to_dtype,
)

__all__ = [
    "BACKWARD_TOLERANCE",
    "FORWARD_TOLERANCE",
    "SHARE_OF_PAIRS",
    "assert_backends_agree",
    "assert_batch_consistent",
    "assert_close",
    "assert_compiles",
    "assert_exports",
    "assert_folded_equals_unrolled",
    "assert_joint_permutation",
    "assert_people_invariant",
    "assert_track_ends_hard",
    "evaluating",
    "natural_lengths",
    "ntu_like_lengths",
    "random_batch",
    "random_layout",
    "random_skeleton_graph",
    "randomise_norms",
    "relative_difference",
    "to_dtype",
]
