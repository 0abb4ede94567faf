from __future__ import annotations

import pickle

import pytest
import torch
from torch import nn

from stgraph import AAGCN, CTRGCN, DGSTGCN, STGCN, SkeletonLayout, STGCNPlusPlus
from stgraph.nn import stage_channels, stgcn_channels
from stgraph.testing import (
    assert_close,
    assert_compiles,
    assert_exports,
    random_batch,
    random_skeleton_graph,
    randomise_norms,
)

BODY = SkeletonLayout(
    "body", ["a", "b", "c", "d"], [(0, 1), (1, 2), (1, 3)], centre=0, left_right=[(2, 3)]
)
MODELS = {
    "STGCN": lambda: STGCN(3, 4, BODY, channels=[4, 8], temporal_kernel=3),
    "STGCNPlusPlus": lambda: STGCNPlusPlus(3, 4, BODY, channels=[6], strides=[2]),
    "CTRGCN": lambda: CTRGCN(3, 4, BODY, channels=[8], strides=[2]),
    "AAGCN": lambda: AAGCN(3, 4, BODY, channels=[8], strides=[2]),
    "DGSTGCN": lambda: DGSTGCN(3, 4, BODY, channels=[16], strides=[2]),
}
RAGGED = ([[7], [30, 4]], [[3, 9], [20], [2, 5, 8]], [[12, 40], [33]])


def batches(generator: torch.Generator) -> list:
    return [random_batch(lengths, BODY, generator=generator) for lengths in RAGGED]


@pytest.mark.parametrize("name", MODELS)
def test_the_core_compiles_as_one_graph_for_all_ragged_batches(name, generator):
    assert_compiles(randomise_norms(MODELS[name]()), batches(generator))


@pytest.mark.slow
def test_generated_code_is_compiled_once_and_computes_the_same(generator):
    assert_compiles(randomise_norms(MODELS["STGCN"]()), batches(generator), backend="inductor")


@pytest.mark.parametrize("name", MODELS)
def test_the_core_exports_with_any_number_of_poses_and_tracks(name, generator):
    assert_exports(randomise_norms(MODELS[name]()), batches(generator))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_generated_code_gives_the_same_for_all_ragged_batches(name, generator):
    model = randomise_norms(MODELS[name]()).eval()
    torch.compiler.reset()
    compiled = torch.compile(model.pooled, fullgraph=True, dynamic=True)
    with (
        torch.no_grad(),
        torch._dynamo.config.patch(error_on_recompile=True),
        torch.fx.experimental._config.patch(use_duck_shape=False),
    ):
        for batch in batches(generator):
            x, plan = model.unpack(batch)
            assert_close(compiled(x, plan), model.pooled(x, plan), 1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_a_network_survives_pickling_and_printing(name, generator):
    model = randomise_norms(MODELS[name]()).eval()
    graph = random_skeleton_graph(BODY, [5, 2], generator=generator)
    twin = pickle.loads(pickle.dumps(model))
    assert torch.equal(twin(graph), model(graph))
    assert "Conv" in repr(model)


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_trains(name, generator):
    model = MODELS[name]().train()
    for parameter in model.parameters():
        if not bool(parameter.any()):
            nn.init.constant_(parameter, 0.05)  # at 0 what lies before it has no gradient
    model(random_batch([[9, 4], [6]], BODY, generator=generator)).square().sum().backward()
    idle = [n for n, p in model.named_parameters() if p.grad is None or not bool(p.grad.any())]
    # a bias before a batch norm moves nothing
    assert not [n for n in idle if not n.endswith("bias")]


def test_published_sizes_have_the_published_number_of_parameters():
    def count(model: nn.Module) -> int:
        return sum(p.numel() for p in model.parameters())

    # the papers' figures: 3.1 M (ST-GCN, NTU-60), 1.4 M (ST-GCN++), 1.4 M (CTR-GCN)
    assert round(count(STGCN(3, 60, "kinect_v2_25")) / 1e6, 1) == 3.1
    assert round(count(STGCNPlusPlus(3, 60, "kinect_v2_25")) / 1e6, 1) == 1.4
    assert round(count(CTRGCN(3, 60, "kinect_v2_25")) / 1e6, 1) == 1.4
    # and mmaction2's 3.5 M of AAGCN without attention, which it calls 2s-AGCN
    assert round(count(AAGCN(3, 60, "kinect_v2_25", attention=False)) / 1e6, 1) == 3.5


def test_channels_follow_the_papers():
    assert stgcn_channels(64) == [64] * 4 + [128] * 3 + [256] * 3
    assert stgcn_channels(8, 12) == [8] * 5 + [16] * 4 + [32] * 2
    assert stage_channels(64) == (stgcn_channels(64), [1, 1, 1, 1, 2, 1, 1, 2, 1, 1])
    channels, strides = stage_channels(16, 6, inflate_stages=[6], down_stages=[6])
    assert channels == [16] * 5 + [32]
    assert strides == [1] * 5 + [2]
    with pytest.raises(ValueError, match="'depth' is 9 or 12"):
        stgcn_channels(8, 10)


def test_ctrgcn_starts_with_its_graph_units_as_shortcuts():
    model = CTRGCN(3, 4, BODY, channels=[8, 16])
    for block in model.blocks:
        assert bool((block.norm1.weight == 1e-6).all())
        assert float(block.spatial.conv.alpha.detach()) == 0.0


def test_aagcn_starts_with_its_graph_units_as_shortcuts():
    model = AAGCN(3, 4, BODY, channels=[8, 16])
    for block in model.blocks:
        assert bool((block.norm1.weight == 1e-6).all())
        assert float(block.spatial.conv.alpha.detach()) == 0.0
    bare = AAGCN(3, 4, BODY, channels=[8, 16], attention=False)
    assert all(block.attention is None for block in bare.blocks)


def test_the_units_of_dg_stgcn_start_from_one_random_graph_between_all_joints():
    model = DGSTGCN(3, 4, "kinect_v2_25", channels=[16, 16])
    first, second = (block.spatial.adjacency.detach() for block in model.blocks)
    assert first.shape == (8, 25, 25)
    assert torch.equal(first, second)
    assert float(first.mean()) == pytest.approx(0.04, abs=0.002)
    assert float(first.std()) == pytest.approx(0.02, abs=0.002)


@pytest.mark.parametrize(("kind", "message"), [(AAGCN, "attention to joints"), (DGSTGCN, "graphs")])
def test_networks_that_weigh_joints_need_a_layout(kind, message):
    with pytest.raises(ValueError, match=message):
        kind(3, 2, None, channels=[8])


def test_aagcn_without_attention_takes_any_layout(generator):
    own = {"attention": False, "adaptive": None, "data_norm": "channel", "partition": "spatial"}
    model = AAGCN(3, 2, None, channels=[8, 8], **own).eval()
    layouts = [BODY, "kinect_v1_20"]
    batch = random_batch([[5, 2], [4]], layouts, generator=generator)
    assert model(batch).shape == (2, 2)


def test_the_first_unit_has_a_shortcut_where_it_is_asked_for():
    assert STGCNPlusPlus(3, 4, BODY, channels=[6]).blocks[0].shortcut is None
    asked = STGCNPlusPlus(6, 4, BODY, channels=[6], strides=[1], first_residual=True)
    assert asked.blocks[0].shortcut is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"adaptive": "init", "edge_importance": False}, "without a layout"),
        ({"edge_importance": False}, "data_norm='channel'"),
    ],
)
def test_parameters_of_joints_need_a_layout(arguments, message):
    with pytest.raises(ValueError, match=message):
        STGCN(3, 2, None, channels=[4], **arguments)


@pytest.mark.parametrize("other", ["msr_action3d_20", "utd_mhad_20"])
def test_a_bound_network_refuses_the_same_number_of_other_joints(other):
    model = STGCN(3, 4, "kinect_v1_20", channels=[8])
    for _ in range(2):
        with pytest.raises(ValueError, match=rf"'kinect_v1_20' and got '{other}' \(joint 0 is"):
            model(random_skeleton_graph(other, [5], 3))


def test_a_bound_network_takes_another_wiring_of_its_joints():
    model = STGCN(3, 4, "kinect_v1_20", channels=[8]).eval()
    graph = random_skeleton_graph("kinect_v1_20_ctrgcn", [5], 3)
    expected = model(graph)
    graph.layout = SkeletonLayout.named("kinect_v1_20")
    assert torch.equal(model(graph), expected)


def test_an_unknown_block_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown block 'gcn'; known are stgcn, .*stgcn\+\+"):
        STGCN(3, 2, BODY, channels=[4], block="gcn")
    with pytest.raises(ValueError, match="expected 2 strides"):
        STGCN(3, 2, BODY, channels=[4, 4], strides=[1])


@pytest.mark.parametrize("name", MODELS)
def test_a_recording_without_a_pose_is_an_embedding_of_zeros(name, generator):
    model = MODELS[name]()
    batch = random_batch([[], [4]], BODY, generator=generator)
    assert bool((model.eval().embed(batch)[0] == 0).all())
    empty = random_batch([[], []], BODY, generator=generator)
    assert bool((model.embed(empty) == 0).all())


@pytest.mark.parametrize("wrong", [torch.randn(2, 3, 60, 25, 1), [1, 2]])
def test_what_is_no_recording_is_refused(wrong):
    model = STGCN(3, 2, layout="kinect_v2_25", width=2)
    for use in (model, model.nodes):
        with pytest.raises(TypeError, match=r"expected a SkeletonGraph or a Batch .*from_dense"):
            use(wrong)
