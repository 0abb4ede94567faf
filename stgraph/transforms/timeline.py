"""The frames of a recording as a line of their own, and picking and mixing along it."""

from __future__ import annotations

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import groups, take_tracks, with_nodes
from stgraph.transforms.segments import renumber_segments


def timeline(data: SkeletonGraph) -> tuple[Tensor, Tensor]:
    """Place of each pose's frame among the frames of its recording, and how many there are.

    Frames without anybody do not exist, so places have no gaps.

    Returns:
        Places from 0, int64 [P], and lengths L, int64 [B].
    """
    size, recording = data.num_recordings, data.pose_batch
    owner, of_pose = groups(recording, data.frame)
    length = torch.bincount(owner, minlength=size)
    start = length.cumsum(0) - length
    return of_pose - start[recording], length


def frame_at(data: SkeletonGraph, place: Tensor, recording: Tensor) -> Tensor:
    """Frame numbers at places of the timelines of recordings, int64 [Q].

    Args:
        data: Recording or batch.
        place: Places, int64 [Q].
        recording: Recording of each, int64 [Q].
    """
    owner, of_pose = groups(data.pose_batch, data.frame)
    frame = torch.zeros_like(owner).scatter(0, of_pose, data.frame)
    length = torch.bincount(owner, minlength=data.num_recordings)
    return frame[(length.cumsum(0) - length)[recording] + place]


def _renumbered(
    data: SkeletonGraph, frame: Tensor, old_length: Tensor, new_length: Tensor
) -> SkeletonGraph:
    data.frame = frame
    if getattr(data, "fps", None) is not None:
        ratio = new_length / old_length.clamp(min=1)
        data.fps = data.fps * torch.where(old_length > 0, ratio, 1.0).to(data.fps)
    return data


def take_places(data: SkeletonGraph, table: Tensor, valid: Tensor | None = None) -> SkeletonGraph:
    """The poses at given places of each recording's timeline, frame k being entry k.

    A track goes on from one entry to the next as long as it has a pose there, whatever the places.
    Rates (``fps``) follow the new number of frames, and annotated actions the frames that show
    them.

    Args:
        data: Recording or batch.
        table: Places, int64 [B, n]; entries of a recording without frames are ignored.
        valid: Which entries count, bool [B, n].
    """
    place, length = timeline(data)
    if valid is None:
        valid = torch.ones_like(table, dtype=torch.bool)
    if not data.num_poses:
        return renumber_segments(data, data.__copy__(), data.frame, data.frame)
    width = int(length.max()) + 1
    key = data.track * width + place  # ascending: poses are ordered by track, then time
    wanted = table[data.track_batch]  # [M, n]
    track = torch.arange(data.num_tracks, device=key.device)[:, None]
    at = torch.searchsorted(key, track * width + wanted).clamp(max=len(key) - 1)
    found = (key[at] == track * width + wanted) & valid[data.track_batch]
    starts = found.clone()
    starts[:, 1:] &= ~found[:, :-1]
    entry = found.nonzero()[:, 1]
    out = take_tracks(data, at[found], starts[found])
    out = _renumbered(out, entry, length, valid.sum(dim=1))
    valid = valid & (length > 0)[:, None]
    recording = valid.nonzero()[:, 0]
    return renumber_segments(data, out, frame_at(data, table[valid], recording), recording)


def take_times(data: SkeletonGraph, time: Tensor, recording: Tensor) -> SkeletonGraph:
    """Poses at given times of each recording's timeline, mixed linearly from their neighbours.

    A track reaches half a frame beyond its first and last pose. A joint is seen where it is seen
    in the nearer pose; it is mixed where both poses show it, else taken from the nearer one.
    Positions, scores and ``x`` are mixed, everything else is the nearer pose's; annotated actions
    follow the nearer frame.

    Args:
        data: Recording or batch.
        time: Places on the timeline, not descending within a recording, float64 [Q].
        recording: Recording of each time, ascending, int64 [Q].
    """
    place, length = timeline(data)
    new_length = torch.bincount(recording, minlength=data.num_recordings)
    if not data.num_poses:
        return renumber_segments(data, data.__copy__(), data.frame, data.frame)
    width = float(length.max() + 2)
    first, last = data.first_pose, data.track_length.cumsum(0) - 1
    flat = recording * width + time
    row = data.track_batch * width
    low = torch.searchsorted(flat, row + place[first] - 0.5)
    high = torch.searchsorted(flat, row + place[last] + 0.5)
    count = high - low
    track = torch.arange(data.num_tracks, device=count.device).repeat_interleave(count)
    nth = torch.arange(len(track), device=count.device) - (count.cumsum(0) - count)[track]
    query = low[track] + nth
    at = time[query].clamp(place[first][track], place[last][track])
    key = data.track * width + place
    lower = torch.searchsorted(key, track * width + at, right=True) - 1
    upper = torch.minimum(lower + 1, last[track])
    step = (place[upper] - place[lower]).clamp(min=1)
    weight = (at - place[lower]) / step
    nearer = torch.where(weight < 0.5, lower, upper)

    entry_start = new_length.cumsum(0) - new_length
    out = take_tracks(data, nearer, nth == 0)
    out = _renumbered(out, query - entry_start[recording[query]], length, new_length)
    shown = (time + 0.5).floor().long().clamp(min=0).minimum((length - 1)[recording])
    out = renumber_segments(data, out, frame_at(data, shown, recording), recording)
    return _mix(data, out, lower, upper, weight)


def _mix(
    data: SkeletonGraph, out: SkeletonGraph, lower: Tensor, upper: Tensor, weight: Tensor
) -> SkeletonGraph:
    """Node attributes of ``out`` mixed from two poses of ``data`` each."""
    counts = data.joints_per_pose
    start = counts.cumsum(0) - counts
    pose, joint = out.pose, out.joint
    a, b = start[lower[pose]] + joint, start[upper[pose]] + joint
    share = weight[pose].to(data.pos.dtype)
    score = getattr(data, "score", None)
    both = torch.ones_like(share, dtype=torch.bool)
    if score is not None:
        both = (score[a] > 0) & (score[b] > 0)
    values = {}
    for name in ("pos", "x", "score"):
        value = getattr(data, name, None)
        if isinstance(value, Tensor) and value.is_floating_point():
            w = share.view(-1, *[1] * (value.dim() - 1))
            keep = both.view(w.shape)
            mixed = value[a] * (1 - w) + value[b] * w
            values[name] = torch.where(keep, mixed, out[name])
    return with_nodes(out, **values)
