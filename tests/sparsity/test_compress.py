from __future__ import annotations

import copy

import pytest
import torch

from stgraph.nn import STGCN, channel_groups, silence_channels
from stgraph.sparsity import SparseAssembly, compress, sparsify
from stgraph.testing import assert_close, random_batch, randomise_norms
from tests.sparsity.networks import BODY, LENGTHS, NETWORKS


def batch(generator: torch.Generator):
    return random_batch(LENGTHS, BODY, generator=generator)


@pytest.mark.parametrize("name", NETWORKS)
def test_what_a_dense_network_gives_stays(name, generator):
    model = randomise_norms(NETWORKS[name]()).eval()
    graphs = batch(generator)
    with torch.no_grad():
        same = compress(model)
        assert_close(same(graphs), model(graphs))
    assert same is not model
    before, after = model.state_dict(), same.state_dict()
    # entries of a learned adjacency that are zero at first are left out
    names = before.keys() & after.keys()
    assert all(before[name].shape == after[name].shape for name in names)
    assert not [name for name in before.keys() - after.keys() if not name.endswith("adjacency")]


@pytest.mark.parametrize("name", NETWORKS)
def test_channels_that_a_mask_cuts_are_taken_out(name, generator, tmp_path):
    model = randomise_norms(NETWORKS[name]()).eval()
    sparsify(model, 0.4, granularity="channel")
    with torch.no_grad():
        expected = model(graphs := batch(generator))
        smaller = compress(model)
        assert_close(smaller(graphs), expected)
        smaller.save_pretrained(tmp_path)
        again = type(smaller).from_pretrained(tmp_path).eval()
        assert torch.equal(again(graphs), smaller(graphs))
    sizes = [sum(p.numel() for p in one.parameters()) for one in (smaller, NETWORKS[name]())]
    assert sizes[0] < 0.9 * sizes[1]


def test_edges_types_and_channels_go_together(generator, tmp_path):
    model = randomise_norms(STGCN(3, 4, BODY, channels=[8, 8, 16], temporal_kernel=3)).eval()
    partition = model.partition_of(model.layout)
    with torch.no_grad():
        for block in model.blocks:
            block.spatial.importance[partition.edge_type == 1] = 0.0
            block.spatial.importance[0] = 0.0
        keep = {
            name: torch.rand(group.size, generator=generator) < 0.6
            for name, group in channel_groups(model).items()
        }
        silence_channels(model, keep)
        expected = model(graphs := batch(generator))
        smaller = compress(model)
        assert_close(smaller(graphs), expected)
    assert smaller.num_types == 2
    assert smaller.partition_of(smaller.layout).num_edges < partition.num_edges
    assert sum(p.numel() for p in smaller.parameters()) < 0.6 * sum(
        p.numel() for p in model.parameters()
    )
    smaller.save_pretrained(tmp_path)
    with torch.no_grad():
        assert torch.equal(STGCN.from_pretrained(tmp_path).eval()(graphs), smaller(graphs))


def test_members_of_an_assembly_become_smaller(generator, tmp_path):
    members = [STGCN(3, None, BODY, channels=[8, 8], temporal_kernel=3) for _ in range(2)]
    model = randomise_norms(SparseAssembly(members, 4, "scale")).eval()
    for member, sparsity in zip(model.members, (0.3, 0.6), strict=True):
        sparsify(member, sparsity, granularity="channel", include="hidden")
    with torch.no_grad():
        expected = model(graphs := batch(generator))
        smaller = compress(model)
        assert_close(smaller(graphs), expected)
        smaller.save_pretrained(tmp_path)
        assert torch.equal(SparseAssembly.from_pretrained(tmp_path).eval()(graphs), smaller(graphs))
    sizes = [sum(p.numel() for p in member.parameters()) for member in smaller.members]
    assert sizes[1] < sizes[0] < sum(p.numel() for p in members[0].parameters())


def test_what_is_compressed_trains_on(generator):
    model = NETWORKS["STGCN"]()
    sparsify(model, 0.5, granularity="channel")
    smaller = compress(model).train()
    loss = smaller(batch(generator)).square().mean()
    loss.backward()
    assert all(p.grad is not None for p in smaller.parameters())
    assert not any("parametrizations" in name for name in smaller.state_dict())
    assert any("parametrizations" in name for name in copy.deepcopy(model).state_dict())
