"""Ragged temporal operations against a loop over tracks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from stgraph.ops import make_temporal_plan, temporal_conv, temporal_max_pool, track_mean
from stgraph.ops.temporal import bucket_size, pointwise
from stgraph.testing import assert_backends_agree, assert_close

LENGTHS = st.lists(st.integers(1, 7), min_size=1, max_size=4)
KERNELS = st.sampled_from([1, 3, 5, 9])
STRIDES = st.integers(1, 3)
DILATIONS = st.integers(1, 3)


def reach(kernel: int, dilation: int) -> int:
    return dilation * (kernel - 1) // 2


def draw(lengths, channels: int, seed: int = 0, joints: int = 2) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(joints, sum(lengths), channels, generator=g, dtype=torch.float64)


def test_a_moving_sum_stops_at_the_ends_of_its_track():
    x = torch.tensor([1.0, 2.0, 3.0, 10.0, 20.0]).view(1, 5, 1)
    plan = make_temporal_plan(torch.tensor([3, 2]), reach=1)
    for backend in ("slots", "reference"):
        out = temporal_conv(x, torch.ones(1, 1, 3), None, plan, backend=backend)
        assert out.flatten().tolist() == [3.0, 6.0, 5.0, 30.0, 30.0], backend


def test_a_stride_keeps_the_first_pose_of_every_track():
    x = torch.arange(8.0).view(1, 8, 1)
    plan = make_temporal_plan(torch.tensor([3, 1, 4]), reach=1, stride=2)
    middle = torch.tensor([[[0.0, 1.0, 0.0]]])
    out = temporal_conv(x, middle, None, plan, stride=2)
    assert out.flatten().tolist() == [0.0, 2.0, 3.0, 4.0, 6.0]
    assert plan.keep.tolist() == [0, 2, 3, 4, 6]


@given(LENGTHS, KERNELS, STRIDES, DILATIONS, st.integers(0, 99))
def test_slots_agree_with_a_loop_over_tracks(lengths, kernel, stride, dilation, seed):
    g = torch.Generator().manual_seed(seed)
    x = draw(lengths, 3, seed)
    weight = torch.randn(2, 3, kernel, generator=g, dtype=torch.float64)
    bias = torch.randn(2, generator=g, dtype=torch.float64)
    plan = make_temporal_plan(torch.tensor(lengths), reach(kernel, dilation), stride)

    def conv(x, weight, bias, backend):
        return temporal_conv(x, weight, bias, plan, stride, dilation, backend)

    assert_backends_agree(conv, ["reference", "slots"], x, weight, bias)


@given(LENGTHS, STRIDES, st.sampled_from([1, 3, 5]), st.integers(0, 5))
def test_a_plan_of_longer_reach_serves_shorter_kernels(lengths, stride, kernel, more):
    x = draw(lengths, 2)
    weight = torch.ones(1, 2, kernel, dtype=torch.float64)
    exact = make_temporal_plan(torch.tensor(lengths), reach(kernel, 1), stride)
    wide = make_temporal_plan(torch.tensor(lengths), reach(kernel, 1) + more, stride)
    expected = temporal_conv(x, weight, None, exact, stride)
    assert_close(temporal_conv(x, weight, None, wide, stride), expected)


@given(LENGTHS, STRIDES)
def test_a_strided_maximum_is_that_of_each_track(lengths, stride):
    x = draw(lengths, 2)
    plan = make_temporal_plan(torch.tensor(lengths), 1, stride)
    tracks = x.transpose(1, 2).split(lengths, dim=2)
    expected = torch.cat([F.max_pool1d(t, 3, stride, 1) for t in tracks], dim=2)
    assert torch.equal(temporal_max_pool(x, plan, 3, stride), expected.transpose(1, 2))


@given(LENGTHS)
def test_the_mean_of_a_track_is_that_of_its_poses(lengths):
    x = draw(lengths, 2)
    plan = make_temporal_plan(torch.tensor(lengths), 1)
    expected = torch.stack([t.mean(dim=1) for t in x.split(lengths, dim=1)], dim=1)
    assert_close(track_mean(x, plan), expected)


@given(LENGTHS, STRIDES, st.integers(0, 4))
def test_every_pose_has_one_slot_and_blanks_lie_behind_every_track(lengths, stride, pad):
    plan = make_temporal_plan(torch.tensor(lengths), pad, stride)
    assert plan.slot.unique().numel() == sum(lengths)
    assert not bool(plan.blank[plan.slot].any())
    assert int(plan.blank.sum()) == plan.blank.numel() - sum(lengths)
    ends = plan.slot[torch.tensor(lengths).cumsum(0) - 1]
    for end in ends.tolist():
        assert bool(plan.blank[end + 1 : end + 1 + pad].all())
    assert plan.blank.numel() % stride == 0


def test_no_tracks_make_an_empty_plan():
    plan = make_temporal_plan(torch.zeros(0, dtype=torch.long), 4, 2)
    assert plan.slot.numel() == plan.out.numel() == plan.track.numel() == 0


def test_gradients_of_the_reference_are_those_of_finite_differences():
    x = draw([3, 2], 2).requires_grad_(True)
    weight = draw([3], 2, seed=1).transpose(1, 2).requires_grad_(True)
    plan = make_temporal_plan(torch.tensor([3, 2]), 2, 2)
    for backend in ("reference", "slots"):
        assert torch.autograd.gradcheck(
            lambda x, w, b=backend: temporal_conv(x, w, None, plan, 2, 2, b), (x, weight)
        )


@pytest.mark.parametrize("channels", [3, 16])
def test_a_pointwise_convolution_is_a_linear_map(channels, dtype, tolerance, generator):
    x = torch.randn(3, 5, channels, generator=generator, dtype=dtype)
    weight = torch.randn(4, channels, generator=generator, dtype=dtype)
    bias = torch.randn(4, generator=generator, dtype=dtype)
    expected = F.linear(x, weight, bias)
    assert_close(pointwise(x, weight, bias), expected, tolerance.forward)


def test_an_unknown_backend_is_refused_with_the_known_ones():
    plan = make_temporal_plan(torch.tensor([2]), 1)
    with pytest.raises(ValueError, match="unknown backend 'fft'; known are slots, reference"):
        temporal_conv(torch.zeros(1, 2, 1), torch.ones(1, 1, 3), None, plan, backend="fft")


def test_rounded_sizes_are_few_and_at_most_a_sixteenth_larger():
    sizes = torch.arange(1, 5000)
    rounded = torch.tensor([bucket_size(int(size)) for size in sizes])
    assert (rounded >= sizes).all()
    assert (rounded[512:] <= sizes[512:] * 17 / 16 + 1).all()
    assert (rounded[:512] - sizes[:512] < 32).all()
    assert rounded.unique().numel() < 100
