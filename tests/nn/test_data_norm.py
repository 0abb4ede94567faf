from __future__ import annotations

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch

from stgraph import STGCN, SkeletonGraph, SkeletonLayout
from stgraph.nn import JointNorm, PersonJointNorm
from stgraph.testing import assert_close, randomise_norms

BODY = SkeletonLayout("body", ["a", "b", "c"], [(0, 1), (1, 2)], centre=0)


def padded(*persons: int, frames: int = 4) -> Batch:
    clips = torch.randn(len(persons), max(persons), frames, 3, 2)
    for clip, there in zip(clips, persons, strict=True):
        clip[there:] = 0
    return Batch.from_data_list(
        [SkeletonGraph.from_dense(c, BODY, keep_absent=True) for c in clips]
    )


@pytest.mark.parametrize("training", [True, False])
def test_a_norm_for_each_person_is_a_batch_norm_over_padded_clips(training):
    norm = randomise_norms(PersonJointNorm(2, 3, 2)).train(training)
    stock = nn.BatchNorm1d(12).train(training)
    stock.load_state_dict(norm.state_dict())
    x = torch.randn(5, 2, 4, 3, 2)  # N, M, T, V, C
    flat = x.permute(0, 1, 3, 4, 2).reshape(5, 12, 4)
    expected = stock(flat).view(5, 2, 3, 2, 4).permute(2, 0, 1, 4, 3).reshape(3, 40, 2)
    slot = torch.arange(2).repeat_interleave(4).repeat(5)
    found = norm(x.permute(3, 0, 1, 2, 4).reshape(3, 40, 2), slot)
    assert_close(found, expected)
    assert_close(norm.running_var, stock.running_var)
    assert_close(norm.running_mean, stock.running_mean)
    assert int(norm.num_batches_tracked) == int(stock.num_batches_tracked)


def test_statistics_of_a_person_who_is_not_there_stay():
    norm = PersonJointNorm(2, 3, 2).train()
    norm(torch.randn(3, 6, 2), torch.zeros(6, dtype=torch.long))
    mean = norm.running_mean.view(2, -1)
    assert bool((mean[0] != 0).all())
    assert bool((mean[1] == 0).all())


def test_a_joint_norm_is_a_batch_norm_over_all_poses():
    norm = randomise_norms(JointNorm(3, 2)).eval()
    x = torch.randn(3, 7, 2)
    stock = nn.BatchNorm1d(6).eval()
    stock.load_state_dict(norm.state_dict())
    expected = stock(x.transpose(0, 1).reshape(7, 6)).view(7, 3, 2).transpose(0, 1)
    assert_close(norm(x), expected)


def test_person_norms_are_there_for_published_networks_alone():
    with pytest.raises(ValueError, match="set as_published=True"):
        STGCN(2, 2, BODY, channels=[4], data_norm="person_joint", num_persons=2)
    with pytest.raises(ValueError, match="unknown data_norm 'batch'"):
        STGCN(2, 2, BODY, channels=[4], data_norm="batch")


def test_a_recording_of_other_persons_than_the_norm_has_is_refused():
    model = STGCN(
        2, 2, BODY, channels=[4], data_norm="person_joint", num_persons=2, as_published=True
    )
    assert model(padded(2, 1)).shape == (2, 2)
    with pytest.raises(ValueError, match="each of 2 persons and got a recording of 1"):
        model(padded(1))


def test_permuted_joints_keep_the_person_norm():
    model = STGCN(
        2, 3, BODY, channels=[4], data_norm="person_joint", num_persons=2, as_published=True
    )
    randomise_norms(model).eval()
    batch = padded(2, 2)
    before = model(batch)
    order = [2, 0, 1]
    batch.pos = batch.pos.view(-1, 3, 2)[:, order].flatten(0, 1)
    batch.layout = [layout.permute(order) for layout in batch.layout]
    assert_close(model.permute_joints(order)(batch), before)
