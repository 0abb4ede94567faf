from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from stgraph.nn import AAGCN, CTRGCN, STGCN
from stgraph.sparsity import SparsitySchedule, compress, sparsify
from stgraph.testing import (
    assert_batch_consistent,
    assert_close,
    assert_joint_permutation,
    assert_people_invariant,
    assert_track_ends_hard,
    random_batch,
    random_skeleton_graph,
    randomise_norms,
    to_dtype,
)
from tests.sparsity.networks import BODY, LENGTHS, NETWORKS


def batch(generator: torch.Generator):
    return random_batch(LENGTHS, BODY, generator=generator)


def loss_of(model: nn.Module, graphs) -> torch.Tensor:
    out = model(graphs) if not hasattr(model, "embed") else model.embed(graphs)
    return out.square().mean()


@pytest.mark.parametrize("name", NETWORKS)
def test_any_encoder_becomes_sparse_and_plain_again(name, generator, tmp_path):
    model = randomise_norms(NETWORKS[name]()).eval()
    graphs = batch(generator)
    sparse = sparsify(model, 0.7, schedule=SparsitySchedule(warm_up=0.5))
    assert sparse.density == 1.0
    sparse.at(1.0)
    assert sparse.density == pytest.approx(0.3, abs=0.01)
    with torch.no_grad():
        masked = model(graphs)
        plain = sparse.finalize()(graphs)
    assert torch.equal(masked, plain)
    zeros = sum(int((getattr(w.module, w.parameter) == 0).sum()) for w in sparse.weights)
    assert zeros == pytest.approx(0.7 * sparse.weights.numel, abs=2)
    plain_names = NETWORKS[name]().state_dict().keys()
    assert model.state_dict().keys() == plain_names
    model.save_pretrained(tmp_path)
    with torch.no_grad():
        assert torch.equal(type(model).from_pretrained(tmp_path).eval()(graphs), masked)


@pytest.mark.parametrize("name", NETWORKS)
def test_training_moves_masks(name, generator):
    model = NETWORKS[name]()
    graphs = batch(generator)
    sparse = sparsify(model, 0.5)
    sparse.at(1.0)
    before = {name: mask.clone() for name, mask in sparse.masks().items()}
    optimizer = torch.optim.SGD(model.parameters(), 1.0)
    for _ in range(3):
        optimizer.zero_grad()
        loss_of(model, graphs).backward()
        for score in sparse.pool.scores:
            assert score.grad is not None
        optimizer.step()
    after = sparse.masks()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    # what was cut at first can come back
    assert any(bool((after[name] & ~before[name]).any()) for name in before)


def test_dense_at_first_it_is_the_network_that_it_was(generator):
    model = randomise_norms(NETWORKS["STGCN"]()).eval()
    graphs = batch(generator)
    expected = model(graphs)
    sparse = sparsify(model, 0.9, schedule=SparsitySchedule(0.5))
    assert torch.equal(model(graphs), expected)
    sparse.at(0.49)
    assert torch.equal(model(graphs), expected)
    sparse.at(0.5)
    assert not torch.equal(model(graphs), expected)


def test_gradients_are_those_of_the_formula():
    layer = nn.ModuleDict({"linear": nn.Linear(5, 4)}).double()
    weight = layer["linear"].weight.detach().clone()
    sparse = sparsify(layer, 0.6, include="weight")
    sparse.at(1.0)
    (mask,) = sparse.masks().values()
    x, seen = torch.randn(7, 5, dtype=torch.float64), torch.randn(7, 4, dtype=torch.float64)
    (layer["linear"](x) * seen).sum().backward()
    dense = seen.T @ x
    (score,) = sparse.pool.scores
    original = layer["linear"].parametrizations.weight.original
    assert_close(score.grad, dense * weight)
    assert_close(original.grad, dense * mask)


@pytest.mark.parametrize("as_published", [False, True])
def test_the_penalty_shrinks_what_will_be_cut_unless_it_is_the_published_one(
    as_published, generator
):
    model = NETWORKS["STGCN"]()
    schedule = SparsitySchedule(warm_up=0.5)
    sparse = sparsify(model, 0.8, schedule=schedule, as_published=as_published)
    assert float(sparse.penalty().detach()) == 0.0
    sparse.at(0.25)
    half = sparse.penalty()
    assert half.requires_grad is not as_published
    sparse.at(0.5)
    assert float(sparse.penalty().detach()) == pytest.approx(2 * float(half.detach()), rel=1e-5)
    sparse.at(0.51)
    assert float(sparse.penalty()) == 0.0
    if as_published:
        return
    sparse.at(0.5)
    sparse.penalty().backward()
    for weight, cut in zip(sparse.weights, sparse.pool.masks_at(0.8), strict=True):
        gradient = weight.module.parametrizations[weight.parameter].original.grad
        assert bool((gradient[cut] == 0).all())
        assert bool((gradient[~cut] != 0).all())


def test_the_penalty_is_a_sum_of_norms_of_blocks(generator):
    model = NETWORKS["STGCN"]()
    sparse = sparsify(model, 0.8, schedule=SparsitySchedule(warm_up=1.0))
    sparse.at(1.0 - 1e-9)
    masks = sparse.pool.masks_at(0.8)
    squares: dict[str, float] = {}
    for weight, mask in zip(sparse.weights, masks, strict=True):
        block = ".".join(weight.name.split(".")[:2])
        original = weight.module.parametrizations[weight.parameter].original
        squares[block] = squares.get(block, 0.0) + float(original[~mask].detach().square().sum())
    expected = sum(value**0.5 for value in squares.values())
    assert float(sparse.penalty().detach()) == pytest.approx(expected, rel=1e-5)


def test_as_published_about_half_of_each_shortcut_is_kept_at_any_sparsity():
    for sparsity in (0.6, 0.99):
        model = STGCN(3, 4, BODY, channels=[32, 64, 128])
        sparse = sparsify(
            model, sparsity, schedule=SparsitySchedule(warm_up=0.5), as_published=True
        )
        kept = {k.name: k.density for k in sparse.kept()}
        assert kept["blocks.1.shortcut.conv.weight"] == pytest.approx(0.5, abs=0.05)
        assert kept["blocks.1.temporal.weight"] == 1.0
        sparse.at(1.0)
        kept = {k.name: k.density for k in sparse.kept()}
        assert kept["blocks.1.shortcut.conv.weight"] == pytest.approx(0.5, abs=0.05)
        assert sparse.density < 1 - sparsity + 0.1


def test_every_layer_of_a_wide_network_keeps_something_at_99_percent():
    model = STGCN(3, 4, BODY, channels=[16, 64, 128])
    sparse = sparsify(model, 0.99, scores="kaiming", floor=None)
    sparse.at(1.0)
    assert min(k.kept for k in sparse.kept()) == 0  # the public code's way
    model = STGCN(3, 4, BODY, channels=[16, 64, 128])
    sparse = sparsify(model, 0.99, scores="kaiming")
    sparse.at(1.0)
    assert min(k.kept for k in sparse.kept()) >= 1
    assert sparse.density == pytest.approx(0.01, abs=0.002)


def test_scores_of_magnitude_keep_the_largest_weights():
    layer = nn.ModuleDict({"linear": nn.Linear(50, 40)})
    weight = layer["linear"].weight.detach().abs()
    sparse = sparsify(layer, 0.75, include="weight", scores="magnitude", floor=None)
    sparse.at(1.0)
    (mask,) = sparse.masks().values()
    assert float(weight[mask].min()) >= float(weight[~mask].max())


def test_copies_have_masks_of_their_own(generator):
    model = NETWORKS["STGCN"]().eval()
    sparse = sparsify(model, 0.5)
    sparse.at(1.0)
    twin = copy.deepcopy(model)
    graphs = batch(generator)
    expected = twin(graphs)
    with torch.no_grad():
        for score in sparse.pool.scores:
            score.neg_()
    assert torch.equal(twin(graphs), expected)
    assert not torch.equal(model(graphs), expected)


def test_weights_and_scores_go_through_a_state_dict(generator):
    first, second = NETWORKS["STGCN"]().eval(), NETWORKS["STGCN"]().eval()
    for model in (first, second):
        sparsify(model, 0.5).at(1.0)
    second.load_state_dict(first.state_dict())
    graphs = batch(generator)
    assert torch.equal(first(graphs), second(graphs))


@pytest.mark.parametrize("name", ["STGCN", "STGCNPlusPlus", "CTRGCN"])
def test_laws_hold_for_a_sparse_network(name, generator):
    model = randomise_norms(NETWORKS[name]())
    sparsify(model, 0.6).at(1.0)
    graphs = [random_skeleton_graph(BODY, lengths, generator=generator) for lengths in LENGTHS]
    assert_batch_consistent(model, graphs)
    assert_people_invariant(model, graphs[0])
    assert_track_ends_hard(model, graphs[0])
    if name == "STGCN":
        assert_joint_permutation(model, graphs[0])


def test_the_table_says_what_every_layer_keeps():
    sparse = sparsify(NETWORKS["STGCN"](), 0.8)
    sparse.at(1.0)
    lines = str(sparse).splitlines()
    assert len(lines) == len(sparse.weights) + 1
    kept, total = sum(k.kept for k in sparse.kept()), sparse.weights.numel
    assert f"{kept:,} of" in lines[-1]
    assert f"{total:,}" in lines[-1]
    assert lines[-1].endswith(f"{kept / total:.2%}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sparsity": 1.0}, r"\[0, 1\)"),
        ({"sparsity": -0.1}, r"\[0, 1\)"),
        ({"sparsity": 0.5, "scores": "ones"}, "unknown scores"),
        ({"sparsity": 0.5, "scope": "block"}, "unknown scope"),
        ({"sparsity": 0.5, "floor": 2.0}, "floor"),
        ({"sparsity": 0.5, "schedule": SparsitySchedule(0.8, 0.5)}, "together at most 1"),
        ({"sparsity": 0.5, "schedule": SparsitySchedule(0.1, 0.5, "round")}, "unknown shape"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        sparsify(NETWORKS["STGCN"](), **options)


def test_masks_are_not_laid_over_masks():
    model = NETWORKS["STGCN"]()
    sparsify(model, 0.5)
    with pytest.raises(ValueError, match="finalize it first"):
        sparsify(model, 0.5)


def test_a_ramp_grows_from_nothing_to_all():
    schedule = SparsitySchedule(0.2, 0.5)
    factors = [schedule.factor(p) for p in (0.0, 0.19, 0.2, 0.45, 0.7, 1.0)]
    assert factors == pytest.approx([0, 0, 0, 0.5, 1, 1])
    cubic = SparsitySchedule(0.2, 0.5, "cubic")
    assert cubic.factor(0.45) == pytest.approx(1 - 0.5**3)


GROUPED = ["STGCN", "STGCNPlusPlus", "CTRGCN", "SkeletonTransformer", "SkeletonGIN", "HiTRS"]


@pytest.mark.parametrize("name", GROUPED)
def test_channels_that_are_cut_can_be_taken_out(name, generator):
    model = randomise_norms(NETWORKS[name]()).eval()
    graphs = batch(generator)
    sparse = sparsify(model, 0.5, granularity="channel")
    assert sparse.density == pytest.approx(0.5, abs=0.1)
    with torch.no_grad():
        expected = model(graphs)
        smaller = compress(model)
        assert_close(smaller(graphs), expected)
    assert type(smaller) is type(NETWORKS[name]())
    dense = sum(p.numel() for p in NETWORKS[name]().parameters())
    assert sum(p.numel() for p in smaller.parameters()) < 0.9 * dense
    with torch.no_grad():  # what it was made of is as it was
        assert torch.equal(model(graphs), expected)


def test_scores_of_channels_learn_what_their_gates_are_worth(generator):
    model = NETWORKS["STGCN"]().double()
    sparse = sparsify(model, 0.4, granularity="channel", include="hidden")
    graphs = to_dtype(batch(generator), torch.float64)
    loss_of(model, graphs).backward()
    part = sparse.weights[0]
    expected = 0.0
    for gate in part.gates:
        layers = gate.module.parametrizations[gate.parameter]
        mask = sparse.masks()[part.name]
        kept = layers.original.grad[mask] * layers.original[mask]
        expected = expected + kept.detach()
    assert_close(sparse.pool.scores[0].grad[sparse.masks()[part.name]], expected)
    assert bool((sparse.pool.scores[0].grad != 0).any())


@pytest.mark.parametrize("adaptive", ["importance", "init"])
def test_edges_that_are_cut_go_from_all_units(adaptive, generator):
    model = STGCN(
        3, 4, BODY, channels=[4, 8], temporal_kernel=3, adaptive=adaptive, partition="spatial"
    )
    randomise_norms(model).eval()
    for block in model.blocks:
        torch.nn.init.normal_(
            block.spatial.importance if adaptive == "importance" else block.spatial.adjacency
        )
    before = model.partition_of(model.layout).num_edges
    sparse = sparsify(model, 0.5, granularity="edge")
    graphs = batch(generator)
    with torch.no_grad():
        expected = model(graphs)
        smaller = compress(model)
        assert_close(smaller(graphs), expected)
    kept = smaller.partition_of(smaller.layout).num_edges
    assert kept == int(sparse.pool.masks()[0].sum())
    assert adaptive == "init" or kept < before


def test_the_penalty_of_channels_shrinks_their_gates():
    sparse = sparsify(
        NETWORKS["STGCN"](), 0.5, granularity="channel", schedule=SparsitySchedule(warm_up=0.5)
    )
    sparse.at(0.5)
    sparse.penalty().backward()
    for part, kept in zip(sparse.weights, sparse.pool.masks_at(0.5), strict=True):
        gate = next(g for g in part.gates if g.parameter == "weight")
        gradient = gate.module.parametrizations[gate.parameter].original.grad
        if gradient is None:
            assert bool(kept.all())
            continue
        assert bool((gradient[gate.slice.rows(kept)] == 0).all())
        assert bool((gradient[gate.slice.rows(~kept)] != 0).all())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"granularity": "joint"}, "unknown granularity"),
        ({"granularity": "channel", "as_published": True}, "masks weights"),
        ({"granularity": "channel", "include": "nowhere"}, "no group of channels"),
    ],
)
def test_granularities_that_there_are_not_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        sparsify(NETWORKS["STGCN"](), 0.5, **options)


def test_edges_without_a_factor_are_refused():
    model = STGCN(3, 4, BODY, channels=[4], edge_importance=False)
    with pytest.raises(ValueError, match="adaptive='importance' or 'init'"):
        sparsify(model, 0.5, granularity="edge")


def test_edges_that_are_made_of_the_data_are_refused():
    for model in (CTRGCN(3, 4, BODY, channels=[8]), AAGCN(3, 4, BODY, channels=[8])):
        with pytest.raises(ValueError, match="makes its edges of the data"):
            sparsify(model, 0.5, granularity="edge")


def test_a_network_without_groups_of_channels_says_so():
    foreign = STGCN(3, None, BODY, channels=[8], conv="GATv2Conv", edge_importance=False)
    with pytest.raises(ValueError, match="STGCN has no channels that can be left out"):
        sparsify(foreign, 0.5, granularity="channel")
    with pytest.raises(ValueError, match="fits 'x' and not 'y'; it has blocks"):
        sparsify(STGCN(3, 4, BODY), 0.5, granularity="channel", include="x", exclude="y")
