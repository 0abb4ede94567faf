"""Law 9: test labels and test recordings never influence training, statistics or the choice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from stgraph import STGCN, SkeletonGraph, SpatialConfiguration
from stgraph.cli import main
from stgraph.io import Store
from stgraph.tasks import (
    FitResult,
    Recognition,
    SkeletonDataModule,
    evaluate_recognition,
    fit_partition,
    fit_task,
)

LAYOUT = "kinect_v1_20"


def graphs(number: int, seed: int) -> list[SkeletonGraph]:
    generator = torch.Generator().manual_seed(seed)
    return [
        SkeletonGraph(torch.randn(4, 20, 3, generator=generator) + i % 3, layout=LAYOUT, y=i % 3)
        for i in range(number)
    ]


def relabelled(recordings: list[SkeletonGraph]) -> list[SkeletonGraph]:
    return [SkeletonGraph(g.pos, layout=LAYOUT, y=(int(g.y) + 1) % 3) for g in recordings]


def train(
    test: list[SkeletonGraph] | None, val: list[SkeletonGraph] | None = None, **options: Any
) -> tuple[dict[str, torch.Tensor], FitResult]:
    learn = graphs(12, 0)
    val = graphs(6, 1) if val is None else val
    data = SkeletonDataModule(learn, val, test, batch_size=4)
    torch.manual_seed(0)
    partition = fit_partition(SpatialConfiguration("measured"), learn)
    network = STGCN(3, 3, layout=LAYOUT, partition=partition, channels=[4], temporal_kernel=3)
    task = Recognition(network, 3, lr=0.05, class_weight="balanced")
    result = fit_task(task, data, max_epochs=3, progress=False, **options)
    state = {name: value.clone() for name, value in task.state_dict().items()}
    if test is not None:
        evaluate_recognition(task, data.test)
        assert all(torch.equal(value, task.state_dict()[name]) for name, value in state.items())
    return state, result


def history(result: FitResult) -> list[dict[str, float]]:
    return [{**row, "seconds": 0.0} for row in result.history]


@pytest.mark.parametrize("canary", ["labels", "recordings", "none"])
def test_what_the_test_part_holds_changes_no_weight_and_no_choice(canary: str) -> None:
    test = graphs(9, 2)
    expected, result = train(test)
    other = {"labels": relabelled(test), "recordings": graphs(5, 77), "none": None}[canary]
    got, changed = train(other)
    assert all(torch.equal(value, got[name]) for name, value in expected.items())
    assert changed.best_epoch == result.best_epoch
    assert history(changed) == history(result)


def test_the_canary_would_sing_validation_labels_do_choose() -> None:
    val = graphs(6, 1)
    _, result = train(None, val)
    _, changed = train(None, relabelled(val))
    assert history(result) != history(changed)
    losses = [{key: row[key] for key in ("epoch", "train/loss")} for row in result.history]
    assert losses == [{key: row[key] for key in losses[0]} for row in changed.history]


def test_validation_does_not_train() -> None:
    expected, _ = train(None, graphs(6, 1), select="last")
    got, _ = train(None, relabelled(graphs(3, 8)), select="last")
    assert all(torch.equal(value, got[name]) for name, value in expected.items())


@pytest.mark.parametrize("select", ["test/top1", "train/loss", "top1"])
def test_nothing_but_validation_chooses(select: str) -> None:
    with pytest.raises(ValueError, match="test figures never choose"):
        train(graphs(3, 2), select=select)


def test_without_validation_it_is_the_last_epoch() -> None:
    learn = graphs(6, 0)
    network = STGCN(3, 3, layout=LAYOUT, channels=[4], temporal_kernel=3)
    task = Recognition(network, 3, lr=0.01)
    data = SkeletonDataModule(learn, test=graphs(3, 2), batch_size=3)
    assert fit_task(task, data, max_epochs=2, progress=False).best_epoch == 2
    with pytest.raises(ValueError, match="no validation recordings to choose by 'val/top1'"):
        fit_task(task, data, max_epochs=2, select="val/top1", progress=False)


def test_the_measured_distance_is_that_of_training() -> None:
    learn = graphs(6, 0)
    alone = fit_partition(SpatialConfiguration("measured"), learn)
    assert isinstance(alone, SpatialConfiguration)
    expected = SpatialConfiguration("measured").fit(learn).joint_distance
    torch.testing.assert_close(alone.joint_distance, expected)
    finished = SpatialConfiguration("measured", torch.arange(20.0))
    assert fit_partition(finished, learn) is finished
    assert fit_partition("distance", learn)(LAYOUT).num_types == 2


@pytest.mark.parametrize("system", ["mamp", "skeletonclr"])
@pytest.mark.parametrize("canary", ["test", "labels", "train"])
def test_pretraining_knows_neither_labels_nor_test_recordings(
    system: str, canary: str, tmp_path: Path
) -> None:
    def encoder(name: str, recordings: list[SkeletonGraph]) -> dict[str, torch.Tensor]:
        store, out = tmp_path / f"{name}.safetensors", tmp_path / name
        Store.write(store, recordings, class_names=["a", "b", "c"])
        options = ["--data.name", "store", "--data.path", store, "--system", system]
        sizes = ["--width", 8, "--depth", 1, "--heads", 2, "--epochs", 2, "--queue_size", 8]
        arguments = ["pretrain", *options, *sizes, "--out", out, "--transform", "[BodyUnits]"]
        assert main([str(argument) for argument in arguments]) == 0
        return load_file(out / "model" / "model.safetensors")

    def recordings(part: str | None = None, moved: float = 0.0, label: int = 0) -> Any:
        made = graphs(12, 0)
        for i, graph in enumerate(made):
            graph.split = "test" if i % 3 == 2 else "train"
            if graph.split == part:
                graph.pos = graph.pos + moved * torch.arange(len(graph.pos)).sin()[:, None]
            graph.y = (graph.y + label) % 3
        return made

    before = encoder("before", recordings())
    changed = {
        "test": recordings("test", moved=7.0),
        "labels": recordings(label=1),
        "train": recordings("train", moved=7.0),
    }
    after = encoder("after", changed[canary])
    same = all(torch.equal(value, after[name]) for name, value in before.items())
    assert same == (canary != "train"), "the canary of training recordings has to sing"
