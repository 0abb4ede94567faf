"""Partition strategies by name: who is a neighbour, and of which type."""

from __future__ import annotations

import copy

import networkx as nx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stgraph.skeleton import (
    Distance,
    Identity,
    InwardOutward,
    RandomEdges,
    SkeletonGraph,
    SkeletonLayout,
    SpatialConfiguration,
    Symmetrical,
    Uniform,
    measured_joint_distance,
    resolve_partition,
)
from stgraph.skeleton.partition import normalise_adjacency
from stgraph.testing import assert_close, random_layout, random_skeleton_graph
from tests.skeleton.samples import CHAIN, CONNECTED, CROSS

STRATEGIES = (Uniform, Distance, SpatialConfiguration)


def zeros_and_ones(strategy, layout=CHAIN):
    return strategy.adjacency(layout).int().tolist()


def test_uniform_labels_a_joint_and_its_neighbours_alike():
    assert zeros_and_ones(Uniform()) == [[[1, 1, 0], [1, 1, 1], [0, 1, 1]]]
    assert zeros_and_ones(Uniform(max_hop=2)) == [[[1, 1, 1]] * 3]


def test_distance_labels_by_hops():
    own, one = [[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    assert zeros_and_ones(Distance()) == [own, one]
    assert zeros_and_ones(Distance(max_hop=2))[2] == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]
    assert zeros_and_ones(Distance(max_hop=2, dilation=2))[1] == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]


def test_spatial_tells_nearer_the_centre_from_farther():
    own = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    nearer = [[0, 0, 0], [1, 0, 0], [0, 1, 0]]  # rows receive: b hears a, c hears b
    farther = [[0, 1, 0], [0, 0, 1], [0, 0, 0]]
    assert zeros_and_ones(SpatialConfiguration()) == [own, nearer, farther]


def test_spatial_puts_a_neighbour_as_far_from_the_centre_where_it_is_told():
    triangle = SkeletonLayout("triangle", ["a", "b", "c"], [(0, 1), (1, 2), (0, 2)], centre=0)
    root = SpatialConfiguration().adjacency(triangle)
    assert (float(root[0, 1, 2]), float(root[0, 2, 1])) == (1.0, 1.0)
    farther = SpatialConfiguration(ties="farther").adjacency(triangle)
    assert (float(farther[2, 1, 2]), float(farther[0, 1, 2])) == (1.0, 0.0)


def test_spatial_can_split_by_hops():
    split = SpatialConfiguration(max_hop=2, split_hops=True).adjacency(CHAIN)
    assert split.shape == (5, 3, 3)
    assert split[1].nonzero().tolist() == [[1, 0], [2, 1]]
    assert split[3].nonzero().tolist() == [[2, 0]]
    assert split[4].nonzero().tolist() == [[0, 2]]


def test_truncated_distances_are_equal_beyond_max_hop():
    # c is two hops from the centre a: with max_hop 1 that counts as infinitely far
    strategy = SpatialConfiguration("hops_truncated")
    assert strategy.centre_distance(CHAIN).tolist() == [0.0, 1.0, float("inf")]


def test_symmetrical_adds_mirror_images_to_the_last_ring():
    own, ring = zeros_and_ones(Symmetrical(), CROSS)
    assert own == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    # left hears the hub, the tip and right; the tip hears left and its image right
    assert ring == [[0, 1, 1, 0], [1, 0, 1, 1], [1, 1, 0, 0], [0, 1, 1, 0]]


def test_inward_outward_is_self_parent_children():
    assert zeros_and_ones(InwardOutward()) == [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0, 0, 0], [1, 0, 0], [0, 1, 0]],
        [[0, 1, 0], [0, 0, 1], [0, 0, 0]],
    ]


def test_identity_has_no_edges_between_joints():
    part = Identity()(CHAIN)
    assert part.edge_index.tolist() == [[0, 1, 2], [0, 1, 2]]
    assert part.num_types == 1


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: s.__name__)
@pytest.mark.parametrize("max_hop", [0, 1, 2, 3])
@pytest.mark.parametrize("name", CONNECTED)
def test_every_edge_belongs_to_exactly_one_partition(strategy, max_hop, name):
    layout = SkeletonLayout.named(name)
    adjacency = strategy(max_hop=max_hop).adjacency(layout)
    expected = (layout.hops >= 0) & (layout.hops <= max_hop)
    assert torch.equal(adjacency.sum(dim=0), expected.double())


@given(st.integers(1, 9), st.integers(0, 4), st.integers(1, 3), st.integers(0, 99))
def test_partitions_of_random_skeletons_are_disjoint_and_complete(v, max_hop, dilation, seed):
    layout = random_layout(v, torch.Generator().manual_seed(seed))
    hops = layout.hops
    expected = (hops <= max_hop) & (hops % dilation == 0)
    for strategy in STRATEGIES:
        adjacency = strategy(max_hop=max_hop, dilation=dilation).adjacency(layout)
        assert torch.equal(adjacency.sum(dim=0), expected.double()), strategy.__name__
        if v > 2:
            symmetrical = Symmetrical(max_hop=max_hop, dilation=dilation).adjacency(layout)
            mirror = layout.mirror
            assert bool((symmetrical.sum(dim=0) >= expected).all())
            # all rings but the last are their own mirror images
            assert torch.equal(symmetrical[1:-1], symmetrical[1:-1, :, mirror])


def test_hops_need_a_centre():
    loose = SkeletonLayout("loose", ["a", "b"], [(0, 1)])
    with pytest.raises(ValueError, match="layout 'loose' has no centre"):
        SpatialConfiguration()(loose)
    assert Uniform()(loose).num_edges == 4


def test_hops_need_every_joint_connected_to_the_centre():
    two = SkeletonLayout("two", ["a", "b", "c", "d"], [(0, 1), (2, 3)], centre=0)
    with pytest.raises(ValueError, match="2 components and no path from c, d; add bones"):
        SpatialConfiguration()(two)
    assert Distance()(two).num_edges == 8
    assert SpatialConfiguration("measured", [1.0, 2.0, 3.0, 4.0])(two).num_edges == 8


def test_a_measured_distance_is_finite():
    with pytest.raises(ValueError, match="expected a finite 'joint_distance' for each joint"):
        SpatialConfiguration("measured", [1.0, float("nan"), 2.0])


@pytest.mark.parametrize("alpha", [-1.0, 0.0, float("nan"), float("inf")])
def test_the_constant_of_normalisations_is_above_zero(alpha):
    with pytest.raises(ValueError, match="expected alpha above 0"):
        Uniform(normalisation="symmetric", alpha=alpha)
    with pytest.raises(ValueError, match="expected alpha above 0"):
        normalise_adjacency(torch.eye(3)[None], "symmetric", alpha)


def test_symmetry_needs_pairs():
    with pytest.raises(ValueError, match="left/right pairs, and layout 'chain' has none"):
        Symmetrical()(CHAIN)


def test_the_measured_distance_is_the_mean_to_the_centroid():
    pos = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]], [[0.0, 0.0], [3.0, 0.0], [6.0, 0.0]]])
    graph = SkeletonGraph(pos, layout=CHAIN)
    assert measured_joint_distance(graph).tolist() == [2.0, 0.0, 2.0]


def test_missing_joints_enter_neither_the_centroid_nor_the_mean():
    pos = torch.tensor(
        [[[0.0, 0.0], [4.0, 0.0], [99.0, 99.0]], [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]]
    )
    score = torch.tensor([[1.0, 1.0, 0.0], [1.0, 0.5, 0.1]])
    graph = SkeletonGraph(pos, layout=CHAIN, score=score)
    # pose 0: centroid 2, distances 2, 2, -; pose 1: centroid 1, distances 1, 0, 1
    assert measured_joint_distance([graph]).tolist() == [1.5, 1.0, 1.0]


def test_a_joint_that_is_never_seen_is_as_far_as_the_others():
    pos = torch.tensor([[[0.0, 0.0], [4.0, 0.0], [0.0, 0.0]]])
    graph = SkeletonGraph(pos, layout=CHAIN, score=torch.tensor([[1.0, 1.0, 0.0]]))
    assert measured_joint_distance(graph).tolist() == [2.0, 2.0, 2.0]


def test_no_pose_measures_nothing():
    empty = random_skeleton_graph(CHAIN, [])
    for recordings in ([], [empty]):
        with pytest.raises(ValueError, match="at least one pose"):
            measured_joint_distance(recordings)


def test_fitting_keeps_the_rest_of_the_strategy_and_its_input_untouched(generator):
    strategy = SpatialConfiguration("measured", max_hop=2, normalisation="per_type")
    before = copy.deepcopy(vars(strategy))
    graph = random_skeleton_graph("sbu_15", [6], generator=generator)
    fitted = strategy.fit(graph)
    assert vars(strategy) == before
    assert (fitted.max_hop, fitted.normalisation) == (2, "per_type")
    assert_close(fitted.joint_distance, measured_joint_distance(graph))
    adjacency = fitted.adjacency(graph.layout)
    target, source = adjacency[1].nonzero(as_tuple=True)
    assert bool((fitted.joint_distance[source] < fitted.joint_distance[target]).all())


def test_random_edges_keep_degrees_and_components_and_follow_the_seed():
    layout = SkeletonLayout.named("openpose_body_25")
    strategy = RandomEdges(seed=3)
    random = strategy.rewire(layout)
    degrees = [dict(graph.degree) for graph in (layout.to_networkx(), random.to_networkx())]
    assert degrees[0] == degrees[1]
    assert nx.is_connected(random.to_networkx())
    assert random.bones != layout.bones
    assert torch.equal(strategy.adjacency(layout), RandomEdges(seed=3).adjacency(layout))
    assert not torch.equal(strategy.adjacency(layout), RandomEdges(seed=4).adjacency(layout))
    assert strategy(layout).num_edges == SpatialConfiguration()(layout).num_edges


def test_random_edges_leave_a_small_star_as_it_is():
    star = SkeletonLayout("star", ["a", "b", "c"], [(0, 1), (0, 2)], centre=0)
    assert RandomEdges().rewire(star).bones == star.bones


def test_names_ignore_case_and_dashes_and_strategies_pass_untouched():
    assert isinstance(resolve_partition("Spatial-Configuration"), SpatialConfiguration)
    assert isinstance(resolve_partition("inward_outward"), InwardOutward)
    strategy = Distance(max_hop=2)
    assert resolve_partition(strategy) is strategy
    assert repr(strategy) == "Distance(max_hop=2)"
    assert repr(RandomEdges(seed=1)) == "RandomEdges(strategy=SpatialConfiguration(), seed=1)"
    with pytest.raises(TypeError, match=r"a function that labels one edge \(got int\)"):
        resolve_partition(3)
