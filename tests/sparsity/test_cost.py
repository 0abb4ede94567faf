"""What networks cost, and the table of it."""

from __future__ import annotations

import copy

import pytest
import torch

from stgraph.nn import STGCN
from stgraph.sparsity import compress, cost_table, flops_of, network_costs, size_on_disk, sparsify
from stgraph.testing import random_skeleton_graph
from tests.sparsity.networks import BODY


@pytest.fixture
def networks():
    torch.manual_seed(0)
    dense = STGCN(3, 4, BODY, channels=[16, 16], temporal_kernel=3)
    masked = copy.deepcopy(dense)
    sparsify(masked, 0.7, granularity="channel").finalize()
    return {"dense": dense, "masked": masked, "compressed": compress(masked)}


def test_zeros_cost_arithmetic_and_no_room_and_cut_channels_cost_nothing(networks):
    networks["dense"].train()
    costs = network_costs(networks, random_skeleton_graph(BODY, [7]), batch_size=2, repeats=2)
    dense, masked, compressed = (costs[name] for name in ("dense", "masked", "compressed"))
    assert dense.parameters == masked.parameters > compressed.parameters
    assert dense.flops == masked.flops > compressed.flops
    assert compressed.nonzero <= masked.nonzero < dense.parameters
    assert compressed.bytes < masked.bytes
    assert all(cost.latency > 0 and cost.throughput > 0 for cost in costs.values())
    assert networks["dense"].training


def test_more_poses_take_more_arithmetic(networks):
    few, many = (random_skeleton_graph(BODY, [n]) for n in (100, 1000))
    model = networks["dense"].eval()
    assert flops_of(model, many) == pytest.approx(10 * flops_of(model, few), rel=0.2)


def test_a_folder_of_zeros_is_smaller(networks):
    with torch.no_grad():
        before = size_on_disk(networks["dense"])
        networks["dense"].blocks[0].temporal.weight.zero_()
    assert size_on_disk(networks["dense"]) < before


def test_the_table_has_a_row_a_network_and_factors(networks):
    costs = network_costs(networks, random_skeleton_graph(BODY, [7]), batch_size=2, repeats=2)
    lines = cost_table(costs).splitlines()
    assert lines[0].startswith("| network | parameters | not zero | on disk | MFLOP |")
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| dense", "| masked", "| compressed"]
    assert "x)" not in lines[2]
    assert lines[3].startswith(f"| masked | {costs['dense'].parameters:,} (1x) | ")


def test_nothing_to_measure_is_refused():
    with pytest.raises(ValueError, match="at least one network"):
        network_costs({}, random_skeleton_graph(BODY, [3]))
