"""Few-shot, fine-tuning and the subsets that protocols draw."""

from __future__ import annotations

import pytest
import torch

from stgraph import STGCN
from stgraph.evaluation import (
    Features,
    few_shot,
    fine_tune,
    hold_out_classes,
    labelled_subset,
    with_classifier,
)
from stgraph.nn import STRL, SkeletonGIN, SkeletonTransformer
from stgraph.testing import random_batch
from tests.laws.encoders import BODY
from tests.objectives.samples import tiny_encoder
from tests.tasks.conftest import LAYOUT, make_graphs


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 1.0])
def test_every_class_keeps_its_share_and_one_recording_at_least(share):
    y = torch.tensor([0] * 40 + [1] * 15 + [2] * 3 + [-1] * 5)
    chosen = labelled_subset(y, share, seed=1)
    counts = torch.bincount(y[chosen], minlength=3).tolist()
    assert counts == [max(round(n * share), 1) for n in (40, 15, 3)]
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert (y[chosen] >= 0).all()


def test_subsets_are_decided_by_their_seed_and_lie_within_each_other():
    y = torch.arange(60) % 3
    small, large = (set(labelled_subset(y, share, 4).tolist()) for share in (0.1, 0.5))
    assert small < large
    assert small == set(labelled_subset(y, 0.1, 4).tolist())
    assert small != set(labelled_subset(y, 0.1, 5).tolist())
    with pytest.raises(ValueError, match=r"share in \(0, 1\] \(got 0\)"):
        labelled_subset(y, 0)


def test_a_third_of_the_classes_is_held_out():
    assert len(hold_out_classes(10)) == 3
    assert hold_out_classes(10, seed=1) == hold_out_classes(10, seed=1) != hold_out_classes(10)


def clusters(number: int, seed: int) -> Features:
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(number) % 4
    x = 3 * torch.nn.functional.one_hot(y, 6) + torch.randn(number, 6, generator=generator)
    return Features(x, y, torch.ones(number, dtype=torch.bool))


def test_few_shots_are_of_the_new_classes_alone():
    examples, test = clusters(80, 0), clusters(40, 1)
    found = few_shot(examples, test, [1, 3], shots=3, draws=4)
    assert found.shape == (4,)
    assert found.min() > 0.8
    # recordings of the other classes are neither examples nor questions
    examples.x[examples.y == 0] = float("nan")
    test.x[test.y == 2] = float("nan")
    assert torch.equal(few_shot(examples, test, [1, 3], shots=3, draws=4), found)


def test_one_shot_is_the_nearest_example():
    examples, test = clusters(8, 0), clusters(20, 1)
    found = few_shot(examples, test, [0, 1, 2, 3], shots=1, draws=1, seed=3)
    generator = torch.Generator().manual_seed(3)
    chosen = []
    for label in range(4):
        mine = (examples.y == label).nonzero().flatten()
        chosen.append(int(mine[torch.randperm(2, generator=generator)[:1]]))
    bank = torch.nn.functional.normalize(examples.x[chosen].double(), dim=1)
    right = [
        int((torch.nn.functional.normalize(x.double(), dim=0) @ bank.T).argmax()) == int(y)
        for x, y in zip(test.x, test.y, strict=True)
    ]
    assert found.item() == pytest.approx(sum(right) / 20)


def test_recordings_without_a_pose_are_no_examples_and_count_as_wrong():
    examples, test = clusters(80, 0), clusters(40, 1)
    test.has_pose[test.y == 1] = False
    assert few_shot(examples, test, [1, 3], draws=1).item() <= 0.5
    examples.has_pose[examples.y == 1] = False
    with pytest.raises(ValueError, match=r"1 examples of class 1 \(got 0\)"):
        few_shot(examples, test, [1, 3])
    with pytest.raises(ValueError, match="test recordings of the new classes"):
        few_shot(examples, test, [9])


def networks():
    torch.manual_seed(0)
    return {
        "transformer": tiny_encoder(),
        "transformer with a classifier": tiny_encoder(num_classes=7),
        "ST-GCN": STGCN(3, layout=BODY, channels=[4], temporal_kernel=3),
        "GIN": SkeletonGIN(3, 8, 2),
    }


@pytest.mark.parametrize("name", networks())
def test_a_classifier_stands_on_the_encoder_s_own_weights(name):
    encoder = networks()[name].eval()
    batch = random_batch([[4], [3]], BODY)
    network = with_classifier(encoder, 5).eval()
    assert network(batch).shape == (2, 5)
    if isinstance(encoder, SkeletonGIN):
        assert isinstance(network, STRL)
        found, expected = network.encoder.state_dict(), encoder.state_dict()
        assert all(torch.equal(found[key], value) for key, value in expected.items())
    else:
        embed = getattr(encoder, "embed", encoder)
        assert torch.equal(network.embed(batch), embed(batch))
        fresh = with_classifier(encoder, 5, fresh=True).eval()
        assert not torch.equal(fresh.embed(batch), embed(batch))


def test_the_head_of_joints_is_mamp_s():
    model = SkeletonTransformer(
        3,
        4,
        layout=BODY,
        width=8,
        depth=1,
        num_heads=2,
        patch_size=2,
        head="joints",
        head_channels=5,
    ).eval()
    batch = random_batch([[4], [6]], BODY)
    nodes = model.nodes(batch)
    expected = []
    for recording in range(2):
        mine = nodes.x[nodes.pose_batch == recording]
        expected.append(model.head(mine.mean(dim=0).flatten()[None]))
    torch.testing.assert_close(model(batch), torch.cat(expected))
    with pytest.raises(ValueError, match=r"the head 'joints' .* needs a layout"):
        SkeletonTransformer(3, 4, head="joints")
    with pytest.raises(ValueError, match="unknown head 'round'; known are linear, joints"):
        SkeletonTransformer(3, 4, head="round")


def test_fine_tuning_moves_a_copy_and_learns():
    torch.manual_seed(0)
    encoder = tiny_encoder(layout=LAYOUT)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    graphs = make_graphs(24)
    task, result = fine_tune(
        encoder, graphs, graphs[:6], epochs=6, batch_size=8, lr=0.01, warmup_epochs=1
    )
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert result.history[-1]["train/loss"] < result.history[0]["train/loss"]
    assert task.network.config["drop_path"] == 0.3
    rates = {group["lr"] for group in task.parameter_groups()}
    assert rates == {0.01 * 0.8**i for i in range(4)}
    scratch, _ = fine_tune(encoder, graphs, epochs=1, batch_size=8, fresh=True)
    assert {group["weight_decay"] for group in scratch.parameter_groups()} == {0.05, 0.0}
    assert scratch.settings["layer_decay"] is None


def test_steps_of_fine_tuning_can_be_bounded():
    encoder, graphs = tiny_encoder(layout=LAYOUT), make_graphs(8)
    options = {"epochs": 1, "batch_size": 8, "optimizer": "sgd", "lr": 1.0, "weight_decay": 0.0}
    options |= {"nesterov": False, "momentum": 0.0, "warmup_epochs": 0, "layer_decay": None}

    def moved(clip: float | None) -> float:
        task, _ = fine_tune(encoder, graphs, gradient_clip=clip, drop_path=None, **options)
        torch.manual_seed(0)
        start = with_classifier(encoder, task.num_classes)
        pairs = zip(start.parameters(), task.model.parameters(), strict=True)
        return float(sum((a - b).square().sum() for a, b in pairs).detach().sqrt())

    assert moved(1e-3) == pytest.approx(1e-3, rel=0.05)
    assert moved(None) > 1e-2
    with pytest.raises(ValueError, match="gradient_clip"):
        moved(-1.0)


def test_what_cannot_be_built_anew_is_refused():
    with pytest.raises(ValueError, match=r"encoder of stgraph.nn \(got Linear\)"):
        with_classifier(torch.nn.Linear(2, 2), 3)
