"""Recordings cut into what is observed and what follows."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Batch

from stgraph.io.gather import make_batch
from stgraph.nn import last_seen
from stgraph.skeleton import SkeletonGraph


class MotionWindows(NamedTuple):
    """Stretches of tracks, and what follows them.

    Attributes:
        observed: Each stretch as a recording of one track, with nothing in it of what follows.
        target: Positions of the poses that follow, [W, H, V, D]; 0 where a joint does not count.
        valid: Which joints count, bool [W, H, V]: those that are found, in poses that exist, of
            joints that are seen in the stretch.
        recording: Recording of each stretch, int64 [W].
    """

    observed: Batch
    target: Tensor
    valid: Tensor
    recording: Tensor


def cut_windows(
    data: SkeletonGraph,
    num_observed: int,
    num_future: int,
    stride: int | None = 1,
    generator: torch.Generator | None = None,
) -> MotionWindows:
    """Stretches of ``num_observed`` poses of a track, each with the ``num_future`` poses after it.

    A track that ends sooner has fewer poses to predict, at least one; tracks of at most
    ``num_observed`` poses give no window.

    Args:
        data: Recording or batch, of layouts with equally many joints.
        num_observed: Poses of a stretch.
        num_future: Number H of poses to predict.
        stride: Poses from one stretch of a track to the next, from its first pose on; None: one
            stretch of each track, drawn anew.
        generator: Source of the draws.

    Raises:
        ValueError: if a number is below 1, or layouts with different numbers of joints are mixed.
    """
    for name, value in (
        ("num_observed", num_observed),
        ("num_future", num_future),
        ("stride", 1 if stride is None else stride),
    ):
        if value < 1:
            raise ValueError(f"'cut_windows' expected {name} >= 1 (got {value})")
    device = data.track_length.device
    starts = (data.track_length - num_observed).clamp(min=0)  # places where a stretch may begin
    if stride is None:
        track = (starts > 0).nonzero().flatten()
        where = "cpu" if generator is None else generator.device
        draws = torch.rand(track.numel(), generator=generator, device=where).to(device)
        begin = (draws * starts[track]).long().minimum(starts[track] - 1)
    else:
        count = (starts + stride - 1) // stride
        track = torch.arange(data.num_tracks, device=device).repeat_interleave(count)
        number = torch.arange(track.numel(), device=device) - (count.cumsum(0) - count)[track]
        begin = number * stride
    first = data.first_pose[track] + begin
    observed = take_stretches(data, track, first, torch.full_like(first, num_observed))
    after = torch.arange(num_observed, num_observed + num_future, device=device)
    exists = begin[:, None] + after < data.track_length[track, None]
    pose = torch.where(exists, first[:, None] + after, 0)  # [W, H]
    found = (data.folded_score() > 0)[pose] if data.num_poses else exists[..., None]
    valid = exists[..., None] & found
    if not track.numel():
        empty = data.pos.new_zeros(0, num_future, data.num_joints, data.num_dims)
        return MotionWindows(observed, empty, empty[..., 0].bool(), track)
    valid = valid & last_seen(observed).known[:, None]
    target = torch.where(valid[..., None], data.folded("pos")[pose], 0.0)
    return MotionWindows(observed, target, valid, data.track_batch[track])


def last_stretches(data: SkeletonGraph, num_observed: int) -> Batch:
    """The last poses of each person's last track, each as a recording of one track.

    Args:
        data: One recording.
        num_observed: Poses of a stretch; all of a track that has fewer.

    Raises:
        ValueError: if ``num_observed`` is below 1, or it is a batch of several recordings.
    """
    if num_observed < 1:
        raise ValueError(f"'last_stretches' expected num_observed >= 1 (got {num_observed})")
    if data.num_recordings != 1:
        raise ValueError(
            f"'last_stretches' expected one recording (got a batch of {data.num_recordings}); "
            "take them one by one from batch.to_data_list()"
        )
    end = data.first_pose + data.track_length - 1
    last: dict[int, int] = {}
    for track, person in enumerate(data.person.tolist()):
        other = last.get(person)
        if other is None or data.frame[end[track]] > data.frame[end[other]]:
            last[person] = track
    chosen = torch.tensor(sorted(last.values()), dtype=torch.long, device=end.device)
    length = data.track_length[chosen].clamp(max=num_observed)
    return take_stretches(data, chosen, end[chosen] - length + 1, length)


def take_stretches(data: SkeletonGraph, track: Tensor, first: Tensor, length: Tensor) -> Batch:
    """Consecutive poses as recordings of one track each.

    Positions, scores, frames, persons and frame rates go along; anything else, such as a stream,
    may have been made from poses outside of the stretch.

    Args:
        data: Recording or batch.
        track: Track of each stretch, ascending, int64 [W].
        first: Its first pose, int64 [W].
        length: Its number of poses, int64 [W].
    """
    ends = length.cumsum(0)
    total = int(ends[-1]) if length.numel() else 0
    shift = (first - (ends - length)).repeat_interleave(length, output_size=total)
    taken = data.take_poses(torch.arange(total, device=first.device) + shift, length, track)
    recording = data.track_batch[track]
    layouts = data.layouts
    nodes = length * torch.tensor([layout.num_joints for layout in layouts]).to(length)[recording]
    slices = {
        "node": torch.nn.functional.pad(nodes.cumsum(0), (1, 0)).cpu(),
        "pose": torch.nn.functional.pad(ends, (1, 0)).cpu(),
        "track": torch.arange(track.numel() + 1),
    }
    levels = {"pos": "node", "score": "node", "frame": "pose", "track_length": "track"}
    levels |= {"person": "track", "fps": "track"}
    names = [name for name in levels if name in data]
    values = {name: data.fps[recording] if name == "fps" else taken[name] for name in names}
    values["layout"] = [layouts[i] for i in recording.tolist()]
    sizes = {name: slices[levels[name]] for name in names}
    sizes["layout"] = slices["track"]
    batch = make_batch([*names, "layout"], values, sizes)
    batch.batch, batch.ptr = batch.batch.to(first.device), batch.ptr.to(first.device)
    return batch
