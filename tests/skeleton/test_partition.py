"""Partitions: weights, dense form, and strategies of a user."""

from __future__ import annotations

import pytest
import torch

from stgraph.skeleton import (
    Distance,
    FunctionPartition,
    Partition,
    SkeletonLayout,
    SpatialConfiguration,
    Uniform,
    normalise_adjacency,
    resolve_partition,
)
from stgraph.testing import assert_close
from tests.skeleton.samples import CHAIN, CONNECTED, CROSS


def upwards(layout: SkeletonLayout, target: int, source: int) -> int | None:
    """A strategy of one line: every joint hears itself, and joints of a higher number."""
    return 0 if source == target else 1 if source > target else None


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


def test_a_function_that_labels_one_edge_is_a_strategy():
    part = resolve_partition(upwards, normalisation="none")(CHAIN)
    assert part.num_types == 2
    assert sorted(zip(*part.edge_index.tolist(), part.edge_type.tolist(), strict=True)) == [
        (0, 0, 0), (1, 0, 1), (1, 1, 0), (2, 0, 1), (2, 1, 1), (2, 2, 0),
    ]  # fmt: skip
    assert repr(FunctionPartition(upwards)) == "FunctionPartition(upwards)"


def test_a_function_may_announce_more_types_than_occur_but_not_fewer():
    assert FunctionPartition(upwards, num_types=4)(CHAIN).num_types == 4
    with pytest.raises(
        ValueError, match=r"edge {} -> {} with 1, outside 0\.\.\.0".format(*CHAIN.joints[1::-1])
    ):
        FunctionPartition(upwards, num_types=1)(CHAIN)
    with pytest.raises(ValueError, match="finds no edge in layout 'chain'"):
        FunctionPartition(lambda layout, target, source: None)(CHAIN)
    with pytest.raises(ValueError, match="expected the type of an edge, or None"):
        FunctionPartition(lambda layout, target, source: target > source)(CHAIN)


@pytest.mark.parametrize("label", ["a", -1, 0.5])
def test_a_label_that_is_no_number_from_0_is_refused(label):
    def rule(layout, target, source):
        return label if target == source else None

    name = CHAIN.joints[0]
    with pytest.raises(ValueError, match=f"rule.*edge {name} -> {name} with {label!r}; expected"):
        FunctionPartition(rule)(CHAIN)


def test_a_subset_of_edges_keeps_its_types_and_weights():
    partition = Partition(
        torch.tensor([[0, 1, 2], [0, 0, 1]]),
        torch.tensor([0, 2, 1]),
        torch.tensor([1.0, 2, 3]),
        4,
        3,
    )
    rest = partition.subset(torch.tensor([True, False, True]))
    assert rest.edge_index.tolist() == [[0, 2], [0, 1]]
    assert rest.edge_weight.tolist() == [1.0, 3.0]
    assert rest.empty_types == [2, 3]
    fewer = rest.without_types(rest.empty_types)
    assert (fewer.num_types, fewer.edge_type.tolist()) == (2, [0, 1])
    assert partition.without_types([0]).edge_type.tolist() == [1, 0]
    with pytest.raises(ValueError, match="a bool for each of 3 edges"):
        partition.subset(torch.tensor([True, False]))
    with pytest.raises(ValueError, match="a bool for each of 3 edges"):
        partition.subset(torch.tensor([0, 1, 1]))


def test_edges_among_some_joints_are_a_part_of_the_dense_form():
    part = SpatialConfiguration()(CROSS)
    joints = torch.tensor([CROSS.num_joints - 1, 0, 1])
    among = part.among(joints)
    assert among.num_joints == 3
    assert torch.equal(among.dense(), part.dense()[:, joints][:, :, joints])
