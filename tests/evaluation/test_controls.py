"""Controls: literal cases, slow references, and what must not matter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch

from stgraph.evaluation.controls import (
    NO_POSE,
    accuracy,
    as_batch,
    logistic_regression,
    majority_class,
    motion_statistics,
    nearest_neighbour_pose,
    resampled_poses,
    rich_motion_statistics,
    visibility_only,
    visibility_statistics,
)
from stgraph.skeleton import SkeletonGraph, SkeletonLayout

PAIR = SkeletonLayout.from_dict({"name": "pair", "joints": ["a", "b"], "bones": [[0, 1]]})
LAYOUT = "penn_13"
STATISTICS = [motion_statistics, rich_motion_statistics, visibility_statistics]


def recording(
    generator: torch.Generator, poses: int = 12, y: int = 0, shift: float = 0.0, tracks: int = 2
) -> SkeletonGraph:
    """Random poses in tracks with a gap between, a fifth of the joints missing."""
    pos = torch.randn(poses, 13, 2, generator=generator) + shift * torch.arange(13)[:, None]
    score = (torch.rand(poses, 13, generator=generator) > 0.2).float()
    length = torch.full((tracks,), poses // tracks)
    frame = torch.arange(poses) + 5 * (torch.arange(poses) // (poses // tracks))
    return SkeletonGraph(
        pos * score[..., None],
        layout=LAYOUT,
        score=score,
        frame=frame,
        track_length=length,
        person=torch.zeros(tracks, dtype=torch.long),
        y=torch.tensor([y]),
    )


def empty(y: int = 0) -> SkeletonGraph:
    """A recording in which nobody was found."""
    nothing = torch.zeros(0, dtype=torch.long)
    return SkeletonGraph(
        torch.zeros(0, 2),
        layout=LAYOUT,
        score=torch.zeros(0),
        frame=nothing,
        track_length=nothing,
        person=nothing,
        y=torch.tensor([y]),
    )


def classes(generator: torch.Generator, each: int, empties: int = 0) -> Batch:
    """Two classes that differ in their mean pose."""
    graphs = [recording(generator, y=y, shift=0.5 * y) for y in (0, 1) for _ in range(each)]
    return Batch.from_data_list([*graphs, *(empty() for _ in range(empties))])


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


def test_recordings_without_a_pose_count_as_wrong(generator: torch.Generator) -> None:
    train, test = classes(generator, 10, empties=2), classes(generator, 3, empties=2)
    for predicted in (
        logistic_regression(train, test, classes(generator, 4, empties=1)),
        visibility_only(train, test),
        nearest_neighbour_pose(train, test),
    ):
        assert (predicted[-2:] == NO_POSE).all()
        assert (predicted[:-2] != NO_POSE).all()
        assert accuracy(predicted, test) <= 6 / 8


def test_logistic_regression_tells_shifted_poses_apart(generator: torch.Generator) -> None:
    train, val, test = (classes(generator, n) for n in (12, 6, 6))
    assert accuracy(logistic_regression(train, test, val), test) > 0.9
    assert accuracy(logistic_regression(train, test, val, refit=True), test) > 0.9


@pytest.mark.parametrize("control", [logistic_regression, nearest_neighbour_pose, majority_class])
def test_test_labels_influence_nothing(control: object, generator: torch.Generator) -> None:
    assert callable(control)
    train, test = classes(generator, 8), classes(generator, 4)
    other = test.clone()
    other.y = 1 - test.y
    assert torch.equal(control(train, test), control(train, other))


def test_majority_class_is_the_most_frequent_of_training(generator: torch.Generator) -> None:
    train = [recording(generator, y=y) for y in (2, 1, 2)]
    assert majority_class(train, [empty(1), empty(2)]).tolist() == [2, 2]


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


def _slowly(graph: SkeletonGraph, frames: int, scale: bool) -> Tensor:
    """Independent reference of :func:`resampled_poses` for one person, with numpy."""
    pos = graph.folded("pos").numpy().astype(np.float64)
    found = graph.folded_score().numpy() > 0
    shapes = np.zeros_like(pos)
    for t in range(len(pos)):
        shape = pos[t, found[t]] - pos[t, found[t]].mean(0)
        shapes[t, found[t]] = shape / (shape.std() if scale else 1)
    when = np.linspace(0, len(pos) - 1, frames)
    flat = shapes.reshape(len(pos), -1)
    columns = [np.interp(when, np.arange(len(pos)), flat[:, i]) for i in range(flat.shape[1])]
    return torch.tensor(np.stack(columns, 1).reshape(frames, -1, 2))


@pytest.mark.parametrize("scale", [False, True])
def test_resampled_poses_agree_with_a_slow_reference(
    scale: bool, generator: torch.Generator
) -> None:
    graphs = [recording(generator), recording(generator, poses=5, tracks=1)]
    found = resampled_poses(Batch.from_data_list(graphs), 9, scale=scale)
    expected = torch.stack([_slowly(graph, 9, scale) for graph in graphs])
    assert torch.allclose(found[:, 0].double(), expected, atol=1e-5)


def test_second_person_is_seen_from_the_first_ones_centre() -> None:
    pos = torch.tensor([[[1.0, 1.0], [3.0, 1.0]], [[11.0, 1.0], [13.0, 1.0]]])
    graph = SkeletonGraph(
        pos, layout=PAIR, frame=[0, 0], track_length=[1, 1], person=[0, 1], y=torch.tensor([0])
    )
    found = resampled_poses(graph, 1, centre=0, num_persons=2, unit=(2.0, 1.0))
    assert found[0, :, 0].tolist() == [[[0, 0], [4, 0]], [[20, 0], [24, 0]]]
    assert resampled_poses(graph, 3, num_persons=3)[0, 2].abs().sum() == 0


def test_nearest_neighbour_finds_the_same_recording(generator: torch.Generator) -> None:
    graphs = [recording(generator, y=y) for y in range(6)]
    assert nearest_neighbour_pose(graphs, graphs).tolist() == list(range(6))


@pytest.mark.shared
def test_controls_on_real_kth(shared_path: object) -> None:
    from stgraph.datasets import KTH

    assert callable(shared_path)
    path = shared_path("data", "kth_openpose.tar.xz")
    train, val, test = (KTH(path, split) for split in ("train", "val", "test"))
    assert len(test) == 863
    predicted = logistic_regression(train, test, val, strengths=(0.1,))
    assert accuracy(predicted, test) == pytest.approx(0.884, abs=0.01)
    both = KTH(path, "trainval")
    predicted = nearest_neighbour_pose(both, test, num_frames=32, scale=True)
    assert int((predicted == test.y).sum()) == pytest.approx(664, abs=2)
