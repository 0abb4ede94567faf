from __future__ import annotations

import pytest
import torch

from stgraph import STGCN, DynamicGroupGraphConv, SkeletonLayout
from stgraph.nn import Edges, SpatialOperator
from stgraph.ops import make_temporal_plan
from stgraph.skeleton import resolve_partition
from stgraph.testing import (
    assert_batch_consistent,
    assert_close,
    random_skeleton_graph,
    randomise_norms,
)

BODY = SkeletonLayout("body", ["a", "b", "c", "d"], [(0, 1), (1, 2), (1, 3)], centre=0)
HAND = SkeletonLayout("hand", ["palm", "thumb", "finger"], [(0, 1), (0, 2)], centre=0)


def trained(conv: DynamicGroupGraphConv) -> DynamicGroupGraphConv:
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return randomise_norms(conv).eval()


def by_hand(conv: DynamicGroupGraphConv, x: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    """The published formula for one track, [T, V, F]; a is [K, target, source]."""
    r, groups = conv.group_channels, []
    sent = x @ conv.weight.T + conv.bias
    sent = torch.relu(conv.norm(sent))
    mean = x.mean(dim=0)  # [V, F]
    for k in range(conv.num_types):
        rows = slice(k * r, (k + 1) * r)
        query = mean @ conv.query_weight[rows].T + conv.query_bias[rows]
        key = mean @ conv.key_weight[rows].T + conv.key_bias[rows]
        within = torch.tanh(key[None] - query[:, None])  # [u, v, R]
        between = (query @ key.T).softmax(dim=1)
        gate = k if conv.alpha.numel() > 1 else 0
        topology = (a[k] + conv.beta[gate] * between)[:, :, None] + conv.alpha[gate] * within
        groups.append(torch.einsum("uvr,tvr->tur", topology, sent[:, :, rows]))
    return torch.cat(groups, dim=2) @ conv.mix_weight.T + conv.mix_bias


@pytest.mark.parametrize("per_group", [False, True])
@pytest.mark.parametrize("lengths", [[5, 5], [1, 20, 3], [40]])
def test_every_track_and_channel_has_a_topology_of_its_own(lengths, per_group):
    conv = trained(DynamicGroupGraphConv(3, 8, 2, gate_per_group=per_group)).double()
    a = torch.randn(2, 4, 4, dtype=torch.float64)
    partition = resolve_partition("distance")(BODY)
    operator = SpatialOperator(conv, partition, "init").double().eval()
    with torch.no_grad():
        operator.adjacency.copy_(a)
    edges = Edges(partition.edge_index, partition.edge_type, partition.edge_weight)
    x = torch.randn(4, sum(lengths), 3, dtype=torch.float64)
    found = operator(x, edges, make_temporal_plan(torch.tensor(lengths), reach=0))
    expected = [by_hand(conv, t.transpose(0, 1), a) for t in x.split(lengths, dim=1)]
    assert_close(found, torch.cat(expected).transpose(0, 1))


@pytest.mark.parametrize("partition", ["spatial", "distance"])
def test_on_fixed_edges_only_neighbours_are_attended_to(partition):
    partition = resolve_partition(partition)(BODY)
    edges = Edges(partition.edge_index, partition.edge_type, partition.edge_weight)
    conv = trained(DynamicGroupGraphConv(3, 6, partition.num_types)).double()
    plan = make_temporal_plan(torch.tensor([3, 4]), reach=0)
    x = torch.randn(4, 7, 3, dtype=torch.float64, requires_grad=True)
    fast = SpatialOperator(conv)(x, edges, plan)
    assert_close(fast, SpatialOperator(conv, fold=False)(x, edges, plan))
    (grad,) = torch.autograd.grad(fast[2].sum(), x)  # joint 2 hears of itself and of joint 1
    assert bool((grad[3] == 0).all())
    assert bool((grad[1] != 0).any())


def test_an_edge_that_is_there_twice_counts_twice_on_both_paths():
    index = torch.tensor([[0, 0, 1, 2], [1, 1, 1, 0]])
    edges = Edges(index, torch.zeros(4, dtype=torch.long), torch.ones(4, dtype=torch.float64))
    conv = trained(DynamicGroupGraphConv(3, 4, 1)).double()
    plan = make_temporal_plan(torch.tensor([3, 4]), reach=0)
    x = torch.randn(4, 7, 3, dtype=torch.float64)
    fast = SpatialOperator(conv)(x, edges, plan)
    assert_close(fast, SpatialOperator(conv, fold=False)(x, edges, plan))


def test_it_serves_in_an_stgcn_also_on_mixed_layouts(generator):
    model = STGCN(
        3,
        2,
        None,
        conv=DynamicGroupGraphConv,
        channels=[4, 8],
        edge_importance=False,
        data_norm="channel",
    )
    for block in model.blocks:
        with torch.no_grad():
            block.spatial.conv.alpha.fill_(0.7)
            block.spatial.conv.beta.fill_(0.7)
    graphs = [
        random_skeleton_graph(layout, lengths, generator=generator)
        for layout, lengths in ((BODY, [5, 2]), (HAND, [3]), (BODY, [4]))
    ]
    assert_batch_consistent(model, graphs)


def test_without_lanes_a_node_is_a_track_of_its_own():
    conv = trained(DynamicGroupGraphConv(3, 4, num_types=1))
    x = torch.randn(4, 3)
    index = torch.tensor([[0, 1, 2], [1, 1, 0]])
    assert_close(conv(x, index), conv(x, index, lane=torch.arange(4)))


def test_it_starts_on_its_graph_alone_and_shares_channels_out():
    conv = DynamicGroupGraphConv(3, 64)
    assert not bool(conv.alpha.any())
    assert not bool(conv.beta.any())
    assert conv.group_channels == 8
    assert DynamicGroupGraphConv(3, 64, ratio=0.25).group_channels == 16
    assert DynamicGroupGraphConv(3, 4).group_channels == 1
    assert repr(conv) == "DynamicGroupGraphConv(3, 64, num_types=8)"
