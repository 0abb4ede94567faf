"""Tokens: one joint over a few poses of a track."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch

from stgraph import SkeletonGraph
from stgraph.nn import distinct_layouts, make_tokens, take_tokens, token_values
from stgraph.testing import random_skeleton_graph
from tests.laws.encoders import BODY, HAND


def test_a_track_is_cut_into_patches_whose_last_may_be_shorter():
    graph = random_skeleton_graph(BODY, [5])
    tokens = make_tokens(graph, 2)
    assert tokens.num_tokens == 3 * 6
    assert tokens.site.tolist() == list(range(6)) * 3
    assert tokens.time.tolist() == [0.0] * 6 + [1.0] * 6 + [2.0] * 6
    assert tokens.node[12].tolist() == [24, 24]  # joint 0 of the last pose, which stands alone
    assert tokens.found[12].tolist() == [True, False]
    assert tokens.before[:6].tolist() == [-1] * 6
    assert tokens.before[6:].tolist() == list(range(12))


def test_no_token_reaches_over_the_end_of_a_track():
    graph = random_skeleton_graph(BODY, [3, 2])
    tokens = make_tokens(graph, 2)
    pose = tokens.node // 6
    assert torch.equal(graph.track[pose[:, 0]], graph.track[pose[:, -1]])
    assert tokens.length.tolist() == [12, 6]
    first_of_second = tokens.track == 1
    assert (tokens.before[first_of_second] == -1).all()


def test_a_joint_that_is_never_found_leaves_no_token():
    graph = random_skeleton_graph(BODY, [4])
    score = torch.ones(4, 6)
    score[:2, 3] = 0  # the whole first patch
    score[2, 4] = 0  # half of the second
    graph.score = score.flatten()
    tokens = make_tokens(graph, 2)
    assert tokens.num_tokens == 11
    assert 3 not in tokens.site[:5].tolist()
    (half,) = ((tokens.site == 4) & (tokens.time == 1)).nonzero().flatten().tolist()
    assert tokens.found[half].tolist() == [False, True]
    (late,) = ((tokens.site == 3) & (tokens.time == 1)).nonzero().flatten().tolist()
    assert tokens.before[late] == -1
    assert (token_values(graph.pos, tokens)[half, 0] == 0).all()


def test_layouts_may_share_a_batch():
    graphs = [random_skeleton_graph(layout, [2]) for layout in (BODY, HAND, BODY)]
    batch = Batch.from_data_list(graphs)
    tokens = make_tokens(batch, 2)
    assert tokens.batch.tolist() == [0] * 6 + [1] * 3 + [2] * 6
    assert [layout.name for layout in distinct_layouts(batch)] == ["body", "hand"]
    assert tokens.site[6:9].tolist() == [6, 7, 8]
    values = token_values(batch.pos, tokens)
    torch.testing.assert_close(values[6:9].transpose(0, 1).flatten(0, 1), graphs[1].pos)


def test_persons_are_counted_through_the_batch():
    pos = torch.randn(3 * 6, 3)
    graph = SkeletonGraph(
        pos, layout=BODY, track_length=[1, 1, 1], person=[7, 2, 7], frame=[0, 0, 5]
    )
    tokens = make_tokens(Batch.from_data_list([graph, graph]), 2)
    assert tokens.person.tolist() == [1, 0, 1, 3, 2, 3]
    assert tokens.recording.tolist() == [0, 0, 0, 1, 1, 1]


def test_taken_tokens_keep_their_order_and_tracks():
    tokens = make_tokens(random_skeleton_graph(BODY, [4, 2]), 2)
    keep = torch.arange(tokens.num_tokens) % 3 == 0
    some = take_tokens(tokens, keep)
    assert some.length.tolist() == [4, 2]
    assert torch.equal(some.node, tokens.node[keep])


def test_a_patch_of_no_pose_is_refused():
    with pytest.raises(ValueError, match=r"patch size of at least 1 .got 0"):
        make_tokens(random_skeleton_graph(BODY, [2]), 0)
