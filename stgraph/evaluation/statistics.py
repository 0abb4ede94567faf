"""Statistics of whole recordings: what logistic regression sees of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch

from stgraph.skeleton import SkeletonGraph

__all__ = ["as_batch", "motion_statistics", "rich_motion_statistics", "visibility_statistics"]


def as_batch(data: Any) -> SkeletonGraph:
    """Gather recordings into one batch.

    Args:
        data: A batch (returned as it is), one graph, a store, a data set, or a sequence of graphs.

    Returns:
        A batch of all its recordings.

    Raises:
        TypeError: if it is none of these.
    """
    if isinstance(data, SkeletonGraph):
        return data if isinstance(data, Batch) else Batch.from_data_list([data])
    if callable(getattr(data, "batch", None)):
        return data.batch(torch.arange(len(data)))
    if hasattr(data, "__len__") and hasattr(data, "__getitem__"):
        return Batch.from_data_list([data[i] for i in range(len(data))])
    raise TypeError(
        f"'as_batch' expected a batch, a store, a data set or a sequence of SkeletonGraph (got "
        f"{type(data).__name__})."
    )


def _cells(batch: SkeletonGraph) -> tuple[Tensor, Tensor, int]:
    """Recording-and-joint cell of each node [P, V], which nodes exist [P, V], number of cells."""
    v = batch.num_joints
    joint = torch.arange(v)
    cell = batch.pose_batch[:, None] * v + joint
    return cell, batch.folded_score() > 0, batch.num_recordings * v


def _sum(values: Tensor, cell: Tensor, size: int) -> Tensor:
    return values.new_zeros((size, *values.shape[1:])).index_add_(0, cell, values)


def _moments(values: Tensor, cell: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of values [N, C] in cells [N]: two [size, C], 0 if empty."""
    count = _sum(torch.ones_like(values[:, :1]), cell, size).clamp(min=1)
    mean = _sum(values, cell, size) / count
    square = _sum((values - mean[cell]).square(), cell, size) / count
    return mean, square.sqrt()


def _body(batch: SkeletonGraph) -> tuple[Tensor, Tensor]:
    """Centre of each pose [P, D] (mean of the joints that were found) and body size [B].

    The size is the root mean square distance of the joints from the centre, over the recording.
    """
    pos, found = batch.folded("pos").double(), batch.folded_score() > 0
    weight = found.double()[..., None]
    centre = (pos * weight).sum(1) / weight.sum(1).clamp(min=1)
    spread = ((pos - centre[:, None]).square() * weight).sum((1, 2))
    total = _sum(
        torch.stack([spread, weight.sum((1, 2))], 1), batch.pose_batch, batch.num_recordings
    )
    size = (total[:, 0] / total[:, 1].clamp(min=1)).sqrt()
    return centre, torch.where(size > 0, size, torch.ones_like(size))


def motion_statistics(batch: Any) -> Tensor:
    r"""Describe each recording by marginal statistics of its joints, without order or relation.

    Lengths are in body sizes (root mean square distance of the found joints from their mean),
    velocities in body sizes per frame, by differences between consecutive poses of a track.

    Args:
        batch: Recordings of one layout (see :func:`as_batch`).

    Returns:
        float64 [B, V * (4 D + 4) + 3 D + 6]: for each joint mean and standard deviation of the
        position relative to the body's centre and of the absolute velocity per axis, mean,
        standard deviation and maximum of the speed, and the share of poses in which it was found;
        of the centre mean and standard deviation of the absolute velocity per axis and the extent
        of its path; then number of poses, of tracks, share of the frames with a pose, body size,
        path length, largest speed of the centre. What was never seen is 0.

    Raises:
        ValueError: if layouts are mixed.
    """
    batch = as_batch(batch)
    b, d = batch.num_recordings, batch.num_dims
    centre, size = _body(batch)
    cell, found, cells = _cells(batch)
    owner, poses = batch.pose_batch, batch.poses_per_recording.double()
    scaled = batch.folded("pos").double() / size[owner][:, None, None]
    centre = centre / size[owner][:, None]
    position = _moments((scaled - centre[:, None])[found], cell[found], cells)

    now, before, gap = _steps(batch, 1)
    both = found[now] & found[before]
    velocity = ((scaled[now] - scaled[before]) / gap[:, None, None])[both]
    place, speed = cell[now][both], velocity.norm(dim=1, keepdim=True)
    fastest = speed.new_zeros(cells).scatter_reduce(0, place, speed[:, 0], "amax")
    moments = (
        *position,
        *_moments(velocity.abs(), place, cells),
        *_moments(speed, place, cells),
        fastest[:, None],
        _moments(found.double().view(-1, 1), cell.flatten(), cells)[0],
    )

    walk = (centre[now] - centre[before]) / gap[:, None]
    stride, home = walk.norm(dim=1), owner[now]
    index = owner[:, None].expand(-1, d)
    high = centre.new_zeros(b, d).scatter_reduce(0, index, centre, "amax", include_self=False)
    low = centre.new_zeros(b, d).scatter_reduce(0, index, centre, "amin", include_self=False)
    whole = (
        poses,
        batch.tracks_per_recording.double(),
        _filled_share(batch),
        size * (poses > 0),
        _sum(stride * gap, home, b),
        stride.new_zeros(b).scatter_reduce(0, home, stride, "amax"),
    )
    return torch.cat(
        [
            *(part.reshape(b, -1) for part in moments),
            *_moments(walk.abs(), home, b),
            high - low,
            torch.stack(whole, dim=1),
        ],
        dim=1,
    )


def rich_motion_statistics(batch: Any) -> Tensor:
    """:func:`motion_statistics` and statistics that do not care which way a person faces.

    Args:
        batch: Recordings of one layout (see :func:`as_batch`).

    Returns:
        float64 [B, V * (8 D + 4) + 3 D + 6]: added are, for each joint, mean and standard deviation
        of the distance from the body's centre per axis, and of the absolute displacement over two
        frames per axis relative to the centre.
    """
    batch = as_batch(batch)
    centre, size = _body(batch)
    cell, found, cells = _cells(batch)
    relative = batch.folded("pos").double() - centre[:, None]
    relative = relative / size[batch.pose_batch][:, None, None]
    now, before, gap = _steps(batch, 2)
    both = found[now] & found[before]
    moved = ((relative[now] - relative[before]) / gap[:, None, None])[both]
    moments = (
        *_moments(relative[found].abs(), cell[found], cells),
        *_moments(moved.abs(), cell[now][both], cells),
    )
    more = [part.reshape(batch.num_recordings, -1) for part in moments]
    return torch.cat([motion_statistics(batch), *more], dim=1)


def _steps(batch: SkeletonGraph, lag: int) -> tuple[Tensor, Tensor, Tensor]:
    """Poses, the poses of the same track `lag` places before, and the frames between [S] each."""
    track = batch.track
    now = torch.arange(min(lag, batch.num_poses), batch.num_poses)
    now = now[track[now] == track[now - lag]]
    gap = (batch.frame[now] - batch.frame[now - lag]).abs().clamp(min=1)
    return now, now - lag, gap.double()


def _filled_share(batch: SkeletonGraph) -> Tensor:
    """Share of the frames between a recording's first and last pose that hold one, [B].

    Frames are counted in the smallest step between neighbouring poses of the recording.
    """
    b, owner, frame = batch.num_recordings, batch.pose_batch, batch.frame
    big = torch.iinfo(torch.long).max
    first = torch.full((b,), big).scatter_reduce(0, owner, frame, "amin")
    last = torch.full((b,), -1).scatter_reduce(0, owner, frame, "amax")
    gap = frame[1:] - frame[:-1]
    usual = (owner[1:] == owner[:-1]) & (gap > 0)
    step = torch.full((b,), big).scatter_reduce(0, owner[1:][usual], gap[usual], "amin")
    span = torch.where(last >= 0, (last - first) // step.clamp(min=1) + 1, torch.ones_like(last))
    return (batch.poses_per_recording / span).clamp(max=1.0).double()


def visibility_statistics(batch: Any) -> Tensor:
    """Describe each recording by what was found and when, without any coordinate.

    Args:
        batch: Recordings of one layout (see :func:`as_batch`).

    Returns:
        float64 [B, 3 V + 5]: for each joint the share of poses in which it was found, its standard
        deviation, and how often it appears or disappears; number of poses, tracks, share of frames
        with a pose, mean and standard deviation of the number of joints found.
    """
    batch = as_batch(batch)
    b, v = batch.num_recordings, batch.num_joints
    found = (batch.folded_score() > 0).double()
    owner = batch.pose_batch
    share, spread = _moments(found, owner, b)
    now, before, _ = _steps(batch, 1)
    change, _ = _moments((found[now] - found[before]).abs(), owner[now], b)
    count, count_spread = _moments(found.sum(1, keepdim=True) / v, owner, b)
    whole = [
        batch.poses_per_recording.double(),
        batch.tracks_per_recording.double(),
        _filled_share(batch),
    ]
    return torch.cat([share, spread, change, torch.stack(whole, 1), count, count_spread], dim=1)
