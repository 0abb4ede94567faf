"""Law 2: the order of tracks, persons who are not there, and hard ends of tracks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stgraph.nn import TemporalConv
from stgraph.ops import make_temporal_plan, temporal_conv, temporal_max_pool, track_mean
from stgraph.testing import (
    assert_people_invariant,
    assert_track_ends_hard,
    random_skeleton_graph,
)
from tests.laws.encoders import BODY, ENCODERS, encoder

TRACKS = st.lists(st.integers(1, 9), min_size=2, max_size=4)


@pytest.mark.parametrize("name", ENCODERS)
@settings(max_examples=4)
@given(lengths=TRACKS, seed=st.integers(0, 99))
def test_neither_the_order_of_tracks_nor_an_absent_person_matters(name, lengths, seed):
    g = torch.Generator().manual_seed(seed)
    graph = random_skeleton_graph(BODY, lengths, dtype=torch.float64, generator=g)
    assert_people_invariant(encoder(name), graph, generator=g)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_person_who_came_back_is_still_one_person(name, generator):
    who = {"person": [0, 1, 0], "frame": [0, 1, 2, 3, 0, 1, 6, 7, 8]}
    graph = random_skeleton_graph(BODY, [4, 2, 3], dtype=torch.float64, generator=generator, **who)
    assert_people_invariant(encoder(name), graph, generator=generator)


@pytest.mark.parametrize("name", ENCODERS)
@settings(max_examples=3)
@given(lengths=TRACKS, seed=st.integers(0, 99))
def test_nothing_leaks_from_one_track_into_another(name, lengths, seed):
    g = torch.Generator().manual_seed(seed)
    graph = random_skeleton_graph(BODY, lengths, dtype=torch.float64, generator=g)
    assert_track_ends_hard(encoder(name), graph, generator=g)


# --- any kernel, stride, dilation ---------------------------------------------------------------
KERNELS = st.sampled_from([1, 3, 5, 7, 9])


def assert_hard_ends(operation, lengths, stride):
    """Gradient and substitution, for an operation x [V, P, C] -> [V, P', C]."""
    x = torch.randn(2, sum(lengths), 3, dtype=torch.float64, requires_grad=True)
    owner = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    kept = torch.tensor([(length + stride - 1) // stride for length in lengths])
    out_owner = torch.arange(len(lengths)).repeat_interleave(kept)
    out = operation(x)
    assert out.size(1) == len(out_owner)
    for track in range(len(lengths)):
        (grad,) = torch.autograd.grad(out[:, out_owner == track].sum(), x, retain_graph=True)
        assert not bool(grad[:, owner != track].any())
        other = torch.where((owner == track)[:, None], x, torch.full_like(x, 1e6))
        again = operation(other)[:, out_owner == track]
        assert torch.allclose(again, out[:, out_owner == track], rtol=1e-10, atol=1e-12)


@given(TRACKS, KERNELS, st.integers(1, 3), st.integers(1, 4), st.integers(0, 3))
def test_any_convolution_ends_with_its_track(lengths, kernel, stride, dilation, more):
    reach = dilation * (kernel - 1) // 2 + more
    plan = make_temporal_plan(torch.tensor(lengths), reach, stride)
    weight = torch.randn(2, 3, kernel, dtype=torch.float64)
    for backend in ("slots", "reference"):
        assert_hard_ends(
            lambda x, b=backend: temporal_conv(x, weight, None, plan, stride, dilation, b),
            lengths,
            stride,
        )


@given(TRACKS, st.sampled_from([1, 3, 5]), st.integers(1, 3))
def test_a_maximum_ends_with_its_track(lengths, kernel, stride):
    plan = make_temporal_plan(torch.tensor(lengths), kernel // 2, stride)
    assert_hard_ends(lambda x: temporal_max_pool(x, plan, kernel, stride), lengths, stride)


@given(TRACKS)
def test_a_mean_over_a_track_ends_with_it(lengths):
    plan = make_temporal_plan(torch.tensor(lengths), 0)
    assert_hard_ends(lambda x: track_mean(x, plan)[:, plan.track], lengths, 1)


@given(TRACKS, KERNELS, st.integers(1, 3), st.integers(1, 3))
def test_a_layer_asks_for_as_many_blanks_as_it_needs(lengths, kernel, stride, dilation):
    layer = TemporalConv(3, 2, kernel, stride, dilation).double()
    plan = make_temporal_plan(torch.tensor(lengths), layer.reach, stride)
    assert_hard_ends(lambda x: layer(x, plan), lengths, stride)


@pytest.mark.parametrize("kernel", [1, 3, 9, 15])
@pytest.mark.parametrize("strides", [[1, 1, 1], [2, 1, 3], [1, 2, 2]])
def test_encoders_of_any_kernel_and_stride_have_hard_ends(kernel, strides, generator):
    graph = random_skeleton_graph(BODY, [5, 1, 7], dtype=torch.float64, generator=generator)
    model = encoder("stgcn", temporal_kernel=kernel, strides=strides)
    assert_track_ends_hard(model, graph, generator=generator)
