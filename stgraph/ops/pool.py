"""From poses to one vector a recording."""

from __future__ import annotations

import torch
from torch import Tensor


def person_weights(
    track_length: Tensor, track_batch: Tensor, person: Tensor, num_recordings: int
) -> Tensor:
    """Share of each track's poses in the mean of its recording, float32 [M].

    The mean is over the poses of a person (all tracks of that person), then over the persons of
    the recording; a person who is not there has no share.

    Args:
        track_length: Poses of each track, int64 [M].
        track_batch: Recording of each track, int64 [M].
        person: Number of the person of each track, unique within a recording, int64 [M].
        num_recordings: B.
    """
    if track_length.numel() == 0:
        return track_length.new_zeros(0, dtype=torch.float32)
    who, recording = _persons(track_batch, person)
    poses = torch.zeros(recording.numel(), dtype=torch.float32, device=person.device)
    poses.index_add_(0, who, track_length.float())
    company = torch.bincount(recording, minlength=num_recordings)
    return 1.0 / (poses[who] * company[track_batch].float())


def person_slots(track_batch: Tensor, person: Tensor, num_recordings: int) -> tuple[Tensor, Tensor]:
    """The rank of each track's person among the persons of its recording, and how many there are.

    Args:
        track_batch: Recording of each track, int64 [M].
        person: Number of the person of each track, int64 [M].
        num_recordings: B.

    Returns:
        int64 [M], and the number of persons of each recording, int64 [B].
    """
    if person.numel() == 0:
        return person, person.new_zeros(num_recordings)
    who, recording = _persons(track_batch, person)
    company = torch.bincount(recording, minlength=num_recordings)
    first = company.cumsum(0) - company
    return who - first[track_batch], company


def _persons(track_batch: Tensor, person: Tensor) -> tuple[Tensor, Tensor]:
    """The person of each track, counted through the batch, and the recording of each person."""
    low = person.min()
    key = track_batch * (person.max() - low + 1) + person - low
    _, who = key.unique(return_inverse=True)
    recording = torch.zeros(int(who.max()) + 1, dtype=torch.long, device=person.device)
    recording[who] = track_batch
    return who, recording


def pool_poses(x: Tensor, weight: Tensor, recording: Tensor, num_recordings: int) -> Tensor:
    """Weighted sum of the poses of each recording, averaged over joints.

    Args:
        x: [V, P, C].
        weight: Share of each pose, [P].
        recording: Recording of each pose, int64 [P].
        num_recordings: B.

    Returns:
        [B, C]; zero for a recording without poses.
    """
    pooled = x.mean(dim=0) * weight[:, None].to(x.dtype)
    return x.new_zeros(num_recordings, x.size(2)).index_add(0, recording, pooled)
