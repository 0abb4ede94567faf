"""Encoder and decoder that predict motion, and what they must not depend on."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch

from stgraph.nn import (
    STGCN,
    GraphDecoder,
    HiTRS,
    MotionContext,
    MotionPredictor,
    RecurrentDecoder,
    SkeletonTransformer,
    constant_velocity,
)
from stgraph.skeleton import SkeletonLayout
from stgraph.testing import assert_close, random_skeleton_graph
from stgraph.transforms import Stream
from stgraph.transforms.base import with_nodes
from tests.laws.encoders import BODY

HITRS = {"width": 8, "depth": 1, "num_heads": 2, "head_channels": 4, "window": 3, "stride": 3}


def encoder(kind: str, dims: int = 3):
    if kind == "hitrs":
        return HiTRS(dims, layout=BODY, **HITRS)
    if kind == "transformer":
        return SkeletonTransformer(dims, layout=BODY, width=8, depth=1, num_heads=2, patch_size=2)
    return STGCN(dims, layout=BODY, channels=[4, 8], temporal_kernel=3, num_classes=5)


def decoder(kind: str, of, dims: int = 3, nodes: bool = True):
    if kind == "recurrent":
        return RecurrentDecoder(of.out_channels, BODY, dims, width=16)
    node_channels = of.width if isinstance(of, HiTRS) else of.out_channels
    options = {"num_future": 6, "width": 12, "num_recent": 3, "num_dims": dims}
    return GraphDecoder(of.out_channels, BODY, node_channels=nodes * node_channels, **options)


def network(kind: str, encode: str = "hitrs", dims: int = 3, **options) -> MotionPredictor:
    torch.manual_seed(0)
    first = encoder(encode, dims)
    model = MotionPredictor(first, decoder(kind, first, dims), **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)  # what starts at 0 hides mistakes
    return model.double().eval()


def windows(number: int = 3, dims: int = 3, missing: float = 0.3, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    return [
        random_skeleton_graph(
            BODY, [4 + i], dims, missing=missing, dtype=torch.float64, generator=generator
        )
        for i in range(number)
    ]


BOTH = pytest.mark.parametrize("kind", ["recurrent", "graph"])


@BOTH
@pytest.mark.parametrize("encode", ["hitrs", "stgcn", "transformer"])
@pytest.mark.parametrize("dims", [2, 3])
def test_any_encoder_predicts_in_two_and_three_dimensions(kind, encode, dims):
    model = network(kind, encode, dims)
    batch = Batch.from_data_list(windows(dims=dims))
    assert model(batch, 5).shape == (3, 5, 6, dims)


@BOTH
def test_company_changes_nothing(kind):
    model, graphs = network(kind), windows()
    together = model(Batch.from_data_list(graphs), 4)
    for i, graph in enumerate(graphs):
        assert_close(model(graph, 4)[0], together[i], 1e-6)  # shares of tracks are float32


@BOTH
def test_a_prediction_moves_and_grows_with_the_person(kind):
    model, (graph, *_) = network(kind), windows(missing=0.0)
    offset = torch.tensor([3.0, -1, 7], dtype=torch.float64)
    moved = with_nodes(graph, pos=graph.pos * 2 + offset)
    assert_close(model(moved, 4), model(graph, 4) * 2 + offset, 1e-9)


@BOTH
def test_permuting_data_and_parameters_permutes_predictions(kind):
    perm = [3, 5, 0, 1, 4, 2]
    model, graph = network(kind), windows(1)[0]
    before = model(graph, 4)
    node = torch.arange(graph.pos.size(0)).view(-1, 6)[:, perm].flatten()
    other = with_nodes(graph, pos=graph.pos[node], score=graph.score[node])
    other.layout = BODY.permute(perm)
    assert_close(model.permute_joints(perm)(other, 4), before[:, :, perm], 1e-9)


@BOTH
def test_what_lies_where_nothing_was_found_has_no_influence(kind):
    model, batch = network(kind), Batch.from_data_list(windows())
    found = (batch.score > 0)[:, None]
    pos = batch.pos.clone().requires_grad_()
    (grad,) = torch.autograd.grad(model(with_nodes(batch, pos=pos), 4).square().sum(), pos)
    assert grad[~found[:, 0]].abs().sum() == 0
    assert grad[found[:, 0]].abs().sum() > 0
    other = torch.where(found, batch.pos, torch.full_like(batch.pos, 1e3))
    assert torch.equal(model(with_nodes(batch, pos=other), 4), model(batch, 4))


@BOTH
def test_it_begins_as_the_baseline_that_stands_still(kind):
    first = encoder("hitrs")
    model = MotionPredictor(first, decoder(kind, first)).eval()
    graph = random_skeleton_graph(BODY, [5])
    assert_close(
        model(graph, 3), graph.folded("pos")[-1:, None].transpose(0, 1).expand(-1, 3, 6, 3)
    )


def test_the_recurrent_decoder_by_hand():
    model = network("recurrent").decoder
    z = torch.randn(2, model.enter.in_features, dtype=torch.float64)
    start = torch.randn(2, 6, 3, dtype=torch.float64)
    nothing = start.new_zeros(2, 6, 0, 3)
    context = MotionContext(start, torch.ones(2, 6, dtype=torch.bool), z, nothing, None)
    found = model(context, 3)
    cell, width = model.cell, model.cell.hidden_size
    for row in range(2):
        h, x = model.enter(z[row]), start[row].flatten()
        for t in range(3):
            of_input = (cell.weight_ih @ x + cell.bias_ih).split(width)
            of_state = (cell.weight_hh @ h + cell.bias_hh).split(width)
            reset = torch.sigmoid(of_input[0] + of_state[0])
            update = torch.sigmoid(of_input[1] + of_state[1])
            new = torch.tanh(of_input[2] + reset * of_state[2])
            h = (1 - update) * new + update * h
            x = x + model.velocity.weight @ h + model.velocity.bias
            assert_close(found[row, t].flatten(), x, 1e-12)


def test_a_shorter_prediction_is_the_beginning_of_a_longer_one():
    for kind in ("recurrent", "graph"):
        model, graph = network(kind), windows(1)[0]
        assert_close(model(graph, 2), model(graph, 6)[:, :2], 1e-12)


def test_messages_go_along_bones():
    # the left hand is three hops from the left foot: with two rounds it knows nothing of it
    first = encoder("hitrs")
    torch.manual_seed(0)
    model = GraphDecoder(first.out_channels, BODY, 2, depth=2, width=8, num_recent=0).eval()
    torch.nn.init.normal_(model.velocity.weight)
    start = torch.randn(1, 6, 3, requires_grad=True)
    known, z = torch.ones(1, 6, dtype=torch.bool), torch.randn(1, first.out_channels)
    out = model(MotionContext(start, known, z, torch.zeros(1, 6, 0, 3), None), 2)
    (grad,) = torch.autograd.grad(out[0, :, 2].sum(), start)
    assert (grad[0].abs().sum(dim=1) > 0).tolist() == [True, True, True, True, False, False]


def test_the_transform_is_for_the_encoder_alone():
    model = network("recurrent", transform=Stream("joint_motion"))
    plain = network("recurrent")
    graph = windows(1, missing=0.0)[0]
    assert not torch.allclose(model(graph, 3), plain(graph, 3))
    assert model(graph, 3).shape == plain(graph, 3).shape


@BOTH
def test_a_saved_decoder_is_the_same(kind, tmp_path):
    first = encoder("hitrs")
    model = decoder(kind, first).permute_joints([3, 5, 0, 1, 4, 2])
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path)
    assert again.layout == model.layout
    context = MotionContext(
        torch.randn(2, 6, 3),
        torch.ones(2, 6, dtype=torch.bool),
        torch.randn(2, first.out_channels),
        torch.randn(2, 6, model.num_recent, 3),
        torch.randn(2, 6, 16) if model.needs_nodes else None,
    )
    assert torch.equal(again.eval()(context, 3), model.eval()(context, 3))


def test_errors_say_what_does_not_fit():
    model, graph = network("graph"), windows(1)[0]
    with pytest.raises(ValueError, match=r"at most 6 poses \(got 7\); build it with a larger"):
        model(graph, 7)
    with pytest.raises(ValueError, match=r"num_future >= 1 \(got 0\)"):
        model(graph, 0)
    with pytest.raises(ValueError, match="GraphDecoder predicts 3 coordinates of a joint and got"):
        model(windows(1, dims=2)[0], 2)
    hand = SkeletonLayout("hand", ["palm", "thumb"], [(0, 1)], centre=0)
    with pytest.raises(ValueError, match="GraphDecoder is bound to layout 'body' and got 'hand'"):
        model(random_skeleton_graph(hand, [5]), 2)
    with pytest.raises(ValueError, match="one track each"):
        model(random_skeleton_graph(BODY, [5, 2]), 2)


def test_all_joints_share_a_filter_of_their_last_displacements():
    first = encoder("hitrs")
    model = MotionPredictor(first, decoder("graph", first), normalise="none").double().eval()
    with torch.no_grad():
        model.decoder.filter[:, 0] = 0.1  # of what is ten times as large: goes on as fast
    graph = windows(1, missing=0.0)[0]
    assert_close(model(graph, 4), constant_velocity(graph, 4), 1e-6)
