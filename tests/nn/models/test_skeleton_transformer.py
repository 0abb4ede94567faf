"""The space-time transformer on the tokens that exist."""

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch

from stgraph import SkeletonGraph
from stgraph.nn import (
    GraphJointEmbedding,
    SkeletonTransformer,
    TokenDecoder,
    TransformerBlock,
    make_tokens,
)
from stgraph.ops import make_attention_plan
from stgraph.skeleton import SkeletonLayout, resolve_layout
from stgraph.testing import (
    assert_close,
    assert_compiles,
    assert_exports,
    random_batch,
    random_skeleton_graph,
)
from tests.laws.encoders import BODY, HAND

TINY = {"width": 8, "depth": 2, "num_heads": 2, "patch_size": 2}


def tiny(**options) -> SkeletonTransformer:
    torch.manual_seed(0)
    return SkeletonTransformer(3, **{**TINY, **options})


def reference(model: SkeletonTransformer, graph: SkeletonGraph) -> torch.Tensor:
    """Embedding of one full track, written out for a padded array."""
    size, d = model.patch_size, model.out_channels
    x = graph.folded("pos")  # [T, V, 3]
    t, v = x.shape[:2]
    x = x.view(t // size, size, v, 3).transpose(1, 2).reshape(t // size, v, size * 3)
    x = model.embedding.linear(x)
    joint = model.place.joint(model.place.joint.describe([graph.layout]))
    time = model.place.time[: t // size]
    x = (x + joint[None] + time[:, None]).reshape(-1, d)
    for block in model.stack.blocks:
        qkv = block.qkv(block.norm1(x)).view(len(x), 3, block.num_heads, -1)
        q, k, value = qkv.unbind(1)
        score = torch.einsum("ihd,jhd->hij", q, k) * q.size(2) ** -0.5
        y = torch.einsum("hij,jhd->ihd", score.softmax(dim=2), value).flatten(1)
        x = x + block.proj(y)
        x = x + block.fc2(torch.nn.functional.gelu(block.fc1(block.norm2(x))))
    return model.stack.norm(x).mean(dim=0)


def test_the_embedding_is_that_of_a_transformer_written_out():
    model = tiny(layout=BODY, num_times=8).eval()
    graphs = [random_skeleton_graph(BODY, [t]) for t in (4, 8, 6)]
    found = model(Batch.from_data_list(graphs))
    assert_close(found, torch.stack([reference(model, graph) for graph in graphs]))


def test_persons_count_alike_whatever_their_length():
    model = tiny(layout=BODY).eval()
    one, other = random_skeleton_graph(BODY, [8]), random_skeleton_graph(BODY, [2])
    pair = SkeletonGraph(
        torch.cat([one.pos, other.pos]), layout=BODY, track_length=[8, 2], person=[0, 1]
    )
    with torch.no_grad():
        assert_close(model(pair)[0], (model(one)[0] + model(other)[0]) / 2)


def test_values_of_missing_joints_have_no_influence():
    model = tiny(layout=BODY)
    graph = random_skeleton_graph(BODY, [6], missing=0.4)
    pos = graph.pos.clone().requires_grad_()
    graph.pos = pos
    (grad,) = torch.autograd.grad(model(graph).square().sum(), pos)
    assert grad[graph.score == 0].abs().sum() == 0
    assert grad[graph.score > 0].abs().sum() > 0


def test_two_dimensions_enter_a_network_of_three_with_a_zero():
    model = tiny(layout=BODY).eval()
    flat = random_skeleton_graph(BODY, [4], num_dims=2)
    solid = SkeletonGraph(torch.nn.functional.pad(flat.pos, (0, 1)), layout=BODY)
    assert torch.equal(model(flat), model(solid))


def test_recordings_of_any_layout_share_a_batch_and_an_embedding_by_joint_names():
    model = tiny().eval()
    graphs = [random_skeleton_graph(name, [4]) for name in ("coco_17", "kinect_v2_25")]
    together = model(Batch.from_data_list(graphs))
    assert_close(together, torch.cat([model(graph) for graph in graphs]))
    table = GraphJointEmbedding(4)
    coco, kinect = resolve_layout("coco_17"), resolve_layout("kinect_v2_25")
    rows = [table.describe([layout])[layout.index("left_elbow")] for layout in (coco, kinect)]
    assert rows[0][0] == rows[1][0] > 0  # the same name
    assert rows[0][3] == rows[1][3] == 1  # on the left


def test_a_layout_without_names_sides_or_centre_still_has_embeddings():
    plain = SkeletonLayout("plain", ["a", "b"], [(0, 1)], canonical=[None, None])
    rows = GraphJointEmbedding(4).describe([plain])
    assert rows.tolist() == [[0, 0, 0, 0]] * 2
    assert tiny()(random_skeleton_graph(plain, [3])).shape == (1, 8)


def test_a_recording_without_a_pose_embeds_to_zero():
    model = tiny(layout=BODY)
    batch = Batch.from_data_list([random_skeleton_graph(BODY, n) for n in ([], [4])])
    out = model(batch)
    assert out[0].abs().sum() == 0
    assert model(random_skeleton_graph(BODY, [])).abs().sum() == 0


def test_nodes_are_those_of_the_patches_with_zeros_for_missing_joints():
    model = tiny(layout=BODY).eval()
    graph = random_skeleton_graph(BODY, [5, 3])
    score = torch.ones(8, 6)
    score[0:2, 2] = 0
    graph.score = score.flatten()
    nodes = model.nodes(graph)
    assert nodes.pose.tolist() == [0, 2, 4, 5, 7]
    assert nodes.x.shape == (5, 6, 8)
    assert nodes.x[0, 2].abs().sum() == 0


def test_the_core_compiles_and_exports_for_any_number_of_poses():
    model = tiny(layout=BODY)
    model.slack = 1.0
    batches = [random_batch(n, BODY) for n in ([[6, 4], [8]], [[3], [9, 2], [5]], [[12], [7]])]
    assert_compiles(model, batches)
    assert_exports(model, batches)


def test_it_comes_back_from_a_folder(tmp_path):
    batch = random_batch([[4], [3]], BODY)
    for model in (tiny(layout=BODY, num_classes=3, num_times=6), tiny(num_classes=3)):
        model.eval().save_pretrained(tmp_path)
        again = SkeletonTransformer.from_pretrained(tmp_path).eval()
        assert torch.equal(model(batch), again(batch))


def test_layers_hold_every_parameter_of_the_encoder_once():
    model = tiny(layout=BODY)
    found = [p for layer in model.layers() for p in layer]
    assert len(found) == len({id(p) for p in found}) == len(list(model.parameters()))


def test_a_track_skips_a_branch_or_has_it_stretched():
    torch.manual_seed(0)
    block = TransformerBlock(4, 2, drop_path=0.5).train()
    x = torch.randn(40, 4)
    plan = make_attention_plan(torch.ones(40, dtype=torch.long))
    branch = torch.ones(40, 4)
    kept = block._kept(branch, plan)
    assert set(kept.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(kept[:, 0], kept[:, 3])
    assert torch.equal(block.eval()._kept(branch, plan), branch)
    assert block(x, plan).shape == x.shape


@pytest.mark.parametrize(
    ("options", "graph", "message"),
    [
        ({"layout": BODY}, random_skeleton_graph(HAND, [2]), "bound to layout 'body' and got"),
        (
            {"num_times": 2},
            random_skeleton_graph(BODY, [5]),
            "times of 2 patches, and a .* patch 3",
        ),
        ({}, SkeletonGraph(torch.zeros(6, 3), layout=BODY, x=torch.zeros(6, 5)), "got 5"),
        ({"in_channels": 2}, random_skeleton_graph(BODY, [2]), "at most 2 coordinates .got 3"),
    ],
)
def test_what_does_not_fit_is_said(options, graph, message):
    in_channels = options.pop("in_channels", 3)
    model = SkeletonTransformer(in_channels, **{**TINY, **options})
    with pytest.raises(ValueError, match=message):
        model(graph)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match=r"divide the width 8 .got 3"):
        tiny(num_heads=3)


def test_what_is_no_recording_is_refused():
    with pytest.raises(TypeError, match="expected a SkeletonGraph or a Batch"):
        tiny()(torch.zeros(2, 3))


def test_the_decoder_predicts_every_token_and_sees_the_visible_ones():
    torch.manual_seed(0)
    model, decoder = (
        tiny(layout=BODY),
        TokenDecoder(8, 6, layout=BODY, width=4, depth=1, num_heads=2),
    )
    batch = random_batch([[4], [6]], BODY)
    tokens = make_tokens(batch, 2)
    visible = torch.arange(tokens.num_tokens) % 4 == 0
    encoded = model.encode(batch, tokens, visible).detach().requires_grad_()
    out = decoder(encoded, batch, tokens, visible)
    assert out.shape == (30, 6)
    first = tokens.batch == 0
    (grad,) = torch.autograd.grad(out[first].sum(), encoded)
    assert grad[tokens.batch[visible] == 1].abs().sum() == 0
    assert grad[tokens.batch[visible] == 0].abs().sum() > 0
