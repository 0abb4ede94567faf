"""Partitioned aggregation against sums written out by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stgraph.ops import AGGREGATE_BACKENDS, partitioned_aggregate
from stgraph.ops.aggregate import dense_aggregate
from stgraph.skeleton import SkeletonLayout, resolve_partition
from stgraph.testing import assert_backends_agree, assert_close

CHAIN = SkeletonLayout("chain", ["a", "b", "c"], [(0, 1), (1, 2)], centre=0)


def edges(partition: str = "spatial", layout: SkeletonLayout = CHAIN):
    return resolve_partition(partition)(layout)


def test_a_joint_adds_up_what_its_neighbours_send_along_each_type():
    # two types, one channel: a sends (1, 10), b sends (2, 20), c sends (3, 30)
    x = torch.tensor([[[1.0, 10.0]], [[2.0, 20.0]], [[3.0, 30.0]]])
    index = torch.tensor([[0, 1, 2, 0], [1, 1, 1, 2]])  # a, b, c -> b; a -> c; nothing -> a
    kind = torch.tensor([0, 0, 1, 1])
    weight = torch.tensor([0.5, 1.0, 2.0, 1.0])
    expected = torch.tensor([[[0.0]], [[0.5 + 2.0 + 60.0]], [[10.0]]])
    for backend in AGGREGATE_BACKENDS:
        out = partitioned_aggregate(x, index, kind, weight, 2, backend)
        assert torch.equal(out, expected), backend


@pytest.mark.parametrize("partition", ["uniform", "distance", "spatial", "symmetrical", "random"])
def test_backends_agree_with_the_reference_forward_and_backward(partition, dtype, generator):
    part = edges(partition, SkeletonLayout.named("sbu_15"))
    k = part.num_types
    x = torch.randn(15, 4, 3 * k, generator=generator, dtype=dtype)
    weight = torch.rand(part.num_edges, generator=generator, dtype=dtype) + 0.5
    inputs = (x, part.edge_index, part.edge_type, weight, k)
    assert_backends_agree(partitioned_aggregate, ["reference", "dense", "edges", "auto"], *inputs)


@given(
    v=st.integers(1, 5), p=st.integers(0, 4), c=st.integers(1, 3), k=st.integers(1, 3),
    e=st.integers(0, 9), seed=st.integers(0, 99),
)  # fmt: skip
def test_backends_agree_on_any_edges(v, p, c, k, e, seed):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(v, p, k * c, generator=g, dtype=torch.float64)
    index = torch.randint(v, (2, e), generator=g)
    kind = torch.randint(k, (e,), generator=g)
    weight = torch.randn(e, generator=g, dtype=torch.float64)
    backends = ["reference", "dense", "edges"]
    assert_backends_agree(partitioned_aggregate, backends, x, index, kind, weight, k)


@pytest.mark.parametrize("backend", ["reference", "edges"])
def test_gradients_are_those_of_finite_differences(backend, generator):
    part = edges()
    k = part.num_types
    x = torch.randn(3, 2, 2 * k, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(part.num_edges, generator=generator, dtype=torch.float64)
    weight.requires_grad_(True)

    def function(x, weight):
        return partitioned_aggregate(x, part.edge_index, part.edge_type, weight, k, backend)

    assert torch.autograd.gradcheck(function, (x, weight))


def test_a_full_adjacency_gives_the_same_as_its_edges(generator):
    part = edges()
    x = torch.randn(3, 4, 2 * part.num_types, generator=generator)
    inputs = (part.edge_index, part.edge_type, part.edge_weight, part.num_types)
    assert_close(dense_aggregate(x, part.dense()), partitioned_aggregate(x, *inputs, "reference"))


def test_weights_of_another_precision_do_not_change_that_of_the_result(generator):
    part = edges()
    x = torch.randn(3, 4, part.num_types, generator=generator, dtype=torch.float64)
    for backend in AGGREGATE_BACKENDS:
        inputs = (part.edge_index, part.edge_type, part.edge_weight, part.num_types, backend)
        assert partitioned_aggregate(x, *inputs).dtype == torch.float64, backend


def test_channels_that_are_no_multiple_of_the_types_are_refused():
    part = edges()
    with pytest.raises(ValueError, match=r"a multiple of 3 types \(got 4\)"):
        partitioned_aggregate(
            torch.zeros(3, 1, 4), part.edge_index, part.edge_type, part.edge_weight, 3
        )


def test_an_unknown_backend_is_refused_with_the_known_ones():
    part = edges("uniform")
    x = torch.zeros(3, 1, 1)
    with pytest.raises(ValueError, match="unknown backend 'csr'; known are auto, reference"):
        partitioned_aggregate(x, part.edge_index, part.edge_type, part.edge_weight, 1, "csr")
