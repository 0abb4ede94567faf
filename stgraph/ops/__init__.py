"""Functions of ragged tensors: what knows about shapes only.

Features travel joint-major, ``[V, P, C]``: V joints, P poses of all tracks of a batch one after
another, C channels. Each operation has a slow, readable reference and faster backends that agree
with it, forward and backward.
"""

from stgraph.ops.aggregate import AGGREGATE_BACKENDS, partitioned_aggregate
from stgraph.ops.attention import (
    ATTENTION_BACKENDS,
    SLACK,
    AttentionPlan,
    make_attention_plan,
    ragged_attention,
    sorted_plan,
    summary_attention,
)
from stgraph.ops.group import (
    log_softmax_of_group,
    max_of_group,
    mean_of_group,
    rank_in_group,
    top_k_of_group,
)
from stgraph.ops.pool import person_slots, person_weights, pool_poses
from stgraph.ops.temporal import (
    TemporalPlan,
    make_temporal_plan,
    temporal_conv,
    temporal_max_pool,
    track_mean,
)
from stgraph.ops.track import (
    TrackChunks,
    chunked_track_mean,
    make_track_chunks,
    shared_topology_aggregate,
    topology_aggregate,
    topology_aggregate_reference,
    track_products,
)
from stgraph.ops.windows import Windows, check_window, sliding_windows, take_windows

spatial = ["partitioned_aggregate", "AGGREGATE_BACKENDS"]
temporal_operations = [
    "TemporalPlan",
    "make_temporal_plan",
    "temporal_conv",
    "temporal_max_pool",
    "track_mean",
]
tracks = [
    "TrackChunks",
    "make_track_chunks",
    "chunked_track_mean",
    "topology_aggregate",
    "topology_aggregate_reference",
    "shared_topology_aggregate",
    "track_products",
]
attention_operations = [
    "AttentionPlan",
    "make_attention_plan",
    "sorted_plan",
    "ragged_attention",
    "summary_attention",
    "ATTENTION_BACKENDS",
    "SLACK",
]
grouped = [
    "rank_in_group",
    "top_k_of_group",
    "log_softmax_of_group",
    "max_of_group",
    "mean_of_group",
]
pooling = ["person_weights", "person_slots", "pool_poses"]
windowing = ["Windows", "sliding_windows", "take_windows", "check_window"]

__all__ = [
    *spatial,
    *temporal_operations,
    *tracks,
    *attention_operations,
    *grouped,
    *pooling,
    *windowing,
]
