"""Recordings of several actions."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch

from stgraph.io import Store
from stgraph.skeleton import annotated_actions, pose_labels
from stgraph.testing import random_skeleton_graph


def recording(length, segments, **kwargs):
    table = torch.tensor(segments, dtype=torch.float32).view(-1, 3)
    return random_skeleton_graph("kinect_v1_20", [length], segments=table, **kwargs)


GRAPHS = [
    recording(6, [[2, 1, 2], [3, 4.5, 9]]),
    recording(3, []),
    recording(5, [[1, 0, 3], [4, 2, 2]]),
]


def test_poses_have_the_class_of_their_action_and_the_later_row_wins():
    assert pose_labels(GRAPHS[0]).tolist() == [0, 2, 2, 0, 0, 3]
    assert pose_labels(GRAPHS[1]).tolist() == [0, 0, 0]
    assert pose_labels(GRAPHS[2]).tolist() == [1, 1, 4, 1, 0]


def test_a_batch_and_a_store_keep_each_recordings_table():
    batches = [Batch.from_data_list(GRAPHS), Store.from_graphs(GRAPHS).batch([0, 1, 2])]
    for batch in batches:
        assert annotated_actions(batch).recording.tolist() == [0, 0, 2, 2]
        expected = torch.cat([pose_labels(graph) for graph in GRAPHS])
        assert torch.equal(pose_labels(batch), expected)


@pytest.mark.parametrize("table", [None, torch.zeros(3), torch.zeros(2, 4)])
def test_recordings_without_a_table_are_refused(table):
    graph = random_skeleton_graph("kinect_v1_20")
    if table is not None:
        graph.segments = table
    with pytest.raises(ValueError, match=r"'segments', a table \[S, 3\]"):
        pose_labels(graph)
