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
    logistic_regression,
    majority_class,
    nearest_neighbour_pose,
    resampled_poses,
    visibility_only,
)
from stgraph.skeleton import SkeletonGraph, SkeletonLayout
from tests.evaluation.samples import classes, empty, recording


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
    pair = SkeletonLayout.from_dict({"name": "pair", "joints": ["a", "b"], "bones": [[0, 1]]})
    graph = SkeletonGraph(
        pos, layout=pair, frame=[0, 0], track_length=[1, 1], person=[0, 1], y=torch.tensor([0])
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
