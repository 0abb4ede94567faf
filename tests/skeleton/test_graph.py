"""Recordings as PyG graphs: alone, in ragged batches, from and to dense arrays."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader
from torch_geometric.transforms import NormalizeScale, RandomFlip, RandomRotate, RandomScale

from stgraph.skeleton import SkeletonGraph, SkeletonLayout
from stgraph.testing import assert_close, random_batch, random_skeleton_graph

CHAIN = SkeletonLayout("chain", ["a", "b", "c"], [(0, 1), (1, 2)], centre=0)
PAIR = SkeletonLayout("pair", ["a", "b"], [(0, 1)], centre=0)
LENGTHS = st.lists(st.lists(st.integers(1, 4), max_size=3), min_size=1, max_size=4)


# --- one recording ------------------------------------------------------------------------------
def test_defaults_are_one_track_of_frames_from_zero():
    graph = SkeletonGraph(torch.ones(2, 3, 2), layout=CHAIN, fps=25, y=4)
    assert (graph.num_poses, graph.num_tracks, graph.num_recordings) == (2, 1, 1)
    assert (graph.num_joints, graph.num_dims, graph.num_nodes) == (3, 2, 6)
    assert graph.frame.tolist() == [0, 1]
    assert graph.person.tolist() == [0]
    assert (graph.fps.tolist(), graph.y.tolist()) == ([25.0], [4])
    assert graph.pos.dtype == torch.float32
    assert "score" not in graph
    assert graph.folded_score().tolist() == [[1.0] * 3] * 2


def test_memberships_of_nodes_poses_and_tracks():
    graph = random_skeleton_graph(CHAIN, [2, 1])
    assert graph.track.tolist() == [0, 0, 1]
    assert graph.first_pose.tolist() == [0, 2]
    assert graph.frame.tolist() == [0, 1, 0]
    assert graph.pose.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert graph.joint.tolist() == [0, 1, 2] * 3
    assert graph.poses_per_recording.tolist() == [3]
    assert graph.tracks_per_recording.tolist() == [2]


def test_folding_is_a_view():
    graph = random_skeleton_graph(CHAIN, [2])
    graph.folded()[1, 2] = 7.0
    assert graph.pos[5].tolist() == [7.0] * 3


def test_a_recording_without_poses_is_legal():
    graph = random_skeleton_graph(CHAIN, [])
    assert (graph.num_poses, graph.num_tracks, graph.num_nodes) == (0, 0, 0)
    assert graph.track.numel() == graph.joint.numel() == 0
    assert graph.to_dense().shape == (1, 0, 3, 3)
    assert graph.unroll().edge_index.shape == (2, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"pos": torch.zeros(4, 2)},
            r"\[poses\*3, dims\] .* \(got \[4, 2\]\). Were joints dropped",
        ),
        ({"pos": torch.full((3, 2), torch.nan)}, "joint 'a' of pose 0 is not"),
        ({"score": torch.ones(5)}, "expected 6 entries in 'score', one for each of the joints"),
        ({"x": torch.ones(5, 1)}, "expected 6 entries in 'x'"),
        ({"frame": [0]}, "expected 2 entries in 'frame', one for each of the poses .got 1"),
        ({"person": [0, 1]}, "expected 1 entries in 'person', one for each of the tracks"),
        ({"track_length": [1]}, r"track lengths >= 1 that add up to 2 poses \(got \[1\]\)"),
        ({"track_length": [2, 0]}, "track lengths >= 1"),
        ({"layout": None}, "expected a layout"),
        ({"pos": torch.zeros(6, 0)}, r"\[poses\*3, dims\] .* \(got \[6, 0\]\)"),
        ({"x": torch.full((6, 1), torch.nan)}, "expected finite features in 'x'"),
        ({"score": [1, 1, 1, 1, 1, torch.nan]}, r"scores within 0\.\.\.1 \(got nan\); clip"),
        ({"score": [1, 1, 2, 1, 1, 1]}, r"scores within 0\.\.\.1 \(got 2\)"),
        ({"score": [1, 1, 1, -1, 1, 1]}, r"scores within 0\.\.\.1 \(got -1\)"),
        ({"frame": [5, 3]}, r"rise by one within a track \(track 0 goes from 5 to 3\)"),
        ({"frame": [5, 5]}, r"rise by one within a track \(track 0 goes from 5 to 5\)"),
        ({"frame": [5, 9]}, r"goes from 5 to 9\); a gap ends a track: let a new one"),
        ({"frame": [0.5, 1.5]}, r"expected whole numbers in 'frame' \(got \[0.5, 1.5\]\)"),
        ({"frame": [0, 2**70]}, "expected whole numbers in 'frame'"),
        (
            {"track_length": [1, 1], "frame": [4, 4], "person": [7, 7]},
            r"each person once in a frame \(two tracks of person 7 have frame 4\)",
        ),
        ({"pos": "walk"}, "expected numbers in 'pos'"),
        ({"pos": [[1, 2], [3]]}, "expected numbers in 'pos'"),
        ({"score": [None] * 6}, "expected numbers in 'score'"),
        ({"x": torch.tensor(1.0)}, "expected 'x' with one row a joint"),
        ({"fps": "fast"}, "expected numbers in 'fps'"),
        ({"fps": 0}, r"expected 'fps' above 0 \(got 0\)"),
        ({"fps": float("nan")}, "expected 'fps' above 0"),
        ({"fps": -5}, "expected 'fps' above 0"),
        ({"fps": [25, 30]}, "expected 'fps' above 0"),
        ({"y": 1.7}, r"expected whole numbers in 'y' \(got 1.7\)"),
        ({"y": "walk"}, r"expected whole numbers in 'y' \(got 'walk'\)"),
    ],
)
def test_a_contradiction_is_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        SkeletonGraph(**{"pos": torch.zeros(6, 2), "layout": CHAIN, **arguments})


def test_the_same_person_comes_back_after_a_gap_and_two_people_share_frames():
    graph = SkeletonGraph(
        torch.zeros(12, 2),
        layout=CHAIN,
        track_length=[1, 2, 1],
        frame=[9, 3, 4, 3],
        person=[0, 0, 1],
        y=torch.tensor([2.0]),
    )
    assert graph.y.tolist() == [2]


def test_copies_and_pickles_are_equal(generator):
    graph = random_skeleton_graph(CHAIN, [2, 1], missing=0.3, generator=generator, subject=3)
    for other in (copy.copy(graph), copy.deepcopy(graph), pickle.loads(pickle.dumps(graph))):
        assert torch.equal(other.pos, graph.pos)
        assert (other.layout, other.subject) == (CHAIN, 3)


# --- batches ------------------------------------------------------------------------------------
@given(LENGTHS)
def test_a_stock_batch_has_the_properties_of_a_recording(lengths):
    batch = random_batch(lengths, CHAIN)
    assert isinstance(batch, SkeletonGraph)
    flat = [length for tracks in lengths for length in tracks]
    assert (batch.num_recordings, batch.num_tracks, batch.num_poses) == (
        len(lengths), len(flat), sum(flat),
    )  # fmt: skip
    assert batch.tracks_per_recording.tolist() == [len(tracks) for tracks in lengths]
    assert batch.poses_per_recording.tolist() == [sum(tracks) for tracks in lengths]
    owner = [i for i, tracks in enumerate(lengths) for length in tracks for _ in range(length)]
    assert batch.pose_batch.tolist() == owner
    assert torch.equal(batch.batch, batch.pose_batch.repeat_interleave(3))
    for track, length in enumerate(flat):
        assert int((batch.track == track).sum()) == length


def test_a_batch_gives_its_recordings_back(generator):
    lengths = [[2, 1], [], [3]]
    graphs = [random_skeleton_graph(CHAIN, own, generator=generator, y=1) for own in lengths]
    for graph, again in zip(graphs, Batch.from_data_list(graphs).to_data_list(), strict=True):
        for key in ("pos", "track_length", "person", "frame", "y"):
            assert torch.equal(graph[key], again[key])
        assert again.layout == CHAIN


def test_a_stock_loader_makes_ragged_batches(generator):
    graphs = [random_skeleton_graph(CHAIN, own, y=i) for i, own in enumerate([[2, 1], [3], [4]])]
    batches = list(DataLoader(graphs, batch_size=2, num_workers=0))
    assert [batch.num_poses for batch in batches] == [6, 4]
    assert [batch.y.tolist() for batch in batches] == [[0, 1], [2]]
    assert batches[0].num_joints == 3


def test_recordings_of_different_layouts_share_a_batch():
    batch = random_batch([[2], [1, 1]], [CHAIN, PAIR])
    assert batch.is_mixed
    assert batch.joints_per_pose.tolist() == [3, 3, 2, 2]
    assert batch.joint.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 0, 1]
    assert batch.pose.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 3, 3]
    with pytest.raises(ValueError, match="mixes layouts of different joints: chain, pair"):
        _ = batch.num_joints
    assert not random_batch([[1], [1]], CHAIN).is_mixed


def test_moving_to_a_device_moves_every_tensor():
    batch = random_batch([[2], [1]], CHAIN).to("meta")
    assert batch.pos.device.type == batch.track_length.device.type == "meta"


# --- other poses --------------------------------------------------------------------------------
def slow_take(graphs, index, lengths, source):
    """take_poses by hand: recordings as lists of poses."""
    poses, owner, track_owner = [], [], []
    for number, graph in enumerate(graphs):
        v = graph.layout.num_joints
        for pose in range(graph.num_poses):
            rows = slice(pose * v, (pose + 1) * v)
            poses.append((graph.pos[rows], graph.score[rows], int(graph.frame[pose])))
            owner.append(number)
        track_owner += [(number, int(person)) for person in graph.person]
    out = []
    for number, graph in enumerate(graphs):
        tracks = [i for i, old in enumerate(source) if track_owner[old][0] == number]
        starts = [sum(lengths[:i]) for i in tracks]
        mine = [poses[index[s + j]] for s, i in zip(starts, tracks, strict=True)
                for j in range(lengths[i])]  # fmt: skip
        empty = torch.zeros(0, 2)
        new = SkeletonGraph(
            torch.cat([pose[0] for pose in mine] or [empty]),
            layout=graph.layout,
            score=torch.cat([pose[1] for pose in mine] or [empty[:, 0]]),
            track_length=[lengths[i] for i in tracks],
            y=graph.y,
            name=graph.name,
        )
        # frames and people repeat here, which the constructor would not take
        new.frame = torch.tensor([pose[2] for pose in mine], dtype=torch.long)
        new.person = torch.tensor([track_owner[source[i]][1] for i in tracks], dtype=torch.long)
        out.append(new)
    return Batch.from_data_list(out)


@given(LENGTHS, st.booleans(), st.data())
def test_taking_poses_equals_building_the_recordings_anew(lengths, mixed, data):
    layouts = [PAIR if mixed and i % 2 else CHAIN for i in range(len(lengths))]
    graphs = [
        random_skeleton_graph(layout, own, 2, missing=0.3, y=i, name=f"r{i}")
        for i, (layout, own) in enumerate(zip(layouts, lengths, strict=True))
    ]
    for graph in graphs:
        if "score" not in graph:
            graph.score = torch.ones(graph.num_nodes)
    batch = Batch.from_data_list(graphs)
    tracks = list(range(batch.num_tracks))
    source = sorted(data.draw(st.lists(st.sampled_from(tracks), max_size=4))) if tracks else []
    first, length = batch.first_pose.tolist(), batch.track_length.tolist()
    index, new_lengths = [], []
    for track in source:
        own = st.integers(first[track], first[track] + length[track] - 1)
        chosen = data.draw(st.lists(own, min_size=1, max_size=4))
        index += chosen
        new_lengths.append(len(chosen))
    arguments = [torch.tensor(v, dtype=torch.long) for v in (index, new_lengths, source)]
    before = {key: batch[key].clone() for key in ("pos", "score", "frame", "track_length")}
    out = batch.take_poses(*arguments)
    expected = slow_take(graphs, index, new_lengths, source)
    for key in ("pos", "score", "frame", "track_length", "person", "batch", "ptr", "y"):
        assert torch.equal(out[key], expected[key]), key
    assert out.name == expected.name
    assert out.num_nodes == expected.num_nodes
    for one, other in zip(out.to_data_list(), expected.to_data_list(), strict=True):
        for key in ("pos", "score", "frame", "track_length", "person", "y"):
            assert torch.equal(one[key], other[key]), key
    for key, value in before.items():
        assert torch.equal(batch[key], value), key


def test_taking_poses_of_one_recording_gathers_every_level():
    own = {"pose_visible": torch.arange(4), "track_tempo": torch.tensor([1.0, 2.0])}
    x = torch.arange(12.0)[:, None]
    graph = random_skeleton_graph(CHAIN, [2, 2], missing=0.5, y=1, x=x, **own)
    out = graph.take_poses(torch.tensor([3, 0, 1]), torch.tensor([1, 2]), torch.tensor([1, 0]))
    assert out.x.flatten().tolist() == [9, 10, 11, 0, 1, 2, 3, 4, 5]
    assert out.pose_visible.tolist() == [3, 0, 1]
    assert out.track_tempo.tolist() == [2.0, 1.0]
    assert out.person.tolist() == [1, 0]
    assert out.y.tolist() == [1]
    assert graph.num_poses == 4


def test_what_is_not_declared_belongs_to_the_recording_however_long_it_is():
    graph = random_skeleton_graph(CHAIN, [2, 1, 1])
    graph.camera = torch.tensor([1.0, 2.0, 3.0])  # as many as tracks
    graph.features = torch.arange(4)  # as many as poses
    graph.edge_index = torch.tensor([[0, 1], [1, 2]])
    chosen = [torch.tensor([2]), torch.tensor([1]), torch.tensor([1])]
    for data in (graph, Batch.from_data_list([graph])):
        out = data.take_poses(*chosen)
        assert out.camera.tolist() == [1.0, 2.0, 3.0]
        assert out.features.tolist() == [0, 1, 2, 3]
        assert out.edge_index.tolist() == [[0, 1], [1, 2]]


def test_declared_attributes_follow_their_level_in_a_batch_whatever_their_name():
    graphs = [
        random_skeleton_graph(CHAIN, own, track_index=torch.arange(len(own)),
                              pose_batch_size=torch.ones(sum(own), 2),
                              node_index=torch.arange(3 * sum(own)))
        for own in ([2, 1], [1, 1])
    ]  # fmt: skip
    batch = Batch.from_data_list(graphs)
    assert batch.track_index.tolist() == [0, 1, 0, 1]
    out = batch.take_poses(torch.tensor([2, 4]), torch.tensor([1, 1]), torch.tensor([1, 3]))
    assert out.track_index.tolist() == [1, 1]
    assert out.pose_batch_size.shape == (2, 2)
    assert out.node_index.tolist() == [6, 7, 8, 3, 4, 5]
    first, second = out.to_data_list()
    assert (first.node_index.tolist(), second.node_index.tolist()) == ([6, 7, 8], [3, 4, 5])


def test_what_a_loader_follows_is_right_after_taking_poses():
    graphs = [
        random_skeleton_graph(CHAIN, own, track_kind=torch.zeros(2)) for own in ([2, 1], [1, 1])
    ]
    (batch,) = DataLoader(graphs, batch_size=2, follow_batch=["pos", "track_kind"])
    out = batch.take_poses(torch.tensor([2, 4]), torch.tensor([1, 1]), torch.tensor([1, 3]))
    assert torch.equal(out.pos_batch, out.batch)
    assert torch.equal(out.pos_ptr, out.ptr)
    assert (out.track_kind_batch.tolist(), out.track_kind_ptr.tolist()) == ([0, 1], [0, 1, 2])


def test_a_declared_attribute_of_another_length_is_refused_by_name():
    with pytest.raises(ValueError, match="expected 4 entries in 'pose_kind', one for each of the"):
        random_skeleton_graph(CHAIN, [2, 2], pose_kind=torch.zeros(3))
    graph = random_skeleton_graph(CHAIN, [2, 2])
    graph.track_kind = torch.zeros(3)
    with pytest.raises(ValueError, match=r"expected 2 entries in 'track_kind'.*another name"):
        graph.take_poses(torch.tensor([0]), torch.tensor([1]), torch.tensor([0]))


# --- dense arrays -------------------------------------------------------------------------------
def test_a_gap_ends_a_track_and_absent_frames_do_not_exist():
    dense = torch.zeros(2, 5, 3, 2)
    dense[0, [0, 1, 3]] = 1.0
    dense[1, 4, 0] = 2.0
    graph = SkeletonGraph.from_dense(dense, CHAIN, y=3)
    assert graph.track_length.tolist() == [2, 1, 1]
    assert graph.person.tolist() == [0, 0, 1]
    assert graph.frame.tolist() == [0, 1, 3, 4]
    assert graph.folded_score()[3].tolist() == [1.0, 0.0, 0.0]
    assert torch.equal(graph.to_dense(5, 2), dense)
    assert torch.equal(graph.to_dense(2, 1), dense[:1, :2])


def test_absent_frames_and_persons_are_kept_where_published_networks_need_them():
    dense = torch.zeros(2, 4, 3, 2)
    dense[0, 1] = 1.0
    graph = SkeletonGraph.from_dense(dense, CHAIN, keep_absent=True)
    assert graph.track_length.tolist() == [4, 4]
    assert bool((graph.score == 1).all())
    assert torch.equal(graph.to_dense(), dense)


def test_time_stamps_make_no_dense_array_by_themselves():
    far = 4 * 10**9
    graph = random_skeleton_graph(CHAIN, [1, 1], frame=[0, far], person=[0, 0])
    with pytest.raises(ValueError, match=r"at most 1,000,000 frames \(got 4,000,000,001\). Are"):
        graph.to_dense()
    assert graph.to_dense(5).shape == (1, 5, 3, 3)


def test_scores_decide_who_is_there_where_they_are_given():
    dense = torch.zeros(1, 3, 3, 2)
    score = torch.zeros(1, 3, 3)
    score[0, 1, 0] = 0.5  # a joint truly at the origin
    graph = SkeletonGraph.from_dense(dense, CHAIN, score)
    assert graph.frame.tolist() == [1]


@given(st.integers(1, 3), st.integers(1, 5), st.integers(0, 99))
def test_dense_there_and_back_is_identity(persons, frames, seed):
    g = torch.Generator().manual_seed(seed)
    dense = torch.randn(persons, frames, 3, 2, generator=g)
    dense = dense * (torch.rand(persons, frames, 1, 1, generator=g) < 0.6)
    dense[:, 0] += 0.1  # everybody is there in the first frame, so frames and persons keep numbers
    graph = SkeletonGraph.from_dense(dense, CHAIN)
    assert torch.equal(graph.to_dense(frames, persons), dense)
    assert_close(graph.pos.abs().sum(), dense.abs().sum(), 1e-5)


def test_dense_arrays_of_the_wrong_shape_are_refused():
    with pytest.raises(ValueError, match=r"\[persons, frames, 3, dims\] .* \(got \[1, 2, 4, 2\]\)"):
        SkeletonGraph.from_dense(torch.zeros(1, 2, 4, 2), CHAIN)
    with pytest.raises(ValueError, match=r"expected scores \[1, 2, 3\] \(got \[1, 3\]\)"):
        SkeletonGraph.from_dense(torch.zeros(1, 2, 3, 2), CHAIN, torch.ones(1, 3))
    with pytest.raises(ValueError, match=r"scores within 0\.\.\.1 \(got nan\)"):
        SkeletonGraph.from_dense(torch.ones(1, 2, 3, 2), CHAIN, torch.full((1, 2, 3), torch.nan))
    with pytest.raises(ValueError, match=r"takes one recording; use batch\.to_data_list"):
        random_batch([[1], [1]], CHAIN).to_dense()


# --- stock transforms ---------------------------------------------------------------------------
def test_stock_transforms_work_on_positions(generator):
    graph = random_skeleton_graph(CHAIN, [2, 3], generator=generator)
    scaled = NormalizeScale()(copy.copy(graph))
    assert isinstance(scaled, SkeletonGraph)
    assert float(scaled.pos.abs().max()) < 1.0
    assert_close(scaled.pos.mean(dim=0), torch.zeros(3), 1e-6)
    turned = RandomRotate((90, 90), axis=2)(copy.copy(graph))
    assert_close(turned.pos.norm(dim=1), graph.pos.norm(dim=1), 1e-5)
    assert_close(turned.pos[:, 2], graph.pos[:, 2])
    flipped = RandomFlip(0, p=1.0)(copy.copy(graph))
    assert torch.equal(flipped.pos[:, 0], -graph.pos[:, 0])
    doubled = RandomScale((2.0, 2.0))(random_batch([[1], [2]], CHAIN))
    assert doubled.num_poses == 3
