"""What training tasks share: preparation of batches, seeds of steps, optimisers and schedules."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import nn

from stgraph.skeleton import SkeletonGraph
from stgraph.tasks.data import SkeletonDataModule
from stgraph.tasks.limits import check_limits
from stgraph.tasks.optimisation import (
    OPTIMISERS,
    SCHEDULES,
    layer_decay_groups,
    make_optimizer,
    make_schedule,
    parameter_groups,
)
from stgraph.transforms.base import with_nodes

Transform = Callable[..., Any]


class TrainingTask(LightningModule):
    """A task for :func:`~stgraph.tasks.fit_task`; subclasses say what a step is.

    Every training step seeds torch with (seed, epoch, step, process), so that dropout, augmentation
    and masking do not depend on whether training was ever stopped.

    Args:
        transform: Applied to every batch; draws nothing at random.
        before: Applied to every batch first, also before augmentation: what augmentation must not
            see undone, such as facing one way.
        augment: Applied to training batches, before ``transform``; called with a ``generator`` if
            it takes one. Both see coordinates at full precision.
        optimizer: ``"sgd"``, ``"adam"`` or ``"adamw"``.
        lr: Highest learning rate.
        momentum: Of SGD.
        nesterov: Of SGD.
        weight_decay: Weight decay.
        decay_norm_and_bias: Whether it also applies to biases and the scales of norms, as in the
            published recipes.
        betas: Of Adam and AdamW.
        schedule: ``"cosine"``, ``"steps"`` or ``"constant"``, see
            :func:`stgraph.tasks.learning_rate_factor`.
        milestones: Epochs at which ``"steps"`` falls.
        gamma: Factor of each fall.
        warmup_epochs: Epochs of linear warm-up.
        min_lr: Where ``"cosine"`` ends.
        schedule_by_epoch: Change the rate between epochs only.
        layer_decay: Learning rates of the network's layers fall by this factor from output to
            input, see :func:`layer_decay_groups`; None: all alike.
        tuned_layers: How many layers of the network are trained, from its output on; the others
            stay as they are. None: all.
        seed: Decides what a step draws; :func:`~stgraph.tasks.fit_task` sets it.
        more: Further settings of a subclass.

    Raises:
        ValueError: if a name or a number is out of range.
    """

    #: Figures of an epoch that its history keeps, besides ``train/loss``.
    figures: tuple[str, ...] = ("val/loss",)
    #: The figure that chooses the epoch by default where there is validation.
    default_figure = "val/loss"
    #: What else the history keeps of an epoch and no epoch is chosen by.
    remarks: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        transform: Transform | None = None,
        augment: Transform | None = None,
        before: Transform | None = None,
        optimizer: str = "sgd",
        lr: float = 0.1,
        momentum: float = 0.9,
        nesterov: bool = True,
        weight_decay: float = 5e-4,
        decay_norm_and_bias: bool = True,
        betas: tuple[float, float] = (0.9, 0.999),
        schedule: str = "cosine",
        milestones: Sequence[float] = (),
        gamma: float = 0.1,
        warmup_epochs: float = 0,
        min_lr: float = 0.0,
        schedule_by_epoch: bool = False,
        layer_decay: float | None = None,
        tuned_layers: int | None = None,
        seed: int = 0,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {
            "optimizer": optimizer,
            "lr": lr,
            "momentum": momentum,
            "nesterov": nesterov,
            "weight_decay": weight_decay,
            "decay_norm_and_bias": decay_norm_and_bias,
            "betas": tuple(betas),
            "schedule": schedule,
            "milestones": tuple(milestones),
            "gamma": gamma,
            "warmup_epochs": warmup_epochs,
            "min_lr": min_lr,
            "schedule_by_epoch": schedule_by_epoch,
            "layer_decay": layer_decay,
            "tuned_layers": tuned_layers,
            **(more or {}),
        }
        for name, known in (("optimizer", OPTIMISERS), ("schedule", SCHEDULES)):
            value = self.settings[name]
            if value not in known:
                raise ValueError(f"unknown {name} {value!r}; known are {', '.join(known)}")
        check_limits(self.settings, f"'{type(self).__name__}' expected ")
        if schedule == "steps" and not milestones:
            raise ValueError("the schedule 'steps' needs milestones, the epochs at which it falls")
        self.before = before
        self.transform = transform
        self.augment = augment
        self._augment_takes_generator = augment is not None and "generator" in (
            inspect.signature(getattr(augment, "forward", augment)).parameters
        )
        self.seed = seed

    # --- for a subclass to say --------------------------------------------------------------------
    @property
    def network(self) -> nn.Module:
        """The network that training is for."""
        raise TypeError(f"{type(self).__name__} has to override 'network'")

    def trained_modules(self) -> Iterable[nn.Module]:
        """Modules whose parameters are trained."""
        return [self]

    def shared_buffers(self) -> Iterable[torch.Tensor]:
        """Buffers whose mean over the processes evaluation uses."""
        return self.buffers()

    def check_data(self, data: SkeletonDataModule) -> None:
        """Refuses recordings that the task cannot use."""

    def save(self, folder: Path, facts: dict[str, Any] | None) -> Path | None:
        """Writes what was trained into a folder; None if it cannot be saved."""
        return None

    # --- what they share --------------------------------------------------------------------------
    @torch.no_grad()
    def prepare(
        self, batch: SkeletonGraph, generator: torch.Generator | None = None, train: bool = False
    ) -> SkeletonGraph:
        """The batch after ``before``, augmentation (``train``) and transform."""
        # autocast would round the coordinates inside of rotations
        with torch.autocast(batch.pos.device.type, enabled=False):
            if self.before is not None:
                batch = self.before(batch)
            if train and self.augment is not None:
                if self._augment_takes_generator:
                    batch = self.augment(batch, generator=generator)
                else:
                    batch = self.augment(batch)
            if self.transform is not None:
                batch = self.transform(batch)
        return self._as_precise_as_the_network(batch)

    def _as_precise_as_the_network(self, batch: SkeletonGraph) -> SkeletonGraph:
        dtype = next((p.dtype for p in self.network.parameters()), batch.pos.dtype)
        if dtype == batch.pos.dtype:
            return batch
        names = [name for name in ("pos", "x", "score") if name in batch]
        return with_nodes(batch, **{name: batch[name].to(dtype) for name in names})

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        torch.manual_seed(self.step_seed(batch_idx, 0))

    def step_seed(self, batch_idx: int, purpose: int) -> int:
        """A number for what a training step draws."""
        words = (self.seed, self.current_epoch, batch_idx, self.global_rank, purpose)
        return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))

    def configure_optimizers(self) -> Any:
        s = self.settings
        names = ("lr", "momentum", "nesterov", "betas")
        optimizer = make_optimizer(
            self.parameter_groups(), s["optimizer"], **{name: s[name] for name in names}
        )
        epochs = self.trainer.max_epochs or 1
        scheduler = make_schedule(
            optimizer,
            steps_per_epoch=self._steps_per_epoch(epochs),
            by_epoch=s["schedule_by_epoch"],
            total=epochs,
            schedule=s["schedule"],
            milestones=s["milestones"],
            gamma=s["gamma"],
            warmup=s["warmup_epochs"],
            floor=s["min_lr"] / s["lr"] if s["lr"] else 0.0,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What the optimiser trains."""
        s = self.settings
        modules = list(self.trained_modules())
        if s["layer_decay"] is None and s["tuned_layers"] is None:
            return parameter_groups(modules, s["weight_decay"], s["decay_norm_and_bias"])
        layers = self.tuned_network().layers()
        known = {id(p) for layer in layers for p in layer}
        every = {id(p): p for module in modules for p in module.parameters()}
        tuned = len(layers) if s["tuned_layers"] is None else s["tuned_layers"]
        return layer_decay_groups(
            layers,
            [p for key, p in every.items() if key not in known],
            s["lr"],
            1.0 if s["layer_decay"] is None else s["layer_decay"],
            s["weight_decay"],
            s["decay_norm_and_bias"],
            max(len(layers) - tuned, 0),
        )

    def tuned_network(self) -> Any:
        """The network whose layers ``layer_decay`` and ``tuned_layers`` mean."""
        return self.network

    def _steps_per_epoch(self, epochs: int) -> int:
        data: Any = getattr(self.trainer, "datamodule", None)
        if hasattr(data, "batches_per_epoch"):
            return math.ceil(data.batches_per_epoch / self.trainer.accumulate_grad_batches)
        return max(1, round(self.trainer.estimated_stepping_batches / epochs))

    def on_validation_epoch_start(self) -> None:
        self._share_statistics()

    def on_test_epoch_start(self) -> None:
        self._share_statistics()

    def _share_statistics(self) -> None:
        """Batch-norm statistics become the mean over the processes, each of which saw a part."""
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return
        world = torch.distributed.get_world_size()
        for buffer in self.shared_buffers():
            if torch.is_floating_point(buffer):
                torch.distributed.all_reduce(buffer)
                buffer /= world
