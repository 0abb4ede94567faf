"""Pooling: over the poses of a person, then over the persons of a recording."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from stgraph.ops import person_weights, pool_poses
from stgraph.testing import assert_close


def test_a_person_in_two_tracks_counts_once():
    # one recording: person 0 with tracks of 1 and 3 poses, person 1 with 2 poses
    length, person = torch.tensor([1, 3, 2]), torch.tensor([0, 0, 1])
    weight = person_weights(length, torch.zeros(3, dtype=torch.long), person, 1)
    assert weight.tolist() == [0.125, 0.125, 0.25]


def test_equal_person_numbers_in_two_recordings_are_two_people():
    length, owner = torch.tensor([2, 4]), torch.tensor([0, 1])
    weight = person_weights(length, owner, torch.tensor([0, 0]), 2)
    assert weight.tolist() == [0.5, 0.25]


def test_a_recording_without_poses_pools_to_zero():
    x = torch.ones(2, 3, 4)
    out = pool_poses(x, torch.full((3,), 1 / 3), torch.tensor([0, 0, 2])[:3], 3)
    assert torch.equal(out[1], torch.zeros(4))


def test_no_tracks_have_no_weights():
    none = torch.zeros(0, dtype=torch.long)
    assert person_weights(none, none, none, 2).numel() == 0


TRACKS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(-1, 2), st.integers(1, 4)), min_size=1, max_size=6
)


@given(TRACKS)
def test_pooling_is_the_mean_over_persons_of_the_means_over_their_poses(tracks):
    tracks = sorted(tracks)
    owner = torch.tensor([t[0] for t in tracks])
    person = torch.tensor([t[1] for t in tracks])
    length = torch.tensor([t[2] for t in tracks])
    g = torch.Generator().manual_seed(len(tracks))
    x = torch.randn(2, int(length.sum()), 3, generator=g, dtype=torch.float64)
    weight = person_weights(length, owner, person, 3).repeat_interleave(length)
    out = pool_poses(x, weight, owner.repeat_interleave(length), 3)
    poses = x.mean(dim=0).split(length.tolist())
    for recording in range(3):
        people: dict[int, list[torch.Tensor]] = {}
        for track, pose in zip(tracks, poses, strict=True):
            if track[0] == recording:
                people.setdefault(track[1], []).append(pose)
        means = [torch.cat(parts).mean(dim=0) for parts in people.values()]
        expected = torch.stack(means).mean(dim=0) if means else torch.zeros(3).double()
        assert_close(out[recording], expected, 1e-6)  # the shares are float32
