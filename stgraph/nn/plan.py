"""What an encoder has to know of a batch: index tensors, worked out once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from stgraph.nn.spatial import Edges
from stgraph.ops import (
    TemporalPlan,
    make_temporal_plan,
    make_track_chunks,
    person_slots,
    person_weights,
)
from stgraph.skeleton import Partition, SkeletonGraph, SkeletonLayout


class EncoderPlan(NamedTuple):
    """Index tensors of one batch for one encoder; the encoder's core takes nothing else.

    Attributes:
        temporal: A plan for each distinct pair of (level, stride), in the order of the blocks.
        edges: Edges for each temporal plan.
        pose: The pose (or node, in a mixed batch) of the input that each remaining one stands
            for, int64 [P'].
        pool_weight: Share of each remaining pose in its recording's mean, [P'].
        pool_batch: Recording of each remaining pose, int64 [P'].
        recordings: 0...B-1.
        slot: Rank of each input pose's person in its recording, int64 [P]; None unless a norm of
            its own for each person asks for it.
    """

    temporal: tuple[TemporalPlan, ...]
    edges: tuple[Edges, ...]
    pose: Tensor
    pool_weight: Tensor
    pool_batch: Tensor
    recordings: Tensor
    slot: Tensor | None = None


def plan_steps(strides: Sequence[int]) -> tuple[list[int], list[int]]:
    """Which plan each block uses, and the stride of each plan; equal neighbours share one."""
    index: list[int] = []
    steps: list[int] = []
    for i, stride in enumerate(strides):
        if i == 0 or stride != 1 or strides[i - 1] != 1:
            steps.append(stride)
        index.append(len(steps) - 1)
    return index, steps


def make_encoder_plan(
    batch: SkeletonGraph,
    partition: Partition | dict[SkeletonLayout, Partition],
    steps: Sequence[int],
    reach: int,
    fold: bool = True,
    chunk: bool = False,
    num_slots: int | None = None,
) -> EncoderPlan:
    """The plan of a batch.

    Args:
        batch: Recordings, of one layout or (``fold=False``) of several.
        partition: The edges of a pose, for each layout if there are several.
        steps: Stride of each temporal plan.
        reach: Reach of the widest temporal kernel.
        fold: One lane a joint, [V, P, C]; else one lane for all nodes, [1, N, C], ordered by
            track, joint, time.
        chunk: Also cut the tracks into chunks, which layers need that look at whole tracks.
        num_slots: Number of persons that every recording must have, to note their ranks.

    Raises:
        ValueError: if a recording has another number of persons than ``num_slots``.
    """
    device = batch.pos.device
    length, recording = batch.track_length, batch.track_batch
    joints = None
    pose = torch.arange(batch.num_poses, device=device)
    if not fold:
        counts = torch.tensor([layout.num_joints for layout in batch.layouts], device=device)
        joints = counts[recording]
        pose = lane_order(batch, joints)
    plans: list[TemporalPlan] = []
    edges: list[Edges] = []
    folded = _folded_edges(partition, device) if fold else None
    for stride in steps:
        lanes = length if joints is None else length.repeat_interleave(joints)
        plan = make_temporal_plan(lanes, reach, stride)
        if chunk and fold:
            plan = plan._replace(chunks=make_track_chunks(length))
        plans.append(plan)
        edges.append(folded or _unrolled_edges(batch, partition, length, joints))
        if stride != 1:
            pose = pose[plan.keep]
            length = (length + stride - 1) // stride
    # shares of the poses that remain after all strides
    weight = person_weights(length, recording, batch.person, batch.num_recordings)
    owner = recording
    if joints is not None:
        weight = (weight / joints).repeat_interleave(joints)
        owner = owner.repeat_interleave(joints)
        length = length.repeat_interleave(joints)
    return EncoderPlan(
        tuple(plans),
        tuple(edges),
        pose,
        weight.repeat_interleave(length),
        owner.repeat_interleave(length),
        torch.arange(batch.num_recordings, device=device),
        None if num_slots is None else _slots(batch, num_slots),
    )


def _slots(batch: SkeletonGraph, num_slots: int) -> Tensor:
    rank, company = person_slots(batch.track_batch, batch.person, batch.num_recordings)
    strange = company[(company != num_slots) & (company > 0)]
    if strange.numel():
        raise ValueError(
            f"data_norm='person_joint' has a norm of its own for each of {num_slots} persons and "
            f"got a recording of {int(strange[0])}; build the batch from "
            "SkeletonGraph.from_dense(..., keep_absent=True), or load published weights with "
            "as_published=False"
        )
    return rank[batch.track]


def _folded_edges(
    partition: Partition | dict[SkeletonLayout, Partition], device: torch.device
) -> Edges:
    if isinstance(partition, dict):
        (partition,) = partition.values()
    return Edges(
        partition.edge_index.to(device),
        partition.edge_type.to(device),
        partition.edge_weight.to(device),
    )


def lane_order(batch: SkeletonGraph, joints: Tensor) -> Tensor:
    """The node of the batch at each place of the order (track, joint, time)."""
    counts = batch.joints_per_pose
    start = (counts.cumsum(0) - counts)[batch.pose]
    track = batch.track[batch.pose]
    time = batch.pose - batch.first_pose[track]
    joint = torch.arange(batch.pos.size(0), device=batch.pos.device) - start
    size = batch.track_length * joints
    place = (size.cumsum(0) - size)[track] + joint * batch.track_length[track] + time
    order = torch.empty_like(place)
    order[place] = torch.arange(place.numel(), device=place.device)
    return order


def _unrolled_edges(
    batch: SkeletonGraph,
    partition: Partition | dict[SkeletonLayout, Partition],
    length: Tensor,
    joints: Tensor | None,
) -> Edges:
    """Edges of every pose among nodes in the order (track, joint, time)."""
    assert joints is not None
    assert isinstance(partition, dict)
    device = length.device
    size = length * joints
    base = size.cumsum(0) - size
    layouts = batch.layouts
    index, kinds, weights = [], [], []
    for layout, part in partition.items():
        mine = torch.tensor([own == layout for own in layouts], device=device)[batch.track_batch]
        tracks = mine.nonzero().flatten()
        track = tracks.repeat_interleave(length[tracks])
        first = (length[tracks].cumsum(0) - length[tracks]).repeat_interleave(length[tracks])
        time = torch.arange(track.numel(), device=device) - first
        ends = part.edge_index.to(device)[:, :, None] * length[track] + base[track] + time
        index.append(ends.flatten(1))
        kinds.append(part.edge_type.to(device).repeat_interleave(track.numel()))
        weights.append(part.edge_weight.to(device).repeat_interleave(track.numel()))
    return Edges(torch.cat(index, dim=1), torch.cat(kinds), torch.cat(weights), True)
