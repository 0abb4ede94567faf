"""Recordings turned about the vertical until they begin facing one way."""

from __future__ import annotations

import math

import pytest
import torch

from stgraph.skeleton import SkeletonGraph, SkeletonLayout
from stgraph.transforms import FaceForward, RandomRotate

CROSS = SkeletonLayout(
    "cross",
    ["ls", "rs", "lh", "rh"],
    [(0, 1), (0, 2), (1, 3)],
    centre=0,
    canonical=("left_shoulder", "right_shoulder", "left_hip", "right_hip"),
)


def walker(angle: float, score: list[float] | None = None, person: int = 0) -> SkeletonGraph:
    """Two poses of a body that is turned by an angle about y, the second by 0.3 more."""
    poses = []
    for a in (angle, angle + 0.3):
        x, z = math.cos(a), -math.sin(a)
        poses += [[x, 1.0, z], [-x, 1.0, -z], [x / 2, 0.0, z / 2], [-x / 2, 0.0, -z / 2]]
    pos = torch.tensor(poses).view(2, 4, 3)
    given = None if score is None else torch.tensor(score).view(2, 4)
    return SkeletonGraph(pos, layout=CROSS, score=given)


def test_whatever_way_a_recording_faces_it_begins_along_x() -> None:
    straight = walker(0.0)
    for angle in (-2.5, -0.7, 0.4, 3.0):
        out = FaceForward()(walker(angle))
        assert torch.allclose(out.pos, straight.pos, atol=1e-5)


def test_a_batch_is_turned_recording_by_recording() -> None:
    from torch_geometric.data import Batch

    graphs = [walker(0.2), walker(-1.0), walker(2.0)]
    together = FaceForward()(Batch.from_data_list(graphs))
    apart = torch.cat([FaceForward()(graph).pos for graph in graphs])
    assert torch.allclose(together.pos, apart, atol=1e-6)
    assert torch.allclose(together.pos[:8], together.pos[8:16], atol=1e-5)


def test_the_first_pose_that_shows_all_four_joints_decides() -> None:
    hidden = walker(0.5, score=[1.0, 0.0, 1.0, 1.0] + [1.0] * 4)
    out = FaceForward()(hidden).pos.view(2, 4, 3)
    assert abs(float(out[1, 0, 2])) < 1e-6 < float(out[1, 0, 0])
    never = walker(0.5, score=[1.0, 0.0, 1.0, 1.0] * 2)
    assert torch.equal(FaceForward()(never).pos[0], never.pos[0])


def test_the_vertical_may_be_z() -> None:
    graph = walker(0.9)
    swapped = graph.clone()
    swapped.pos = graph.pos[:, [0, 2, 1]]
    out = FaceForward(up="z")(swapped).pos.view(2, 4, 3)[0]
    assert torch.allclose(out[0], torch.tensor([1.0, 0.0, 1.0]), atol=1e-5)


def test_flat_recordings_stay_as_they_are_and_an_unknown_axis_is_refused() -> None:
    flat = SkeletonGraph(torch.rand(2, 4, 2), layout=CROSS)
    assert torch.equal(FaceForward()(flat).pos, flat.pos)
    with pytest.raises(ValueError, match="unknown axis 'x'; known are y, z"):
        FaceForward(up="x")


def test_it_undoes_a_rotation_about_the_vertical() -> None:
    graph = walker(0.1)
    turned = RandomRotate((0.0, 180.0, 0.0), generator=torch.Generator().manual_seed(3))(graph)
    assert torch.allclose(FaceForward()(turned).pos, FaceForward()(graph).pos, atol=1e-5)


def test_flat_recordings_among_others_stay_too() -> None:
    from torch_geometric.data import Batch

    graphs = [walker(0.7), walker(0.7)]
    graphs[0].source_dims, graphs[1].source_dims = 2, 3
    batch = Batch.from_data_list(graphs)
    out = FaceForward()(batch).pos
    assert torch.equal(out[:8], batch.pos[:8])
    assert torch.allclose(out[8:], FaceForward()(walker(0.7)).pos, atol=1e-6)
