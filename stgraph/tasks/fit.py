"""Trains a task: one function around Lightning's trainer."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.strategies import DDPStrategy

from stgraph.tasks.base import TrainingTask
from stgraph.tasks.checkpoints import AtomicCheckpointIO, load_training
from stgraph.tasks.data import SkeletonDataModule
from stgraph.tasks.inspection import data_digest
from stgraph.tasks.keeper import (
    BEST,
    LAST,
    Keeper,
    TrainingStopped,
    should_fall,
    stopping_politely,
)
from stgraph.tasks.limits import check_limits
from stgraph.tasks.progress import EpochLines, quiet_lightning
from stgraph.tasks.run_folder import begin_run, find_run, flat_facts, write_run

MODEL = "model"


@dataclass
class FitResult:
    """What a training gave.

    Attributes:
        best_epoch: The chosen epoch, counted from 1; the task has its weights.
        history: A row an epoch: ``epoch``, ``lr``, ``train/loss``, ``val/...``, ``seconds``.
        checkpoint: Checkpoint of the chosen epoch; None without a folder.
        folder: Folder for :func:`~stgraph.tasks.load_recognition`; None without one, or if the
            network cannot be saved.
        seconds: Wall time of this call.
    """

    best_epoch: int
    history: list[dict[str, float]] = field(repr=False)
    checkpoint: Path | None
    folder: Path | None
    seconds: float

    @property
    def best(self) -> dict[str, float]:
        """The row of the chosen epoch."""
        return next(row for row in self.history if row["epoch"] == self.best_epoch)


def fit_task(
    task: TrainingTask,
    data: SkeletonDataModule,
    *,
    max_epochs: int,
    out: str | Path | None = None,
    resume: bool = True,
    seed: int = 0,
    select: str | None = None,
    early_stopping: int | None = None,
    gradient_clip: float | None = None,
    accumulate: int = 1,
    precision: Any = "32-true",
    accelerator: str = "auto",
    devices: int = 1,
    checkpoint_every: int | None = None,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
    facts: dict[str, Any] | None = None,
) -> FitResult:
    """Trains a task and leaves it with the weights of the chosen epoch.

    Training that is stopped and resumed gives the same weights as training that was not (on the
    CPU, with the same number of threads). The first interrupt from the keyboard ends it after its
    step, with a checkpoint. torch's global generator is left as it was.

    Args:
        task: The task.
        data: The recordings.
        max_epochs: Number of epochs.
        out: Folder for checkpoints, the history (CSV, and TensorBoard if it is installed) and the
            trained network; None keeps everything in memory.
        resume: Go on from the folder's last checkpoint if there is one; else begin anew.
        seed: Of order, augmentation and dropout; initial weights are the network's business.
        select: What chooses the epoch: a validation figure such as ``"val/top1"`` (the default
            where there is validation), or ``"last"``.
        early_stopping: Stop after so many epochs without a better figure of validation.
        gradient_clip: Greatest norm of the gradient.
        accumulate: Batches whose gradients are added up for one step.
        precision: Lightning's: ``"32-true"``, ``"bf16-mixed"``, ``"16-mixed"``, ``"64-true"``.
        accelerator: ``"auto"`` (CUDA where there is a device), ``"cpu"`` or ``"cuda"``.
        devices: Processes (with gradients averaged over them, DDP).
        checkpoint_every: Steps between checkpoints within an epoch.
        progress: Show a line an epoch, and on a terminal a bar.
        callbacks: Further callbacks of Lightning.
        facts: What to note in the saved task's ``facts``, as JSON can hold it. A folder with other
            facts (but for paths) or other recordings holds another training.

    Raises:
        ValueError: if an argument is out of range, the epoch would be chosen by something other
            than validation, or the folder holds another training.
        RecordingError: if a recording has no class, or a coordinate that is no number.
        TrainingDiverged: if the loss is no number any more.
        KeyboardInterrupt: after an interrupt.
    """
    if not isinstance(task, TrainingTask):
        raise TypeError(
            "'fit_task' expected a task such as Recognition(network, num_classes) or "
            f"Pretraining(objective) (got {type(task).__name__})"
        )
    began = time.monotonic()
    check_limits(
        {
            "max_epochs": max_epochs,
            "seed": seed,
            "early_stopping": early_stopping,
            "gradient_clip": gradient_clip,
            "accumulate": accumulate,
            "devices": devices,
            "checkpoint_every": checkpoint_every,
        },
        "'fit_task' expected ",
    )
    if early_stopping is not None and data.val is None:
        raise ValueError("'fit_task' cannot stop early without validation recordings")
    select = check_select(select, data.val is not None, task)
    accelerator = check_accelerator(accelerator)
    if data.batch_size % devices:
        raise ValueError(
            f"'fit_task' expected a batch size that {devices} processes can share "
            f"(got {data.batch_size})"
        )
    task.check_data(data)
    folder = None if out is None else Path(out)
    keeper = Keeper(folder, select, checkpoint_every, (*task.figures, *task.remarks))
    task.seed = data.seed = seed
    run = {
        "max_epochs": max_epochs,
        "seed": seed,
        "select": select,
        "early_stopping": early_stopping,
        "gradient_clip": gradient_clip,
        "accumulate": accumulate,
        "precision": str(precision),
        "batch_size": data.batch_size,
        "recordings": data.train_labels.numel(),
        "digest": data_digest(data),
        **flat_facts(facts or {}),
        **{key: list(v) if isinstance(v, tuple) else v for key, v in task.settings.items()},
    }
    resumed, finished = find_run(folder, run) if resume else (None, False)
    if finished:
        assert resumed is not None
        state = load_training(resumed, ("state_dict", "callbacks"))
        task.load_state_dict(state["state_dict"])
        keeper.load_state_dict(_keeper_state(state, keeper, resumed))
    else:
        if resumed is not None:
            # says what the trainer would not
            parts = ("state_dict", "callbacks", "optimizer_states", "lr_schedulers", "loops")
            _keeper_state(load_training(resumed, parts), keeper, resumed)
        stopping = _early_stopping(select, early_stopping)
        with quiet_lightning(), stopping_politely(keeper), torch.random.fork_rng(devices=[]):
            trainer = Trainer(
                max_epochs=max_epochs,
                accelerator=accelerator,
                devices=devices,
                strategy="auto" if devices == 1 else DDPStrategy(broadcast_buffers=False),
                precision=precision,
                gradient_clip_val=gradient_clip,
                accumulate_grad_batches=accumulate,
                logger=_logger(folder),
                log_every_n_steps=1_000_000_000,
                callbacks=[
                    *callbacks,
                    *stopping,
                    keeper,
                    *([EpochLines(keeper)] if progress else []),
                ],
                plugins=[AtomicCheckpointIO()],
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                limit_val_batches=0 if data.val is None else None,
                use_distributed_sampler=False,
                default_root_dir=folder,
            )
            if folder is not None and resumed is None:
                begin_run(folder, run)  # not before the trainer took all options
            task.train()
            try:
                trainer.fit(task, datamodule=data, ckpt_path=resumed, weights_only=True)
            except TrainingStopped as stop:
                where = "" if folder is None else f"; the same call goes on from {folder / LAST}"
                raise KeyboardInterrupt(f"training stopped {stop}{where}") from None
    return _finish(task, keeper, folder, run, facts, began)


def _keeper_state(state: dict[str, Any], keeper: Keeper, path: Path) -> dict[str, Any]:
    """What the keeper left in a checkpoint.

    Raises:
        ValueError: if it left nothing.
    """
    found = state["callbacks"].get(keeper.state_key)
    if not isinstance(found, dict):
        raise ValueError(
            f"the checkpoint {str(path)!r} is none of a training of ours (it does not say which "
            "epoch was chosen); remove it to begin anew"
        )
    return found


def check_select(select: str | None, has_val: bool, task: TrainingTask | type[TrainingTask]) -> str:
    """What chooses the epoch, or an error if it would be anything that test has a part in."""
    if select is None:
        return task.default_figure if has_val else "last"
    known = ", ".join(task.figures)
    if select != "last" and not select.startswith("val/"):
        raise ValueError(
            f"the epoch is chosen by a validation figure ({known}) or is the last (got "
            f"{select!r}); test figures never choose"
        )
    if select != "last" and select not in task.figures:
        raise ValueError(f"there is no figure {select!r} to choose by; known are {known}")
    if select != "last" and not has_val:
        raise ValueError(f"there are no validation recordings to choose by {select!r}; take 'last'")
    return select


def _finish(
    task: TrainingTask,
    keeper: Keeper,
    folder: Path | None,
    run: dict[str, Any],
    facts: dict[str, Any] | None,
    began: float,
) -> FitResult:
    checkpoint = None
    if folder is not None:
        checkpoint = folder / (LAST if keeper.select == "last" else BEST)
    if keeper.select != "last":
        if checkpoint is not None:
            task.load_state_dict(load_training(checkpoint)["state_dict"])
        elif keeper.best_state is not None:
            task.load_state_dict(keeper.best_state)
    task.eval()
    saved = None
    if folder is not None:
        if torch.distributed.is_initialized():
            torch.distributed.barrier()
        if task.global_rank == 0:
            saved = task.save(folder / MODEL, facts)
            write_run(folder, run, finished=True)
    return FitResult(keeper.best_epoch, keeper.history, checkpoint, saved, time.monotonic() - began)


def _early_stopping(select: str, patience: int | None) -> list[Callback]:
    if patience is None:
        return []
    monitor = "val/loss" if select == "last" else select
    mode = "min" if should_fall(monitor) else "max"
    return [EarlyStopping(monitor, patience=patience, mode=mode, check_finite=False)]


def check_accelerator(name: str) -> str:
    """What to train on, or an error if there is none of it."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("the accelerator 'cuda' needs a CUDA device (there is none); take 'cpu'")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name


def _logger(folder: Path | None) -> Any:
    if folder is None or importlib.util.find_spec("tensorboard") is None:
        return False
    from lightning.pytorch.loggers import TensorBoardLogger

    return TensorBoardLogger(folder, name="tensorboard", version="")
