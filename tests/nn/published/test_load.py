from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch

from stgraph import (
    AAGCN,
    CTRGCN,
    STGCN,
    SkeletonGraph,
    SkeletonLayout,
    STGCNPlusPlus,
    load_published,
)
from stgraph.nn import StateDictMismatch, to_published
from stgraph.testing import assert_close, random_batch, randomise_norms
from tests.nn.published import reference

BODY = SkeletonLayout("body", ["a", "b", "c", "d", "e"], [(0, 1), (1, 2), (1, 3), (3, 4)], centre=0)
PYSKL_PLAIN = {"spatial_residual": False, "branches": None}


def trained(model: STGCN) -> STGCN:
    """As after some training: no parameter where it started."""
    randomise_norms(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


def clips(n: int, persons: int, frames: int, channels: int = 3) -> torch.Tensor:
    x = torch.randn(n, persons, frames, 5, channels)
    x[0, 1:] = 0  # who is not there
    x[-1, :, frames - frames // 3 :] = 0
    return x


def batch_of(x: torch.Tensor, layout: SkeletonLayout = BODY) -> Batch:
    return Batch.from_data_list([SkeletonGraph.from_dense(c, layout, keep_absent=True) for c in x])


def assert_same(model: STGCN, state: dict, x: torch.Tensor, expected: torch.Tensor, **kw) -> STGCN:
    loaded = load_published(state, BODY, **kw).eval()
    assert type(loaded) is type(model)
    assert_close(loaded(batch_of(x)), expected, 1e-4)
    back = to_published(loaded)
    assert back.keys() == state.keys()
    for key, value in state.items():
        # factors of edges that do not exist have no use, and so no place
        if not key.endswith((".PA", "num_batches_tracked")) and "importance" not in key:
            assert torch.equal(back[key], value), key
    return loaded


@pytest.mark.parametrize("frames", [1, 3, 10])
@pytest.mark.parametrize(
    ("persons", "partition", "importance"),
    [(1, "uniform", True), (2, "spatial", False), (3, "distance", True)],
)
def test_the_original_network(frames, persons, partition, importance):
    model = STGCN(
        2, 3, BODY, partition, channels=[5, 5, 10], edge_importance=importance, temporal_kernel=3
    )
    state = to_published(trained(model))
    x = clips(3, persons, frames, channels=2)
    assert_same(model, state, x, reference.original(state, x, [1, 1, 2]))


@pytest.mark.parametrize("frames", [1, 3, 8])
@pytest.mark.parametrize(
    ("adaptive", "post", "persons"),
    [("importance", False, 2), ("offset", True, 3), ("init", True, 1), (None, False, 2)],
)
def test_the_st_gcn_of_pyskl(frames, adaptive, post, persons):
    model = STGCN(
        3,
        4,
        BODY,
        channels=[4, 4, 8],
        block="stgcn++",
        edge_importance=False,
        adaptive=adaptive,
        data_norm="person_joint" if persons > 1 else "none",
        num_persons=persons,
        as_published=True,
        temporal_kernel=5,
        block_kwargs=PYSKL_PLAIN,
        conv_kwargs={"aggregate_first": post},
    )
    state = to_published(trained(model))
    x = clips(2, persons, frames)
    expected = reference.pyskl(state, x, [1, 1, 2], adaptive, post)
    assert_same(model, state, x, expected, adaptive=adaptive)


@pytest.mark.parametrize("frames", [1, 3, 9])
def test_st_gcn_plus_plus(frames):
    # widths that six branches do not share evenly, and an input as wide as the first unit
    model = STGCNPlusPlus(8, 4, BODY, channels=[8, 8, 19], strides=[1, 2, 2], first_residual=True)
    state = to_published(trained(model))
    x = clips(2, 2, frames, channels=8)
    expected = reference.pyskl(state, x, [1, 2, 2], "init", inner=True, first_residual=True)
    loaded = assert_same(model, state, x, expected)
    assert loaded.strides == [1, 2, 2]


@pytest.mark.parametrize("frames", [1, 3, 20])
@pytest.mark.parametrize("persons", [1, 2, 3])
def test_ctr_gcn(frames, persons):
    own = {"data_norm": "person_joint", "num_persons": persons, "as_published": True}
    model = CTRGCN(
        3, 4, BODY, channels=[8, 8, 24], strides=[1, 1, 2], kernel=3, **(own if persons > 1 else {})
    )
    state = to_published(trained(model))
    x = clips(2, persons, frames)
    expected = reference.ctrgcn(state, x, [1, 1, 2], (1, 2))
    assert_same(model, state, x, expected)


@pytest.mark.parametrize("block", ["plain", "preactivation"])
@pytest.mark.parametrize("frames", [1, 3, 9])
def test_the_network_of_the_kth_report(block, frames):
    model = STGCN(
        2,
        6,
        BODY,
        "distance",
        channels=[4, 4, 8],
        block=block,
        edge_importance=False,
        adaptive="init",
        data_norm="none",
        temporal_kernel=3,
    )
    state = to_published(trained(model))
    x = clips(3, 1, frames, channels=2)
    assert_same(model, state, x, reference.kth(state, x, [1, 1, 2]))


def test_gradients_have_published_names(generator):
    model = STGCN(3, 2, BODY, channels=[4, 8], temporal_kernel=3)
    model(random_batch([[4], [6]], BODY, generator=generator)).sum().backward()
    gradients = to_published(model, {n: p.grad for n, p in model.named_parameters()})
    assert "A" not in gradients
    table = gradients["edge_importance.1"]
    partition = model.partition_of(BODY)
    edge = (partition.edge_type, partition.edge_index[0], partition.edge_index[1])
    assert torch.equal(table[edge], model.blocks[1].spatial.importance.grad)
    assert int((table != 0).sum()) <= partition.num_edges


def test_what_does_not_fit_is_listed():
    state = to_published(STGCN(3, 2, BODY, channels=[4, 8], temporal_kernel=3))
    state["st_gcn_networks.1.tcn.0.bias"] = torch.zeros(7)
    state["st_gcn_networks.0.extra"] = torch.zeros(1)
    del state["st_gcn_networks.0.tcn.2.bias"]
    with pytest.raises(StateDictMismatch) as error:
        load_published(state, BODY)
    text = str(error.value)
    assert "missing (1): st_gcn_networks.0.tcn.2.bias" in text
    assert "not in the network (1): st_gcn_networks.0.extra" in text
    assert "st_gcn_networks.1.tcn.0.bias: [7] instead of [8]" in text


def test_weights_that_do_not_even_show_a_form_name_what_is_missing():
    state = to_published(STGCN(3, 2, BODY, channels=[4], temporal_kernel=3))
    del state["A"]
    with pytest.raises(StateDictMismatch, match="missing A"):
        load_published(state, BODY)


@pytest.mark.parametrize(
    ("adjacency", "message"),
    [
        ("x", "expected names of tensors .got str for 'A'"),
        (torch.full((3, 5, 5), torch.nan), "holds NaN or infinity in 'A'"),
        (torch.ones(3, 5, 4), r"expected A as \[K, V, V\] \(got \[3, 5, 4\]\)"),
        (torch.ones(5, 5), r"expected A as \[K, V, V\] \(got \[5, 5\]\)"),
        (torch.ones(0, 5, 5), r"expected A as \[K, V, V\]"),
    ],
)
def test_an_adjacency_that_is_none_is_refused_by_name(adjacency, message):
    state = to_published(STGCN(3, 2, BODY, channels=[4], temporal_kernel=3))
    with pytest.raises(StateDictMismatch, match=message):
        load_published({**state, "A": adjacency}, BODY)
    with pytest.raises(StateDictMismatch, match="got str for 'A'"):
        load_published({"A": "x"})
    with pytest.raises(StateDictMismatch, match="got Tensor for 1"):
        load_published({1: torch.zeros(2)})


def test_an_unknown_naming_is_told_with_the_known_ones():
    with pytest.raises(StateDictMismatch, match=r"known here \(st-gcn, PYSKL, CTR-GCN, KTH"):
        load_published({"encoder.weight": torch.zeros(2)})


def test_a_layout_of_other_joints_is_refused():
    state = to_published(STGCN(3, 2, BODY, channels=[4], temporal_kernel=3))
    with pytest.raises(ValueError, match=r"for 5 joints, layout 'coco_17' has 17"):
        load_published(state, "coco_17")


def test_a_layout_that_nobody_knows_comes_from_the_adjacency():
    state = to_published(STGCN(3, 2, BODY, channels=[4], temporal_kernel=3))
    layout = load_published(state).layout
    assert layout is not None
    assert {tuple(sorted(bone)) for bone in layout.bones} == set(BODY.bones)
    known = load_published(to_published(CTRGCN(3, 2, "kinect_v1_20_ctrgcn", channels=[8])))
    assert known.layout is not None
    assert known.layout.name == "kinect_v1_20_ctrgcn"


def test_a_class_loads_its_own_weights_alone():
    state = to_published(CTRGCN(3, 2, BODY, channels=[8]))
    assert isinstance(CTRGCN.from_published(state, BODY), CTRGCN)
    with pytest.raises(ValueError, match=r"load them with CTRGCN\.from_published"):
        STGCNPlusPlus.from_published(state, BODY)


def test_weights_of_a_backbone_load_without_a_head():
    model = trained(STGCNPlusPlus(3, 4, BODY, channels=[6, 12]))
    state = to_published(model)
    bare = {k.removeprefix("backbone."): v for k, v in state.items() if "cls_head" not in k}
    encoder = load_published(bare, BODY, head=False).eval()
    x = batch_of(clips(2, 2, 5))
    assert_close(encoder(x), model.embed(x))
    with pytest.raises(StateDictMismatch, match=r"missing cls_head\.fc_cls\.weight"):
        load_published(bare, BODY)
    assert encoder.num_classes is None
    assert load_published(state, BODY, head=False).num_classes is None


def test_person_slots_give_way_to_ragged_batches_where_asked(generator):
    own = {"data_norm": "person_joint", "num_persons": 2, "as_published": True}
    model = trained(CTRGCN(3, 4, BODY, channels=[8], **own))
    ragged = load_published(to_published(model), BODY, as_published=False).eval()
    batch = random_batch([[4], [3, 3, 5]], BODY, generator=generator)
    assert ragged(batch).shape == (2, 4)
    alone = batch_of(torch.randn(1, 2, 4, 5, 3))
    first = model.data_norm.weight.view(2, -1)[0]
    assert torch.equal(ragged.data_norm.weight, first)
    with pytest.raises(ValueError, match="recording of 1"):
        model(batch)
    assert model(alone).shape == (1, 4)


@pytest.mark.parametrize("adaptive", [None, "importance", "offset"])
def test_units_with_adjacencies_of_their_own_become_learned_ones(adaptive):
    model = STGCN(
        3,
        4,
        BODY,
        channels=[4, 4],
        block="stgcn++",
        edge_importance=False,
        adaptive=adaptive,
        temporal_kernel=3,
        block_kwargs=PYSKL_PLAIN,
    )
    state = to_published(trained(model))
    state["backbone.gcn.1.gcn.A"] = torch.randn(3, 5, 5)
    x = clips(2, 2, 4)
    loaded = load_published(state, BODY, adaptive=adaptive).eval()
    assert_close(loaded(batch_of(x)), reference.pyskl(state, x, [1, 1], adaptive), 1e-4)


@pytest.mark.parametrize("adaptive", ["importance", "offset"])
def test_fresh_tables_are_told_apart(adaptive):
    model = STGCN(
        3,
        4,
        BODY,
        channels=[4],
        block="stgcn++",
        edge_importance=False,
        adaptive=adaptive,
        block_kwargs=PYSKL_PLAIN,
    )
    loaded = load_published(to_published(model), BODY)
    assert loaded.blocks[0].spatial.adaptive == adaptive


def test_a_loaded_network_is_saved_and_loaded_as_any_other(tmp_path):
    model = load_published(to_published(trained(STGCNPlusPlus(3, 4, BODY, channels=[6, 12]))), BODY)
    model.save_pretrained(tmp_path)
    x = batch_of(clips(2, 2, 5))
    assert torch.equal(STGCNPlusPlus.from_pretrained(tmp_path).eval()(x), model.eval()(x))


def test_a_network_of_no_published_form_is_not_exported():
    model = STGCN(3, 4, BODY, channels=[4], conv="GATv2Conv", edge_importance=False)
    with pytest.raises(ValueError, match="blocks 'stgcn' of GATv2Conv"):
        to_published(model)
    own = {"attention": False, "adaptive": None, "data_norm": "channel"}
    with pytest.raises(ValueError, match="of AdaptiveGraphConv on this layout"):
        to_published(AAGCN(3, 4, None, channels=[4], **own))
    with pytest.raises(ValueError, match=r"same tensors: blocks\.0\.spatial\.adjacency"):
        to_published(AAGCN(3, 4, BODY, channels=[4], adaptive=None))
    model = STGCN(3, 4, BODY, channels=[4], block="plain")
    with pytest.raises(ValueError, match=r"same tensors: .*blocks\.0\.spatial\.adjacency"):
        to_published(model)
