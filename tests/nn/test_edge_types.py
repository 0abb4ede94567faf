"""A network without some types of edges gives what it gives if nothing is sent along them."""

from __future__ import annotations

import copy

import pytest
import torch
from torch_geometric.nn import RGCNConv

from stgraph.nn import (
    CTRGCN,
    STGCN,
    AdaptiveGraphConv,
    CTRGraphConv,
    DynamicGroupGraphConv,
    STGCNPlusPlus,
    idle_types,
    with_channels,
    without_types,
)
from stgraph.skeleton import SpatialConfiguration
from stgraph.testing import assert_close, random_batch, randomise_norms
from tests.laws.encoders import BODY

OTHER_FACTORS = (0.5, 1.5)


def network(block="stgcn", partition="spatial", **kwargs):
    torch.manual_seed(0)
    sizes = {"layout": BODY, "channels": [4, 4, 8], "temporal_kernel": 5, "num_classes": 3}
    model = randomise_norms(STGCN(3, **{**sizes, **kwargs}, block=block, partition=partition))
    for unit in model.blocks:
        if unit.spatial.importance is not None:
            torch.nn.init.uniform_(unit.spatial.importance, *OTHER_FACTORS)
        if isinstance(unit.spatial.conv, CTRGraphConv):
            torch.nn.init.constant_(unit.spatial.conv.alpha, 0.5)
    return model.double().eval()


def batch():
    g = torch.Generator().manual_seed(1)
    return random_batch([[5, 1], [7], [1]], BODY, generator=g, dtype=torch.float64)


def num_parameters(model):
    return sum(p.numel() for p in model.parameters())


@torch.no_grad()
def silence_type(model, kind):
    silent = copy.deepcopy(model)
    of_kind = silent.partition_of(BODY).edge_type == kind
    for unit in silent.blocks:
        if unit.spatial.importance is not None:
            unit.spatial.importance[of_kind] = 0.0
        if unit.spatial.adjacency is not None:
            unit.spatial.adjacency[kind] = 0.0
    return silent


@pytest.mark.parametrize("kind", range(3))
@pytest.mark.parametrize("block", ["stgcn", "plain", "preactivation", "stgcn++"])
@pytest.mark.parametrize("sums_first", [False, True])
def test_a_type_whose_factors_are_zero_can_go(block, kind, sums_first, tmp_path):
    model = network(block, conv_kwargs={"aggregate_first": sums_first}, channels=[6, 6, 8])
    silent = silence_type(model, kind)
    small = without_types(silent, [kind])
    assert small.num_types == 2
    assert num_parameters(small) < num_parameters(model)
    assert_close(small(batch()), silent(batch()), 1e-10)
    assert not torch.allclose(small(batch()), model(batch()))
    small.save_pretrained(tmp_path)
    assert torch.equal(STGCN.from_pretrained(tmp_path).double().eval()(batch()), small(batch()))
    small.train()(batch()).sum().backward()


def test_types_without_an_edge_go_by_themselves():
    partition = SpatialConfiguration()(BODY)
    rest = partition.subset(partition.edge_type != 1)
    for kwargs in ({}, {"conv": CTRGraphConv}):
        model = network(partition=rest, **kwargs)
        assert idle_types(model) == [1]
        small = without_types(model)
        assert small.num_types == 2
        assert torch.equal(small.blocks[1].spatial.importance, model.blocks[1].spatial.importance)
        assert_close(small(batch()), model(batch()), 1e-10)
    assert idle_types(network()) == []


@pytest.mark.parametrize("adaptive", ["init", "offset"])
def test_a_learned_adjacency_of_zeros_goes(adaptive):
    torch.manual_seed(0)
    partition = SpatialConfiguration()(BODY)
    if adaptive == "offset":  # which is added to the edges that there are
        partition = partition.subset(partition.edge_type != 2)
    sizes = {"channels": [12, 12], "num_classes": 3, "adaptive": adaptive}
    model = randomise_norms(STGCNPlusPlus(3, layout=BODY, partition=partition, **sizes))
    silent = silence_type(model.double().eval(), 2)
    assert idle_types(model) == []
    assert idle_types(silent) == [2]
    small = without_types(silent)
    assert small.blocks[0].spatial.adjacency.shape == (2, 6, 6)
    assert_close(small(batch()), silent(batch()), 1e-10)


def test_a_layer_that_refines_its_topology_is_never_idle_where_that_is_learned():
    model = CTRGCN(3, layout=BODY, channels=[8, 8]).double().eval()
    assert idle_types(silence_type(model, 1)) == []
    assert without_types(model, [1]).blocks[0].spatial.conv.lift_weight.size(0) == 16


def test_groups_of_channels_go_with_their_type():
    rest = SpatialConfiguration()(BODY)
    rest = rest.subset(rest.edge_type != 1)
    model = network(
        partition=rest,
        conv=DynamicGroupGraphConv,
        conv_kwargs={"gate_per_group": True, "group_channels": 2},
    )
    for unit in model.blocks:
        for gate in (unit.spatial.conv.alpha, unit.spatial.conv.beta):
            torch.nn.init.uniform_(gate, 0.5, 1.0)
    assert idle_types(model) == [1]
    small = without_types(model)
    assert small.blocks[0].spatial.conv.alpha.shape == (2,)
    assert small.blocks[0].spatial.conv.mix_weight.shape == (4, 4)
    assert_close(small(batch()), model(batch()), 1e-10)


def test_channels_and_types_go_in_any_order():
    model = silence_type(network(), 0)
    keep = {"stage.0": torch.tensor([True, False, True, True])}
    one = with_channels(without_types(model, [0]), keep)
    other = without_types(with_channels(model, keep), [0])
    assert_close(one(batch()), other(batch()), 1e-10)


def test_what_cannot_lose_a_type_says_so():
    free = STGCN(3, channels=[4], edge_importance=False, data_norm="channel")
    with pytest.raises(ValueError, match="build it with a layout"):
        without_types(free)
    with pytest.raises(ValueError, match="RGCNConv of unit 0 does not say where"):
        without_types(network(conv=RGCNConv, edge_importance=False), [0])
    with pytest.raises(ValueError, match="AdaptiveGraphConv of unit 0 does not say where"):
        without_types(network(conv=AdaptiveGraphConv, edge_importance=False), [0])
    with pytest.raises(ValueError, match="at least one type"):
        without_types(network(), [0, 1, 2])
    with pytest.raises(ValueError, match=r"within 0\.\.\.2 \(got \[3\]\)"):
        without_types(network(), [3])
