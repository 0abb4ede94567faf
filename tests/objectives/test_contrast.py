"""Contrastive losses, queues and objectives against slow references."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch.nn import functional as F

from stgraph.objectives import (
    BootstrapContrast,
    CrossViewContrast,
    FeatureQueue,
    MomentumContrast,
    NearestNeighbourContrast,
    TwoViewContrast,
    info_nce,
    multi_positive_nce,
    nearest_neighbour_nce,
    nt_xent,
    regression_loss,
)
from stgraph.transforms import Jitter, Stream
from tests.objectives.samples import recordings, tiny_encoder


def unit(*size: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*size, generator=generator, dtype=torch.float64), dim=-1)


def log_share(logits: list[float], answer: int) -> float:
    """Logarithm of one softmax entry, written out."""
    return logits[answer] - math.log(sum(math.exp(value) for value in logits))


def test_info_nce_is_that_of_a_loop():
    query, key, queue = unit(3, 4), unit(3, 4, seed=1), unit(5, 4, seed=2)
    expected = 0.0
    for q, k in zip(query, key, strict=True):
        logits = [float(q @ k) / 0.2, *(float(q @ entry) / 0.2 for entry in queue)]
        expected -= log_share(logits, 0) / 3
    loss, logits = info_nce(query, key, queue, 0.2)
    assert loss.item() == pytest.approx(expected)
    assert logits.shape == (3, 6)


def test_several_positives_are_averaged_outside_of_the_logarithm():
    logits = torch.randn(3, 5, dtype=torch.float64)
    positive = torch.tensor([[1, 0, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 0, 1]], dtype=torch.bool)
    expected = 0.0
    for row, mask in zip(logits.tolist(), positive.tolist(), strict=True):
        terms = [log_share(row, i) for i, chosen in enumerate(mask) if chosen]
        expected -= sum(terms) / len(terms) / 3
    assert multi_positive_nce(logits, positive).item() == pytest.approx(expected)


def test_one_positive_in_front_is_info_nce():
    query, key, queue = unit(3, 4), unit(3, 4, seed=1), unit(5, 4, seed=2)
    loss, logits = info_nce(query, key, queue, 0.2)
    positive = torch.zeros(3, 6, dtype=torch.bool)
    positive[:, 0] = True
    assert multi_positive_nce(logits, positive).item() == pytest.approx(loss.item())


def test_nearest_neighbour_nce_is_that_of_a_loop():
    near, prediction = unit(3, 4), unit(5, 4, seed=1)
    expected = 0.0
    for i, row in enumerate(near):
        expected -= log_share([float(row @ p) / 0.1 for p in prediction], i + 2) / 3
    loss, _ = nearest_neighbour_nce(near, prediction, 0.1, first=2)
    assert loss.item() == pytest.approx(expected)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_nt_xent_is_that_of_a_loop(temperature):
    a, b = unit(3, 4), unit(3, 4, seed=1)
    views, expected = [*a, *b], 0.0
    for i, anchor in enumerate(views):
        others = [j for j in range(6) if j != i]
        logits = [float(anchor @ views[j]) / temperature for j in others]
        expected -= log_share(logits, others.index((i + 3) % 6)) / 6
    assert nt_xent(a * 3, b * 0.2, temperature).item() == pytest.approx(expected)


def test_nt_xent_of_equal_views_has_its_closed_form():
    # all cosines are 1: every other view is as likely
    x = torch.ones(4, 3, dtype=torch.float64)
    assert nt_xent(x, x).item() == pytest.approx(math.log(7))


def test_byol_s_regression_is_the_squared_distance_of_directions():
    p = torch.randn(3, 4, requires_grad=True)
    z = torch.randn(3, 4, requires_grad=True)
    expected = (F.normalize(p, dim=1) - F.normalize(z, dim=1)).square().sum(dim=1).mean()
    loss = regression_loss(p, z)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert z.grad is None


class SlowQueue:
    """First in, first out, with a list."""

    def __init__(self, queue: FeatureQueue) -> None:
        self.rows = [row.clone() for row in queue.features]
        self.ids, self.place = queue.ids.tolist(), 0

    def enqueue(self, rows: torch.Tensor, ids: torch.Tensor) -> None:
        for row, number in zip(rows, ids.tolist(), strict=True):
            self.rows[self.place], self.ids[self.place] = row, number
            self.place = (self.place + 1) % len(self.rows)


@pytest.mark.parametrize("sizes", [[3, 3, 3], [4, 4], [9], [2, 17, 1]])
def test_a_queue_wraps_in_the_middle_of_a_batch_and_keeps_the_last(sizes):
    queue = FeatureQueue(7, 2)
    slow = SlowQueue(queue)
    for step, size in enumerate(sizes):
        rows, ids = unit(size, 2, seed=step).float(), torch.arange(size) + 100 * step
        queue.enqueue(rows, ids)
        slow.enqueue(rows, ids)
        assert torch.equal(queue.features, torch.stack(slow.rows))
        assert queue.ids.tolist() == slow.ids
        assert int(queue.pointer) == slow.place


def test_neighbours_leave_out_the_recording_itself():
    queue = FeatureQueue(6, 3)
    rows = unit(6, 3).float()
    queue.enqueue(rows, torch.arange(6))
    entries, place = queue.neighbours(rows)
    assert place.tolist() == list(range(6))
    _, place = queue.neighbours(rows, torch.arange(6))
    similar = (rows @ rows.T).fill_diagonal_(-2)
    assert torch.equal(place, similar.argmax(dim=1))
    assert torch.equal(entries, rows)
    drawn = {
        queue.neighbours(rows[:1], top=3, generator=torch.Generator().manual_seed(i))[1].item()
        for i in range(30)
    }
    assert drawn == set((rows[:1] @ rows.T).topk(3).indices[0].tolist())


def test_a_queue_of_nothing_is_refused():
    with pytest.raises(ValueError, match=r"size of at least 1 .got 0"):
        FeatureQueue(0, 3)


def contrast(**options) -> NearestNeighbourContrast:
    torch.manual_seed(0)
    return NearestNeighbourContrast(
        tiny_encoder(), queue_size=8, predictor_width=6, temperature=0.2, **options
    )


def test_the_neighbour_is_of_the_queue_before_the_batch_and_only_training_enqueues():
    objective = contrast()
    batch = recordings()
    batch.number = torch.tensor([5, 6, 7])
    before = objective.queue.features.clone()
    objective.eval()
    objective(batch)
    assert torch.equal(objective.queue.features, before)
    objective.train()
    z = F.normalize(objective.projector(objective.encoder(batch)), dim=1)
    p = F.normalize(objective.predictor(objective.projector(objective.encoder(batch))), dim=1)
    near = before[(z @ before.T).argmax(dim=1)]
    expected = F.cross_entropy(near @ p.T / 0.2, torch.arange(3))
    output = objective(batch)
    torch.testing.assert_close(output.loss, expected)
    torch.testing.assert_close(objective.queue.features[:3], z.detach())
    assert objective.queue.ids[:3].tolist() == [5, 6, 7]
    assert int(objective.queue.pointer) == 3


def test_with_two_views_each_one_s_neighbour_is_the_other_s_answer():
    objective = contrast()
    a, b = torch.randn(4, 8), torch.randn(4, 8)
    queue = objective.queue.features.clone()
    expected = []
    for x, y in ((a, b), (b, a)):
        z = F.normalize(objective.projector(x), dim=1)
        p = F.normalize(objective.predictor(objective.projector(y)), dim=1)
        near = queue[(z @ queue.T).argmax(dim=1)]
        expected.append(F.cross_entropy(near @ p.T / 0.2, torch.arange(4)))
    torch.testing.assert_close(objective.contrast([a, b]).loss, sum(expected) / 2)


def test_views_are_transforms_that_draw_from_the_generator():
    objective = contrast(views=[Shake(), Shake()]).eval()
    batch = recordings()
    one, same, other = (
        objective(batch, torch.Generator().manual_seed(seed)).loss.item() for seed in (0, 0, 1)
    )
    assert one == same != other


def test_a_lone_recording_teaches_nothing_and_breaks_nothing():
    objective = contrast()
    before = objective.queue.features.clone()
    output = objective(recordings().get_example(0))
    output.loss.backward()
    assert output.loss.item() == 0.0
    assert torch.equal(objective.queue.features, before)


class Shake:
    """A view."""

    def __call__(self, batch, generator=None):
        return Jitter(0.5, generator=generator)(batch)


def test_as_published_the_value_is_the_same_and_the_gradient_half():
    batch = recordings()
    batch.number = torch.arange(3)
    ours, theirs = contrast(), contrast(as_published=True)
    grads = []
    for objective in (ours, theirs):
        loss = objective(batch).loss
        loss.backward()
        grads.append((loss.item(), objective.predictor[0].weight.grad))
    assert grads[0][0] == pytest.approx(grads[1][0], rel=1e-5)
    torch.testing.assert_close(grads[0][1], 2 * grads[1][1], rtol=1e-4, atol=1e-6)


def moco(**options) -> MomentumContrast:
    torch.manual_seed(0)
    return MomentumContrast(
        tiny_encoder(), queue_size=6, width=4, momentum=0.8, temperature=0.2, **options
    )


def test_a_step_of_momentum_contrast_is_that_written_out():
    objective = moco()
    twin = copy.deepcopy(objective)
    with torch.no_grad():  # so that the key encoder has something to follow
        for p in [*objective.encoder.parameters(), *twin.encoder.parameters()]:
            p.mul_(1.1)
    batch, queue = recordings(), objective.queue.features.clone()
    output = objective(batch)
    for slow, fast in zip(twin.key_encoder.parameters(), twin.encoder.parameters(), strict=True):
        slow.data = 0.8 * slow + 0.2 * fast.data
    query = F.normalize(twin.head(twin.encoder(batch)), dim=1)
    key = F.normalize(twin.key_head(twin.key_encoder(batch)), dim=1).detach()
    expected, _ = info_nce(query, key, queue, 0.2)
    torch.testing.assert_close(output.loss, expected)
    torch.testing.assert_close(objective.queue.features[:3], key)
    output.loss.backward()
    assert all(p.grad is None for p in objective.key_encoder.parameters())


def cross(**options) -> CrossViewContrast:
    names = {"joint": "joint", "bone": "bone", "motion": "joint_motion"}
    torch.manual_seed(0)
    contrasts = {
        name: MomentumContrast(tiny_encoder(), queue_size=6, width=4, momentum=0.8)
        for name in names
    }
    streams = {name: Stream(stream) for name, stream in names.items()}
    return CrossViewContrast(contrasts, streams, **options)


def test_streams_mine_positives_at_the_same_places_of_the_queue():
    objective = cross(top=2)
    query = {name: unit(3, 4, seed=i).float() for i, name in enumerate(objective.contrasts)}
    key = {name: unit(3, 4, seed=i + 9).float() for i, name in enumerate(objective.contrasts)}
    logits, positive = objective.logits("joint", "bone", query, key)
    own, other = (
        query[name] @ objective.contrasts[name].queue.features.T for name in ("joint", "bone")
    )
    for row in range(3):
        best = sorted(range(6), key=lambda i, row=row: -float(other[row, i]))[:2]
        expected = [True, *(i in best for i in range(6)), *(i in best for i in range(6))]
        assert positive[row].tolist() == expected
    torch.testing.assert_close(logits[:, 1:7], own / 0.07)
    torch.testing.assert_close(logits[:, 7:], own * other / 0.07)
    torch.testing.assert_close(logits[:, 0], (query["joint"] * key["joint"]).sum(1) / 0.07)
    assert cross(context=False).logits("joint", "bone", query, key)[0].shape == (3, 7)


def test_streams_contrast_alone_before_they_mine():
    objective = cross(mine_from=2)
    batch = recordings()
    alone = objective(batch)
    assert set(alone.logs) == {"joint", "bone", "motion"}
    torch.testing.assert_close(sum(alone.logs.values()), alone.loss.detach())
    objective.set_epoch(2)
    mined = objective(batch)
    mined.loss.backward()
    grads = [p.grad is not None for p in objective.contrasts["bone"].encoder.parameters()]
    assert all(grads)


def test_every_key_encoder_moves_once_a_step_unless_as_published():
    for published, moved in ((False, ["joint", "bone", "motion"]), (True, ["bone"])):
        objective = cross(mine_from=0, published_updates=published)
        with torch.no_grad():
            for p in objective.parameters():
                if p.requires_grad:
                    p.add_(1.0)
        before = {
            name: [p.clone() for p in c.key_encoder.parameters()]
            for name, c in objective.contrasts.items()
        }
        objective(recordings())
        for name, c in objective.contrasts.items():
            share = 0.2 if name in moved else 0.0
            for old, new in zip(before[name], c.key_encoder.parameters(), strict=True):
                torch.testing.assert_close(new, old + share)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: contrast(views=[None] * 3), "expected 1 or 2 views .got 3"),
        (lambda: moco(views=[None]), "expected two views .got 1"),
        (lambda: CrossViewContrast({}, {}), "at least two streams"),
        (
            lambda: CrossViewContrast(
                {
                    "a": MomentumContrast(tiny_encoder(), queue_size=2),
                    "b": MomentumContrast(tiny_encoder(), queue_size=3),
                },
                {"a": Stream("joint"), "b": Stream("bone")},
            ),
            "queues of one size .got .2, 3",
        ),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_two_views_of_a_batch_are_contrasted_by_nt_xent():
    torch.manual_seed(0)
    objective = TwoViewContrast(tiny_encoder(), [Same(), Shake()], width=4, temperature=0.3)
    batch = recordings()
    output = objective(batch, torch.Generator().manual_seed(0))
    shaken = Shake()(batch, generator=torch.Generator().manual_seed(0))
    a, b = (objective.head(objective.encoder(view)) for view in (batch, shaken))
    torch.testing.assert_close(output.loss, nt_xent(a, b, 0.3))
    output.loss.backward()
    assert all(p.grad is not None for p in objective.parameters())


def test_a_bootstrap_predicts_its_slow_copy_which_then_follows():
    torch.manual_seed(0)
    views = [Same(), Same()]
    objective = BootstrapContrast(tiny_encoder(), views, width=4, hidden=6, momentum=0.75)
    output = objective(recordings())
    output.loss.backward()
    slow = [*objective.slow_encoder.parameters(), *objective.slow_projector.parameters()]
    fast = [*objective.encoder.parameters(), *objective.projector.parameters()]
    assert all(p.grad is None for p in slow)
    with torch.no_grad():
        for p in fast:
            p.add_(1.0)
    before = [p.clone() for p in slow]
    objective.after_step()
    for old, new in zip(before, slow, strict=True):
        torch.testing.assert_close(new, old + 0.25)
    assert objective(recordings().get_example(0)).loss.item() == 0.0


class Same:
    """A view that alters nothing."""

    def __call__(self, batch, generator=None):
        return batch
