from __future__ import annotations

import copy
import itertools

import pytest
import torch

from stgraph.nn import (
    DGSTGCN,
    STGCN,
    FrameClassifier,
    GraphDecoder,
    HiTRS,
    MotionPredictor,
    RecurrentDecoder,
    channel_groups,
    silence_channels,
    with_channels,
)
from stgraph.sparsity import (
    SparseAssembly,
    compress,
    edge_scores,
    prune_edges,
    prune_joints,
    sparsify,
)
from stgraph.testing import assert_close, random_batch, randomise_norms
from tests.sparsity.networks import BODY, LENGTHS, NETWORKS


def batch(generator: torch.Generator):
    return random_batch(LENGTHS, BODY, generator=generator)


@pytest.mark.parametrize("name", NETWORKS)
def test_what_a_dense_network_gives_stays(name, generator):
    model = randomise_norms(NETWORKS[name]()).eval()
    graphs = batch(generator)
    with torch.no_grad():
        same = compress(model)
        assert_close(same(graphs), model(graphs))
    assert same is not model
    before, after = model.state_dict(), same.state_dict()
    # entries of a learned adjacency that are zero at first are left out
    names = before.keys() & after.keys()
    assert all(before[name].shape == after[name].shape for name in names)
    assert not [name for name in before.keys() - after.keys() if not name.endswith("adjacency")]


@pytest.mark.parametrize("name", NETWORKS)
def test_channels_that_a_mask_cuts_are_taken_out(name, generator, tmp_path):
    model = randomise_norms(NETWORKS[name]()).eval()
    sparsify(model, 0.4, granularity="channel")
    with torch.no_grad():
        expected = model(graphs := batch(generator))
        smaller = compress(model)
        assert_close(smaller(graphs), expected)
        smaller.save_pretrained(tmp_path)
        again = type(smaller).from_pretrained(tmp_path).eval()
        assert torch.equal(again(graphs), smaller(graphs))
    sizes = [sum(p.numel() for p in one.parameters()) for one in (smaller, NETWORKS[name]())]
    assert sizes[0] < 0.9 * sizes[1]


def test_edges_types_and_channels_go_together(generator, tmp_path):
    model = randomise_norms(STGCN(3, 4, BODY, channels=[8, 8, 16], temporal_kernel=3)).eval()
    partition = model.partition_of(model.layout)
    with torch.no_grad():
        for block in model.blocks:
            block.spatial.importance[partition.edge_type == 1] = 0.0
            block.spatial.importance[0] = 0.0
        keep = {
            name: torch.rand(group.size, generator=generator) < 0.6
            for name, group in channel_groups(model).items()
        }
        silence_channels(model, keep)
        expected = model(graphs := batch(generator))
        smaller = compress(model)
        assert_close(smaller(graphs), expected)
    assert smaller.num_types == 2
    assert smaller.partition_of(smaller.layout).num_edges < partition.num_edges
    assert sum(p.numel() for p in smaller.parameters()) < 0.6 * sum(
        p.numel() for p in model.parameters()
    )
    smaller.save_pretrained(tmp_path)
    with torch.no_grad():
        assert torch.equal(STGCN.from_pretrained(tmp_path).eval()(graphs), smaller(graphs))


# --- joints, edges and channels ---
def cut_joints(model):
    return model if model.kept is not None else prune_joints(model, ["a", "b", "d"])


def cut_channels(model):
    groups = channel_groups(model)
    keep = {name: torch.arange(group.size) % 3 > 0 for name, group in groups.items()}
    return compress(silence_channels(copy.deepcopy(model), keep))


def cut_weakest_edges(model):
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for block in twin.blocks:
            learned = block.spatial.importance
            learned = block.spatial.adjacency if learned is None else learned
            learned.flatten()[::2] = 0.0
    return compress(twin)


@pytest.mark.parametrize("name", ["STGCN", "STGCNPlusPlus", "with attention of CTR-GCN"])
@pytest.mark.parametrize("order", [*itertools.permutations(["joints", "edges", "channels"])])
def test_joints_edges_and_channels_go_in_any_order(name, order, generator, tmp_path):
    ctr = name not in NETWORKS
    model = randomise_norms(NETWORKS["CTRGCN" if ctr else name]()).double().eval()
    graphs = random_batch(LENGTHS, BODY, generator=generator, dtype=torch.float64)
    steps = {
        "joints": cut_joints,
        "edges": (lambda m: m) if ctr else cut_weakest_edges,
        "channels": cut_channels,
    }
    with torch.no_grad():
        for step in order:
            before, model = model, steps[step](model)
        groups = channel_groups(model)
        keep = {name: torch.arange(group.size) > 0 for name, group in groups.items()}
        silent = silence_channels(copy.deepcopy(model), keep)
        if not ctr:
            learned = [block.spatial.importance for block in silent.blocks]
            for factors in learned:
                factors[1] = 0.0
        smaller = compress(silent)
        assert_close(smaller(graphs), silent(graphs), 1e-10)
    assert smaller.kept.tolist() == [0, 1, 3]
    assert type(smaller) is type(before)
    assert sum(p.numel() for p in smaller.parameters()) < sum(p.numel() for p in model.parameters())
    smaller.float().save_pretrained(tmp_path)
    again = type(smaller).from_pretrained(tmp_path).double().eval()
    assert_close(again(graphs), smaller.double()(graphs), 1e-10)


@pytest.mark.parametrize("kind", ["importance", "init"])
def test_the_order_of_cuts_makes_no_difference(kind, generator):
    model = STGCN(3, 4, BODY, channels=[8, 8], temporal_kernel=3, adaptive=kind)
    model = randomise_norms(model).double().eval()
    graphs = random_batch(LENGTHS, BODY, generator=generator, dtype=torch.float64)
    keep = {"stage.0": torch.arange(8) % 3 > 0}
    edges = edge_scores(model).edges
    chosen = torch.arange(edges.num_edges) % 3 > 0
    inside = torch.isin(edges.edge_index, torch.tensor([0, 1, 3])).all(dim=0)
    names = ["a", "b", "d"]
    with torch.no_grad():
        one = prune_joints(
            prune_edges(with_channels(model, keep), keep=chosen, floor=0), names, floor=0
        )
        other = prune_edges(prune_joints(model, names, floor=0), keep=chosen[inside], floor=0)
        assert_close(with_channels(other, keep)(graphs), one(graphs), 1e-10)


# --- networks around an encoder ---
@pytest.mark.parametrize("num_classes", [None, 4])
@pytest.mark.parametrize("name", ["STGCN", "DGSTGCN", "HiTRS"])
def test_the_encoder_of_a_detector_becomes_smaller(name, num_classes, generator, tmp_path):
    encoder = randomise_norms(encoders(num_classes)[name]())
    if name != "HiTRS":
        encoder.blocks[0].requires_grad_(False)
    model = FrameClassifier(encoder, 3).eval()
    sparsify(model, 0.4, granularity="channel")
    with torch.no_grad():
        if name == "STGCN":
            for block in encoder.blocks:
                block.spatial.importance[::2] = 0.0
        expected = model(graphs := batch(generator)).logits
        smaller = compress(model)
        assert_close(smaller(graphs).logits, expected)
        smaller.save_pretrained(tmp_path)
        again = FrameClassifier.from_pretrained(tmp_path).eval()
        assert torch.equal(again(graphs).logits, smaller(graphs).logits)
    assert smaller.encoder.out_channels == encoder.out_channels
    assert smaller.encoder is not encoder
    if name == "STGCN":
        layout = smaller.encoder.layout
        found = (smaller.encoder.partition_of(layout), encoder.partition_of(layout))
        assert found[0].num_edges < found[1].num_edges
    frozen = {name for name, p in smaller.named_parameters() if not p.requires_grad}
    assert bool(frozen) == (name != "HiTRS")
    smaller.train()(graphs).logits.sum().backward()


def encoders(num_classes):
    return {
        "STGCN": lambda: STGCN(3, num_classes, BODY, channels=[8, 8, 16], temporal_kernel=3),
        "DGSTGCN": lambda: DGSTGCN(3, num_classes, BODY, 2, channels=[12, 12], strides=[1, 1]),
        "HiTRS": lambda: HiTRS(3, num_classes=num_classes, width=8, depth=1, num_heads=2),
    }


@pytest.mark.parametrize("num_classes", [None, 4])
@pytest.mark.parametrize("nodes", [False, True])
def test_the_encoder_of_a_predictor_becomes_smaller(num_classes, nodes, generator):
    encoder = randomise_norms(encoders(num_classes)["STGCN"]())
    decoder = GraphDecoder(16, BODY) if nodes else RecurrentDecoder(16, BODY)
    model = MotionPredictor(encoder, decoder).eval()
    tracks = random_batch([[9], [4], [1]], BODY, generator=generator)
    sparsify(encoder, 0.4, granularity="channel")
    with torch.no_grad():
        expected = model(tracks, 3)
        smaller = compress(model)
        assert_close(smaller(tracks, 3), expected)
    assert model.encoder is encoder
    sizes = [sum(p.numel() for p in one.parameters()) for one in (smaller.encoder, encoder)]
    assert sizes[0] < 0.8 * sizes[1]
    plain = compress(smaller)
    assert plain.encoder is not smaller.encoder
    assert plain.decoder is not smaller.decoder


def test_what_members_with_classes_return_stays(generator):
    members = [encoders(4)[name]() for name in ("STGCN", "STGCN")]
    model = randomise_norms(SparseAssembly(members, 3, "mix")).eval()
    for member in members:
        sparsify(member, 0.6, granularity="channel")
    model.head.requires_grad_(False)
    with torch.no_grad():
        expected = model(graphs := batch(generator))
        smaller = compress(model)
        assert_close(smaller(graphs), expected)
    assert smaller.out_channels == 16
    assert not smaller.head.weight.requires_grad
    assert smaller.mix.weight.requires_grad


def test_a_network_that_says_nothing_of_its_channels_is_refused():
    with pytest.raises(TypeError, match="Linear does not say which channels can be left out"):
        compress(torch.nn.Linear(2, 2))


def test_members_of_an_assembly_become_smaller(generator, tmp_path):
    members = [STGCN(3, None, BODY, channels=[8, 8], temporal_kernel=3) for _ in range(2)]
    model = randomise_norms(SparseAssembly(members, 4, "scale")).eval()
    for member, sparsity in zip(model.members, (0.3, 0.6), strict=True):
        sparsify(member, sparsity, granularity="channel", include="hidden")
    with torch.no_grad():
        expected = model(graphs := batch(generator))
        smaller = compress(model)
        assert_close(smaller(graphs), expected)
        smaller.save_pretrained(tmp_path)
        assert torch.equal(SparseAssembly.from_pretrained(tmp_path).eval()(graphs), smaller(graphs))
    sizes = [sum(p.numel() for p in member.parameters()) for member in smaller.members]
    assert sizes[1] < sizes[0] < sum(p.numel() for p in members[0].parameters())


def test_what_is_compressed_trains_on(generator):
    model = NETWORKS["STGCN"]()
    sparsify(model, 0.5, granularity="channel")
    smaller = compress(model).train()
    loss = smaller(batch(generator)).square().mean()
    loss.backward()
    assert all(p.grad is not None for p in smaller.parameters())
    assert not any("parametrizations" in name for name in smaller.state_dict())
    assert any("parametrizations" in name for name in copy.deepcopy(model).state_dict())
