"""Annotated actions that go along when frames are numbered anew, left out or cut off."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch_geometric.data import Batch

from stgraph.skeleton import SkeletonGraph, annotated_actions


def renumber_segments(
    data: SkeletonGraph, out: SkeletonGraph, source: Tensor, recording: Tensor
) -> SkeletonGraph:
    """``out`` with the actions of ``data``, whose new frames show old ones.

    The new frames of an action are those that show one of its old ones. Where they do not follow
    each other, as in a ring of frames, it becomes several actions; one of whose frames none is
    shown is gone.

    Args:
        data: Recording or batch before.
        out: The same afterwards; each recording has frames 0, 1, ...
        source: Old frame number that each new frame shows, by recording, then time, int64 [Q].
        recording: Its recording, ascending, int64 [Q].
    """
    if "segments" not in data:
        return out
    count = torch.bincount(recording, minlength=data.num_recordings)
    new = torch.arange(len(source), device=source.device) - (count.cumsum(0) - count)[recording]
    last = torch.ones_like(new, dtype=torch.bool)
    last[:-1] = recording[1:] != recording[:-1]
    parts = []
    for row, inside in _frames_of_actions(data, source, recording):
        before = torch.nn.functional.pad(inside[:-1] & ~last[:-1], (1, 0))
        after = torch.nn.functional.pad(inside[1:], (0, 1)) & ~last
        first, final = inside & ~before, inside & ~after
        label = data.segments[row[first], 0]
        parts.append((row[first], torch.stack([label, *_pair(new, first, final, label)], dim=1)))
    return _with_segments(data, out, parts)


def cut_segments(data: SkeletonGraph, out: SkeletonGraph) -> SkeletonGraph:
    """``out`` with the actions of ``data``, cut where the frames of a recording begin and end.

    An action of whose frames none is left is gone.

    Args:
        data: Recording or batch before.
        out: The same with fewer poses and the same frame numbers.
    """
    if "segments" not in data:
        return out
    size, recording, frame = data.num_recordings, out.pose_batch, out.frame
    low, high = torch.full((2, size), torch.iinfo(torch.long).max, device=frame.device)
    low = low.scatter_reduce(0, recording, frame, "amin")
    high = (-high).scatter_reduce(0, recording, frame, "amax")
    parts = []
    for row, inside in _frames_of_actions(data, frame, recording):
        kept = row[inside].unique()
        owner = annotated_actions(data).recording[kept]
        table = data.segments[kept].clone()
        table[:, 1] = table[:, 1].maximum(low[owner].to(table.dtype))
        table[:, 2] = table[:, 2].minimum(high[owner].to(table.dtype))
        parts.append((kept, table))
    return _with_segments(data, out, parts)


def keep_shown_segments(data: SkeletonGraph, out: SkeletonGraph) -> SkeletonGraph:
    """``out`` without the actions of ``data`` of whose frames none is left.

    Args:
        data: Recording or batch before.
        out: The same with fewer poses and the same frame numbers.
    """
    if "segments" not in data:
        return out
    parts = []
    for row, inside in _frames_of_actions(data, out.frame, out.pose_batch):
        kept = row[inside].unique()
        parts.append((kept, data.segments[kept]))
    return _with_segments(data, out, parts)


def _frames_of_actions(
    data: SkeletonGraph, frame: Tensor, recording: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """The first action of every recording, then the second: its row, and whether a frame is in it.

    Args:
        data: Recordings with ``segments``.
        frame: Frame numbers as the actions mean them, int64 [Q].
        recording: Recording of each, int64 [Q].
    """
    actions = annotated_actions(data)
    rows = torch.bincount(actions.recording, minlength=data.num_recordings)
    first = rows.cumsum(0) - rows
    for number in range(int(rows.max()) if len(rows) else 0):  # a few dozen at most
        row = (first + number).clamp(max=len(actions.label) - 1)[recording]
        inside = (number < rows[recording]) & (frame >= actions.start[row])
        yield row, inside & (frame <= actions.end[row])


def _pair(new: Tensor, first: Tensor, final: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    return new[first].to(like), new[final].to(like)


def _with_segments(
    data: SkeletonGraph, out: SkeletonGraph, parts: list[tuple[Tensor, Tensor]]
) -> SkeletonGraph:
    """A copy of ``out`` with other actions, in the order of those that they come from."""
    actions = annotated_actions(data)
    none = data.segments[:0]
    source = torch.cat([actions.recording[:0], *(row for row, _ in parts)])
    table = torch.cat([none, *(rows for _, rows in parts)])
    order = source.argsort(stable=True)
    out = out.__copy__()
    out.segments = table[order]
    if isinstance(out, Batch):
        owner = actions.recording[source]
        count = torch.bincount(owner, minlength=data.num_recordings)
        slices = torch.nn.functional.pad(count.cumsum(0), (1, 0)).cpu()
        out._slice_dict = {**out._slice_dict, "segments": slices}
        out._follow_batch()
    return out
