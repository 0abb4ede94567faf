from __future__ import annotations

import pytest
import torch

from stgraph.ops import (
    chunked_track_mean,
    make_temporal_plan,
    make_track_chunks,
    shared_topology_aggregate,
    topology_aggregate,
    topology_aggregate_reference,
    track_mean,
    track_products,
)
from stgraph.testing import assert_close

LENGTHS = [[1], [5, 5, 5], [3, 1, 40], [16, 17, 32], [50]]


@pytest.mark.parametrize("lengths", LENGTHS)
def test_aggregation_by_chunks_equals_the_reference_forward_and_backward(lengths):
    length = torch.tensor(lengths)
    chunks, track = make_track_chunks(length), torch.arange(len(length)).repeat_interleave(length)
    results = []
    torch.manual_seed(1)
    x = torch.randn(3, sum(lengths), 8, dtype=torch.float64, requires_grad=True)
    topology = torch.randn(len(lengths), 4, 3, 6, dtype=torch.float64, requires_grad=True)
    for out in (
        topology_aggregate_reference(x, topology, track),
        topology_aggregate(x, topology, chunks),
    ):
        probe = torch.linspace(-1, 1, out.numel()).view_as(out)
        results.append((out, *torch.autograd.grad((out * probe).sum(), (x, topology))))
    for expected, found in zip(*results, strict=True):
        assert_close(found, expected)


@pytest.mark.parametrize("lengths", LENGTHS)
def test_means_by_chunks_equal_means_by_tracks(lengths):
    length = torch.tensor(lengths)
    x = torch.randn(2, sum(lengths), 3)
    expected = track_mean(x, make_temporal_plan(length, reach=0))
    assert_close(chunked_track_mean(x, make_track_chunks(length)), expected)


def test_tracks_of_one_length_are_not_cut():
    chunks = make_track_chunks(torch.tensor([40, 40]))
    assert chunks.place is None
    assert chunks.blank.shape == (2, 40)


def test_blanks_are_fewer_than_a_chunk_a_track():
    length = torch.tensor([1, 30, 200])
    chunks = make_track_chunks(length, length=16)
    assert int(chunks.blank.sum()) < 16 * 3
    assert int((~chunks.blank).sum()) == 231
    assert chunks.track.tolist() == [0] + [1] * 2 + [2] * 13


@pytest.mark.parametrize("lengths", LENGTHS)
def test_products_of_joints_are_summed_over_the_poses_of_each_track(lengths):
    length = torch.tensor(lengths)
    source, target = torch.randn(2, 3, sum(lengths), 8, dtype=torch.float64)
    found = track_products(source, target, 2, make_track_chunks(length))
    pairs = zip(source.split(lengths, 1), target.split(lengths, 1), strict=True)
    expected = [
        torch.einsum("vpkr,upkr->kuv", s.unflatten(2, (2, 4)), t.unflatten(2, (2, 4)))
        for s, t in pairs
    ]
    assert_close(found, torch.stack(expected))


@pytest.mark.parametrize("lengths", LENGTHS)
def test_a_topology_for_all_channels_is_that_of_each_channel(lengths):
    length = torch.tensor(lengths)
    x = torch.randn(3, sum(lengths), 4, dtype=torch.float64)
    topology = torch.randn(len(lengths), 2, 3, 3, dtype=torch.float64)
    track = torch.arange(len(length)).repeat_interleave(length)
    expected = torch.einsum("pkuv,vpc->upkc", topology[track], x).flatten(2)
    assert_close(shared_topology_aggregate(x, topology, make_track_chunks(length)), expected)
