"""What recordings become before a comparison trains on them."""

from __future__ import annotations

import torch
from torch_geometric.data import Batch

from stgraph.evaluation import prepare_poses, prepared_store
from tests.evaluation.samples import Source, absent, person, tiny_graphs


def test_where_and_how_large_a_body_is_does_not_matter() -> None:
    graph = person(1, seed=0, video="v")
    other = graph.clone()
    other.pos = torch.where(graph.score[:, None] > 0, 3 * graph.pos + 50, graph.pos)
    first, second = (prepare_poses()(g).pos for g in (graph, other))
    assert torch.allclose(first, second, atol=1e-4)


def test_a_batch_is_prepared_as_its_recordings_are() -> None:
    graphs = [*tiny_graphs(0), absent(0, "v9")]
    batch = prepare_poses()(Batch.from_data_list(graphs))
    each = torch.cat([prepare_poses()(graph).pos for graph in graphs])
    assert torch.allclose(batch.pos, each, atol=1e-6)


def test_a_prepared_store_keeps_order_classes_and_names() -> None:
    graphs = [*tiny_graphs(0), absent(1, "v9")]
    source = Source(graphs)
    store = prepared_store(source, prepare_poses(), batch_size=3)
    assert store.y.tolist() == source.y.tolist()
    assert store.column("video").tolist() == [graph.video for graph in graphs]
    assert store.class_names == source.class_names
    assert store.num_poses.tolist()[-1] == 0
