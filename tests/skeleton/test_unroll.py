"""Unrolling to a plain PyG graph, and what PyG does with it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Batch, Data
from torch_geometric.explain import Explainer, GNNExplainer
from torch_geometric.nn import GATv2Conv, GCNConv, GINConv, RGCNConv, TransformerConv
from torch_geometric.nn.conv import MessagePassing
from torch_geometric.transforms import AddSelfLoops, ToUndirected
from torch_geometric.utils import to_networkx

from stgraph.skeleton import SkeletonLayout, resolve_partition
from stgraph.testing import random_batch, random_skeleton_graph

CHAIN = SkeletonLayout("chain", ["a", "b", "c"], [(0, 1), (1, 2)], centre=0)
PAIR = SkeletonLayout("pair", ["a", "b"], [(0, 1)], centre=0)


def typed_edges(data: Data) -> set[tuple[int, int, int]]:
    return set(zip(*data.edge_index.tolist(), data.edge_type.tolist(), strict=True))


def test_the_joint_labels_of_the_report_on_a_chain_by_hand():
    # poses t = 0, 1 of one track and t = 0 of another: nodes 0 1 2 | 3 4 5 | 6 7 8.
    # distance labels l = 0 (itself), 1 (neighbour), K = 2; kernel 3: type = l + (q - t + 1) * 2
    graph = random_skeleton_graph(CHAIN, [2, 1])
    data = graph.unroll("distance", temporal_kernel=3, labels="joint")

    def pose(target: int, source: int, shift: int) -> set[tuple[int, int, int]]:
        own = {(source + j, target + j, 0 + shift) for j in range(3)}
        pairs = [(0, 1), (1, 0), (1, 2), (2, 1)]
        return own | {(source + j, target + i, 1 + shift) for j, i in pairs}

    expected = pose(0, 0, 2) | pose(3, 3, 2) | pose(6, 6, 2)  # q = t
    expected |= pose(0, 3, 4)  # a joint at t = 0 hears t + 1
    expected |= pose(3, 0, 0)  # a joint at t = 1 hears t - 1
    assert typed_edges(data) == expected
    assert data.edge_index.size(1) == len(expected)


def test_separate_labels_give_each_temporal_offset_a_type_behind_the_bones():
    data = random_skeleton_graph(CHAIN, [3]).unroll("distance", temporal_kernel=5)
    edges = typed_edges(data)
    bones = {(s, t, k) for s, t, k in edges if k < 2}
    assert len(bones) == 3 * 7
    assert all(s // 3 == t // 3 for s, t, _ in bones)
    offsets = {2: -2, 3: -1, 4: 1, 5: 2}
    assert edges - bones == {
        (t + 3 * d, t, k) for k, d in offsets.items() for t in range(9) if 0 <= t + 3 * d < 9
    }


def test_a_kernel_of_one_leaves_the_bones():
    graph = random_skeleton_graph(CHAIN, [2])
    part = resolve_partition("spatial")(CHAIN)
    data = graph.unroll("spatial", temporal_kernel=1)
    assert data.edge_index.size(1) == 2 * part.num_edges
    assert torch.equal(data.edge_index[:, : part.num_edges], part.edge_index)
    assert torch.equal(data.edge_type[: part.num_edges], part.edge_type)
    assert torch.equal(data.edge_weight[: part.num_edges], part.edge_weight)


@given(
    st.lists(st.lists(st.integers(1, 4), max_size=3), min_size=1, max_size=3),
    st.sampled_from([1, 3, 5]),
    st.sampled_from(["separate", "joint"]),
    st.booleans(),
)
def test_no_edge_leaves_its_track_and_a_batch_unrolls_like_its_recordings(
    lengths, kernel, labels, mixed
):
    layouts = [PAIR if mixed and i % 2 else CHAIN for i in range(len(lengths))]
    batch = random_batch(lengths, layouts)
    data = batch.unroll("uniform", kernel, labels)
    owner = batch.track[batch.pose]
    source, target = data.edge_index
    assert torch.equal(owner[source], owner[target])
    offset = batch.pose[source] - batch.pose[target]
    assert int(offset.abs().max() if offset.numel() else 0) <= kernel // 2
    each = Batch.from_data_list([g.unroll("uniform", kernel, labels) for g in batch.to_data_list()])
    assert typed_edges(data) == typed_edges(each)
    assert data.edge_index.size(1) == each.edge_index.size(1)


def test_all_other_attributes_come_along():
    graph = random_skeleton_graph(CHAIN, [2], y=1, subject=3)
    data = graph.unroll()
    assert type(data) is Data
    assert torch.equal(data.pos, graph.pos)
    assert (data.y.tolist(), data.subject, data.num_nodes) == ([1], 3, 6)
    batch = random_batch([[2], [1]], CHAIN)
    unrolled = batch.unroll()
    assert torch.equal(unrolled.batch, batch.batch)
    assert torch.equal(unrolled.ptr, batch.ptr)


def test_mistakes_are_refused_by_name():
    graph = random_skeleton_graph(CHAIN, [2])
    with pytest.raises(ValueError, match=r"an odd temporal_kernel \(got 2\)"):
        graph.unroll(temporal_kernel=2)
    with pytest.raises(ValueError, match="unknown labels 'eq3'; known are separate, joint"):
        graph.unroll(labels="eq3")


# --- PyG ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "layer",
    [
        GATv2Conv(3, 4),
        GINConv(torch.nn.Linear(3, 4)),
        TransformerConv(3, 4),
        GCNConv(3, 4),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_stock_layers_run_on_it(layer):
    data = random_batch([[2, 1], [3]], CHAIN).unroll()
    out = layer(data.pos, data.edge_index)
    assert out.shape == (18, 4)
    assert bool(torch.isfinite(out).all())


def test_a_stock_relational_layer_reads_its_edge_types():
    data = random_skeleton_graph(CHAIN, [3]).unroll("spatial", 3)
    layer = RGCNConv(3, 4, num_relations=int(data.edge_type.max()) + 1)
    assert layer(data.pos, data.edge_index, data.edge_type).shape == (9, 4)


def test_stock_transforms_and_networkx_read_its_edges():
    data = random_skeleton_graph(CHAIN, [2]).unroll("uniform", 3)
    graph = to_networkx(data)
    assert graph.number_of_nodes() == 6
    assert graph.has_edge(0, 3)
    assert graph.has_edge(0, 1)
    assert not graph.has_edge(0, 2)
    assert ToUndirected()(data.clone()).is_undirected()
    assert AddSelfLoops()(data.clone()).has_self_loops()


class Probe(torch.nn.Module):
    """A stock layer, pooled to one logit pair a recording."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = GCNConv(3, 2)

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor) -> torch.Tensor:
        return self.conv(x, edge_index).mean(dim=0, keepdim=True)


def test_an_explainer_scores_its_joints_and_edges():
    data = random_skeleton_graph(CHAIN, [2]).unroll()
    explainer = Explainer(
        Probe(),
        algorithm=GNNExplainer(epochs=2),
        explanation_type="model",
        node_mask_type="object",
        edge_mask_type="object",
        model_config={
            "mode": "multiclass_classification",
            "task_level": "graph",
            "return_type": "raw",
        },
    )
    explanation = explainer(data.pos, data.edge_index)
    assert explanation.node_mask.shape == (6, 1)
    assert explanation.edge_mask.shape == (data.edge_index.size(1),)
    assert isinstance(explainer.model.conv, MessagePassing)
