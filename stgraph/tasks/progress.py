"""What a training shows while it runs."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from tqdm import tqdm

from stgraph.tasks.keeper import Keeper

_LOGGERS = ("lightning.pytorch", "lightning.fabric", "lightning", "lightning_utilities")
# Advice that does not concern these trainings: small batches are gathered faster than they train,
# figures are written once an epoch, and they are equal in all processes already.
_ADVICE = (
    ".*does not have many workers",
    ".*smaller than the logging interval",
    ".*recommended to use `self.log.*sync_dist",
    ".*Found .* module.s. in eval mode",
    # Lightning asks torch's pytree for a class that torch renamed.
    ".*isinstance.treespec, LeafSpec.. is deprecated",
)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silences the trainer's chatter; warnings about anything else still come through."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for message in _ADVICE:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


class EpochLines(Checkpoint):
    """A line an epoch, and on a terminal a bar while it runs.

    Args:
        keeper: Has the figures to show; stands before this one among the callbacks.
    """

    # A Checkpoint for the trainer, which calls those last: the line then has the epoch's figures.

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper
        self.bar: Any = None

    def show(self, text: str) -> None:
        """Prints a line without breaking the bar."""
        tqdm.write(text, file=sys.stdout)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.keeper.history:
            self.show(f"  going on after epoch {self.keeper.history[-1]['epoch']:.0f}")
        self._open(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._open(trainer)

    def _open(self, trainer: Trainer) -> None:
        self._close()
        self.bar = tqdm(
            total=int(trainer.num_training_batches),
            desc=f"  epoch {trainer.current_epoch + 1}/{trainer.max_epochs}",
            leave=False,
            file=sys.stderr,
            disable=not sys.stderr.isatty(),
            unit="step",
            ncols=78,
        )

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.bar is not None:
            self.bar.n = batch_idx + 1
            self.bar.refresh() if batch_idx + 1 == self.bar.total else self.bar.update(0)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._close()
        row = self.keeper.history[-1]
        self.show(epoch_line(row, int(trainer.max_epochs or 0), self._mark()))

    def _mark(self) -> str:
        chosen = self.keeper.best_epoch == self.keeper.history[-1]["epoch"]
        return "best" if chosen and self.keeper.select != "last" else ""

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        self._close()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._close()


def epoch_line(row: dict[str, float], epochs: int, mark: str = "") -> str:
    """One epoch in one line; a mark stands for the best so far."""
    width = len(str(epochs))
    parts = [f"  epoch {row['epoch']:{width}.0f}/{epochs}", f"loss {row['train/loss']:.3f}"]
    for name, title in (
        ("val/loss", "val loss"),
        ("val/top1", "val top-1"),
        ("val/mean_class", "mean class"),
        ("val/frames", "val frames"),
        ("val/map_a", "mAP_a"),
    ):
        # a line has no room for a figure more
        if name in row and not (name == "val/mean_class" and "sparsity" in row):
            parts.append(f"{title} {row[name]:.3f}")
    if "sparsity" in row:
        parts.append(f"sparsity {row['sparsity']:.2f}")
    parts.append(f"{row['seconds']:.1f} s")
    return "   ".join(parts) + (f"  {mark}" if mark else "")
