"""The pre-training tasks of Hi-TRS."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch_geometric.data import Batch

from stgraph.nn import HiTRS, make_tokens
from stgraph.objectives import (
    ClipOrder,
    FutureClip,
    HierarchicalPretraining,
    MaskedPose,
    PoseCorruption,
    VideoOrder,
    hitrs,
    order_loss,
    past_clips,
    swap_far,
    window_motion,
)
from stgraph.ops import sliding_windows
from stgraph.skeleton import SkeletonGraph, SkeletonLayout
from stgraph.testing import assert_close, random_skeleton_graph
from stgraph.transforms import CenterJoint, Stream

BODY = SkeletonLayout("body", ["hip", "neck", "hand"], [(0, 1), (1, 2)], centre=0)


def network(**kwargs):
    torch.manual_seed(0)
    sizes = {"width": 8, "depth": 1, "num_heads": 2, "head_channels": 4, "dropout": 0.0}
    return HiTRS(3, layout=BODY, window=5, stride=3, dilation=1, **{**sizes, **kwargs}).eval()


def batch(*lengths, missing=0.0):
    graphs = [
        random_skeleton_graph(
            BODY, [n], missing=missing, generator=torch.Generator().manual_seed(i)
        )
        for i, n in enumerate(lengths)
    ]
    return Batch.from_data_list(graphs)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# --- exchanging -----------------------------------------------------------------------------------
@given(st.integers(3, 12), st.floats(0, 1, exclude_max=True))
def test_exchanged_parts_are_two_places_apart_or_more(length, draw):
    early, late = swap_far(torch.tensor([length]), torch.tensor([draw]))
    assert int(early) >= 0
    assert int(late) < length
    assert int(late) - int(early) >= 2


def test_every_pair_of_parts_that_are_far_apart_is_drawn_alike():
    n = 6
    pairs = [(i, j) for i, j in itertools.combinations(range(n), 2) if j - i >= 2]
    draw = (torch.arange(len(pairs)) + 0.5) / len(pairs)
    early, late = swap_far(torch.full((len(pairs),), n), draw)
    assert sorted(zip(early.tolist(), late.tolist(), strict=True)) == pairs


def test_two_parts_exchange_both_and_one_stays():
    early, late = swap_far(torch.tensor([2, 1, 0]), torch.tensor([0.9, 0.9, 0.9]))
    assert (early.tolist(), late.tolist()) == ([0, 0, 0], [1, 0, 0])


def test_the_loss_of_order_leaves_out_sequences_that_do_not_count():
    logits = torch.randn(6, 2)
    loss, accuracy = order_loss(logits, torch.tensor([True, False, True]))
    rows = logits[[0, 2, 3, 5]]
    label = torch.tensor([1, 1, 0, 0])
    assert_close(loss, nn.functional.cross_entropy(rows, label))
    assert_close(accuracy, (rows.argmax(1) == label).float().mean())
    assert order_loss(logits, torch.zeros(3, dtype=torch.bool))[0] == 0


# --- corruption -----------------------------------------------------------------------------------
def test_shares_of_joints_are_chosen_replaced_confused_and_kept():
    data = batch(4000)
    tokens = make_tokens(data, 1)
    draw = PoseCorruption(0.15).draw(data, tokens, generator())
    own = torch.arange(tokens.num_tokens)
    confused = draw.other != own
    assert draw.chosen.float().mean() == pytest.approx(0.15, abs=0.01)
    assert draw.replaced.sum() / draw.chosen.sum() == pytest.approx(0.8, abs=0.03)
    assert confused.sum() / draw.chosen.sum() == pytest.approx(0.1, abs=0.03)
    assert not (draw.replaced & confused).any()
    assert not (confused & ~draw.chosen).any()


def test_a_confused_joint_holds_a_joint_of_another_pose_of_its_track():
    data = batch(6, 1, 9, missing=0.4)
    tokens = make_tokens(data, 1)
    draw = PoseCorruption(1.0, 0.0, 1.0).draw(data, tokens, generator())
    confused = draw.other != torch.arange(tokens.num_tokens)
    pose = data.pose[tokens.node[:, 0]]
    assert confused.any()
    assert (pose[draw.other] != pose)[confused].all()
    assert (tokens.track[draw.other] == tokens.track).all()
    assert not confused[tokens.track == 1].any()  # one pose: there is no other


def test_replaced_joints_hold_the_constant_and_nothing_else_changes():
    data = batch(30)
    seen = PoseCorruption(0.5, 1.0, 0.0, value=7.0)(data, generator())
    assert (seen.pos[seen.node_chosen] == 7.0).all()
    assert torch.equal(seen.pos[~seen.node_chosen], data.pos[~seen.node_chosen])
    assert torch.equal(seen.node_truth, data.pos)


@pytest.mark.parametrize(
    "transform",
    [None, Stream("bone"), Stream("joint_motion"), CenterJoint()],
    ids=["none", "bone", "motion", "centred"],
)
def test_values_of_replaced_joints_never_reach_the_encoder(transform):
    """Law 6, by substitution and by gradient."""
    data, corruption = batch(6, 9), PoseCorruption(0.4, 1.0, 0.0)
    model = network()
    seen = corruption(data, generator(), transform)
    other = data.clone()
    other.pos = torch.where(seen.node_chosen[:, None], torch.randn_like(data.pos), data.pos)
    again = corruption(other, generator(), transform)
    assert torch.equal(again.node_chosen, seen.node_chosen)
    assert torch.equal(model(again), model(seen))
    data.pos.requires_grad_(True)
    (gradient,) = torch.autograd.grad(
        model(corruption(data, generator(), transform)).sum(), data.pos
    )
    assert gradient[seen.node_chosen].abs().sum() == 0
    assert gradient[~seen.node_chosen].abs().sum() > 0


@pytest.mark.parametrize("shares", [(-0.1, 0.8, 0.1), (0.1, 0.8, 0.3), (1.1, 0.5, 0.5)])
def test_impossible_shares_are_refused(shares):
    with pytest.raises(ValueError, match="PoseCorruption"):
        PoseCorruption(*shares)


# --- tasks ----------------------------------------------------------------------------------------
def test_the_masked_pose_loss_is_that_of_chosen_joints():
    model = network()
    levels = model.levels_of(PoseCorruption(0.5)(batch(4, 3), generator()))
    task = MaskedPose(8)
    told = task.head(model.nodes(levels.batch).x.flatten(0, 1))[levels.batch.node_chosen]
    truth = levels.batch.node_truth[levels.batch.node_chosen]
    assert_close(task(levels).loss, nn.functional.smooth_l1_loss(told * 10, truth * 10))


def test_a_pose_task_for_other_dimensions_is_refused():
    levels = network().levels_of(PoseCorruption()(batch(9), generator()))
    with pytest.raises(ValueError, match="num_dims"):
        MaskedPose(8, num_dims=2)(levels)


def test_motion_of_a_window_is_what_happens_between_its_steps():
    still, moving = batch(7), batch(7)
    still.pos = still.pos[:3].repeat(7, 1)
    windows = sliding_windows(torch.tensor([7]), 3, 1, 2)
    assert window_motion(still, windows).abs().max() == 0
    assert (window_motion(moving, windows) > 0).all()
    one_jump = still.clone()
    one_jump.pos = still.pos.clone()
    one_jump.pos[5 * 3 :] += 1.0  # between poses 4 and 5
    expected = [(i - 2 < 5 <= i + 2 and i + 2 <= 6) or i + 2 > 6 for i in range(7)]
    expected = [(min(i + 2, 6 - (6 - i) % 2) >= 5) and (i - 2 < 5) for i in range(7)]
    assert (window_motion(one_jump, windows) > 0).tolist() == expected


def test_a_clip_is_drawn_of_each_track_that_moves_and_two_of_its_poses_change_places():
    data = batch(9, 6, 2, 12)
    data.pos[9 * 3 : 15 * 3] = 1.0  # the second recording stands still, the third is too short
    levels = network().levels_of(PoseCorruption(0.0)(data, generator()))
    windows, order = ClipOrder(16).draw(levels, generator())
    assert windows.track.tolist() == [0, 3]
    step = torch.arange(5)
    for row, exists in zip(order, windows.exists, strict=True):
        swapped = (row != step).nonzero().flatten().tolist()
        assert len(swapped) == 2
        assert swapped[1] - swapped[0] >= 2
        assert exists[swapped].all()


def test_draws_of_clips_visit_every_window_that_moves():
    levels = network().levels_of(PoseCorruption(0.0)(batch(6), generator()))
    seen = {int(ClipOrder(16).draw(levels, generator(i))[0].centre) for i in range(80)}
    assert seen == set(range(6))


def test_the_last_clip_of_a_track_is_not_among_those_before_it():
    windows = sliding_windows(torch.tensor([9, 4, 7]), 5, 3)
    assert windows.length.tolist() == [3, 2, 3]
    length, row = past_clips(windows)
    assert length.tolist() == [2, 2]
    assert row.tolist() == [0, 1, 5, 6]


def test_an_exchange_of_clips_changes_the_video_and_nothing_else():
    model = network()
    levels = model.levels_of(PoseCorruption(0.0)(batch(15, 12), generator()))
    length, row = past_clips(levels.windows)
    true = levels.embed_videos(levels.clips, length, row)
    altered = row.clone()
    altered[[0, 2]] = row[[2, 0]]
    other = levels.embed_videos(levels.clips, length, altered)
    assert (true - other)[0].abs().max() > 1e-4
    assert_close(true[1], other[1])
    by_hand = levels.clips[: int(length[0])]
    assert_close(levels.embed_videos(by_hand, length[:1]), true[:1])


def test_the_future_loss_is_cross_entropy_of_cosines():
    task = FutureClip(4, 3, temperature=0.5)
    video, clip = torch.randn(5, 4), torch.randn(5, 3, requires_grad=True)
    output = task.score(video, clip)
    similar = nn.functional.cosine_similarity(task.head(video)[:, None], clip[None], dim=2)
    assert_close(output.loss, nn.functional.cross_entropy(similar / 0.5, torch.arange(5)))
    output.loss.backward()
    assert clip.grad is None  # the answer is not taught


def test_recordings_too_short_for_a_task_cost_nothing_and_break_nothing():
    objective = hitrs(encoder=network())
    output = objective(batch(1, 2), generator())
    assert torch.isfinite(output.loss)
    assert output.logs["video_order_loss"] == 0
    assert output.logs["future_loss"] == 0
    output.loss.backward()


def test_the_total_is_the_weighted_sum_of_the_tasks():
    objective = hitrs(encoder=network(), weights={"clip_order": 2.0, "future_clip": 0.0})
    output = objective(batch(15, 12, 20), generator())
    logs = output.logs
    total = logs["pose_loss"] + 2 * logs["clip_order_loss"] + logs["video_order_loss"]
    assert_close(output.loss, total)
    assert set(objective.log_names) == set(logs)


def test_tasks_need_only_the_level_that_they_are_about():
    class Poses(nn.Module):
        """An encoder of one's own that has a frame level."""

        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 6)

        def levels_of(self, data):
            class Levels:
                pass

            levels = Levels()
            levels.batch, levels.tokens = data, make_tokens(data, 1)
            levels.joints = self.layer(data.pos[levels.tokens.node[:, 0]])
            return levels

    objective = HierarchicalPretraining(Poses(), {"pose": MaskedPose(6)})
    assert objective(batch(8), generator()).loss > 0


def test_wrong_weights_and_tasks_are_refused():
    with pytest.raises(ValueError, match="at least one task"):
        HierarchicalPretraining(network(), {})
    with pytest.raises(ValueError, match="no tasks here"):
        hitrs(encoder=network(), weights={"frames": 1.0})
    with pytest.raises(ValueError, match="unknown task 'frame'"):
        hitrs(encoder=network(), tasks=["frame"])
    with pytest.raises(ValueError, match="clip level"):
        hitrs(encoder=network(levels=("frame",)), tasks=["clip_order"])


@pytest.mark.parametrize("task", ["clip_order", "video_order", "masked_pose"])
def test_every_task_can_be_learned(task):
    objective = hitrs(encoder=network(width=16, num_heads=4, head_channels=8), tasks=[task])
    time = torch.arange(24.0)
    waves = [torch.stack([time * 0.1 + i * 0.1, time.sin(), time.cos()], 1) for i in range(16)]
    poses = [wave[:, None].expand(-1, 3, -1).reshape(-1, 3) for wave in waves]
    data = Batch.from_data_list([SkeletonGraph(pose, layout=BODY) for pose in poses])
    optimiser = torch.optim.Adam(objective.parameters(), 2e-3)
    objective.train()
    losses = []
    for step in range(160):
        optimiser.zero_grad()
        output = objective(data, generator(step))
        output.loss.backward()
        optimiser.step()
        losses.append(float(output.loss.detach()))
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])


def test_a_task_of_videos_draws_by_its_generator_alone():
    objective = hitrs(encoder=network())
    data = batch(15, 12)
    assert objective(data, generator(3)).loss == objective(data, generator(3)).loss
    assert VideoOrder(32).head.out_features == 2
