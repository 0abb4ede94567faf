"""Law 4: the fast path equals stock message passing on `unroll()`."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.nn import RGCNConv

from stgraph.nn import STGraphConv, TemporalConv
from stgraph.ops import make_temporal_plan
from stgraph.skeleton import resolve_partition
from stgraph.testing import assert_close, assert_folded_equals_unrolled, random_batch
from tests.laws.encoders import BODY, FOLDING, HAND, encoder

LENGTHS = st.lists(st.lists(st.integers(1, 6), max_size=3), min_size=1, max_size=3).filter(any)


@pytest.mark.parametrize("name", FOLDING)
@settings(max_examples=3)
@given(lengths=LENGTHS, seed=st.integers(0, 99))
def test_an_encoder_folded_equals_the_same_unrolled(name, lengths, seed):
    g = torch.Generator().manual_seed(seed)
    batch = random_batch(lengths, BODY, dtype=torch.float64, generator=g)
    assert_folded_equals_unrolled(encoder(name), batch)


@pytest.mark.parametrize("name", FOLDING)
def test_the_folded_path_stays_within_single_precision(name, generator):
    batch = random_batch([[5, 3], [1], [12]], BODY, generator=generator)
    assert_folded_equals_unrolled(encoder(name, torch.float32), batch, tolerance=1e-4)


@pytest.mark.parametrize("partition", ["uniform", "distance", "spatial", "symmetrical", "random"])
@settings(max_examples=4)
@given(lengths=LENGTHS)
def test_the_layer_on_a_pose_equals_the_layer_on_the_unrolled_graph(partition, lengths):
    batch = random_batch(lengths, BODY, dtype=torch.float64)
    part = resolve_partition(partition)(BODY)
    layer = STGraphConv(3, 4, part.num_types).double()
    data = batch.unroll(partition, temporal_kernel=1)
    expected = layer(data.pos, data.edge_index, data.edge_type, data.edge_weight)
    x = batch.folded().transpose(0, 1).contiguous()
    out = layer.folded(x, part.edge_index, part.edge_type, part.edge_weight)
    assert_close(out.transpose(0, 1).flatten(0, 1), expected)


@settings(max_examples=4)
@given(lengths=LENGTHS)
def test_the_layer_equals_a_relational_layer_of_pyg(lengths):
    """Without weights and biases, STGraphConv is RGCNConv's sum over typed neighbours."""
    batch = random_batch(lengths, BODY, dtype=torch.float64)
    part = resolve_partition("spatial", normalisation="none")(BODY)
    layer = STGraphConv(3, 4, part.num_types, bias=False).double()
    stock = RGCNConv(3, 4, part.num_types, aggr="add", root_weight=False, bias=False).double()
    with torch.no_grad():
        stock.weight.copy_(layer.weight.view(part.num_types, 4, 3).transpose(1, 2))
    data = batch.unroll("spatial", temporal_kernel=1)
    expected = stock(data.pos, data.edge_index, data.edge_type)
    x = batch.folded().transpose(0, 1).contiguous()
    out = layer.folded(x, part.edge_index, part.edge_type, part.edge_weight)
    assert_close(out.transpose(0, 1).flatten(0, 1), expected)


@pytest.mark.parametrize("kernel", [3, 5])
@settings(max_examples=4)
@given(lengths=LENGTHS)
def test_the_temporal_convolution_equals_a_relational_layer_of_pyg(kernel, lengths):
    """A tap is a type of temporal edge: offset -half ... half, the middle one a root weight."""
    batch = random_batch(lengths, BODY, dtype=torch.float64)
    layer = TemporalConv(3, 4, kernel).double()
    data = batch.unroll("identity", kernel)
    offsets = [0, *(o for o in range(-(kernel // 2), kernel // 2 + 1) if o)]
    stock = RGCNConv(3, 4, kernel, aggr="add", root_weight=False).double()
    with torch.no_grad():
        for kind, offset in enumerate(offsets):
            stock.weight[kind].copy_(layer.weight[:, :, offset + kernel // 2].T)
        stock.bias.copy_(layer.bias)
    expected = stock(data.pos, data.edge_index, data.edge_type)
    plan = make_temporal_plan(batch.track_length, layer.reach)
    out = layer(batch.folded().transpose(0, 1).contiguous(), plan)
    assert_close(out.transpose(0, 1).flatten(0, 1), expected)


@pytest.mark.parametrize("name", ["any layout", "GINConv"])
def test_a_mixed_batch_takes_the_unrolled_path_to_the_same_result(name, generator):
    model = encoder(name).eval()
    body = random_batch([[5, 3], [2]], BODY, dtype=torch.float64, generator=generator)
    mixed = random_batch([[4], [1]], [BODY, HAND], dtype=torch.float64, generator=generator)
    together = type(body).from_data_list([*body.to_data_list(), *mixed.to_data_list()])
    with torch.no_grad():
        # the shares of poses are float32, and divided by the joints on this path alone
        assert_close(model(together)[:2], model(body), 1e-6)
