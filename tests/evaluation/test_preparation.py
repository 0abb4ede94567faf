"""What recordings become before a comparison trains on them."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch

from stgraph.evaluation import BodyUnits, prepare_poses, prepared_store
from stgraph.skeleton import SkeletonGraph, SkeletonLayout
from tests.evaluation.samples import Source, absent, person, tiny_graphs

STICK = SkeletonLayout("stick", ["a", "b"], [(0, 1)], centre=0)


def stick(*poses: list[list[float]], score: list[float] | None = None) -> SkeletonGraph:
    return SkeletonGraph(torch.tensor(poses), layout=STICK, score=score)


def test_a_body_has_the_size_one_about_its_centre() -> None:
    graph = stick([[0.0, 0.0], [4.0, 0.0]], [[2.0, 0.0], [6.0, 0.0]])
    expected = torch.tensor([[-1.5, 0.0], [0.5, 0.0], [-0.5, 0.0], [1.5, 0.0]])
    assert torch.equal(BodyUnits()(graph).pos, expected)
    each = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]])
    assert torch.equal(BodyUnits("pose")(graph).pos, each)
    assert torch.equal(BodyUnits("pose", scale=False)(graph).pos, 2 * each)
    assert torch.equal(BodyUnits("none", scale=False)(graph).pos, graph.pos)


def test_a_missing_joint_counts_for_nothing_and_lies_in_the_centre() -> None:
    graph = stick([[0.0, 0.0], [4.0, 0.0]], [[9.0, 9.0], [4.0, 4.0]], score=[1.0, 1.0, 0.0, 1.0])
    out = BodyUnits("pose").forward(graph)
    assert out.pos[2].tolist() == [0.0, 0.0]
    moved = graph.clone()
    moved.pos[2] = -77.0
    assert torch.equal(BodyUnits("pose")(moved).pos, out.pos)
    assert torch.equal(BodyUnits()(moved).pos, BodyUnits()(graph).pos)


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


def test_an_unknown_centre_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown centre 'hip'; known are recording, pose, none"):
        BodyUnits("hip")
