"""Predictions come in the order of the recordings and depend on nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch_geometric.data import Batch

from stgraph import SkeletonGraph
from stgraph.evaluation import extract_features
from stgraph.io import Store
from stgraph.tasks import evaluate_recognition, predict_logits, predict_views
from stgraph.transforms import FillMissing, Stream, TimeCrop
from stgraph.transforms.base import keep_poses


def test_the_batch_size_changes_nothing(task: Any, graphs: Any) -> None:
    made, recordings = task(), graphs(7, empty=(3,))
    one, all_at_once = (predict_logits(made, recordings, batch_size=n) for n in (1, 7))
    torch.testing.assert_close(one.logits, all_at_once.logits, rtol=1e-5, atol=1e-6)
    assert torch.equal(one.y, torch.tensor([0, 1, 2, 0, 1, 2, 0]))
    assert one.has_pose.tolist() == [True, True, True, False, True, True, True]


def test_a_bare_network_a_store_and_a_transform(network: Any, graphs: Any) -> None:
    made, recordings = network(), graphs(4)
    logits = predict_logits(made, Store.from_graphs(recordings), transform=Stream("bone")).logits
    made.eval()
    expected = made(Stream("bone")(Batch.from_data_list(recordings)))
    torch.testing.assert_close(logits, expected.detach())


def test_views_are_averaged_as_probabilities(task: Any, graphs: Any) -> None:
    made, recordings = task(), graphs(5, empty=(2,))
    views = [None, TimeCrop(0.5, at=0.0), TimeCrop(0.5, at=1.0)]
    apart = [predict_logits(made, recordings, transform=v).logits.softmax(dim=1) for v in views]
    found = predict_views(made, recordings, views)
    torch.testing.assert_close(found.logits.exp(), torch.stack(apart).mean(dim=0))
    assert found.has_pose.tolist() == [True, True, False, True, True]
    single = predict_views(made, recordings, [None]).logits
    assert torch.equal(single, predict_logits(made, recordings).logits)
    with pytest.raises(ValueError, match="at least one view"):
        predict_views(made, recordings, [])


def test_the_mode_of_every_module_is_as_before(task: Any, graphs: Any) -> None:
    made = task()
    made.train()
    made.model.blocks.eval()
    before = [module.training for module in made.modules()]
    predict_logits(made, graphs(2))
    assert [module.training for module in made.modules()] == before


def test_a_score_keeps_its_meaning_beside_recordings_without_one(task: Any, graphs: Any) -> None:
    made, (scored, plain) = task(transform=FillMissing()), graphs(2)
    scored.score = torch.ones(scored.pos.size(0))
    scored.score[20] = 0.0
    scored.pos[20] = 0.0
    alone = predict_logits(made, [scored]).logits
    together = predict_logits(made, [scored, plain]).logits
    torch.testing.assert_close(together[:1], alone, rtol=1e-5, atol=1e-6)
    assert "score" not in plain


def test_recordings_without_labels_are_predicted(task: Any) -> None:
    unknown = [SkeletonGraph(torch.randn(3, 20, 3), layout="kinect_v1_20") for _ in range(2)]
    found = predict_logits(task(), unknown)
    assert found.y.tolist() == [-1, -1]
    assert found.logits.shape == (2, 3)
    with pytest.raises(ValueError, match="are there no labels"):
        evaluate_recognition(task(), unknown)


def test_whether_a_pose_is_left_is_asked_after_the_task_s_own_transform(graphs, task) -> None:
    recordings = graphs(3)

    def forget_the_first(batch):
        return keep_poses(batch, batch.pose_batch != 0)

    found = predict_logits(task(transform=forget_the_first), recordings)
    assert found.has_pose.tolist() == [False, True, True]
    assert extract_features(task().network, recordings, transform=forget_the_first).has_pose[0] == 0
