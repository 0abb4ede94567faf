from __future__ import annotations

import pytest
import torch

from stgraph import STGCN, AdaptiveGraphConv, SkeletonLayout
from stgraph.nn import Edges, SpatialOperator
from stgraph.ops import make_temporal_plan
from stgraph.skeleton import resolve_partition
from stgraph.testing import assert_batch_consistent, assert_close, random_skeleton_graph

BODY = SkeletonLayout("body", ["a", "b", "c", "d"], [(0, 1), (1, 2), (1, 3)], centre=0)
HAND = SkeletonLayout("hand", ["palm", "thumb", "finger"], [(0, 1), (0, 2)], centre=0)


def trained(conv: AdaptiveGraphConv) -> AdaptiveGraphConv:
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return conv


def by_hand(conv: AdaptiveGraphConv, x: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    """The published formula for one track, [T, V, F]."""
    k, c, r = conv.num_types, conv.out_channels, conv.embedding_channels
    out = torch.zeros(len(x), x.size(1), c, dtype=x.dtype)
    for i in range(k):
        rows, shares = slice(i * r, (i + 1) * r), slice(i * c, (i + 1) * c)
        query = x @ conv.query_weight[rows].T + conv.query_bias[rows]
        key = x @ conv.key_weight[rows].T + conv.key_bias[rows]
        likeness = torch.einsum("tur,tvr->uv", query, key) / (r * len(x))
        topology = a[i] + conv.alpha * torch.tanh(likeness)
        summed = torch.einsum("uv,tvf->tuf", topology, x)
        out += summed @ conv.weight[shares].T + conv.bias[shares]
    return out


@pytest.mark.parametrize("lengths", [[5, 5], [1, 20, 3], [40]])
def test_every_track_has_the_topology_of_its_own_joints(lengths):
    conv = trained(AdaptiveGraphConv(3, 8, num_types=2)).double()
    a = torch.randn(2, 4, 4, dtype=torch.float64)
    partition = resolve_partition("distance")(BODY)
    operator = SpatialOperator(conv, partition, "init").double()
    with torch.no_grad():
        operator.adjacency.copy_(a)
    edges = Edges(partition.edge_index, partition.edge_type, partition.edge_weight)
    x = torch.randn(4, sum(lengths), 3, dtype=torch.float64)
    found = operator(x, edges, make_temporal_plan(torch.tensor(lengths), reach=0))
    expected = [by_hand(conv, t.transpose(0, 1), a) for t in x.split(lengths, dim=1)]
    assert_close(found, torch.cat(expected).transpose(0, 1))


def test_on_fixed_edges_only_those_edges_adapt():
    partition = resolve_partition("spatial")(BODY)
    edges = Edges(partition.edge_index, partition.edge_type, partition.edge_weight)
    conv = trained(AdaptiveGraphConv(3, 4, partition.num_types)).double()
    plan = make_temporal_plan(torch.tensor([3, 4]), reach=0)
    x = torch.randn(4, 7, 3, dtype=torch.float64, requires_grad=True)
    fast = SpatialOperator(conv)(x, edges, plan)
    assert_close(fast, SpatialOperator(conv, fold=False)(x, edges, plan))
    (grad,) = torch.autograd.grad(fast[2].sum(), x)  # joint 2 hears of itself and of joint 1
    assert bool((grad[3] == 0).all())
    assert bool((grad[1] != 0).any())


def test_it_serves_in_an_stgcn_also_on_mixed_layouts(generator):
    model = STGCN(
        3,
        2,
        None,
        conv=AdaptiveGraphConv,
        channels=[4, 8],
        edge_importance=False,
        data_norm="channel",
    )
    for block in model.blocks:
        with torch.no_grad():
            block.spatial.conv.alpha.fill_(0.7)
    graphs = [
        random_skeleton_graph(layout, lengths, generator=generator)
        for layout, lengths in ((BODY, [5, 2]), (HAND, [3]), (BODY, [4]))
    ]
    assert_batch_consistent(model, graphs)


def test_without_lanes_a_node_is_a_track_of_its_own():
    conv = trained(AdaptiveGraphConv(3, 4, num_types=1))
    x = torch.randn(4, 3)
    index = torch.tensor([[0, 1, 2], [1, 1, 0]])
    assert_close(conv(x, index), conv(x, index, lane=torch.arange(4)))


def test_it_starts_as_a_plain_graph_convolution():
    conv = AdaptiveGraphConv(3, 64)
    assert float(conv.alpha.detach()) == 0.0
    assert conv.embedding_channels == 16
    assert AdaptiveGraphConv(3, 2).embedding_channels == 1
    assert repr(conv) == "AdaptiveGraphConv(3, 64, num_types=3)"
