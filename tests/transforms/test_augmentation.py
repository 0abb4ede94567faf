"""Mirrors, turns, shifts, and the report's draws."""

from __future__ import annotations

import math

import pytest
import torch
from torch_geometric.data import Batch

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms import (
    DropJoints,
    Flip,
    Jitter,
    RandomRotate,
    RandomScale,
    RandomShear,
    RandomTranslate,
    ReportAugmentation,
)
from stgraph.transforms.report_augmentation import ReportDraws
from stgraph.transforms.rotations import rotation_2d, rotation_3d
from tests.transforms.samples import chain, recording


def test_a_mirror_exchanges_left_and_right_with_their_scores() -> None:
    data = chain([[[1, 0], [2, 5], [9, 7]]], [[1, 0.5, 0.25]])
    found = Flip(about="origin")(data)
    assert found.pos.tolist() == [[-1, 0], [-9, 7], [-2, 5]]
    assert found.score.tolist() == [1, 0.25, 0.5]
    assert Flip()(data).pos.tolist() == [[7, 0], [-1, 7], [6, 5]]
    assert Flip(about=50.0)(data).pos.tolist() == [[99, 0], [91, 7], [98, 5]]
    assert Flip(p=0.0)(data).pos.tolist() == data.pos.tolist()


@pytest.mark.parametrize("layout", ["openpose_coco_18", "kinect_v2_25", "openpose_body_25"])
def test_mirroring_twice_is_identity(layout: str) -> None:
    data = recording([6, 4], [0, 1], [0, 2], seed=1, layout=layout)
    for flip in (Flip(), Flip(about=320.0), Flip(axis=1, about="origin")):
        twice = flip(flip(data))
        torch.testing.assert_close(twice.pos, data.pos, rtol=1e-5, atol=1e-4)
        assert torch.equal(twice.score, data.score)


def test_a_missing_joint_is_missing_on_the_other_side() -> None:
    data = chain([[[1, 0], [2, 5], [0, 0]]], [[1, 0.5, 0]])
    found = Flip(about="origin")(data)
    assert found.pos.tolist() == [[-1, 0], [0, 0], [-2, 5]]
    assert found.score.tolist() == [1, 0, 0.5]


def still(number: int = 1) -> ReportDraws:
    return ReportDraws(
        torch.zeros(number, dtype=torch.bool),
        torch.zeros(number),
        torch.zeros(number, 2),
        torch.ones(number),
    )


def test_the_four_changes_of_the_report() -> None:
    data = chain([[[0, 0], [2, 1], [1, 2]]])  # centre (1, 1)
    change = ReportAugmentation()
    assert torch.equal(change.apply(data, still()).pos, data.pos)
    flipped = change.apply(data, still()._replace(flip=torch.tensor([True])))
    assert flipped.pos.tolist() == [[2, 0], [1, 2], [0, 1]]
    turned = change.apply(data, still()._replace(angle=torch.tensor([90.0])))
    torch.testing.assert_close(turned.pos, torch.tensor([[2.0, 0], [1, 2], [0, 1]]))
    moved = change.apply(data, still()._replace(shift=torch.tensor([[5.0, 0]])))
    assert moved.pos.tolist() == [[5, 0], [7, 1], [6, 2]]
    grown = change.apply(data, still()._replace(scale=torch.tensor([2.0])))
    assert grown.pos.tolist() == [[-1, -1], [3, 1], [1, 3]]


def test_two_different_changes_are_drawn_in_half_of_the_recordings() -> None:
    change = ReportAugmentation(unit=0.1)
    chosen = change.choose(torch.rand(20000, 6, generator=torch.Generator().manual_seed(0)))
    acts = torch.stack(
        [chosen.flip, chosen.angle != 0, chosen.shift.any(dim=1), chosen.scale != 1], dim=1
    )
    assert set(acts.sum(dim=1).tolist()) == {0, 2}
    assert abs(float(acts.any(dim=1).float().mean()) - 0.5) < 0.02
    _, pairs = acts[acts.any(dim=1)].unique(dim=0, return_counts=True)
    assert len(pairs) == 6
    assert (pairs / pairs.sum() - 1 / 6).abs().max() < 0.02
    assert sorted(set(chosen.angle.tolist())) == [-15, -10, -5, 0, 5, 10, 15]
    shifts = {tuple(round(v, 3) for v in row) for row in chosen.shift.tolist()}
    assert shifts == {(0, 0), (0.5, 0.5), (0, 0.5), (0.5, 0)}
    assert {round(v, 2) for v in chosen.scale.tolist()} == {1, 0.95, 1.05, 1.1}


def test_the_report_leaves_missing_joints_missing_and_most_recordings_alone() -> None:
    graphs = [recording([3], [0], [0], seed=i, dims=2) for i in range(40)]
    batch = Batch.from_data_list(graphs)
    found = ReportAugmentation(generator=torch.Generator().manual_seed(0))(batch)
    changed = 0
    for before, after in zip(graphs, found.to_data_list(), strict=True):
        assert not after.pos[after.score == 0].any()
        assert (after.score == 0).sum() == (before.score == 0).sum()
        changed += int(not torch.equal(before.pos, after.pos))
    assert 10 < changed < 30


def test_rotations_are_right_handed_and_multiply_in_order() -> None:
    quarter = torch.tensor(math.pi / 2)
    x, y = torch.tensor([1.0, 0]), torch.tensor([0.0, 1])
    torch.testing.assert_close(rotation_2d(quarter) @ x, y, atol=1e-6, rtol=0)
    x, y, z = torch.eye(3)
    for axis, start, end in ((0, y, z), (1, z, x), (2, x, y)):
        angles = torch.zeros(3)
        angles[axis] = quarter
        torch.testing.assert_close(rotation_3d(angles) @ start, end, atol=1e-6, rtol=0)
    angles = torch.tensor([0.3, -0.2, 0.9])
    only = [rotation_3d(torch.where(torch.arange(3) == i, angles, 0.0)) for i in range(3)]
    torch.testing.assert_close(rotation_3d(angles, "zyx"), only[2] @ only[1] @ only[0])


def lengths(data: SkeletonGraph) -> torch.Tensor:
    pos = data.folded("pos")
    return (pos[:, 1:] - pos[:, :-1]).norm(dim=-1)


@pytest.mark.parametrize("dims", [2, 3])
def test_turning_keeps_lengths_and_scaling_changes_all_alike(dims: int) -> None:
    data = recording([4], [0], [0], seed=1, dims=dims, missing=0.0)
    turned = RandomRotate(40, about="recording")(data)
    torch.testing.assert_close(lengths(turned), lengths(data))
    torch.testing.assert_close(turned.pos.mean(dim=0), data.pos.mean(dim=0))
    assert not torch.allclose(turned.pos, data.pos)
    ratio = lengths(RandomScale((2.0, 3.0))(data)) / lengths(data)
    torch.testing.assert_close(ratio, ratio[:1, :1].expand_as(ratio))
    assert 2 <= float(ratio[0, 0]) <= 3


def test_an_axis_without_an_angle_is_left_alone() -> None:
    data = recording([4], [0], [0], seed=1)
    found = RandomRotate((0, 30, 0))(data)
    torch.testing.assert_close(found.pos[:, 1], data.pos[:, 1])
    with pytest.raises(ValueError, match="cannot turn 2-D"):
        RandomRotate((10, 10, 10))(recording([4], [0], [0], seed=1, dims=2))


def test_a_shift_is_the_same_for_all_joints_that_are_seen() -> None:
    data = recording([4], [0], [0], seed=1)
    found = RandomTranslate((1.0, 0.0, 0.0))(data)
    step = (found.pos - data.pos)[data.score > 0]
    torch.testing.assert_close(step, step[:1].expand_as(step), atol=1e-4, rtol=0)
    assert abs(float(step[0, 0])) <= 1
    assert not step[:, 1:].any()
    assert not found.pos[data.score == 0].any()


def test_a_shear_without_amplitude_changes_nothing() -> None:
    data = recording([4], [0], [0], seed=1)
    assert torch.equal(RandomShear(0.0)(data).pos, data.pos)
    found = RandomShear(0.5)(data)
    assert ((found.pos - data.pos).abs() <= 0.5 * data.pos.abs().sum(dim=1, keepdim=True)).all()


def test_noise_has_the_deviation_asked_for() -> None:
    data = recording([90], [0], [0], seed=1)
    step = (Jitter(0.5)(data).pos - data.pos)[data.score > 0]
    assert abs(float(step.std()) - 0.5) < 0.02


def test_dropped_joints_are_missing() -> None:
    data = recording([90], [0], [0], seed=1, missing=0.0)
    found = DropJoints(0.3)(data)
    gone = found.score == 0
    assert abs(float(gone.float().mean()) - 0.3) < 0.03
    assert not found.pos[gone].any()
    assert torch.equal(found.pos[~gone], data.pos[~gone])
    whole = DropJoints(0.3, per="recording")(data).folded_score() == 0
    assert torch.equal(whole, whole[:1].expand_as(whole))
    assert not DropJoints(0.0)(data).score.eq(0).any()
    assert DropJoints(1.0)(data).score.eq(0).all()
