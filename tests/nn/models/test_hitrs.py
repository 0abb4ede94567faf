"""The hierarchical transformer."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch

from stgraph.nn import HiTRS
from stgraph.skeleton import SkeletonGraph, SkeletonLayout
from stgraph.testing import assert_close, random_skeleton_graph

BODY = SkeletonLayout("body", ["hip", "neck", "hand"], [(0, 1), (1, 2)], centre=0)
SIZES = {"width": 8, "depth": 2, "num_heads": 2, "head_channels": 4, "dropout": 0.0}


def network(**kwargs):
    torch.manual_seed(0)
    arguments = {"layout": BODY, "window": 3, "stride": 2, "dilation": 2, **SIZES, **kwargs}
    return HiTRS(3, **arguments).double().eval()


def recording(length, layout=BODY, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return random_skeleton_graph(layout, [length], dtype=torch.float64, generator=generator)


def block(module, x, allowed):
    """One transformer block on one sequence, written out."""
    heads = module.num_heads
    q, k, v = module.qkv(module.norm1(x)).view(len(x), 3, heads, -1).unbind(1)
    score = torch.einsum("ihd,jhd->hij", q, k) / q.size(-1) ** 0.5
    score = score.masked_fill(~allowed, -torch.inf)
    x = x + module.proj(torch.einsum("hij,jhd->ihd", score.softmax(-1), v).flatten(1))
    hidden = torch.nn.functional.gelu(module.fc1(module.norm2(x)))
    return x + module.fc2(hidden)


def slow_forward(model, pos):
    """The embedding of one track [T, V, 3], window by window, joint by joint."""
    frames = []
    for pose in pos:
        x = model.frame.embedding(pose) + model.frame.joint.weight
        for layer in model.frame.stack.blocks:
            x = block(layer, x, torch.ones(len(x), len(x), dtype=torch.bool))
        frames.append(x)
    clips = []
    for centre in range(0, len(pos), model.stride):
        rows, steps = [], []
        for i in range(model.window):
            t = centre + model.dilation * (i - model.window // 2)
            if 0 <= t < len(pos):
                rows.append(model.clip.embedding(frames[t]) + model.clip.place[i])
                steps += [i] * len(frames[t])
        x = torch.cat([*rows, model.clip.token[None]])
        step = torch.tensor([*steps, -1])
        allowed = (step[:, None] != step[None]) | torch.eye(len(x), dtype=torch.bool)
        for layer in model.clip.stack.blocks:
            x = block(layer, x, allowed)
        clips.append(x[-1])
    x = model.video.embedding(torch.stack(clips)) + model.video.place[: len(clips)]
    x = torch.cat([x, model.video.token[None]])
    for layer in model.video.stack.blocks:
        x = block(layer, x, torch.ones(len(x), len(x), dtype=torch.bool))
    return x[-1]


@pytest.mark.parametrize("length", [1, 2, 3, 8, 11])
def test_an_embedding_equals_a_slow_reference(length):
    model, graph = network(num_clips=9), recording(length)
    expected = slow_forward(model, graph.folded())
    assert_close(model(graph)[0], expected)


def test_persons_count_alike_however_long_they_are_there():
    model = network()
    long, short = recording(9), recording(4, seed=1)
    both = random_skeleton_graph(BODY, [9, 4], dtype=torch.float64)
    both.pos = torch.cat([long.pos, short.pos])
    expected = (model(long) + model(short)) / 2
    assert_close(model(both), expected)


def test_a_pose_embedding_is_that_of_the_window_around_it():
    model, graph = network(stride=5), recording(7)
    ones = network(stride=1, levels=("frame", "clip"))
    ones.load_state_dict({k: v for k, v in model.state_dict().items() if "video" not in k})
    poses = model.poses(graph)
    assert poses.shape == (7, model.pose_channels)
    assert_close(model.poses(graph, torch.tensor([4, 6])), poses[[4, 6]])
    assert_close(poses.mean(dim=0, keepdim=True), ones(graph), 1e-6)
    assert ones.reach == 2


def test_what_lies_beyond_the_reach_of_a_pose_does_not_change_its_embedding():
    model, graph = network(), recording(9)
    graph.pos.requires_grad_(True)
    (gradient,) = torch.autograd.grad(model.poses(graph, torch.tensor([4])).sum(), graph.pos)
    touched = gradient.view(9, -1).abs().sum(dim=1) > 0
    assert touched.nonzero().flatten().tolist() == [2, 4, 6]


def test_published_ends_are_poses_at_zero():
    model, graph = network(zero_ends=True), recording(5)
    padded = torch.nn.functional.pad(graph.folded(), (0, 0, 0, 0, 2, 2))
    with_zeros = recording(9)
    with_zeros.pos = padded.flatten(0, 1)
    plain = network(stride=1, levels=("frame", "clip"))
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if "video" not in k})
    assert_close(model.poses(graph), plain.poses(with_zeros)[2:-2])


@pytest.mark.parametrize("levels", [("frame",), ("frame", "clip")])
def test_lower_levels_work_alone(levels):
    model = network(levels=levels)
    graphs = [recording(5), recording(2, seed=1)]
    assert_close(model(Batch.from_data_list(graphs)), torch.cat([model(g) for g in graphs]))
    assert model.out_channels == {1: 8, 2: 16}[len(levels)]


def test_a_recording_without_a_found_joint_embeds_as_zero():
    model = network()
    graph = SkeletonGraph(torch.zeros(6, 3), layout=BODY, score=torch.zeros(6))
    assert model.float()(graph).abs().max() == 0


def test_two_dimensions_enter_a_network_of_three():
    graph = random_skeleton_graph("penn_13", track_length=[6], num_dims=2)
    assert network(layout=None).float()(graph).shape == (1, 32)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"levels": ("clip",)}, "levels from 'frame'"),
        ({"window": 0}, "window of at least 1"),
        ({"stride": -1}, "stride of at least 1"),
        ({"width": 6}, "width that 4 divides"),
    ],
)
def test_impossible_networks_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        network(**options)


def test_more_clips_than_places_are_refused_with_a_remedy():
    with pytest.raises(ValueError, match="num_clips=None"):
        network(num_clips=2)(recording(9))


def test_other_joints_and_channels_are_refused():
    with pytest.raises(ValueError, match="bound to layout 'body'"):
        network()(random_skeleton_graph("penn_13", track_length=[3], num_dims=3))
    graph = recording(3)
    graph.x = torch.zeros(9, 5).double()
    with pytest.raises(ValueError, match="expected 3 input channels"):
        network()(graph)


def test_a_network_without_a_clip_level_embeds_no_windows():
    with pytest.raises(ValueError, match="no clip level"):
        network(levels=("frame",)).poses(recording(3))
