"""What is kept of a training: the history, the best epoch, and a place to go on from."""

from __future__ import annotations

import csv
import io
import math
import multiprocessing
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from stgraph.files import write_atomically

LAST, BEST, HISTORY = "last.ckpt", "best.ckpt", "history.csv"


def should_fall(figure: str) -> bool:
    """Whether less of a figure is better: of losses and of errors of position."""
    return figure.endswith(("loss", "mpjpe"))


class TrainingStopped(Exception):
    """Raised between two steps after somebody asked to stop and a checkpoint was written."""


class TrainingDiverged(RuntimeError):
    """Raised when the loss is no number any more."""


class Keeper(Checkpoint):
    """Keeps the history of a training, its best epoch and a checkpoint of the last moment.

    The best epoch has the best monitored value (the smallest of losses and errors, see
    :func:`should_fall`, else the greatest); of equal ones the one with the smaller validation
    loss, then the earlier.

    Args:
        out: Folder for ``last.ckpt``, ``best.ckpt`` and ``history.csv``; None keeps all in memory.
        select: What chooses the epoch: a validation figure, or ``"last"``.
        every_n_steps: Also write ``last.ckpt`` within epochs.
        figures: What the history has besides the training loss, where it was logged.
    """

    def __init__(
        self,
        out: Path | None,
        select: str = "last",
        every_n_steps: int | None = None,
        figures: Sequence[str] = ("val/loss",),
    ) -> None:
        self.figures = ("train/loss", *figures)
        self.out, self.select, self.every_n_steps = out, select, every_n_steps
        self.history: list[dict[str, float]] = []
        self.best_epoch = 0
        self.best_rank: list[float] = []
        self.best_state: dict[str, Any] | None = None
        self.stop_asked = False
        self._lr = 0.0
        self._began = time.monotonic()
        self._seconds = 0.0

    # --- what a checkpoint holds of it ---------------------------------------------------------
    def state_dict(self) -> dict[str, Any]:
        return {
            "history": self.history,
            "best_epoch": self.best_epoch,
            "best_rank": self.best_rank,
            "seconds": self._seconds + time.monotonic() - self._began,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = list(state_dict["history"])
        self.best_epoch = state_dict["best_epoch"]
        self.best_rank = list(state_dict["best_rank"])
        self._seconds = state_dict["seconds"]

    # --- within an epoch -----------------------------------------------------------------------
    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._lr = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx + 1 >= trainer.num_training_batches:
            return  # the end of the epoch is near and writes its own
        stop = self._stop_asked_anywhere(trainer)
        due = self.every_n_steps and trainer.global_step % self.every_n_steps == 0
        if self.out is not None and (stop or due):
            self._save(trainer, LAST)
        if stop:
            raise TrainingStopped(self._where(trainer, batch_idx + 1))

    def _stop_asked_anywhere(self, trainer: Trainer) -> bool:
        asked = self.stop_asked or trainer.received_sigterm
        if trainer.world_size > 1:
            flag = torch.tensor([float(asked)], device=trainer.strategy.root_device)
            torch.distributed.all_reduce(flag)
            asked = bool(flag.item())
        return asked

    @staticmethod
    def _where(trainer: Trainer, steps: int) -> str:
        return f"after step {steps} of {trainer.num_training_batches} in epoch " + str(
            trainer.current_epoch + 1
        )

    # --- at its end ----------------------------------------------------------------------------
    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._began, self._seconds = time.monotonic(), 0.0

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        figures = {
            name: round(float(trainer.callback_metrics[name]), 7)
            for name in self.figures
            if name in trainer.callback_metrics
        }
        seconds = self._seconds + time.monotonic() - self._began
        row = {"epoch": epoch, "lr": self._lr, **figures, "seconds": round(seconds, 3)}
        self.history.append(row)
        for part, title in (("train", "training"), ("val", "validation")):
            loss = figures.get(f"{part}/loss", 0.0)
            if not math.isfinite(loss):
                raise TrainingDiverged(
                    f"the {title} loss is {loss} in epoch {epoch}; try a smaller learning rate "
                    f"than {self._lr:g}, warm-up, or gradient clipping"
                )
        rank = self._rank(row)
        if rank > self.best_rank or not self.best_rank:
            self.best_rank, self.best_epoch = rank, epoch
            if self.select != "last":
                if self.out is None:
                    state = pl_module.state_dict()
                    self.best_state = {k: v.detach().cpu().clone() for k, v in state.items()}
                else:
                    self._save(trainer, BEST, weights_only=True)
        if self.out is not None:
            if trainer.is_global_zero:
                write_history(self.out / HISTORY, self.history)
            self._save(trainer, LAST)
        if self._stop_asked_anywhere(trainer) and epoch < (trainer.max_epochs or epoch):
            raise TrainingStopped(f"after epoch {epoch}")

    def _rank(self, row: dict[str, float]) -> list[float]:
        if self.select == "last":
            return [row["epoch"]]
        if self.select not in row:
            known = ", ".join(name for name in row if name.startswith("val/"))
            raise ValueError(f"there is no figure {self.select!r} to choose by; known are {known}")
        sign = -1.0 if should_fall(self.select) else 1.0
        values = [sign * row[self.select], -row.get("val/loss", 0.0)]
        return [value if math.isfinite(value) else -math.inf for value in values]

    def _save(self, trainer: Trainer, name: str, weights_only: bool = False) -> None:
        assert self.out is not None
        trainer.save_checkpoint(self.out / name, weights_only)


def write_history(path: Path, history: list[dict[str, float]]) -> None:
    """Writes a row an epoch as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(k for row in history for k in row)))
    writer.writeheader()
    writer.writerows(history)
    write_atomically(path, text.getvalue().encode())


@contextmanager
def stopping_politely(keeper: Keeper) -> Iterator[None]:
    """Lets the first interrupt, or order to end, stop a training after its step.

    A worker process obeys its parent at once: that is what :mod:`multiprocessing` waits for.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [signal.SIGINT]
    if multiprocessing.parent_process() is None:
        numbers.append(signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask(number: int, frame: Any) -> None:
        keeper.stop_asked = True
        restore()  # a second one ends at once

    for number in numbers:
        signal.signal(number, ask)
    try:
        yield
    finally:
        restore()
