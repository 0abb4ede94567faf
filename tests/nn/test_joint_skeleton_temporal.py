from __future__ import annotations

import pytest
import torch
from torch import nn

from stgraph.nn import JointSkeletonTemporalConv, MultiBranchTemporalConv
from stgraph.ops import make_temporal_plan
from stgraph.testing import assert_close, randomise_norms


@pytest.mark.parametrize("stride", [1, 2])
def test_the_mean_of_the_joints_is_one_more_joint(stride):
    layer = randomise_norms(JointSkeletonTemporalConv(5, 14, 3, stride=stride)).eval()
    nn.init.normal_(layer.fusion)
    plan = make_temporal_plan(torch.tensor([7, 2]), reach=4, stride=stride)
    x = torch.randn(3, 9, 5)
    joints = layer.side_by_side(x, plan)
    skeleton = layer.side_by_side(x.mean(dim=0, keepdim=True), plan)[0]
    expected = [joint + g * skeleton for joint, g in zip(joints, layer.fusion, strict=True)]
    expected = layer.mix(torch.relu(layer.mix_norm(torch.stack(expected))), plan)
    assert_close(layer(x, plan), expected)


def test_it_starts_as_the_layer_without_a_skeleton():
    fused = JointSkeletonTemporalConv(5, 14, 3).eval()
    plain = MultiBranchTemporalConv(5, 14).eval()
    plain.load_state_dict({k: v for k, v in fused.state_dict().items() if k != "fusion"})
    plan = make_temporal_plan(torch.tensor([7, 2]), reach=4)
    x = torch.randn(3, 9, 5)
    assert_close(fused(x, plan), plain(x, plan))


def test_its_coefficients_go_with_their_joints():
    layer = JointSkeletonTemporalConv(5, 14, 3).eval()
    nn.init.normal_(layer.fusion)
    plan = make_temporal_plan(torch.tensor([7, 2]), reach=4)
    x, order = torch.randn(3, 9, 5), torch.tensor([2, 0, 1])
    expected = layer(x, plan)[order]
    layer.permute_joints(order)
    assert_close(layer(x[order], plan), expected)
