"""Statistics of recordings: literal cases, and what must not matter."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch

from stgraph.evaluation.controls import resampled_poses
from stgraph.evaluation.statistics import (
    as_batch,
    motion_statistics,
    rich_motion_statistics,
    visibility_statistics,
)
from stgraph.skeleton import SkeletonGraph, SkeletonLayout
from tests.evaluation.samples import empty, recording

PAIR = SkeletonLayout.from_dict({"name": "pair", "joints": ["a", "b"], "bones": [[0, 1]]})
STATISTICS = [motion_statistics, rich_motion_statistics, visibility_statistics]


def test_motion_statistics_of_two_joints_that_move_apart() -> None:
    pos = torch.tensor([[[-1.0, 0.0], [1.0, 0.0]], [[-3.0, 0.0], [3.0, 0.0]]])
    found = motion_statistics(SkeletonGraph(pos, layout=PAIR, y=torch.tensor([0])))[0]
    size = 5**0.5  # root mean square of 1, 1, 3, 3
    expected = [
        *(-2 / size, 0, 2 / size, 0),  # mean position
        *(1 / size, 0, 1 / size, 0),  # its deviation
        *(2 / size, 0, 2 / size, 0),  # mean absolute velocity
        *(0, 0, 0, 0),  # its deviation
        *(2 / size, 2 / size),  # mean speed
        *(0, 0),  # its deviation
        *(2 / size, 2 / size),  # greatest speed
        *(1, 1),  # visibility
        *(0, 0, 0, 0),  # the centre stays
        *(0, 0),
        *(2, 1, 1, size, 0, 0),  # poses, tracks, filled, size, path, fastest
    ]
    assert torch.allclose(found, torch.tensor(expected, dtype=torch.float64))


def test_velocity_never_crosses_a_gap() -> None:
    pos = torch.tensor([[[0.0, 0.0], [1.0, 0.0]], [[9.0, 0.0], [10.0, 0.0]]])
    graph = SkeletonGraph(
        pos, layout=PAIR, frame=[0, 7], track_length=[1, 1], person=[0, 0], y=torch.tensor([0])
    )
    assert motion_statistics(graph)[0, 8:22].abs().sum() == 0


@pytest.mark.parametrize("statistics", STATISTICS)
def test_statistics_of_a_batch_are_those_of_its_recordings(
    statistics: object, generator: torch.Generator
) -> None:
    assert callable(statistics)
    graphs = [recording(generator), empty(), recording(generator, poses=6, tracks=1)]
    together = statistics(Batch.from_data_list(graphs))
    apart = torch.cat([statistics(graph) for graph in graphs])
    assert torch.isfinite(together).all()
    assert torch.allclose(together, apart)


@pytest.mark.parametrize("statistics", STATISTICS)
def test_positions_of_missing_joints_do_not_matter(
    statistics: object, generator: torch.Generator
) -> None:
    assert callable(statistics)
    graph = recording(generator)
    other = graph.clone()
    other.pos[graph.score == 0] = 1e3
    assert torch.equal(statistics(graph), statistics(other))
    assert torch.equal(resampled_poses(graph), resampled_poses(other))


def test_motion_statistics_ignore_place_and_scale_but_for_the_size(
    generator: torch.Generator,
) -> None:
    graph = recording(generator)
    other = graph.clone()
    other.pos = torch.where(graph.score[:, None] > 0, 3 * graph.pos + 7, graph.pos)
    first, second = motion_statistics(graph)[0], motion_statistics(other)[0]
    size = first.numel() - 3
    assert torch.allclose(second[size], 3 * first[size])
    first[size] = second[size] = 0
    assert torch.allclose(first, second, atol=1e-5)


def test_visibility_statistics_see_no_coordinate(generator: torch.Generator) -> None:
    graph = recording(generator)
    other = graph.clone()
    other.pos = torch.randn(other.pos.shape, generator=generator)
    assert torch.equal(visibility_statistics(graph), visibility_statistics(other))


def test_as_batch_takes_graphs_and_batches_and_refuses_the_rest(
    generator: torch.Generator,
) -> None:
    graph = recording(generator)
    batch = as_batch([graph, graph])
    assert batch.num_recordings == 2
    assert as_batch(batch) is batch
    assert as_batch(graph).num_recordings == 1
    with pytest.raises(TypeError, match=r"expected a batch, a store.*got int"):
        as_batch(3)
