"""The recognition task: its loss, its augmentation, and what counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch.nn import functional as F
from torch_geometric.data import Batch

from stgraph import SkeletonGraph
from stgraph.tasks import (
    Recognition,
    SkeletonDataModule,
    class_weights,
    evaluate_recognition,
    fit_task,
    quiet_lightning,
)
from stgraph.transforms import RandomScale


def shifted(batch: SkeletonGraph) -> SkeletonGraph:
    out = batch.__copy__()
    out.pos = batch.pos + 1
    return out


def test_the_loss_is_that_of_torch_with_smoothing(task: Any) -> None:
    logits, y = torch.randn(5, 3), torch.tensor([0, 1, 2, 1, 0])
    expected = F.cross_entropy(logits, y, label_smoothing=0.1)
    torch.testing.assert_close(task(label_smoothing=0.1).loss(logits, y), expected)


def test_class_weights_multiply_the_losses(task: Any) -> None:
    logits, y = torch.randn(4, 3), torch.tensor([0, 1, 2, 1])
    weight = torch.tensor([1.0, 2.0, 0.5])
    expected = (F.cross_entropy(logits, y, reduction="none") * weight[y]).mean()
    torch.testing.assert_close(task(class_weight=weight).loss(logits, y), expected)


def test_balanced_weights_come_from_the_training_labels(task: Any, graphs: Any) -> None:
    recordings = [*graphs(6), *graphs(1, seed=5)]
    made = task(class_weight="balanced")
    fit_task(made, SkeletonDataModule(recordings), max_epochs=1, progress=False)
    expected = class_weights(torch.tensor([0, 1, 2, 0, 1, 2, 0]), 3)
    torch.testing.assert_close(made.loss_weight, expected)


def test_augmentation_is_for_training_and_comes_first(task: Any, graphs: Any) -> None:
    seen = []

    def augment(batch: SkeletonGraph, generator: torch.Generator) -> SkeletonGraph:
        seen.append(torch.rand(1, generator=generator).item())
        return shifted(batch)

    def transform(batch: SkeletonGraph) -> SkeletonGraph:
        out = batch.__copy__()
        out.pos = batch.pos * 2
        return out

    made = task(augment=augment, transform=transform)
    batch = Batch.from_data_list(graphs(2))
    generator = torch.Generator().manual_seed(0)
    trained = made.prepare(batch, generator, train=True)
    assert torch.equal(trained.pos, (batch.pos + 1) * 2)
    assert torch.equal(made.prepare(batch).pos, batch.pos * 2)
    assert len(seen) == 1
    fit_task(made, SkeletonDataModule(graphs(), batch_size=3), max_epochs=2, progress=False)
    assert len(set(seen)) == 7  # every step draws its own


def test_transforms_see_full_precision_under_autocast(task: Any, graphs: Any) -> None:
    def turned(batch: SkeletonGraph) -> SkeletonGraph:
        out = batch.__copy__()
        out.pos = batch.pos @ torch.eye(3)
        return out

    batch = Batch.from_data_list(graphs(2))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(task(transform=turned).prepare(batch).pos, batch.pos)


def test_a_random_transform_of_ours_takes_the_place_of_an_augmentation(
    task: Any, graphs: Any
) -> None:
    made = task(augment=RandomScale())
    result = fit_task(made, SkeletonDataModule(graphs()), max_epochs=1, progress=False)
    assert result.history[0]["train/loss"] > 0


def test_recordings_without_a_pose_count_as_wrong(task: Any, graphs: Any) -> None:
    recordings = graphs(30)
    made = task(lr=0.1)
    data = SkeletonDataModule(recordings, graphs(10, empty=(0, 1)), batch_size=10)
    result = fit_task(made, data, max_epochs=8, progress=False)
    full = evaluate_recognition(made, graphs(10))
    assert full["top1"] == 1
    figures = evaluate_recognition(made, data.val)
    assert figures["n"] == 10
    assert figures["n_no_pose"] == 2
    assert figures["top1"] == pytest.approx(0.8)
    assert figures["top5"] == pytest.approx(0.8)
    assert result.best["val/top1"] == pytest.approx(0.8)


def test_validation_weighs_recordings_not_batches(task: Any, graphs: Any) -> None:
    recordings = graphs(10, seed=4)
    found = []
    for size in (3, 10):
        torch.manual_seed(0)
        made = task(lr=0.0, weight_decay=0.0)
        data = SkeletonDataModule(graphs(3), recordings, batch_size=size)
        row = fit_task(made, data, max_epochs=1, progress=False).history[0]
        assert row["val/top1"] == pytest.approx(evaluate_recognition(made, recordings)["top1"])
        found.append(row)
    for name in ("val/top1", "val/top5", "val/mean_class"):
        assert 0 <= found[0][name] <= 1


def test_lightnings_own_test_gives_the_same_figures(task: Any, graphs: Any) -> None:
    made, recordings = task(), graphs(7, empty=(2,))
    data = SkeletonDataModule(graphs(3), test=recordings, batch_size=2)
    with quiet_lightning():
        trainer = Trainer(
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        (found,) = trainer.test(made, datamodule=data, verbose=False)
    expected = evaluate_recognition(made, recordings)
    for name in ("top1", "top5", "mean_class"):
        assert found[f"test/{name}"] == pytest.approx(expected[name])


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["32-true", "16-mixed", "bf16-mixed"])
def test_it_trains_on_a_device(task: Any, graphs: Any, precision: str) -> None:
    def augment(batch: SkeletonGraph, generator: torch.Generator) -> SkeletonGraph:
        return RandomScale(generator=generator)(batch)

    made = task(augment=augment, ema_decay=0.9, class_weight="balanced", lr=0.1)
    data = SkeletonDataModule(graphs(30), graphs(9, seed=1, empty=(3,)), batch_size=10)
    options = {"accelerator": "cuda", "precision": precision, "gradient_clip": 1.0}
    result = fit_task(made, data, max_epochs=8, progress=False, **options)
    assert result.best["val/top1"] == pytest.approx(8 / 9)
    assert evaluate_recognition(made, data.val)["n_no_pose"] == 1


def test_the_average_of_the_weights_predicts(task: Any, graphs: Any) -> None:
    made = task(ema_decay=0.5, lr=0.1)
    fit_task(made, SkeletonDataModule(graphs()), max_epochs=3, progress=False)
    assert made.network is not made.model
    assert not any(p.requires_grad for p in made.network.parameters())
    batch = Batch.from_data_list(graphs(3))
    assert torch.equal(made(batch), made.network(batch))
    assert not torch.equal(made(batch), made.model(batch))


def emptied(batch: SkeletonGraph) -> SkeletonGraph:
    none = torch.zeros(0, dtype=torch.long)
    return batch.take_poses(none, none, none)


def test_a_batch_that_augmentation_emptied_does_no_harm(task: Any, graphs: Any) -> None:
    def sometimes(batch: SkeletonGraph, generator: torch.Generator) -> SkeletonGraph:
        return batch if "r0" in batch.name else emptied(batch)

    made = task(augment=sometimes)
    data = SkeletonDataModule(graphs(8), batch_size=4)
    result = fit_task(made, data, max_epochs=1, progress=False)
    assert result.history[0]["train/loss"] > 0


def test_augmentation_that_leaves_nothing_is_an_error(task: Any, graphs: Any) -> None:
    made = task(augment=emptied)
    with pytest.raises(ValueError, match="do they leave out too much"):
        fit_task(made, SkeletonDataModule(graphs(4)), max_epochs=1, progress=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "lion"}, "unknown optimizer 'lion'; known are sgd, adam, adamw"),
        ({"schedule": "line"}, "unknown schedule 'line'"),
        ({"class_names": ["a"]}, "expected 3 class names .got 1"),
        ({"class_weight": "some"}, "unknown class_weight 'some'"),
        ({"class_weight": torch.ones(2)}, r"3 class weights \(got \[2\]\)"),
        ({"label_smoothing": 2.0}, r"label_smoothing in 0...1 \(got 2.0\)"),
        ({"lr": -1.0}, r"expected lr >= 0 \(got -1.0\)"),
        ({"lr": float("inf")}, r"expected lr >= 0 \(got inf\)"),
        ({"momentum": 2.0}, "expected momentum in 0...1"),
        ({"gamma": -1.0}, "expected gamma in 0...1"),
        ({"warmup_epochs": -1}, "expected warmup_epochs >= 0"),
        ({"min_lr": -1.0}, "expected min_lr >= 0"),
        ({"schedule": "steps"}, "'steps' needs milestones"),
    ],
)
def test_an_error_says_what_was_expected(network: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recognition(network(), 3, **options)


def test_network_and_task_have_the_same_classes(network: Any) -> None:
    with pytest.raises(ValueError, match="the network has 3 classes and the task 4"):
        Recognition(network(), 4)
