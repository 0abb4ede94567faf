"""PYSKL's AAGCN and DG-STGCN: its names and shapes in, the numbers of a dense reference out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch

from stgraph import AAGCN, DGSTGCN, STGCN, SkeletonGraph, SkeletonLayout, load_published
from stgraph.nn import StateDictMismatch, to_published
from stgraph.testing import assert_close, to_dtype
from tests.nn.published import names, reference

BODY = SkeletonLayout("body", ["a", "b", "c", "d", "e"], [(0, 1), (1, 2), (1, 3), (3, 4)], centre=0)
EVEN = SkeletonLayout("even", ["a", "b", "c", "d"], [(0, 1), (1, 2), (1, 3)], centre=0)
CHANNELS, STRIDES = [12, 12, 24, 24], [1, 1, 2, 1]

State = dict[str, Tensor]
Reference = Callable[..., Tensor]


def clips(n: int, persons: int, frames: int, joints: int) -> Tensor:
    """Float32 numbers in float64: [N, M, T, V, 3]; one person is not there, one clip is short."""
    x = torch.randn(n, persons, frames, joints, 3)
    x[0, 1:] = 0
    x[-1, :, frames - frames // 3 :] = 0
    return x.double()


def batch_of(x: Tensor, layout: SkeletonLayout) -> Batch:
    graphs = [SkeletonGraph.from_dense(c.float(), layout, keep_absent=True) for c in x]
    return Batch.from_data_list([to_dtype(graph, x.dtype) for graph in graphs])


def as_double(state: State) -> State:
    return {k: v.double() if v.is_floating_point() else v.clone() for k, v in state.items()}


def assert_same_numbers(
    model: STGCN, state: State, x: Tensor, layout: SkeletonLayout, dense: Reference, training: bool
) -> None:
    """Logits and the gradient of every tensor, in float64; logits in float32 to 1e-5."""
    own = as_double(state)
    trained = [k for k, v in own.items() if v.is_floating_point() and "running_" not in k]
    leaves = {k: own[k].requires_grad_() for k in trained}
    expected = dense(own, x, training=training)
    probe = torch.linspace(-1, 1, expected.numel()).to(expected).view_as(expected)
    gradients = torch.autograd.grad(
        (expected * probe).sum(), list(leaves.values()), allow_unused=True
    )
    if not training:
        assert_close(model.eval()(batch_of(x.float(), layout)).double(), expected, 1e-5)
    twin = load_like(model, state)
    out = twin.double().train(training)(batch_of(x, layout))
    assert_close(out, expected, 1e-6)  # the shares of poses in a mean are float32
    (out * probe).sum().backward()
    ours = to_published(twin, {n: p.grad for n, p in twin.named_parameters()})
    scale = max(float(g.abs().max()) for g in gradients if g is not None)
    for name, gradient in zip(leaves, gradients, strict=True):
        if gradient is None or name not in ours:
            assert gradient is None or not bool(gradient.any()), name
            continue
        found = ours[name]
        if name.endswith("add_coeff"):  # leaves with PYSKL's default length
            found = found[: len(gradient)]
        assert float((found - gradient).abs().max()) <= 1e-6 * scale, name


def load_like(model: STGCN, state: State) -> STGCN:
    gates = getattr(model.blocks[0].spatial.conv, "beta", torch.zeros(1)).numel() > 1
    return load_published(state, model.layout, gate_per_group=gates)


def assert_goes_back(model: STGCN, state: State, without: tuple[str, ...] = ()) -> None:
    back = to_published(model)
    assert back.keys() == state.keys()
    for key, value in state.items():
        if not key.endswith(without):
            assert torch.equal(back[key], value), key


# --- AAGCN ---
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("persons", "layout", "attention", "branches"),
    [
        (1, BODY, True, False),
        (2, EVEN, True, False),
        (3, BODY, False, False),
        (2, BODY, True, True),
    ],
)
@pytest.mark.parametrize("frames", [2, 13])
def test_aagcn_is_the_dense_network_of_the_same_names(
    persons, layout, attention, branches, frames, training
):
    joints = layout.num_joints
    shapes = names.aagcn(CHANNELS, STRIDES, joints, 3, persons, 4, attention, branches)
    state = names.random_state(shapes)
    model = load_published(state, layout)
    assert type(model) is AAGCN
    assert isinstance(AAGCN.from_published(state, layout), AAGCN)
    x = clips(3, persons, frames, joints)

    def dense(s: State, x: Tensor, training: bool) -> Tensor:
        return reference.aagcn(s, x, STRIDES, training)

    assert_same_numbers(model, state, x, layout, dense, training)
    assert_goes_back(model, state)


def test_aagcn_of_published_sizes_loads():
    channels, strides = [64] * 4 + [128] * 3 + [256] * 3, [1, 1, 1, 1, 2, 1, 1, 2, 1, 1]
    state = names.random_state(names.aagcn(channels, strides, 25, 3, 2, 60))
    model = load_published(state)
    assert isinstance(model, AAGCN)
    assert (model.channels, model.strides) == (channels, strides)
    assert model.layout is not None
    assert model.layout.name == "kinect_v2_25_pyskl"
    assert_goes_back(model, state)


def test_aagcn_loads_without_the_graph_that_it_started_from():
    state = names.random_state(names.aagcn([8, 8], [1, 1], 5))
    expected = load_published(state, BODY).eval()
    del state["backbone.A"]
    x = batch_of(clips(2, 1, 6, 5).float(), BODY)
    assert torch.equal(load_published(state, BODY).eval()(x), expected(x))


def test_attention_to_numbered_joints_keeps_their_numbers_and_does_not_leave_without_them():
    model = load_published(names.random_state(names.aagcn([8], [1], 5)), BODY)
    model.permute_joints([3, 1, 0, 2, 4])
    with pytest.raises(ValueError, match="permute them back before to_published"):
        to_published(model)
    model.permute_joints([2, 1, 3, 0, 4])
    assert to_published(model)


# --- DG-STGCN ---
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("persons", "layout", "groups", "ratio", "coefficients", "per_group"),
    [
        (1, BODY, 8, 0.125, 25, False),
        (2, EVEN, 3, 0.25, 4, True),
        (1, EVEN, 4, 0.3, 4, False),
    ],
)
@pytest.mark.parametrize("frames", [2, 13])
def test_dg_stgcn_is_the_dense_network_of_the_same_names(
    persons, layout, groups, ratio, coefficients, per_group, frames, training
):
    joints = layout.num_joints
    shapes = names.dgstgcn(CHANNELS, STRIDES, joints, groups, ratio, 3, persons, 4, coefficients)
    state = names.random_state(shapes)
    model = load_published(state, layout, gate_per_group=per_group)
    assert type(model) is DGSTGCN
    x = clips(3, persons, frames, joints)

    def dense(s: State, x: Tensor, training: bool) -> Tensor:
        return reference.dgstgcn(s, x, STRIDES, per_group, training)

    assert_same_numbers(model, state, x, layout, dense, training)
    unused = ("add_coeff",) if per_group else ("add_coeff", ".alpha", ".beta")
    assert_goes_back(model, state, unused)


def test_one_gate_or_one_a_group_is_read_off_the_gates():
    state = names.random_state(names.dgstgcn([16], [1], 5))
    gates = [key for key in state if key.endswith((".alpha", ".beta"))]
    model = load_published(state, BODY)
    assert model.blocks[0].spatial.conv.alpha.shape == (8,)
    for key in gates:
        state[key][1:] = 0
    state["backbone.gcn.0.tcn.add_coeff"][5:] = 0
    model = load_published(state, BODY)
    assert model.blocks[0].spatial.conv.alpha.shape == (1,)
    assert_goes_back(model, state)


def test_dg_stgcn_of_published_sizes_loads():
    channels, strides = [64] * 4 + [128] * 3 + [256] * 3, [1, 1, 1, 1, 2, 1, 1, 2, 1, 1]
    state = names.random_state(names.dgstgcn(channels, strides, 25, classes=60))
    model = load_published(state)
    assert isinstance(model, DGSTGCN)
    assert (model.channels, model.strides) == (channels, strides)
    assert model.config["data_norm"] == "joint"
    assert_goes_back(model, state)


# --- both ---
BOTH = {
    "aagcn": (names.aagcn([12, 24], [1, 2], 5), reference.aagcn),
    "dgstgcn": (names.dgstgcn([12, 24], [1, 2], 5, 4, 0.25), reference.dgstgcn),
}


@pytest.mark.parametrize("name", BOTH)
def test_in_a_ragged_batch_each_track_is_the_dense_network_on_that_track_alone(name, generator):
    shapes, dense = BOTH[name]
    state = names.random_state(shapes)
    per_group = {"gate_per_group": False}
    model = load_published(state, BODY, as_published=False, **per_group).double().eval()
    tracks = [torch.randn(1, 1, n, 5, 3, generator=generator).double() for n in (1, 7, 40, 16, 3)]
    ragged = Batch.from_data_list([batch_of(track, BODY).to_data_list()[0] for track in tracks])
    own = as_double(state)
    expected = torch.cat([dense(own, track, [1, 2]) for track in tracks])
    assert_close(model(ragged), expected, 1e-6)


@pytest.mark.parametrize("name", BOTH)
def test_missing_and_strange_tensors_are_listed(name):
    state = names.random_state(BOTH[name][0])
    del state["backbone.gcn.1.gcn.bn.running_mean"]
    state["backbone.gcn.1.gcn.extra"] = torch.zeros(1)
    with pytest.raises(StateDictMismatch) as error:
        load_published(state, BODY)
    assert "missing (1): backbone.gcn.1.gcn.bn.running_mean" in str(error.value)
    assert "not in the network (1): backbone.gcn.1.gcn.extra" in str(error.value)


@pytest.mark.parametrize("name", BOTH)
def test_a_loaded_network_saves_and_loads(name, tmp_path):
    model = load_published(names.random_state(BOTH[name][0]), BODY).eval()
    model.save_pretrained(tmp_path)
    x = batch_of(clips(2, 1, 6, 5).float(), BODY)
    assert torch.equal(type(model).from_pretrained(tmp_path).eval()(x), model(x))


@pytest.mark.parametrize("name", BOTH)
def test_weights_of_a_backbone_alone_load_without_a_head(name):
    state = names.random_state(BOTH[name][0])
    bare = {k.removeprefix("backbone."): v for k, v in state.items() if "cls_head" not in k}
    encoder = load_published(bare, BODY, head=False).eval()
    x = batch_of(clips(2, 1, 6, 5).float(), BODY)
    assert_close(encoder(x), load_published(state, BODY).eval().embed(x))
