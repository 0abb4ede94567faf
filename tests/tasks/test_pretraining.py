"""Pre-training: without labels, resumable, with learning rates by layer."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch_geometric.data import Batch

from stgraph.nn import SkeletonTransformer, TokenDecoder
from stgraph.objectives import (
    MaskedReconstruction,
    Motion,
    NearestNeighbourContrast,
    RandomJoints,
    RandomTokens,
    skeletonmae,
)
from stgraph.tasks import (
    Pretraining,
    SkeletonDataModule,
    fit_task,
    layer_decay_groups,
    load_network,
    load_reconstruction,
    save_pretraining,
)
from stgraph.tasks.saving import outer_transform
from stgraph.transforms import BodyUnits, FaceForward
from tests.laws.test_resume import StopAfter
from tests.tasks.conftest import LAYOUT, make_graphs

SIZES = {"layout": LAYOUT, "width": 8, "num_heads": 2}


def masked(**options: Any) -> Pretraining:
    torch.manual_seed(0)
    objective = MaskedReconstruction(
        SkeletonTransformer(3, depth=2, patch_size=2, **SIZES),
        TokenDecoder(8, 6, depth=1, **SIZES),
        RandomTokens(0.5),
        Motion(),
    )
    return Pretraining(objective, **{"optimizer": "adamw", "lr": 0.01, **options})


def tuned(**options: Any) -> Pretraining:
    torch.manual_seed(0)
    encoder = SkeletonTransformer(3, depth=2, patch_size=2, **SIZES)
    objective = NearestNeighbourContrast(encoder, queue_size=8, predictor_width=6)
    return Pretraining(objective, **{"optimizer": "adamw", "lr": 0.01, **options})


def data(number: int = 9, **options: Any) -> SkeletonDataModule:
    return SkeletonDataModule(make_graphs(number), batch_size=4, **options)


def weights(task: Pretraining) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in task.objective.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, b[name]) for name, value in a.items())


def test_the_loss_falls_and_the_encoder_is_saved(tmp_path):
    task = masked()
    result = fit_task(task, data(), max_epochs=8, out=tmp_path, progress=False)
    assert result.history[-1]["train/loss"] < result.history[0]["train/loss"]
    assert result.history[0]["train/hidden"] == pytest.approx(0.5, abs=0.02)
    encoder = load_network(result.folder)
    batch = make_graphs(1)[0]
    assert torch.equal(encoder.eval()(batch), task.eval()(batch))
    facts = json.loads((result.folder / "task.json").read_text())
    assert (facts["task"], facts["objective"]) == ("pretraining", "MaskedReconstruction")


@pytest.mark.parametrize("transform", [None, BodyUnits("pose")])
@pytest.mark.parametrize("kind", ["transformer", "gin"])
def test_a_saved_masked_autoencoder_fills_in_as_before(kind, transform, tmp_path):
    if kind == "gin":
        torch.manual_seed(0)
        objective = skeletonmae(
            LAYOUT, in_channels=3, num_dims=3, width=8, masking=RandomJoints(0.5)
        )
        task = Pretraining(objective, transform=FaceForward(), lr=0.01)
    else:
        task = masked(transform=FaceForward())
    task.objective.transform = transform
    fit_task(task, data(), max_epochs=1, progress=False)
    save_pretraining(task, tmp_path)
    loaded = load_reconstruction(tmp_path)
    assert repr(loaded.masking) == repr(task.objective.masking)
    assert repr(outer_transform(tmp_path)) == repr(FaceForward())
    batch = Batch.from_data_list(make_graphs(3))
    fill = [
        o.eval().fill_in(batch, torch.Generator().manual_seed(0)) for o in (task.objective, loaded)
    ]
    assert torch.equal(fill[0].prediction.pos, fill[1].prediction.pos)
    assert bool(fill[0].hidden.any())


def test_an_encoder_without_a_decoder_says_so(tmp_path):
    save_pretraining(tuned(), tmp_path)
    with pytest.raises(ValueError, match=r"without a decoder .*NearestNeighbourContrast"):
        load_reconstruction(tmp_path)


def test_a_damaged_decoder_is_named(tmp_path):
    save_pretraining(masked(), tmp_path)
    weights = tmp_path / "decoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:50])
    with pytest.raises(ValueError, match=r"decoder/model.safetensors' is damaged"):
        load_reconstruction(tmp_path)
    description = json.loads((tmp_path / "task.json").read_text())
    description["reconstruction"]["masking"] = "Guesses"
    (tmp_path / "task.json").write_text(json.dumps(description))
    with pytest.raises(ValueError, match=r"unknown masking 'Guesses'|is damaged"):
        load_reconstruction(tmp_path)


@pytest.mark.parametrize(
    "name", ["mamp", "Masking", "MomentumContrast", "gumbel_noise", "os.system"]
)
def test_a_masking_of_a_file_is_one_of_ours(name, tmp_path):
    save_pretraining(masked(), tmp_path)
    description = json.loads((tmp_path / "task.json").read_text())
    description["reconstruction"]["masking"] = name
    (tmp_path / "task.json").write_text(json.dumps(description))
    with pytest.raises(ValueError, match=f"unknown masking '{name}'; known are BodyParts, Frames"):
        load_reconstruction(tmp_path)


def test_validation_draws_the_same_in_every_epoch():
    task = masked(lr=0.0)
    module = SkeletonDataModule(make_graphs(6), make_graphs(5, seed=1), batch_size=3)
    result = fit_task(task, module, max_epochs=2, progress=False)
    losses = [row["val/loss"] for row in result.history]
    assert losses[0] == losses[1] > 0


@pytest.mark.parametrize("make", [masked, tuned])
@pytest.mark.parametrize("stop", [1, 4])
def test_stopped_and_resumed_is_as_never_stopped(make, stop, tmp_path):
    whole = make()
    fit_task(whole, data(numbered=True), max_epochs=3, progress=False)
    with pytest.raises(KeyboardInterrupt):
        fit_task(
            make(),
            data(numbered=True),
            max_epochs=3,
            out=tmp_path,
            progress=False,
            callbacks=[StopAfter(stop, "ctrl-c")],
        )
    resumed = make()
    result = fit_task(resumed, data(numbered=True), max_epochs=3, out=tmp_path, progress=False)
    assert [row["epoch"] for row in result.history] == [1, 2, 3]
    assert same(weights(whole), weights(resumed))


@pytest.mark.parametrize("make", [masked, tuned])
def test_labels_have_no_part_in_it(make):
    states = []
    for labels in ("right", "wrong", "none"):
        graphs = make_graphs(9)
        for graph in graphs:
            if labels == "wrong":
                graph.y = (graph.y * 7 + 1) % 5
            elif labels == "none":
                del graph.y
        task = make()
        fit_task(
            task,
            SkeletonDataModule(graphs, batch_size=4, numbered=True),
            max_epochs=2,
            progress=False,
        )
        states.append(weights(task))
    assert same(states[0], states[1])
    assert same(states[0], states[2])


def test_batches_say_which_recordings_they_hold():
    module = data(numbered=True)
    seen = torch.cat([batch.number for batch in module.train_dataloader()])
    assert sorted(seen.tolist()) == list(range(9))
    assert "number" not in next(iter(data().train_dataloader()))


def test_rates_fall_towards_the_input_and_lower_layers_stay():
    task = tuned(layer_decay=0.5, tuned_layers=2, weight_decay=0.1, decay_norm_and_bias=False)
    encoder = task.network
    rate = {id(p): group["lr"] for group in task.parameter_groups() for p in group["params"]}
    layers = encoder.layers()
    found = [{rate.get(id(p)) for p in layer} for layer in layers]
    assert found == [{None}, {None}, {0.005}, {0.01}]
    heads = [*task.objective.projector.parameters(), *task.objective.predictor.parameters()]
    assert {rate[id(p)] for p in heads} == {0.01}
    decay = {
        id(p): group["weight_decay"] for group in task.parameter_groups() for p in group["params"]
    }
    assert all(decay[id(p)] == (0.1 if p.dim() > 1 else 0.0) for p in heads)
    before = weights(task)
    fit_task(task, data(numbered=True), max_epochs=1, progress=False)
    after = weights(task)
    frozen = [n for n in before if n.startswith(("encoder.embedding", "encoder.stack.blocks.0"))]
    assert frozen
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    assert not torch.equal(
        before["encoder.stack.blocks.1.qkv.weight"], after["encoder.stack.blocks.1.qkv.weight"]
    )


def test_no_parameter_is_left_out_or_trained_twice():
    layers = [[torch.nn.Parameter(torch.zeros(2, 2))], [torch.nn.Parameter(torch.zeros(2))]]
    head = [torch.nn.Parameter(torch.zeros(3))]
    groups = layer_decay_groups(layers, head, 1.0, 0.1, 0.5)
    rates = [(group["lr"], group["weight_decay"], len(group["params"])) for group in groups]
    assert rates == [(0.1, 0.5, 1), (1.0, 0.5, 1), (1.0, 0.5, 1)]


def test_each_gradient_is_clipped_by_itself():
    task = tuned(clip_each=1e-3)
    for p in task.objective.parameters():
        p.grad = torch.ones_like(p)
    task.on_before_optimizer_step(None)
    for p in task.objective.parameters():
        assert p.grad is not None
        assert p.grad.norm() == pytest.approx(1e-3, rel=1e-2)


def test_a_misspelt_option_is_refused():
    with pytest.raises(TypeError, match="learning_rate"):
        masked(learning_rate=0.1)


def test_what_stands_before_augmentation_does_not_undo_it():
    seen = []

    def note(name):
        def step(batch):
            seen.append(name)
            return batch

        return step

    task = masked(before=note("before"), augment=note("augment"), transform=note("transform"))
    batch = Batch.from_data_list(make_graphs(2))
    task.prepare(batch, train=True)
    assert seen == ["before", "augment", "transform"]
    seen.clear()
    task.prepare(batch)
    assert seen == ["before", "transform"]
