from __future__ import annotations

import copy
from itertools import pairwise

import pytest
import torch

from stgraph.sparsity import (
    apply_masks,
    bake_masks,
    find_tickets,
    magnitude_masks,
    prunable_weights,
    pruning_rounds,
    random_masks,
    sparsity_of,
)
from stgraph.tasks import Recognition, load_recognition, save_recognition
from stgraph.testing import random_batch
from tests.sparsity.networks import BODY, LENGTHS, NETWORKS


def trainer(generator: torch.Generator):
    graphs = random_batch(LENGTHS, BODY, generator=generator)

    def train(model) -> None:
        torch.manual_seed(0)
        optimizer = torch.optim.SGD(model.parameters(), 0.05)
        for _ in range(2):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(graphs), torch.tensor([0, 1, 2])).backward()
            optimizer.step()

    return train


def test_rounds_cut_a_share_at_most_and_pass_over_no_wish():
    rounds = pruning_rounds([0.8, 0.34, 0.6], 0.2)
    assert [s for s in (0.34, 0.6, 0.8) if s not in rounds] == []
    left = [1.0, *(1 - s for s in rounds)]
    assert all(after / before >= 0.8 - 1e-9 for before, after in pairwise(left))
    assert rounds == sorted(rounds)


@pytest.mark.parametrize(("sparsities", "rate"), [([], 0.2), ([1.0], 0.2), ([0.5], 0.0)])
def test_shares_that_are_none_are_refused(sparsities, rate):
    with pytest.raises(ValueError, match="between 0 and 1"):
        pruning_rounds(sparsities, rate)


def test_a_ticket_starts_from_the_first_weights_and_keeps_what_was_large(generator):
    initial = NETWORKS["STGCN"]()
    before = copy.deepcopy(initial.state_dict())
    tickets = list(find_tickets(initial, trainer(generator), [0.5, 0.8], rate=0.3))
    assert all(torch.equal(before[k], v) for k, v in initial.state_dict().items())
    assert tickets[0].sparsity == 0.0
    wanted = [t for t in tickets if t.wanted is not None]
    assert [t.wanted for t in wanted] == [0.5, 0.8]
    for ticket in wanted:
        assert ticket.sparsity == pytest.approx(ticket.wanted, abs=0.01)
    for earlier, later in pairwise(tickets):
        for name, mask in later.masks.items():
            assert not bool((mask & ~earlier.masks[name]).any())  # what is cut stays cut
            size = earlier.model.get_parameter(name).detach().abs()
            cut = earlier.masks[name] & ~mask
            assert bool((later.model.get_parameter(name)[~mask] == 0).all())
            assert size[cut].numel() == 0 or float(size[mask].max()) >= float(size[cut].min())


def test_rewinding_to_an_early_epoch_starts_there(generator):
    seen = []
    train = trainer(generator)

    def watched(model) -> None:
        weight = dict(model.named_parameters())
        name = next(n for n in weight if n.startswith("blocks.0.temporal") and "bias" not in n)
        seen.append(weight[name].detach().clone())
        train(model)

    initial, early = NETWORKS["STGCN"](), NETWORKS["STGCN"]()
    list(find_tickets(initial, watched, [0.2], rewind=early))
    assert torch.equal(seen[0], initial.blocks[0].temporal.weight)
    assert torch.equal(seen[-1], early.blocks[0].temporal.weight)


def test_training_goes_on_below_fixed_masks(generator):
    model = NETWORKS["STGCN"]()
    masks = magnitude_masks(model, 0.6)
    apply_masks(model, masks)
    trainer(generator)(model)
    bake_masks(model)
    for name, mask in masks.items():
        assert bool((model.get_parameter(name)[~mask] == 0).all())
        assert model.get_parameter(name).is_leaf


def test_the_random_control_keeps_as_much_of_each_layer_elsewhere(generator):
    masks = magnitude_masks(NETWORKS["STGCN"](), 0.7)
    shuffled = random_masks(masks, generator)
    assert {n: int(m.sum()) for n, m in masks.items()} == {
        n: int(m.sum()) for n, m in shuffled.items()
    }
    assert any(not torch.equal(masks[name], shuffled[name]) for name in masks)


def test_magnitudes_are_compared_over_all_layers_or_in_each():
    model = NETWORKS["STGCN"]()
    everywhere = magnitude_masks(model, 0.7, floor=None)
    assert sparsity_of(everywhere) == pytest.approx(0.7, abs=0.01)
    sizes = torch.cat([model.get_parameter(n).detach().abs()[m] for n, m in everywhere.items()])
    cut = torch.cat([model.get_parameter(n).detach().abs()[~m] for n, m in everywhere.items()])
    assert float(sizes.min()) >= float(cut.max())
    for mask in magnitude_masks(model, 0.5, scope="layer").values():
        assert float(mask.float().mean()) == pytest.approx(0.5, abs=0.05)


def test_masks_that_do_not_fit_are_refused():
    model = NETWORKS["STGCN"]()
    name = prunable_weights(model)[0].name
    with pytest.raises(ValueError, match="has no parameter 'nothing'"):
        apply_masks(model, {"nothing": torch.ones(2, dtype=torch.bool)})
    with pytest.raises(ValueError, match="shape"):
        apply_masks(model, {name: torch.ones(2, dtype=torch.bool)})


def test_a_task_saves_what_its_masks_leave(generator, tmp_path):
    model = NETWORKS["STGCN"]()
    apply_masks(model, magnitude_masks(model, 0.6))
    save_recognition(Recognition(model, 4), tmp_path)
    loaded = load_recognition(tmp_path).network
    assert sum(int((p == 0).sum()) for p in loaded.parameters()) > 0
    graphs = random_batch(LENGTHS, BODY, generator=generator)
    with torch.no_grad():
        assert torch.equal(loaded.eval()(graphs), model.eval()(graphs))
