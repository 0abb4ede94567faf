"""The task of recognising what happens in a recording."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel
from torchmetrics import MeanMetric, Metric, MetricCollection

from stgraph.metrics import MeanClassAccuracy, TopKAccuracy
from stgraph.skeleton import SkeletonGraph
from stgraph.tasks.limits import check_limits
from stgraph.tasks.optimisation import (
    OPTIMISERS,
    SCHEDULES,
    average_weights,
    class_weights,
    make_optimizer,
    make_schedule,
    parameter_groups,
)
from stgraph.transforms.base import with_nodes

Transform = Callable[..., Any]


class Recognition(LightningModule):
    r"""Trains and tests a network that gives each recording one class.

    Recordings without a pose are left out of training and counted as wrong in validation and test,
    whose number of recordings stays the official one; their losses are left out, having no
    prediction. Every training step seeds torch with (seed, epoch, step, process), so that dropout
    and augmentation do not depend on whether training was ever stopped.

    Args:
        model: Takes a batch, returns logits [B, C].
        num_classes: Number C of classes.
        class_names: Their names.
        transform: Applied to every batch; draws nothing at random.
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
        label_smoothing: Share of the target that is spread over all classes.
        class_weight: Weights of the classes in the training loss, [C]; ``"balanced"``: from their
            numbers in training.
        ema_decay: Share of the old average that stays in each step of an exponential moving
            average of the weights, which then validates, tests and is saved.
        seed: Decides dropout and augmentation; :func:`~stgraph.tasks.fit_recognition` sets it.

    Raises:
        ValueError: if a name or a number is out of range.
    """

    def __init__(
        self,
        model: nn.Module,
        num_classes: int,
        *,
        class_names: Sequence[str] | None = None,
        transform: Transform | None = None,
        augment: Transform | None = None,
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
        label_smoothing: float = 0.0,
        class_weight: str | Tensor | None = None,
        ema_decay: float | None = None,
        seed: int = 0,
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
            "label_smoothing": label_smoothing,
            "ema_decay": ema_decay,
        }
        self._check(num_classes, class_names, class_weight)
        self.model = model
        self.num_classes = num_classes
        self.class_names = None if class_names is None else tuple(class_names)
        self.transform = transform
        self.augment = augment
        self._augment_takes_generator = augment is not None and "generator" in (
            inspect.signature(getattr(augment, "forward", augment)).parameters
        )
        self.class_weight = class_weight
        self.register_buffer("loss_weight", None, persistent=False)
        if isinstance(class_weight, Tensor):
            self.loss_weight = class_weight.float()
        self.average: AveragedModel | None = None
        if ema_decay is not None:
            self.average = AveragedModel(
                model, multi_avg_fn=partial(average_weights, decay=ema_decay), use_buffers=True
            )
            self.average.requires_grad_(False)
        self.seed = seed
        self.train_loss = MeanMetric(nan_strategy="disable")  # a diverged training has to show
        # a resumed epoch reports the mean of all of its steps
        self.train_loss.persistent(True)
        figures: dict[str, Metric | MetricCollection] = {
            "top1": TopKAccuracy(1),
            "top5": TopKAccuracy(5),
            "mean_class": MeanClassAccuracy(num_classes),
        }
        self.val_metrics = MetricCollection(figures, compute_groups=False)
        self.test_metrics = self.val_metrics.clone()
        self.val_loss = MeanMetric(nan_strategy="disable")
        self.test_loss = MeanMetric(nan_strategy="disable")

    def _check(
        self, num_classes: int, class_names: Sequence[str] | None, class_weight: str | Tensor | None
    ) -> None:
        for name, known in (("optimizer", OPTIMISERS), ("schedule", SCHEDULES)):
            value = self.settings[name]
            if value not in known:
                raise ValueError(f"unknown {name} {value!r}; known are {', '.join(known)}")
        if class_names is not None and len(class_names) != num_classes:
            raise ValueError(
                f"'Recognition' expected {num_classes} class names (got {len(class_names)})"
            )
        if isinstance(class_weight, str) and class_weight != "balanced":
            raise ValueError(f"unknown class_weight {class_weight!r}; known is balanced")
        if isinstance(class_weight, Tensor) and class_weight.shape != (num_classes,):
            raise ValueError(
                f"'Recognition' expected {num_classes} class weights "
                f"(got {list(class_weight.shape)})"
            )
        check_limits(self.settings, "'Recognition' expected ")
        if self.settings["schedule"] == "steps" and not self.settings["milestones"]:
            raise ValueError("the schedule 'steps' needs milestones, the epochs at which it falls")

    # --- what it computes -------------------------------------------------------------------------
    @property
    def network(self) -> nn.Module:
        """The network that predicts: the average of the weights if there is one."""
        return self.model if self.average is None else self.average.module

    def forward(self, batch: SkeletonGraph) -> Tensor:
        """Logits [B, C] of a batch as it was read, by the network that predicts."""
        return self.network(self.prepare(batch))

    @torch.no_grad()
    def prepare(
        self, batch: SkeletonGraph, generator: torch.Generator | None = None, train: bool = False
    ) -> SkeletonGraph:
        """The batch after augmentation (``train``) and transform."""
        # autocast would round the coordinates inside of rotations
        with torch.autocast(batch.pos.device.type, enabled=False):
            if train and self.augment is not None:
                if self._augment_takes_generator:
                    batch = self.augment(batch, generator=generator)
                else:
                    batch = self.augment(batch)
            if self.transform is not None:
                batch = self.transform(batch)
        return self._as_precise_as_the_network(batch)

    def _as_precise_as_the_network(self, batch: SkeletonGraph) -> SkeletonGraph:
        dtype = next((p.dtype for p in self.model.parameters()), batch.pos.dtype)
        if dtype == batch.pos.dtype:
            return batch
        names = [name for name in ("pos", "x", "score") if name in batch]
        return with_nodes(batch, **{name: batch[name].to(dtype) for name in names})

    def loss(self, logits: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy of the training recordings, with class weights and label smoothing.

        Weighted, it is the sum of the weighted losses over their number, so that a batch's mean
        does not depend on which classes are in it.
        """
        smoothing = self.settings["label_smoothing"]
        losses = F.cross_entropy(
            logits.float(), y, self.loss_weight, reduction="none", label_smoothing=smoothing
        )
        return losses.mean()

    # --- training ---------------------------------------------------------------------------------
    def setup(self, stage: str) -> None:
        if stage == "fit" and self.class_weight == "balanced":
            labels = self.trainer.datamodule.train_labels  # type: ignore[attr-defined]
            self.loss_weight = class_weights(labels, self.num_classes).to(self.device)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        torch.manual_seed(self._step_seed(batch_idx, 0))

    def _step_seed(self, batch_idx: int, purpose: int) -> int:
        words = (self.seed, self.current_epoch, batch_idx, self.global_rank, purpose)
        return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))

    def training_step(self, batch: SkeletonGraph, batch_idx: int) -> Tensor:
        generator = torch.Generator().manual_seed(self._step_seed(batch_idx, 1))
        batch = self.prepare(batch, generator, train=True)
        logits = self.model(batch)
        has_pose = batch.poses_per_recording > 0
        if not bool(has_pose.any()):
            # every parameter takes part, or other processes would wait for its gradient
            return sum((p.sum() * 0.0 for p in self.model.parameters()), logits.sum() * 0.0)
        loss = self.loss(logits[has_pose], batch.y[has_pose])
        self.train_loss.update(loss.detach(), has_pose.sum())
        return loss

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        if self.average is not None:
            self.average.update_parameters(self.model)

    def on_train_epoch_end(self) -> None:
        if not self.train_loss.update_called:
            raise ValueError(
                "'Recognition' found no training recording with a pose after augmentation and "
                "transform; do they leave out too much?"
            )
        self.log("train/loss", self.train_loss.compute(), sync_dist=True)
        self.train_loss.reset()

    def configure_optimizers(self) -> Any:
        s = self.settings
        groups = parameter_groups([self.model], s["weight_decay"], s["decay_norm_and_bias"])
        names = ("lr", "momentum", "nesterov", "betas")
        optimizer = make_optimizer(groups, s["optimizer"], **{name: s[name] for name in names})
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

    def _steps_per_epoch(self, epochs: int) -> int:
        data: Any = getattr(self.trainer, "datamodule", None)
        if hasattr(data, "batches_per_epoch"):
            return math.ceil(data.batches_per_epoch / self.trainer.accumulate_grad_batches)
        return max(1, round(self.trainer.estimated_stepping_batches / epochs))

    # --- validation and test ----------------------------------------------------------------------
    def validation_step(self, batch: SkeletonGraph, batch_idx: int) -> None:
        self._evaluate(batch, self.val_metrics, self.val_loss)

    def test_step(self, batch: SkeletonGraph, batch_idx: int) -> None:
        self._evaluate(batch, self.test_metrics, self.test_loss)

    def _evaluate(self, batch: SkeletonGraph, metrics: MetricCollection, loss: MeanMetric) -> None:
        batch = self.prepare(batch)
        logits = self.network(batch).float()
        has_pose = batch.poses_per_recording > 0
        metrics.update(logits, batch.y, has_pose)
        losses = F.cross_entropy(logits, batch.y, reduction="none")
        loss.update(torch.where(has_pose, losses, 0.0), has_pose)

    def on_validation_epoch_start(self) -> None:
        self._share_statistics()

    def on_test_epoch_start(self) -> None:
        self._share_statistics()

    def _share_statistics(self) -> None:
        """Batch-norm statistics become the mean over the processes, each of which saw a part."""
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return
        world = torch.distributed.get_world_size()
        averaged = () if self.average is None else self.average.module.buffers()
        for buffer in (*self.model.buffers(), *averaged):
            if torch.is_floating_point(buffer):
                torch.distributed.all_reduce(buffer)
                buffer /= world

    def on_validation_epoch_end(self) -> None:
        self._report("val", self.val_metrics, self.val_loss)

    def on_test_epoch_end(self) -> None:
        self._report("test", self.test_metrics, self.test_loss)

    def _report(self, part: str, metrics: MetricCollection, loss: MeanMetric) -> None:
        for name, value in metrics.compute().items():
            self.log(f"{part}/{name}", value, sync_dist=True)
        self.log(f"{part}/loss", loss.compute(), sync_dist=True)
        metrics.reset()
        loss.reset()
