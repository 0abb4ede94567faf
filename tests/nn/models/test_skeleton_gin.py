"""The networks of SkeletonMAE."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch
from torch_geometric.nn import GATConv, GCNConv, GINConv

from stgraph import SkeletonGraph
from stgraph.nn import STRL, NodeDecoder, SkeletonGIN, make_lanes, make_tokens
from stgraph.testing import (
    assert_batch_consistent,
    assert_close,
    assert_compiles,
    assert_exports,
    random_batch,
    random_skeleton_graph,
    randomise_norms,
)
from tests.laws.encoders import BODY, HAND


def gin(**options) -> SkeletonGIN:
    torch.manual_seed(0)
    model = SkeletonGIN(3, **{"width": 8, "depth": 2, **options})
    with torch.no_grad():
        for block in model.blocks:
            block.eps.fill_(0.3)
    return randomise_norms(model)


def strl(**options) -> STRL:
    torch.manual_seed(0)
    return randomise_norms(STRL(gin(), **{"num_layers": 2, **options})).eval()


def test_its_layers_are_those_of_pyg_on_the_unrolled_graph():
    model = gin().eval()
    batch = random_batch([[4, 2], [3]], BODY)
    data = batch.unroll("uniform", temporal_kernel=1)
    bones = data.edge_index[:, data.edge_index[0] != data.edge_index[1]]
    x = model.embedding(data.pos)
    for block in model.blocks:

        class Flat(torch.nn.Module):
            def __init__(self, layer):
                super().__init__()
                self.layer = layer

            def forward(self, h):
                own = self.layer
                inner = own.inner(own.first_norm(own.first(h)[None])[0])
                return own.outer(own.norm(own.second(inner)[None])[0])

        stock = GINConv(Flat(block), eps=float(block.eps.detach()))
        x = stock(x, bones)
    found = model.nodes(batch).x.flatten(0, 1)
    assert_close(found, x)


@pytest.mark.parametrize("layer", ["gcn", "gat"])
def test_so_are_those_of_the_ablation(layer):
    torch.manual_seed(0)
    model = randomise_norms(SkeletonGIN(3, 8, 2, layer=layer)).eval()
    batch = random_batch([[4, 2], [3]], BODY)
    data = batch.unroll("uniform", temporal_kernel=1)
    bones = data.edge_index[:, data.edge_index[0] != data.edge_index[1]]
    x = model.embedding(data.pos)
    for block in model.blocks:
        if layer == "gcn":
            stock = GCNConv(8, 8)
            weights = {"lin.weight": block.linear.weight, "bias": block.linear.bias}
        else:
            stock = GATConv(8, 2, heads=4)
            weights = {"lin.weight": block.linear.weight, "bias": block.bias}
            weights |= {"att_src": block.source[None], "att_dst": block.target[None]}
        stock.load_state_dict(weights)
        x = block.outer(block.norm(stock(x, bones)[None])[0])
    assert_close(model.nodes(batch).x.flatten(0, 1), x)


def test_an_unknown_layer_is_refused():
    with pytest.raises(ValueError, match="unknown layer 'mlp'; known are gin, gcn, gat"):
        SkeletonGIN(layer="mlp")
    with pytest.raises(ValueError, match="10 channels do not divide among 4 heads"):
        SkeletonGIN(width=10, layer="gat")


def test_layouts_may_share_a_batch():
    graphs = [random_skeleton_graph(layout, [3, 1]) for layout in (BODY, HAND, BODY)]
    others = [randomise_norms(SkeletonGIN(3, 8, 2, layer=layer)).eval() for layer in ("gcn", "gat")]
    for model in (gin().eval(), strl(), *others):
        assert_batch_consistent(model, graphs, tolerance=1e-5)


def test_the_core_compiles_and_exports_for_any_number_of_poses():
    batches = [random_batch(n, BODY) for n in ([[6, 4], [8]], [[3], [9, 2], [5]], [[12], [7]])]
    for model in (gin(), SkeletonGIN(3, 8, 2, layer="gat")):
        assert_compiles(model, batches)
        assert_exports(model, batches)


def test_they_come_back_from_a_folder(tmp_path):
    batch = random_batch([[4], [3, 2]], BODY)
    for model in (gin(layout=BODY).eval(), strl(num_classes=3)):
        model.save_pretrained(tmp_path)
        again = type(model).from_pretrained(tmp_path).eval()
        assert torch.equal(model(batch), again(batch))


def test_persons_of_a_frame_exchange_what_they_were_a_layer_before():
    model = strl()
    pos = torch.randn(4 * 6, 3)
    pair = SkeletonGraph(pos, layout=BODY, track_length=[2, 2], person=[0, 1], frame=[0, 1, 1, 2])
    leaf = pos.clone().requires_grad_()
    pair.pos = leaf
    nodes = model.nodes(pair).x
    (grad,) = torch.autograd.grad(nodes[0].sum() + nodes[3].sum(), leaf)
    assert (grad.view(4, 6, 3).abs().sum(dim=(1, 2)) > 0).all()  # through time and the meeting
    alone = SkeletonGraph(pos, layout=BODY, track_length=[2, 2], person=[0, 1], frame=[0, 1, 5, 6])
    leaf = pos.clone().requires_grad_()
    alone.pos = leaf
    (grad,) = torch.autograd.grad(model.nodes(alone).x[:2].sum(), leaf)
    assert grad[12:].abs().sum() == 0  # who is alone in a frame exchanges nothing


def test_the_exchange_of_two_persons_is_the_supplement_s_second_equation():
    model = strl(temporal="none", num_layers=1)
    pair = random_skeleton_graph(BODY, [1, 1])
    pair.frame = torch.zeros(2, dtype=torch.long)
    x, plan = model.unpack(pair)
    h = model.encoder.enter(x, plan.poses) + model.time_scale * torch.tensor([0.0] * 4 + [1.0] * 4)
    encoded = model.encoder.propagate(h, plan.poses)
    spatial = torch.cat([encoded.sum(dim=0, keepdim=True).expand_as(h), h], dim=2)
    other = torch.cat([h, h], dim=2).flip(1)
    mixed = model.norms[0](model.mixes[0](spatial + other))
    assert_close(model.core(x, plan), torch.relu(h + mixed))


def test_the_order_of_persons_does_not_matter_to_an_exchange():
    model = strl()
    graph = random_skeleton_graph(BODY, [3, 3])
    graph.frame = torch.tensor([0, 1, 2, 0, 1, 2])
    swapped = graph.take_poses(
        torch.tensor([3, 4, 5, 0, 1, 2]), torch.tensor([3, 3]), torch.tensor([1, 0])
    )
    with torch.no_grad():
        assert_close(model(swapped), model(graph))


def test_layers_hold_every_parameter_once():
    for model in (gin(), strl()):
        found = [p for layer in model.layers() for p in layer]
        assert len(found) == len({id(p) for p in found}) == len(list(model.parameters()))


def test_a_recording_without_a_pose_embeds_to_zero():
    for model in (gin().eval(), strl()):
        batch = Batch.from_data_list([random_skeleton_graph(BODY, n) for n in ([], [4])])
        assert model(batch)[0].abs().sum() == 0
        assert model(random_skeleton_graph(BODY, [])).abs().sum() == 0


def test_lanes_lead_there_and_back():
    one = random_batch([[3], [2, 1]], BODY)
    mixed = Batch.from_data_list([random_skeleton_graph(layout, [2, 1]) for layout in (BODY, HAND)])
    for batch in (one, mixed):
        lanes = make_lanes(batch)
        assert torch.equal(lanes.leave(lanes.enter(batch.pos)), batch.pos)


def test_the_decoder_may_forget_what_the_encoder_made_of_hidden_nodes():
    torch.manual_seed(0)
    batch = random_batch([[2]], BODY)
    tokens = make_tokens(batch, 1)
    visible = tokens.site != 0
    encoded = torch.randn(12, 4, requires_grad=True)
    decoder = NodeDecoder(4, 3, 6, remask=True)
    (grad,) = torch.autograd.grad(decoder(encoded, batch, tokens, visible).sum(), encoded)
    assert grad[~visible].abs().sum() == 0
    assert grad[visible].abs().sum() > 0


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match=r"expected 3 input channels \(got 2\)"):
        gin()(random_skeleton_graph(BODY, [2], num_dims=2))
    with pytest.raises(ValueError, match="bound to layout 'body' and got 'hand'"):
        gin(layout=BODY)(random_skeleton_graph(HAND, [2]))
    with pytest.raises(ValueError, match=r"as wide as the first, 8 \(got \[8, 4\]\)"):
        STRL(num_layers=2, encoder_kwargs=[{"width": 8}, {"width": 4}])
    with pytest.raises(ValueError, match="'encoder_kwargs' for each of 2 units"):
        STRL(num_layers=2, encoder_kwargs=[{}])
    with pytest.raises(ValueError, match="unknown temporal 'never'; known are layer, last"):
        strl(temporal="never")


def test_after_training_a_network_says_in_evaluation_what_it_learned():
    batch = random_batch([[6], [4], [5], [7]], BODY)
    y = torch.tensor([0, 1, 2, 0])
    model = strl(num_classes=3, num_layers=3).train()
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(batch), y).backward()
        optimiser.step()
    assert torch.equal(model.eval()(batch).argmax(dim=1), y)
