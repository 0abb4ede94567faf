"""Law 1: a recording's output does not depend on which others share its batch."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Batch

from stgraph.testing import (
    assert_batch_consistent,
    assert_close,
    evaluating,
    random_skeleton_graph,
)
from tests.laws.encoders import BODY, ENCODERS, HAND, encoder

LENGTHS = st.lists(st.lists(st.integers(1, 9), max_size=3), min_size=2, max_size=4)


@pytest.mark.parametrize("name", ENCODERS)
@settings(max_examples=4)
@given(lengths=LENGTHS, seed=st.integers(0, 99))
def test_a_recording_gives_the_same_alone_and_in_company(name, lengths, seed):
    g = torch.Generator().manual_seed(seed)
    graphs = [random_skeleton_graph(BODY, own, dtype=torch.float64, generator=g) for own in lengths]
    assert_batch_consistent(encoder(name), graphs)


@pytest.mark.parametrize("name", ENCODERS)
def test_company_stays_within_single_precision(name, generator):
    lengths = [[5, 3], [1], [], [12]]
    graphs = [random_skeleton_graph(BODY, own, generator=generator) for own in lengths]
    assert_batch_consistent(encoder(name, torch.float32), graphs)


def test_a_logit_does_not_depend_on_company_either(generator):
    graphs = [random_skeleton_graph(BODY, own, generator=generator) for own in ([3], [9, 1])]
    assert_batch_consistent(encoder("stgcn", torch.float32, num_classes=4), graphs)


@pytest.mark.parametrize("name", ["any layout", "GINConv"])
@settings(max_examples=4)
@given(lengths=LENGTHS, seed=st.integers(0, 99))
def test_company_of_another_layout_changes_nothing(name, lengths, seed):
    g = torch.Generator().manual_seed(seed)
    graphs = [
        random_skeleton_graph((BODY, HAND)[i % 2], own, dtype=torch.float64, generator=g)
        for i, own in enumerate(lengths)
    ]
    # the shares of poses are float32, and divided by the joints on this path alone
    assert_batch_consistent(encoder(name), graphs, tolerance=1e-6)


def test_dropout_and_batch_norm_are_the_only_ones_that_look_around_in_training(generator):
    # in training mode company does matter: what the law says about eval mode is not for nothing
    graphs = [random_skeleton_graph(BODY, own, generator=generator) for own in ([3], [9, 1])]
    model = encoder("stgcn", torch.float32).train()
    with torch.no_grad():
        together = model(Batch.from_data_list(graphs))
        alone = model(Batch.from_data_list(graphs[:1]))
    assert not torch.allclose(together[:1], alone, rtol=1e-3)
    with evaluating(model), torch.no_grad():
        assert_close(
            model(Batch.from_data_list(graphs))[:1], model(Batch.from_data_list(graphs[:1]))
        )
