from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from stgraph.nn import MultiBranchTemporalConv
from stgraph.ops import make_temporal_plan
from stgraph.testing import assert_close, randomise_norms


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("lengths", [[1], [7, 2], [3, 3]])
def test_branches_equal_dense_convolutions_of_each_track(stride, lengths):
    layer = randomise_norms(MultiBranchTemporalConv(5, 14, stride=stride)).eval()
    x = torch.randn(3, sum(lengths), 5)
    found = layer(x, make_temporal_plan(torch.tensor(lengths), reach=4, stride=stride))
    expected = []
    for track in x.split(lengths, dim=1):
        y = track.transpose(1, 2)  # [V, C, T]
        reduced = F.conv1d(y, layer.reduce.weight, layer.reduce.bias)
        shares = F.relu(layer.norm(reduced.transpose(1, 2))).transpose(1, 2)
        *parts, pooled = shares.split([4, 2, 2, 2, 2], dim=1)
        out = [
            F.conv1d(part, branch.weight, branch.bias, stride, dilation, dilation)
            for part, branch, dilation in zip(parts, layer.branches, (1, 2, 3, 4), strict=True)
        ]
        out.append(F.max_pool1d(pooled, 3, stride, 1))
        out.append(F.conv1d(y, layer.point.weight, layer.point.bias, stride))
        y = F.relu(layer.mix_norm(torch.cat(out, dim=1).transpose(1, 2)))
        expected.append(F.linear(y, layer.mix.weight[:, :, 0], layer.mix.bias))
    assert_close(found, torch.cat(expected, dim=1))


def test_the_first_branch_takes_the_remainder():
    assert MultiBranchTemporalConv(8, 64).branch_channels == [14, 10, 10, 10, 10, 10]
    ctr = MultiBranchTemporalConv(8, 64, kernel=5, dilations=(1, 2), mix=False)
    assert ctr.branch_channels == [16, 16, 16, 16]
    assert ctr.mix is None


def test_a_width_of_fewer_channels_than_branches_is_refused():
    with pytest.raises(ValueError, match="at least one channel for each of 6 branches"):
        MultiBranchTemporalConv(8, 5)
    with pytest.raises(ValueError, match="branches of 8 channels together"):
        MultiBranchTemporalConv(8, 8, dilations=(1,), mix=False, branch_channels=[2, 2, 2])
