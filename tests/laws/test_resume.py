"""Law 8: training that is stopped and resumed gives the weights of training that was not."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from stgraph import STGCN, SkeletonGraph
from stgraph.tasks import Recognition, SkeletonDataModule, fit_task
from stgraph.transforms import Jitter, RandomScale

LAYOUT = "kinect_v1_20"
EPOCHS, BATCHES = 3, 4


def graphs(number: int, seed: int) -> list[SkeletonGraph]:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, 8, (number,), generator=generator).tolist()
    return [
        SkeletonGraph(
            torch.randn(length, 20, 3, generator=generator) + i % 3, layout=LAYOUT, y=i % 3
        )
        for i, length in enumerate(lengths)
    ]


def augment(batch: SkeletonGraph, generator: torch.Generator) -> SkeletonGraph:
    return Jitter(0.01)(RandomScale(generator=generator)(batch))


def make(**options: Any) -> tuple[Recognition, SkeletonDataModule]:
    torch.manual_seed(3)
    network = STGCN(3, 3, layout=LAYOUT, channels=[4, 6], temporal_kernel=3, dropout=0.3)
    task = Recognition(network, 3, lr=0.05, augment=augment, **options)
    return task, SkeletonDataModule(graphs(15, 0), graphs(7, 1), batch_size=4)


class StopAfter(Callback):
    """Asks to stop as Ctrl-C or a shutdown does, or falls down."""

    def __init__(self, step: int, how: str) -> None:
        self.step, self.how = step, how

    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        if trainer.global_step == self.step:
            if self.how == "crash":
                raise OSError("the power is gone")
            os.kill(os.getpid(), {"ctrl-c": signal.SIGINT, "term": signal.SIGTERM}[self.how])


def assert_same_training(
    out: Path,
    stop: int,
    how: str = "ctrl-c",
    every: int | None = None,
    workers: int = 0,
    **options: Any,
) -> None:
    def fit(folder: Path, *callbacks: Callback) -> tuple[Recognition, Any]:
        task, data = make(**options)
        data.num_workers = workers
        result = fit_task(
            task,
            data,
            max_epochs=EPOCHS,
            out=folder,
            seed=5,
            checkpoint_every=every,
            progress=False,
            callbacks=callbacks,
        )
        return task, result

    whole, expected = fit(out / "whole")
    with pytest.raises(OSError if how == "crash" else KeyboardInterrupt, match=r"power|stopped"):
        fit(out / "parts", StopAfter(stop, how))
    torch.manual_seed(99)  # whatever happened in between
    resumed, got = fit(out / "parts")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert got.best_epoch == expected.best_epoch
    for row, other in zip(expected.history, got.history, strict=True):
        assert {**row, "seconds": 0} == {**other, "seconds": 0}


@pytest.mark.parametrize("stop", [1, 3, BATCHES, BATCHES + 1, 2 * BATCHES - 1])
def test_training_stopped_after_a_step_goes_on_as_if_it_had_not(tmp_path: Path, stop: int) -> None:
    assert_same_training(tmp_path, stop)


def test_the_first_shutdown_signal_also_leaves_a_checkpoint(tmp_path: Path) -> None:
    assert_same_training(tmp_path, 6, how="term")


@pytest.mark.parametrize("every", [None, 2])
def test_a_crash_costs_no_more_than_the_steps_since_the_last_checkpoint(
    tmp_path: Path, every: int | None
) -> None:
    assert_same_training(tmp_path, 2 * BATCHES - 1, how="crash", every=every)


@pytest.mark.parametrize(
    "options",
    [
        {"ema_decay": 0.9, "optimizer": "adamw", "class_weight": "balanced"},
        {"schedule": "steps", "milestones": (1, 2), "warmup_epochs": 1, "schedule_by_epoch": True},
    ],
    ids=["adamw-ema-balanced", "steps-warm-up"],
)
def test_it_holds_for_averages_optimisers_and_schedules(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    assert_same_training(tmp_path, BATCHES + 2, **options)


@pytest.mark.slow
def test_it_holds_for_worker_processes(tmp_path: Path) -> None:
    assert_same_training(tmp_path, BATCHES + 2, workers=2)


def test_a_finished_training_is_only_looked_at_again(tmp_path: Path) -> None:
    task, data = make()
    first = fit_task(task, data, max_epochs=2, out=tmp_path, progress=False)
    written = (tmp_path / "last.ckpt").stat().st_mtime_ns
    again, data = make()
    with torch.no_grad():
        next(again.parameters()).fill_(7.0)
    second = fit_task(again, data, max_epochs=2, out=tmp_path, progress=False)
    assert second.history == first.history
    assert second.best_epoch == first.best_epoch
    assert (tmp_path / "last.ckpt").stat().st_mtime_ns == written
    for name, value in task.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_a_seed_decides_the_training_and_leaves_torch_alone() -> None:
    def weights(seed: int) -> torch.Tensor:
        task, data = make()
        fit_task(task, data, max_epochs=1, seed=seed, progress=False)
        return torch.cat([p.flatten() for p in task.parameters()])

    state = torch.get_rng_state()
    task, data = make()
    state = torch.get_rng_state()
    fit_task(task, data, max_epochs=1, progress=False)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))
