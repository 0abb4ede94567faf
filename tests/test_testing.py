"""The helpers of `stgraph.testing` pass what obeys a law and catch what breaks it."""

from __future__ import annotations

from itertools import chain
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch

from stgraph import STGCN
from stgraph.skeleton import SkeletonLayout
from stgraph.testing import (
    assert_backends_agree,
    assert_batch_consistent,
    assert_close,
    assert_compiles,
    assert_exports,
    assert_folded_equals_unrolled,
    assert_joint_permutation,
    assert_people_invariant,
    assert_track_ends_hard,
    evaluating,
    natural_lengths,
    ntu_like_lengths,
    random_batch,
    random_layout,
    random_skeleton_graph,
    randomise_norms,
    relative_difference,
)

BODY = SkeletonLayout(
    "body", ["hip", "neck", "left", "right"], [(0, 1), (1, 2), (1, 3)], 0, [(2, 3)]
)


class Mean(nn.Module):
    """An encoder that obeys: the mean position of all nodes; subclasses break one law each."""

    def __init__(self) -> None:
        super().__init__()
        self.joint_weight = nn.Parameter(torch.tensor([1.0, 2.0, 3.0, 4.0]))

    def nodes(self, batch):
        x = batch.folded() * self.joint_weight[:, None]
        return SimpleNamespace(x=x, pose=torch.arange(batch.num_poses), pose_batch=batch.pose_batch)

    def forward(self, batch):
        nodes = self.nodes(batch)
        total = nodes.x.new_zeros(batch.num_recordings, 3)
        total = total.index_add(0, nodes.pose_batch, nodes.x.mean(dim=1))
        return total / batch.poses_per_recording.clamp(min=1)[:, None]

    def permute_joints(self, perm):
        self.joint_weight.data = self.joint_weight.data[list(perm)]


class LooksAtCompany(Mean):
    def forward(self, batch):
        return super().forward(batch) - batch.pos.mean(dim=0)


class LooksAtOrder(Mean):
    def forward(self, batch):
        return super().forward(batch) + batch.folded()[batch.ptr[:-1] // 4, 0]


class LeaksIntoTheNextTrack(Mean):
    def nodes(self, batch):
        nodes = super().nodes(batch)
        nodes.x = nodes.x + nodes.x.roll(1, 0) * (nodes.pose > 0)[:, None, None]
        return nodes


class ForgetsItsWeights(Mean):
    def permute_joints(self, perm):
        pass


def graphs(*lengths):
    return [random_skeleton_graph(BODY, own) for own in lengths]


# --- recordings ---------------------------------------------------------------------------------
def test_random_recordings_follow_their_generator():
    one, two = (
        random_batch([[3, 1], [2]], BODY, 5, generator=torch.Generator().manual_seed(1))
        for _ in range(2)
    )
    assert torch.equal(one.pos, two.pos)
    assert torch.equal(one.y, two.y)
    assert one.track_length.tolist() == [3, 1, 2]


def test_missing_joints_have_no_position_and_score_zero(generator):
    graph = random_skeleton_graph(BODY, [50], missing=0.5, generator=generator)
    absent = graph.score == 0
    assert 0.3 < float(absent.float().mean()) < 0.7
    assert not bool(graph.pos[absent].any())


@pytest.mark.parametrize("joints", [1, 2, 5, 9])
def test_random_layouts_are_trees_with_a_centre(joints, generator):
    layout = random_layout(joints, generator)
    assert (layout.num_joints, len(layout.bones), layout.num_components) == (joints, joints - 1, 1)
    assert len(layout.centre) == 1


@pytest.mark.parametrize("quantiles", [False, True])
def test_reference_lengths_are_those_of_the_design(quantiles, generator):
    ntu = ntu_like_lengths(4000, generator, quantiles)
    flat = [length for tracks in ntu for length in tracks]
    assert sum(len(tracks) == 2 for tracks in ntu) / len(ntu) == pytest.approx(0.18, abs=0.02)
    assert (min(flat), max(flat)) == (35, 100)
    assert flat.count(100) / len(flat) == pytest.approx(0.25, abs=0.02)
    assert 4000 * 2 * 100 / sum(flat) == pytest.approx(2.25, rel=0.02)
    natural = [
        length for tracks in natural_lengths(4000, generator, quantiles) for length in tracks
    ]
    assert (min(natural), max(natural)) == (20, 300)
    assert sorted(natural)[len(natural) // 2] == pytest.approx(70, abs=3)
    assert 4000 * 2 * 300 / sum(natural) == pytest.approx(6.4, rel=0.03)


def test_quantile_lengths_are_fixed_up_to_their_order(generator):
    one, two = (
        sorted(chain.from_iterable(ntu_like_lengths(11, generator, True))) for _ in range(2)
    )
    assert one == two
    assert len(one) == 13


# --- laws ---------------------------------------------------------------------------------------
def test_what_obeys_passes():
    encoder, company = Mean(), graphs([3, 2], [1], [])
    assert_batch_consistent(encoder, company)
    assert_people_invariant(encoder, company[0])
    assert_track_ends_hard(encoder, company[0])
    assert_joint_permutation(encoder, company[0], [1, 3, 0, 2])


def test_what_depends_on_company_is_caught():
    with pytest.raises(AssertionError, match="in company and alone"):
        assert_batch_consistent(LooksAtCompany(), graphs([3], [2]))


def test_what_depends_on_the_order_of_tracks_is_caught():
    with pytest.raises(AssertionError, match="another order of tracks"):
        assert_people_invariant(LooksAtOrder(), graphs([3, 2])[0])


def test_what_leaks_into_the_next_track_is_caught():
    with pytest.raises(AssertionError, match="track 1 depend on another track"):
        assert_track_ends_hard(LeaksIntoTheNextTrack(), graphs([3, 2])[0])


def test_what_forgets_its_joint_bound_weights_is_caught():
    with pytest.raises(AssertionError, match="under other joint orders"):
        assert_joint_permutation(ForgetsItsWeights(), graphs([3])[0], [1, 3, 0, 2])


def test_what_folds_wrongly_or_not_at_all_is_caught(monkeypatch):
    batch = Batch.from_data_list(graphs([3, 2], [4]))
    model = STGCN(3, layout=BODY, channels=[4, 4])
    assert_folded_equals_unrolled(model, batch)
    with pytest.raises(AssertionError, match="nothing in Mean folds"):
        assert_folded_equals_unrolled(Mean(), batch)
    conv = type(model.blocks[0].spatial.conv)
    folded = conv.folded
    monkeypatch.setattr(conv, "folded", lambda *a: folded(*a) * 1.01)
    with pytest.raises(AssertionError, match="folded and unrolled outputs"):
        assert_folded_equals_unrolled(model, batch)


def test_backends_that_disagree_forward_or_backward_are_caught():
    class WrongGradient(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, grad):
            return 3 * grad

    def double(x, backend):
        return {"good": x + x, "bad": 2.1 * x, "worse": WrongGradient.apply(x)}[backend]

    x = torch.ones(3)
    assert_backends_agree(double, ["good", "good"], x)
    with pytest.raises(AssertionError, match="outputs of 'bad' and 'good'"):
        assert_backends_agree(double, ["good", "bad"], x)
    with pytest.raises(AssertionError, match="gradient 0 of 'worse'"):
        assert_backends_agree(double, ["good", "worse"], x)


# --- small ones ---------------------------------------------------------------------------------
def test_differences_are_relative_to_the_largest_entry():
    one = torch.tensor([100.0, 1.0])
    assert relative_difference(one + torch.tensor([0.0, 0.5]), one) == pytest.approx(0.005)
    assert relative_difference(torch.ones(0), torch.ones(0)) == 0.0
    with pytest.raises(AssertionError, match=r"differ by 5\.00e-03"):
        assert_close(one + torch.tensor([0.0, 0.5]), one)
    with pytest.raises(AssertionError, match="shapes differ"):
        assert_close(one, one[:1])
    with pytest.raises(AssertionError, match="differ by nan"):
        assert_close(one * torch.nan, one)


def test_evaluating_restores_the_mode_of_each_module():
    model = nn.Sequential(nn.Dropout(), nn.Dropout().eval())
    with evaluating(model):
        assert not any(m.training for m in model.modules())
    assert [m.training for m in model] == [True, False]


def test_randomised_norms_are_no_identity_in_eval_mode(generator):
    norm = randomise_norms(nn.BatchNorm1d(4), generator).eval()
    x = torch.randn(5, 4)
    assert not torch.allclose(norm(x), x, atol=0.1)


# --- compile and export -------------------------------------------------------------------------
BATCHES = [[[5, 3], [4], [6]], [[9], [3, 2], [11]], [[7], [8], [9], [2]]]


def test_the_core_compiles_once_for_all_ragged_batches():
    model = randomise_norms(STGCN(3, 5, layout=BODY, channels=[4, 8]))
    assert_compiles(model, [random_batch(lengths, BODY) for lengths in BATCHES])


def test_the_core_exports_with_any_number_of_poses():
    model = randomise_norms(STGCN(3, 5, layout=BODY, channels=[4, 8]))
    program = assert_exports(model, [random_batch(lengths, BODY) for lengths in BATCHES])
    assert isinstance(program, torch.export.ExportedProgram)


def test_a_core_that_reads_sizes_as_constants_is_caught():
    class Specialises(STGCN):
        def pooled(self, x, plan):
            return super().pooled(x, plan) * (1.0 if x.size(1) == 18 else 2.0)

    model = Specialises(3, layout=BODY, channels=[4])
    with pytest.raises(AssertionError, match=r"was compiled [23] times for 3 batches"):
        assert_compiles(model, [random_batch(lengths, BODY) for lengths in BATCHES])
