"""A sparsity for a latency."""

from __future__ import annotations

import pytest
import torch

from stgraph.nn import STGCN
from stgraph.sparsity import compress, seconds_of, sparsify, sparsity_for_latency
from stgraph.testing import random_skeleton_graph, randomise_norms
from tests.sparsity.networks import BODY


@pytest.fixture
def model():
    torch.manual_seed(0)
    return randomise_norms(STGCN(3, 4, BODY, channels=[16, 16, 32], temporal_kernel=3)).eval()


@pytest.fixture
def recording():
    return random_skeleton_graph(BODY, [9])


def size(network):
    """A time that no machine disturbs: a millisecond for a thousand parameters."""
    return sum(p.numel() for p in network.parameters()) * 1e-6


@pytest.mark.parametrize("scores", ["uniform", "magnitude"])
@pytest.mark.parametrize("share", [0.8, 0.5, 0.2])
def test_the_least_sparsity_that_is_fast_enough_is_found(model, recording, scores, share):
    wanted = share * size(model)
    torch.manual_seed(1)
    found = sparsity_for_latency(model, wanted, recording, timer=size, steps=9, scores=scores)
    assert found.fastest < found.latency <= wanted < found.dense == size(model)
    torch.manual_seed(1)
    generator = sparsify(model, found.sparsity, granularity="channel", scores=scores)
    assert size(compress(model)) == pytest.approx(found.latency)
    generator.sparsity = found.sparsity - 0.05
    generator.at(1.0)
    assert size(compress(model)) > wanted


def test_a_network_that_is_fast_enough_loses_nothing(model, recording):
    found = sparsity_for_latency(model, size(model), recording, timer=size)
    assert found.sparsity == 0
    assert found.latency == found.dense


def test_looking_changes_neither_the_network_nor_what_is_drawn_next(model, recording):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    sparsity_for_latency(model.train(), 0.5 * size(model), recording, timer=size)
    assert torch.equal(torch.rand(4), expected)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_time_out_of_reach_names_the_fastest(model, recording):
    with pytest.raises(ValueError, match=r"0\.001 ms a recording cannot be reached.*fastest is "):
        sparsity_for_latency(model, 1e-6, recording, timer=size)
    with pytest.raises(ValueError, match="longer than nothing"):
        sparsity_for_latency(model, 0.0, recording)


def test_by_default_it_is_time_that_is_measured(model, recording):
    threads = torch.get_num_threads()
    seconds = seconds_of({"a": model, "b": model}, recording, repeats=3)
    assert list(seconds) == ["a", "b"]
    assert all(0 < one < 10 for one in seconds.values())
    found = sparsity_for_latency(model, 1000.0, recording, repeats=2)
    assert found.sparsity == 0
    assert 0 < found.fastest < 10
    assert torch.get_num_threads() == threads


def test_a_network_without_such_channels_is_refused(recording):
    with pytest.raises(TypeError, match="does not say which channels"):
        sparsity_for_latency(torch.nn.Linear(2, 2), 1.0, recording, timer=size)
