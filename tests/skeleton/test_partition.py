"""Partition strategies: who is a neighbour, of which type, with which weight."""

from __future__ import annotations

import copy

import networkx as nx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stgraph.skeleton import (
    Distance,
    FunctionPartition,
    Identity,
    InwardOutward,
    Partition,
    RandomEdges,
    SkeletonGraph,
    SkeletonLayout,
    SpatialConfiguration,
    Symmetrical,
    Uniform,
    measured_joint_distance,
    named_layouts,
    normalise_adjacency,
    resolve_partition,
)
from stgraph.testing import assert_close, random_layout, random_skeleton_graph

# a - b - c, seen from a
CHAIN = SkeletonLayout("chain", ["a", "b", "c"], [(0, 1), (1, 2)], centre=0)
# hub with left, right and a tip behind the left
CROSS = SkeletonLayout(
    "cross",
    ["hub", "left", "right", "tip"],
    [(0, 1), (0, 2), (1, 3)],
    centre=0,
    left_right=[(1, 2)],
)
CONNECTED = [n for n in named_layouts() if SkeletonLayout.named(n).num_components == 1]
STRATEGIES = (Uniform, Distance, SpatialConfiguration)


def zeros_and_ones(strategy, layout=CHAIN):
    return strategy.adjacency(layout).int().tolist()


# --- literal cases ------------------------------------------------------------------------------
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


# --- every layout -------------------------------------------------------------------------------
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


@pytest.mark.parametrize("name", CONNECTED)
def test_target_weights_of_a_joint_sum_to_one(name):
    layout = SkeletonLayout.named(name)
    for strategy in ("uniform", "distance", "spatial", "identity", "random"):
        part = resolve_partition(strategy)(layout)
        total = torch.zeros(layout.num_joints).index_add(0, part.edge_index[1], part.edge_weight)
        assert_close(total, torch.ones(layout.num_joints), 1e-6)


def test_per_type_weights_of_a_joint_sum_to_one_within_a_type():
    part = Distance(normalisation="per_type")(CHAIN)
    assert part.dense().sum(dim=2).tolist() == [[1.0] * 3, [1.0] * 3]


def test_the_formula_of_the_report_leaves_an_empty_row_its_alpha():
    a = torch.tensor([[[0.0, 1.0], [0.0, 0.0]]])
    out = normalise_adjacency(a, "symmetric", alpha=1e-3)
    # row 0 counts 1.001, the empty row 1 counts 0.001: 1 / sqrt(1.001 * 0.001) = 31.6
    assert float(out[0, 0, 1]) == pytest.approx((1.001 * 0.001) ** -0.5)
    assert int((out != 0).sum()) == 1


def test_the_code_of_the_report_fills_the_whole_matrix():
    dense = Distance(normalisation="as_built")(SkeletonLayout.named("openpose_body_25")).dense()
    assert bool((dense[0] > 0).all())
    plain = Distance(normalisation="none")(CHAIN)
    assert plain.edge_weight.unique().tolist() == [1.0]


def test_a_partition_and_its_dense_form_are_the_same():
    part = SpatialConfiguration()(CROSS)
    again = Partition.from_dense(part.dense())
    for key in ("edge_index", "edge_type", "edge_weight"):
        assert torch.equal(getattr(part, key), getattr(again, key))
    assert repr(part) == "Partition(num_joints=4, edges of each type=[4, 3, 3])"
    assert part.num_edges == 10


# --- where a strategy needs something -------------------------------------------------------------
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


def test_symmetry_needs_pairs():
    with pytest.raises(ValueError, match="left/right pairs, and layout 'chain' has none"):
        Symmetrical()(CHAIN)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Uniform(max_hop=-1), "max_hop >= 0 and dilation >= 1 .got -1 and 1"),
        (lambda: Uniform(normalisation="row"), "unknown normalisation 'row'; known are target"),
        (lambda: normalise_adjacency(torch.zeros(1, 1, 1), "row"), "unknown normalisation 'row'"),
        (lambda: SpatialConfiguration("metres"), "unknown distance 'metres'; known are hops"),
        (lambda: SpatialConfiguration(ties="left"), "unknown ties 'left'"),
        (lambda: SpatialConfiguration("measured")(CHAIN), "has not been fitted; call fit"),
        (lambda: SpatialConfiguration("measured", [1.0])(CHAIN), "3 joints of layout 'chain'"),
        (lambda: resolve_partition("spatiall"), "unknown partition 'spatiall'; known are uniform"),
    ],
)
def test_a_mistake_is_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- measured distance ----------------------------------------------------------------------------
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


# --- controls and a user's own --------------------------------------------------------------------
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


def upwards(layout: SkeletonLayout, target: int, source: int) -> int | None:
    """A strategy of one line: every joint hears itself, and joints of a higher number."""
    return 0 if source == target else 1 if source > target else None


def test_a_function_that_labels_one_edge_is_a_strategy():
    part = resolve_partition(upwards, normalisation="none")(CHAIN)
    assert part.num_types == 2
    assert sorted(zip(*part.edge_index.tolist(), part.edge_type.tolist(), strict=True)) == [
        (0, 0, 0), (1, 0, 1), (1, 1, 0), (2, 0, 1), (2, 1, 1), (2, 2, 0),
    ]  # fmt: skip
    assert repr(FunctionPartition(upwards)) == "FunctionPartition(upwards)"


def test_a_function_may_announce_more_types_than_occur_but_not_fewer():
    assert FunctionPartition(upwards, num_types=4)(CHAIN).num_types == 4
    with pytest.raises(ValueError, match=r"labels the edge 1 -> 0 with 1, outside 0\.\.\.0"):
        FunctionPartition(upwards, num_types=1)(CHAIN)
    with pytest.raises(ValueError, match="finds no edge in layout 'chain'"):
        FunctionPartition(lambda layout, target, source: None)(CHAIN)


def test_names_ignore_case_and_dashes_and_strategies_pass_untouched():
    assert isinstance(resolve_partition("Spatial-Configuration"), SpatialConfiguration)
    assert isinstance(resolve_partition("inward_outward"), InwardOutward)
    strategy = Distance(max_hop=2)
    assert resolve_partition(strategy) is strategy
    assert repr(strategy) == "Distance(max_hop=2)"
    assert repr(RandomEdges(seed=1)) == "RandomEdges(strategy=SpatialConfiguration(), seed=1)"
    with pytest.raises(TypeError, match=r"a function that labels one edge \(got int\)"):
        resolve_partition(3)
