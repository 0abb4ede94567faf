from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch_geometric.nn import GATv2Conv, MessagePassing
from torch_geometric.utils import softmax

from stgraph import STGCN, SkeletonLayout
from stgraph.nn import Edges, SpatialOperator, STGraphConv, make_conv
from stgraph.ops import make_temporal_plan
from stgraph.skeleton import resolve_partition
from stgraph.testing import assert_batch_consistent, assert_close, random_skeleton_graph

BODY = SkeletonLayout("body", ["a", "b", "c", "d"], [(0, 1), (1, 2), (1, 3)], centre=0)
PLAN = make_temporal_plan(torch.tensor([3, 2]), reach=0)


class AttentionConv(MessagePassing):
    """A user's own layer: neighbours weighted by attention."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(aggr="add", node_dim=0)
        self.project = nn.Linear(in_channels, out_channels)
        self.score = nn.Linear(2 * out_channels, 1)

    def forward(self, x, edge_index):
        return self.propagate(edge_index, x=self.project(x))

    def message(self, x_i, x_j, index, size_i):
        score = F.leaky_relu(self.score(torch.cat([x_i, x_j], dim=-1)))
        return softmax(score, index, num_nodes=size_i) * x_j


class DoubledConv(STGraphConv):
    """Another message than the folded path knows."""

    def message(self, x_j, edge_weight):
        return 2 * super().message(x_j, edge_weight)


class FoldedDoubledConv(DoubledConv):
    """It brings its own folded path."""

    def folded(self, x, edge_index, edge_type, edge_weight):
        return 2 * super().folded(x, edge_index, edge_type, edge_weight)


class NamedConv(STGraphConv):
    """Nothing of the arithmetic changes."""

    def extra(self) -> str:
        return "named"


def edges(partition):
    return Edges(partition.edge_index, partition.edge_type, partition.edge_weight)


@pytest.mark.parametrize("conv", [AttentionConv, "GATv2Conv", "GINConv", "TransformerConv"])
def test_a_layer_of_ones_own_or_of_pyg_plugs_in_and_trains(conv, generator):
    model = STGCN(3, 2, BODY, channels=[4, 4], conv=conv, edge_importance=False)
    graphs = [random_skeleton_graph(BODY, length, generator=generator) for length in ([5, 2], [3])]
    assert_batch_consistent(model, graphs)
    model(graphs[0]).sum().backward()
    gradients = [p.grad for p in model.blocks[1].spatial.parameters()]
    assert any(g is not None and bool(g.abs().sum() > 0) for g in gradients)


def test_a_subclass_with_another_message_is_not_folded_past_it():
    partition = resolve_partition("spatial")(BODY)
    x = torch.randn(4, 5, 3)
    plain = SpatialOperator(STGraphConv(3, 2, partition.num_types))
    for kind, folds in ((DoubledConv, False), (FoldedDoubledConv, True), (NamedConv, True)):
        other = SpatialOperator(kind(3, 2, partition.num_types))
        other.load_state_dict(plain.state_dict())
        assert other.fold is folds
        factor = 1 if kind is NamedConv else 2
        assert_close(other(x, edges(partition), PLAN), factor * plain(x, edges(partition), PLAN))


@pytest.mark.parametrize("adaptive", ["importance", "init", "offset"])
@pytest.mark.parametrize("fold", [True, False])
def test_a_learned_adjacency_starts_as_the_partition(adaptive, fold):
    partition = resolve_partition("spatial")(BODY)
    conv = STGraphConv(3, 2, partition.num_types)
    x = torch.randn(4, 5, 3)
    fixed = SpatialOperator(conv, fold=fold)(x, edges(partition), PLAN)
    learned = SpatialOperator(conv, partition, adaptive, fold)
    # offsets start within 1e-6 of zero
    assert_close(learned(x, edges(partition), PLAN), fixed, 1e-5)
    table = learned.importance if adaptive == "importance" else learned.adjacency
    expected = (partition.num_edges,) if adaptive == "importance" else (3, 4, 4)
    assert tuple(table.shape) == expected


def test_each_kind_of_learned_adjacency_says_what_its_formula_says():
    partition = resolve_partition("spatial")(BODY)
    conv = STGraphConv(3, 2, partition.num_types)
    x = torch.randn(4, 5, 3)
    sent = conv.weight.view(3, 2, 3)
    bias = conv.bias.view(3, 1, 1, 2)
    projected = torch.einsum("vpc,koc->kvpo", x, sent) + bias
    free = torch.randn(3, 4, 4)
    for adaptive in ("init", "offset"):
        operator = SpatialOperator(conv, partition, adaptive)
        with torch.no_grad():
            operator.adjacency.copy_(free)
        a = free + (partition.dense() if adaptive == "offset" else 0)
        expected = torch.einsum("kuv,kvpo->upo", a, projected)
        assert_close(operator(x, edges(partition), PLAN), expected)


def test_aggregating_first_has_one_bias_a_node():
    partition = resolve_partition("spatial")(BODY)
    conv = STGraphConv(3, 2, partition.num_types, aggregate_first=True)
    x = torch.randn(4, 5, 3)
    stacked = torch.einsum("kuv,vpc->upkc", partition.dense(), x)
    expected = torch.einsum("upkc,koc->upo", stacked, conv.weight.view(3, 2, 3)) + conv.bias
    for fold in (True, False):
        assert_close(SpatialOperator(conv, fold=fold)(x, edges(partition), PLAN), expected)


def test_learned_edges_need_a_layer_that_weighs_them():
    partition = resolve_partition("spatial")(BODY)
    with pytest.raises(ValueError, match="GATv2Conv does not"):
        SpatialOperator(GATv2Conv(3, 4), partition, "importance")
    with pytest.raises(ValueError, match="needs a layout"):
        SpatialOperator(STGraphConv(3, 4, 3), None, "init")
    with pytest.raises(ValueError, match="unknown adaptive 'all'"):
        SpatialOperator(STGraphConv(3, 4, 3), partition, "all")


def test_layers_are_made_of_names_classes_and_factories():
    assert isinstance(make_conv("gatv2_conv", 3, 4, 1), GATv2Conv)
    assert make_conv(None, 3, 4, 2).num_types == 2
    factory = make_conv(lambda inp, out: GATv2Conv(inp, out // 2, heads=2), 3, 4, 1)
    assert factory.heads == 2
    with pytest.raises(ValueError, match="unknown convolution 'NoConv'"):
        make_conv("NoConv", 3, 4, 1)
    for wrong in (3, GATv2Conv(3, 4)):
        with pytest.raises(TypeError, match=r"a class, a factory .* or a name.*got a finished"):
            make_conv(wrong, 3, 4, 1)  # type: ignore[arg-type]


def test_a_layer_that_does_something_else_is_named():
    with pytest.raises(TypeError, match=r"at least \(x, edge_index\), which that of Linear does"):
        SpatialOperator(torch.nn.Linear(3, 4))
    many = SpatialOperator(GATv2Conv(3, 4, heads=2), out_channels=4)
    with pytest.raises(ValueError, match=r"GATv2Conv returned 8 channels, and 4 were expected"):
        many(torch.randn(BODY.num_joints, 5, 3), edges(resolve_partition("spatial")(BODY)), PLAN)
