from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from stgraph.nn import STCAttention
from stgraph.ops import make_temporal_plan, make_track_chunks
from stgraph.testing import assert_close


def trained(channels: int, joints: int) -> STCAttention:
    attention = STCAttention(channels, joints)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return attention.double()


def by_hand(attention: STCAttention, x: torch.Tensor) -> torch.Tensor:
    """One gate after the other, on one track [V, T, C]."""
    line = x.mean(dim=1).T[None]  # [1, C, V]
    kernel = attention.spatial.weight
    joints = F.conv1d(line, kernel, attention.spatial.bias, padding=kernel.size(2) // 2)
    x = x + x * torch.sigmoid(joints)[0, 0][:, None, None]
    poses = x.mean(dim=0).T[None]  # [1, C, T]
    poses = F.conv1d(poses, attention.temporal.weight, attention.temporal.bias, padding=4)
    x = x + x * torch.sigmoid(poses)[0, 0][None, :, None]
    channels = attention.excite(F.relu(attention.squeeze(x.mean(dim=(0, 1)))))
    return x + x * torch.sigmoid(channels)


@pytest.mark.parametrize("joints", [1, 2, 5, 6])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("chunked", [False, True])
def test_each_track_is_weighed_by_itself_also_under_the_plan_of_a_stride(joints, stride, chunked):
    lengths = [3, 1, 20]
    attention = trained(4, joints)
    x = torch.randn(joints, sum(lengths), 4, dtype=torch.float64)
    plan = make_temporal_plan(torch.tensor(lengths), attention.temporal.reach, stride)
    if chunked:
        plan = plan._replace(chunks=make_track_chunks(plan.length))
    expected = [by_hand(attention, track) for track in x.split(lengths, dim=1)]
    assert_close(attention(x, plan), torch.cat(expected, dim=1))


def test_permuted_joints_are_weighed_as_before():
    attention = trained(4, 5)
    x = torch.randn(5, 6, 4, dtype=torch.float64)
    plan = make_temporal_plan(torch.tensor([2, 4]), attention.temporal.reach)
    expected = attention(x, plan)
    order = torch.tensor([3, 1, 4, 0, 2])
    attention.permute_joints(order)
    assert_close(attention(x[order], plan), expected[order])
    assert attention.position.tolist() == order.tolist()


def test_poses_and_channels_begin_with_equal_weights():
    attention = STCAttention(4, 5)
    torch.nn.init.zeros_(attention.spatial.weight)
    x = torch.randn(5, 6, 4)
    plan = make_temporal_plan(torch.tensor([6]), attention.temporal.reach)
    assert_close(attention(x, plan), 1.5**3 * x)
