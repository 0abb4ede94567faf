"""A network with fewer edges equals the one in which the others have weight zero."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch

from stgraph.nn import CTRGCN, STGCN, SkeletonGIN, SkeletonTransformer
from stgraph.skeleton import Partition
from stgraph.sparsity import edge_penalty, edge_scores, prune_edges
from stgraph.testing import (
    assert_batch_consistent,
    assert_close,
    assert_folded_equals_unrolled,
    assert_joint_permutation,
    assert_people_invariant,
    assert_track_ends_hard,
    evaluating,
)
from tests.sparsity.samples import BODY, LEARNED, NETWORKS, network, recording


def zeroed(model, keep, edges):
    """The same network with the cut edges at weight zero, by hand."""
    twin = copy.deepcopy(model)
    place = (edges.edge_type[~keep], edges.edge_index[1][~keep], edges.edge_index[0][~keep])
    own = twin.partition_of(twin.layout)
    with torch.no_grad():
        for block in twin.blocks:
            spatial = block.spatial
            if spatial.importance is not None:
                spatial.importance[~keep] = 0.0
            elif spatial.adjacency is not None:
                dense = own.dense().to(spatial.adjacency)
                cut = torch.zeros_like(dense)
                spatial.adjacency[place] = (cut - dense if spatial.adaptive == "offset" else cut)[
                    place
                ]
            else:
                own.edge_weight[~keep] = 0.0
    return twin


def batch(*seeds: int):
    return Batch.from_data_list([recording([5, 3], seed=seed) for seed in seeds])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_cut_edges_are_gone_and_the_numbers_are_those_of_edges_at_zero(name, dtype, tolerance):
    model = network(name, dtype)
    scores = edge_scores(model)
    generator = torch.Generator().manual_seed(1)
    keep = torch.rand(scores.edges.num_edges, generator=generator) < 0.5
    data = batch(0, 1)
    data.pos = data.pos.to(dtype)
    pruned = prune_edges(model, keep=keep, floor=0)
    expected = zeroed(model, keep, scores.edges)
    with torch.no_grad():
        assert_close(pruned(data), expected(data), tolerance)
        assert_close(pruned.nodes(data).x, expected.nodes(data).x, tolerance)
    assert pruned.partition_of(BODY).num_edges == int(keep.sum())
    assert type(pruned) is type(model)


@pytest.mark.parametrize("name", ["importance", "init", "offset"])
def test_gradients_of_what_is_left_are_those_of_edges_at_zero(name):
    model = network(name)
    scores = edge_scores(model)
    keep = torch.rand(scores.edges.num_edges, generator=torch.Generator().manual_seed(2)) < 0.5
    pruned, expected = prune_edges(model, keep=keep, floor=0), zeroed(model, keep, scores.edges)
    grads = []
    for twin in (pruned, expected):
        twin(batch(0, 1)).square().sum().backward()
        grads.append(twin.blocks[0].spatial.conv.weight.grad)
    assert_close(*grads, 1e-10)
    spatial = expected.blocks[1].spatial
    learned = spatial.importance if spatial.adjacency is None else spatial.adjacency
    full = learned.grad.flatten()[keep]
    assert_close(pruned.blocks[1].spatial.importance.grad, full, 1e-10)


def test_the_network_that_is_pruned_stays_as_it_is():
    model = network("init")
    model.blocks[0].train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.get_rng_state()
    prune_edges(model, 0.5)
    edge_scores(model, "gradient", labelled())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.training
    assert model.blocks[0].norm1.training


def test_a_share_of_the_edges_is_cut_and_the_weakest_go():
    model = network()
    scores = edge_scores(model)
    pruned = prune_edges(model, 0.25, floor=0)
    left = pruned.partition_of(BODY)
    assert left.num_edges == 12  # of 16
    weakest = scores.score.sort().values[:4]
    assert set(edge_scores(model).score.tolist()) >= set(weakest.tolist())
    triples = {tuple(t) for t in torch.cat([left.edge_index, left.edge_type[None]]).T.tolist()}
    every = torch.cat([scores.edges.edge_index, scores.edges.edge_type[None]]).T.tolist()
    gone = [i for i, triple in enumerate(every) if tuple(triple) not in triples]
    assert sorted(scores.score[gone].tolist()) == weakest.tolist()


@pytest.mark.parametrize("name", ["importance", "init"])
def test_every_joint_keeps_an_incoming_edge_unless_asked_otherwise(name):
    model = network(name)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.shape == (3, 6, 6):
                parameter[:, 4] = 0.0
            elif parameter.shape == (16,):
                parameter[model.partition_of(BODY).edge_index[1] == 4] = 0.0
    share = 0.5 if name == "importance" else 0.9
    fed = prune_edges(model, share).partition_of(BODY).edge_index[1]
    assert (torch.bincount(fed, minlength=6) > 0).all()
    free = prune_edges(model, share, floor=0).partition_of(BODY).edge_index[1]
    assert 4 not in free.tolist()


def test_what_leaves_too_little_is_refused():
    model = network()
    with pytest.raises(ValueError, match=r"leaves 2 of 16 edges, and 6 are .*; cut at most 0.62"):
        prune_edges(model, 0.9)
    keep = edge_scores(model).edges.edge_index[1] != 3
    with pytest.raises(ValueError, match="fewer than 1 edges would arrive at right_hand"):
        prune_edges(model, keep=keep)
    with pytest.raises(ValueError, match=r"a sparsity lies in \[0, 1\) \(got 1\)"):
        prune_edges(model, 1)
    with pytest.raises(ValueError, match="not both"):
        prune_edges(model)
    with pytest.raises(ValueError, match=r"bool \[16\].*got torch.bool \[3\]"):
        prune_edges(model, keep=torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"16 edges \(got 108\)"):
        prune_edges(model, 0.5, scores=edge_scores(network("init")))
    with pytest.raises(ValueError, match="'floor' is a number of edges"):
        prune_edges(model, 0.5, floor=-1)


def test_scores_are_shares_of_each_unit_so_that_its_scale_does_not_matter():
    model = network("init")
    before = edge_scores(model)
    assert_close(before.score.sum(), torch.tensor(1.0, dtype=torch.float64), 1e-12)
    assert before.unit_score.shape == (3, 3 * 6 * 6)
    with torch.no_grad():
        model.blocks[1].spatial.adjacency.mul_(100.0)
    assert_close(edge_scores(model).score, before.score, 1e-12)


def test_a_score_by_hand():
    model = network()
    with torch.no_grad():
        for block in model.blocks:
            block.spatial.importance.fill_(1.0)
        model.blocks[0].spatial.importance[3] = -3.0
    weight = model.partition_of(BODY).edge_weight.double()
    first = weight.clone()
    first[3] *= 3
    expected = (first / first.sum() + 2 * weight / weight.sum()) / 3
    assert_close(edge_scores(model).score, expected, 1e-12)


def labelled():
    data = batch(0, 1, 2)
    data.y = torch.tensor([0, 2, 1])
    return data


@pytest.mark.parametrize("name", [*LEARNED, "nothing learned"])
def test_a_score_by_gradient_is_the_slope_of_the_loss_towards_a_cut(name):
    model, data = network(name), labelled()
    scores = edge_scores(model, "gradient", data)
    edges, step = scores.edges, 1e-5
    edge = int(scores.unit_score[1].argmax())
    losses = []
    for factor in (1 - step, 1 + step):
        twin = prune_edges(model, keep=torch.ones(edges.num_edges, dtype=torch.bool))
        if twin.blocks[1].spatial.importance is None:
            twin = STGCN(**{**twin.config, "edge_importance": True}).double().eval()
            twin.load_state_dict(model.state_dict(), strict=False)
        with torch.no_grad():
            twin.blocks[1].spatial.importance[edge] *= factor
            losses.append(nn.functional.cross_entropy(twin(data), data.y))
    slope = (losses[1] - losses[0]).abs() / (2 * step)
    assert_close(scores.unit_score[1, edge], slope, 1e-5)


def test_a_loss_of_ones_own_is_asked_for_by_a_network_without_classes():
    model = STGCN(3, layout=BODY, channels=[4])
    with pytest.raises(ValueError, match="give another 'loss'"):
        edge_scores(model, "gradient", recording([4]))
    model = model.double()
    scores = edge_scores(model, "gradient", recording([4]), lambda m, b: m(b).square().sum())
    assert scores.score.max() > 0
    with pytest.raises(ValueError, match="needs recordings"):
        edge_scores(model, "gradient")
    with pytest.raises(ValueError, match="known are importance, gradient"):
        edge_scores(model, "size")


@pytest.mark.parametrize("name", LEARNED)
def test_the_penalty_pulls_every_learned_weight_towards_zero(name):
    model = network(name)
    penalty = edge_penalty(model)
    penalty.backward()
    for block in model.blocks:
        spatial = block.spatial
        learned = spatial.importance if spatial.adjacency is None else spatial.adjacency
        effective = learned.detach().clone()
        if spatial.adaptive == "offset":
            effective += model.partition_of(BODY).dense()
        assert torch.equal(learned.grad.sign(), effective.sign())
    optimiser = torch.optim.SGD(model.parameters(), 1e-3)
    optimiser.step()
    assert edge_penalty(model) < penalty


def test_training_with_the_penalty_empties_edges_and_leaves_what_the_loss_needs():
    model = network("importance", torch.float32)
    needed = model.blocks[0].spatial.importance
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(150):
        optimiser.zero_grad()
        loss = edge_penalty(model) + (needed[2] - 1.0).square()
        loss.backward()
        optimiser.step()
    assert needed[2] > 0.9
    others = torch.arange(16) != 2
    assert needed[others].abs().max() < 0.1


@pytest.mark.parametrize("name", NETWORKS)
def test_a_pruned_network_is_saved_and_loads(name, tmp_path):
    model = prune_edges(network(name, torch.float32), 0.4)
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path).eval()
    data = batch(0)
    data.pos = data.pos.float()
    with torch.no_grad():
        assert torch.equal(again(data), model(data))


@pytest.mark.parametrize("name", ["importance", "init", "ST-GCN++", "nothing learned"])
def test_a_pruned_network_obeys_the_laws(name):
    model = prune_edges(network(name), 0.4)
    graphs = [recording(lengths, seed=i) for i, lengths in enumerate(([5, 3], [1], [8, 2]))]
    assert_batch_consistent(model, graphs)
    assert_people_invariant(model, graphs[0])
    assert_track_ends_hard(model, graphs[0])
    assert_joint_permutation(model, graphs[2])
    assert_folded_equals_unrolled(model, Batch.from_data_list(graphs))


def test_a_pruned_network_is_pruned_and_trained_further():
    once = prune_edges(network("init"), 0.5).train()
    assert once.training
    twice = prune_edges(once, 0.5)
    assert twice.partition_of(BODY).num_edges == 27  # a quarter of 108
    with evaluating(twice):
        twice(batch(0)).sum().backward()
    assert twice.blocks[0].spatial.importance.grad.abs().sum() > 0


def test_what_was_frozen_stays_frozen():
    model = network()
    model.blocks[0].requires_grad_(False)
    pruned = prune_edges(model, 0.3)
    frozen = {name for name, p in pruned.named_parameters() if not p.requires_grad}
    assert frozen == {name for name, p in model.named_parameters() if not p.requires_grad}


def test_a_user_partition_with_an_edge_twice_is_scored_edge_by_edge():
    twice = Partition(
        torch.tensor([[0, 0, 1], [1, 1, 0]]), torch.tensor([0, 0, 0]), torch.ones(3), 1, 6
    )
    model = STGCN(3, layout=BODY, partition=twice, channels=[4])
    assert prune_edges(model, 1 / 3).partition_of(BODY).num_edges == 2


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (SkeletonGIN(3, 8, 1, layout=BODY), "its bones carry no learned importance; use an STGCN"),
        (SkeletonTransformer(3, width=8, depth=1, num_heads=2), "no typed edges; use an STGCN"),
    ],
)
def test_a_network_without_typed_edges_says_what_to_use(model, message):
    for function in (edge_scores, edge_penalty, lambda m: prune_edges(m, 0.5)):
        with pytest.raises(TypeError, match=message):
            function(model)


def test_topologies_made_of_the_data_and_layouts_of_any_kind_are_refused():
    ctr = CTRGCN(3, layout=BODY, channels=[8])
    with pytest.raises(ValueError, match="refines every pair of joints from the data"):
        prune_edges(ctr, 0.5)
    anywhere = STGCN(3, edge_importance=False, data_norm="channel", channels=[4])
    with pytest.raises(ValueError, match="bound to a layout"):
        edge_scores(anywhere)
    with pytest.raises(ValueError, match="learns weights of its edges"):
        edge_penalty(network("nothing learned"))
