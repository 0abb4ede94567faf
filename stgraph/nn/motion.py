"""Where joints were last seen, how they moved, and what one predicts from that alone."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonGraph

NORMALISATIONS = ("body", "root", "none")


class LastSeen(NamedTuple):
    """The last sight of each joint of each track.

    Attributes:
        pos: Where it was, [M, V, D]; 0 where it never was.
        known: Whether it was seen at all, bool [M, V].
        age: Poses from there to the end of the track, int64 [M, V].
        velocity: Displacement a pose since the sight before, [M, V, D]; 0 where there was none.
    """

    pos: Tensor
    known: Tensor
    age: Tensor
    velocity: Tensor


def last_seen(batch: SkeletonGraph) -> LastSeen:
    """The last sight of each joint of each track.

    Args:
        batch: Recordings of layouts with equally many joints.
    """
    pos, found, track = batch.folded("pos"), batch.folded_score() > 0, batch.track
    end = batch.first_pose + batch.track_length - 1
    last = _latest(found, track, batch.num_tracks)
    known = last >= 0
    joint = torch.arange(found.size(1), device=pos.device)
    poses = torch.arange(batch.num_poses, device=pos.device)[:, None]
    before = _latest(found & (poses < last[track]), track, batch.num_tracks)
    here = torch.where(known[..., None], pos[last.clamp(min=0), joint], 0.0)
    moved = here - pos[before.clamp(min=0), joint]
    apart = (last - before).clamp(min=1)[..., None].to(pos.dtype)
    velocity = torch.where((before >= 0)[..., None], moved / apart, 0.0)
    return LastSeen(here, known, torch.where(known, end[:, None] - last, 0), velocity)


def _latest(found: Tensor, track: Tensor, size: int) -> Tensor:
    """Last pose of each track in which each joint is found, int64 [size, V]; -1 if none."""
    poses = torch.arange(len(found), device=found.device)[:, None]
    number = torch.where(found, poses, -1)
    nothing = torch.full((size, found.size(1)), -1, device=found.device)
    return nothing.scatter_reduce(0, track[:, None].expand_as(number), number, "amax")


def recent_motion(batch: SkeletonGraph, steps: int) -> Tensor:
    """The last displacements from pose to pose of each track, the latest first, [M, V, steps, D].

    Args:
        batch: Recordings of layouts with equally many joints.
        steps: How many; 0 before a track begins and where a joint is missing at either end.
    """
    pos, found = batch.folded("pos"), batch.folded_score() > 0
    first = batch.first_pose[:, None]
    back = torch.arange(steps, device=pos.device)
    later = first + batch.track_length[:, None] - 1 - back  # [M, steps]
    exists = later > first
    later = later.maximum(first + 1).clamp(max=max(batch.num_poses - 1, 0))
    earlier = (later - 1).clamp(min=0)
    valid = exists[..., None] & found[later] & found[earlier]
    moved = torch.where(valid[..., None], pos[later] - pos[earlier], 0.0)
    return moved.transpose(1, 2)


class BodyFrame(NamedTuple):
    """Where a track's person stands at its end, and how large she is.

    Attributes:
        origin: [M, D].
        size: [M].
    """

    origin: Tensor
    size: Tensor

    def enter(self, pos: Tensor, track: Tensor) -> Tensor:
        """Positions [n, V, D] of tracks [n] as seen from the body, in its size."""
        return (pos - self.origin[track, None]) / self.size[track, None, None]

    def leave(self, pos: Tensor) -> Tensor:
        """Positions [M, H, V, D] as seen from the body, as they were read."""
        return pos * self.size[:, None, None, None] + self.origin[:, None, None]


def body_frame(batch: SkeletonGraph, seen: LastSeen, normalise: str = "body") -> BodyFrame:
    """The frame in which a prediction does not depend on where a person stands.

    The origin is the mean of the layout's centre joints where they were last seen (of all joints
    where none of those was). The size is the root mean square distance of the found joints from the
    mean of their pose, over the track; so a prediction depends neither on units.

    Args:
        batch: Recordings of one layout.
        seen: See :func:`last_seen`.
        normalise: ``"body"``: origin and size; ``"root"``: the origin alone; ``"none"``.

    Raises:
        ValueError: if the normalisation is unknown.
    """
    if normalise not in NORMALISATIONS:
        raise ValueError(
            f"unknown normalisation {normalise!r}; known are {', '.join(NORMALISATIONS)}"
        )
    m, v, d = seen.pos.shape
    origin, size = seen.pos.new_zeros(m, d), seen.pos.new_ones(m)
    if normalise == "none" or not m:
        return BodyFrame(origin, size)
    centre = torch.zeros(v, dtype=torch.bool, device=origin.device)
    centre[list(batch.layouts[0].centre)] = True
    of_centre = seen.known & centre
    chosen = torch.where(of_centre.any(dim=1, keepdim=True), of_centre, seen.known)
    origin = _mean(seen.pos, chosen)
    if normalise == "root":
        return BodyFrame(origin, size)
    pos, found = batch.folded("pos"), batch.folded_score() > 0
    spread = (pos - _mean(pos, found)[:, None]).square().sum(dim=-1)
    spread = torch.where(found, spread, 0.0).sum(dim=1)
    total = spread.new_zeros(m).index_add(0, batch.track, spread)
    count = spread.new_zeros(m).index_add(0, batch.track, found.sum(dim=1).to(spread.dtype))
    size = (total / count.clamp(min=1)).sqrt()
    return BodyFrame(origin, torch.where(size > 0, size, 1.0))


def _mean(pos: Tensor, chosen: Tensor) -> Tensor:
    """Mean of the chosen joints, [n, V, D] to [n, D]; 0 where there are none."""
    total = torch.where(chosen[..., None], pos, 0.0).sum(dim=1)
    return total / chosen.sum(dim=1, keepdim=True).clamp(min=1).to(pos.dtype)


def check_one_track_each(batch: SkeletonGraph, who: str) -> None:
    """Raises a ValueError unless every recording is one track."""
    counts = batch.tracks_per_recording
    strange = (counts != 1).nonzero().flatten()
    if strange.numel():
        raise ValueError(
            f"'{who}' expected recordings of one track each (got one of "
            f"{int(counts[strange[0]])}); cut them with stgraph.tasks.cut_windows"
        )


def zero_velocity(observed: SkeletonGraph, num_future: int) -> Tensor:
    """Every joint stays where it was last seen: the baseline that is hard to beat at first.

    Args:
        observed: Recordings of one track each.
        num_future: Number H of poses to predict.

    Returns:
        [W, H, V, D].

    Raises:
        ValueError: if a recording has not one track.
    """
    check_one_track_each(observed, "zero_velocity")
    pos = last_seen(observed).pos
    return pos[:, None].expand(-1, num_future, -1, -1).clone()


def constant_velocity(observed: SkeletonGraph, num_future: int) -> Tensor:
    """Every joint goes on from where it was last seen with the velocity that it had there.

    A joint that was seen once stays. Arguments, result and errors as in :func:`zero_velocity`.
    """
    check_one_track_each(observed, "constant_velocity")
    seen = last_seen(observed)
    ahead = torch.arange(1, num_future + 1, device=seen.pos.device)[:, None]
    steps = (seen.age[:, None] + ahead).to(seen.pos.dtype)  # [W, H, V]
    return seen.pos[:, None] + steps[..., None] * seen.velocity[:, None]
