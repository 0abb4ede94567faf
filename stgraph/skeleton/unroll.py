"""From recordings, whose edges repeat in every pose, to plain PyG graphs that list them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch_geometric.data import Data

from stgraph.skeleton.partition import PartitionStrategy

if TYPE_CHECKING:
    from stgraph.skeleton.graph import SkeletonGraph


def unroll(
    graph: SkeletonGraph, strategy: PartitionStrategy, temporal_kernel: int, labels: str
) -> Data:
    """See :meth:`SkeletonGraph.unroll`."""
    if temporal_kernel < 1 or temporal_kernel % 2 == 0:
        raise ValueError(f"'unroll' expected an odd temporal_kernel (got {temporal_kernel})")
    if labels not in ("separate", "joint"):
        raise ValueError(f"unknown labels {labels!r}; known are separate, joint")
    half = temporal_kernel // 2
    layouts = graph.layouts
    distinct = list(dict.fromkeys(layouts))
    parts = [strategy(layout) for layout in distinct]
    k = max(part.num_types for part in parts)
    kind = torch.tensor([distinct.index(layout) for layout in layouts])
    pose_kind = kind.to(graph.frame.device)[graph.pose_batch]
    counts = graph.joints_per_pose
    start = counts.cumsum(0) - counts
    track = graph.track
    poses = torch.arange(graph.num_poses, device=graph.frame.device)
    edges, types, weights = [], [], []
    for offset in range(-half, half + 1):
        neighbour = poses + offset
        inside = (neighbour >= 0) & (neighbour < graph.num_poses)
        inside &= track[neighbour.clamp(0, max(graph.num_poses - 1, 0))] == track
        for number, part in enumerate(parts):
            target_pose = poses[inside & (pose_kind == number)]
            if labels == "joint" or offset == 0:
                local, weight = part.edge_index.to(poses.device), part.edge_weight
                shift = (offset + half) * k if labels == "joint" else 0
                label = part.edge_type + shift
            else:
                joints = torch.arange(part.num_joints, device=poses.device)
                local, weight = torch.stack([joints, joints]), torch.ones(part.num_joints)
                order = offset + half - (offset > 0)
                label = torch.full((part.num_joints,), k + order)
            source = start[target_pose + offset][:, None] + local[0]
            target = start[target_pose][:, None] + local[1]
            edges.append(torch.stack([source.flatten(), target.flatten()]))
            types.append(label.to(poses.device).repeat(len(target_pose)))
            weights.append(weight.to(graph.pos.device).repeat(len(target_pose)))
    out = Data()
    for key in graph.keys():  # noqa: SIM118 (iterating gives pairs)
        out[key] = graph[key]
    out.num_nodes = graph.pos.size(0)
    out.edge_index = torch.cat(edges, dim=1)
    out.edge_type = torch.cat(types)
    out.edge_weight = torch.cat(weights)
    return out
