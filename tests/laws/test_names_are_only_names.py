"""Law 5: permuting joints permutes node outputs and leaves graph outputs alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stgraph.testing import (
    assert_close,
    assert_joint_permutation,
    evaluating,
    random_batch,
    random_skeleton_graph,
)
from tests.laws.encoders import BODY, BOUND, ENCODERS, encoder

PERMUTATIONS = st.permutations(range(BODY.num_joints))


@pytest.mark.parametrize("name", BOUND)
@settings(max_examples=4)
@given(perm=PERMUTATIONS, seed=st.integers(0, 99))
def test_permuting_data_and_parameters_permutes_nodes_alone(name, perm, seed):
    g = torch.Generator().manual_seed(seed)
    graph = random_skeleton_graph(BODY, [4, 2], dtype=torch.float64, generator=g)
    assert_joint_permutation(encoder(name), graph, perm)


@pytest.mark.parametrize("name", [name for name in ENCODERS if name not in BOUND])
@given(perm=PERMUTATIONS)
@settings(max_examples=4)
def test_an_encoder_bound_to_no_layout_needs_no_change(name, perm):
    graph = random_skeleton_graph(BODY, [4, 2], dtype=torch.float64)
    assert_joint_permutation(encoder(name), graph, perm)


def test_permuting_there_and_back_is_identity():
    model = encoder("stgcn")
    state = {key: value.clone() for key, value in model.state_dict().items()}
    perm = [3, 5, 0, 1, 4, 2]
    model.permute_joints(perm).permute_joints([perm.index(i) for i in range(6)])
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key]), key
    assert model.layout == BODY


@pytest.mark.parametrize("name", ["stgcn", "AAGCN", "DG-STGCN"])
def test_a_permuted_network_saves_and_loads(name, tmp_path):
    model = encoder(name, torch.float32).permute_joints([3, 5, 0, 1, 4, 2])
    batch = random_batch([[4], [2, 3]], model.layout)
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    with evaluating(model, again), torch.no_grad():
        assert_close(again(batch), model(batch), 0.0)


def test_the_names_themselves_do_not_matter(generator):
    graph = random_skeleton_graph(BODY, [4], dtype=torch.float64, generator=generator)
    description = BODY.to_dict()
    description.update(name="other", joints=[f"j{i}" for i in range(6)])
    renamed = random_skeleton_graph(BODY, [4], dtype=torch.float64)
    renamed.pos = graph.pos
    renamed.layout = type(BODY).from_dict(description)  # the canonical names say which is which
    model = encoder("stgcn").eval()
    with torch.no_grad():
        assert torch.equal(model(graph), model(renamed))
