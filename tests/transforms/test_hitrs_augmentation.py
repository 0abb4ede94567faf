"""The augmentation of Hi-TRS and its parts."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch

from stgraph.transforms import HiTRSAugmentation, JointNoise, TimeInterpolation
from tests.transforms.samples import chain, recording


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def batch():
    return Batch.from_data_list(
        [recording([12, 5], [0, 1], [0, 2], seed=i, missing=0.1) for i in range(8)]
    )


def test_noise_moves_so_many_joints_of_every_pose_and_none_further_than_it_may():
    data = recording([30], [0], [0], seed=0, missing=0.0)
    noise = JointNoise(5, 0.2, generator=generator()).noise(data)
    moved = noise.abs().sum(dim=1).view(30, -1) > 0
    assert (moved.sum(dim=1) == 5).all()
    assert noise.abs().max() <= 0.2
    assert not (moved == moved[:1]).all()


def test_constant_noise_is_the_same_in_all_poses_of_a_recording():
    data = batch()
    noise = JointNoise(5, 0.2, constant=True, generator=generator()).noise(data)
    by_pose = noise.view(data.num_poses, -1)
    for number in range(8):
        own = by_pose[data.pose_batch == number]
        assert torch.equal(own, own[:1].expand_as(own))
    assert not torch.equal(by_pose[0], by_pose[-1])


def test_missing_joints_get_no_noise():
    data = batch()
    found = JointNoise(18, 0.2, generator=generator())(data)
    assert (found.pos[data.score == 0] == 0).all()


def test_poses_move_towards_the_next_by_one_share_and_the_last_stays():
    data = chain([[[0, 0], [1, 1], [2, 2]], [[4, 0], [1, 1], [2, 6]], [[8, 0], [0, 0], [2, 2]]])
    found = TimeInterpolation(generator())(data).folded()
    share = float(found[0, 0, 0]) / 4
    assert 0 < share < 1
    expected = torch.tensor([[4 + 4 * share, 0], [1 - share, 1 - share], [2, 6 - 4 * share]])
    torch.testing.assert_close(found[1], expected)
    assert torch.equal(found[2], data.folded()[2])


def test_a_joint_that_is_missing_in_the_next_pose_stays():
    data = chain([[[1, 1], [2, 2], [3, 3]], [[0, 0], [4, 4], [5, 5]]], [[1, 1, 1], [0, 1, 1]])
    found = TimeInterpolation(generator())(data)
    assert found.pos[0].tolist() == [1, 1]
    assert found.pos[3].tolist() == [0, 0]
    assert found.pos[1, 0] > 2


def test_interpolation_does_not_reach_from_one_track_into_the_next():
    data = chain([[[0, 0], [0, 0], [1, 0]], [[9, 9], [9, 9], [9, 9]]], track_length=[1, 1])
    assert torch.equal(TimeInterpolation(generator())(data).pos, data.pos)


def test_every_recording_has_one_change_in_space_and_one_in_time():
    data = batch()
    seen = set()
    for seed in range(12):
        found = HiTRSAugmentation(generator=generator(seed))(data)
        shorter = found.poses_per_recording < data.poses_per_recording
        for number in range(8):
            seen.add(bool(shorter[number]))
            assert found.poses_per_recording[number] >= 0.7 * data.poses_per_recording[number]
    assert seen == {True, False}


def test_without_probability_nothing_changes_and_as_published_half_of_the_recordings_do():
    data = batch()
    same = HiTRSAugmentation(p=0.0, generator=generator())(data)
    assert torch.equal(same.pos, data.pos)
    changed = 0
    for seed in range(20):
        found = HiTRSAugmentation(as_published=True, generator=generator(seed))(data)
        for number in range(8):
            mine = found.pos[found.batch == number]
            own = data.pos[data.batch == number]
            changed += mine.shape != own.shape or not torch.equal(mine, own)
    assert 0.35 < changed / 160 < 0.65


def test_draws_decide_and_the_recordings_stay_as_they_were():
    data = batch()
    before = data.pos.clone()
    one, two = (HiTRSAugmentation(generator=generator(5))(data) for _ in range(2))
    assert torch.equal(one.pos, two.pos)
    assert torch.equal(data.pos, before)


@pytest.mark.parametrize("options", [{"p": 1.5}, {"crop": 0.0}])
def test_impossible_numbers_are_refused(options):
    with pytest.raises(ValueError, match="HiTRSAugmentation"):
        HiTRSAugmentation(**options)
