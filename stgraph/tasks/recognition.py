"""The task of recognising what happens in a recording."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel
from torchmetrics import MeanMetric, Metric, MetricCollection

from stgraph.metrics import MeanClassAccuracy, TopKAccuracy
from stgraph.nn import PretrainedMixin
from stgraph.skeleton import SkeletonGraph
from stgraph.tasks.base import TrainingTask, Transform
from stgraph.tasks.data import SkeletonDataModule
from stgraph.tasks.inspection import check_labels
from stgraph.tasks.optimisation import average_weights, class_weights


class Recognition(TrainingTask):
    r"""Trains and tests a network that gives each recording one class.

    Recordings without a pose are left out of training and counted as wrong in validation and test,
    whose number of recordings stays the official one; their losses are left out, having no
    prediction.

    Args:
        model: Takes a batch, returns logits [B, C].
        num_classes: Number C of classes.
        class_names: Their names.
        transform: See :class:`~stgraph.tasks.TrainingTask`, as all options that are not named here.
        augment: Likewise.
        label_smoothing: Share of the target that is spread over all classes.
        class_weight: Weights of the classes in the training loss, [C]; ``"balanced"``: from their
            numbers in training.
        ema_decay: Share of the old average that stays in each step of an exponential moving
            average of the weights, which then validates, tests and is saved.
        **settings: Optimiser and schedule.

    Raises:
        ValueError: if a name or a number is out of range.
    """

    figures = ("val/loss", "val/top1", "val/top5", "val/mean_class")
    default_figure = "val/top1"

    def __init__(
        self,
        model: nn.Module,
        num_classes: int,
        *,
        class_names: Sequence[str] | None = None,
        transform: Transform | None = None,
        augment: Transform | None = None,
        label_smoothing: float = 0.0,
        class_weight: str | Tensor | None = None,
        ema_decay: float | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(
            transform=transform,
            augment=augment,
            more={"label_smoothing": label_smoothing, "ema_decay": ema_decay},
            **settings,
        )
        self._check(num_classes, class_names, class_weight)
        own = getattr(model, "num_classes", None)
        if own is not None and own != num_classes:
            raise ValueError(f"the network has {own} classes and the task {num_classes}")
        self.model = model
        self.num_classes = num_classes
        self.class_names = None if class_names is None else tuple(class_names)
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

    # --- what it computes -------------------------------------------------------------------------
    @property
    def network(self) -> nn.Module:
        """The network that predicts: the average of the weights if there is one."""
        return self.model if self.average is None else self.average.module

    def trained_modules(self) -> Iterable[nn.Module]:
        """The network; averages follow it."""
        return [self.model]

    def tuned_network(self) -> Any:
        """The network that is trained, not its average."""
        return self.model

    def shared_buffers(self) -> Iterable[Tensor]:
        """Statistics of the network and of its average."""
        averaged = () if self.average is None else self.average.module.buffers()
        return (*self.model.buffers(), *averaged)

    def check_data(self, data: SkeletonDataModule) -> None:
        """Refuses recordings without a class, or with one that there is not."""
        check_labels(data, self.num_classes)

    def save(self, folder: Path, facts: dict[str, Any] | None) -> Path | None:
        """Writes network and task, see :func:`~stgraph.tasks.save_recognition`."""
        if not isinstance(self.network, PretrainedMixin):
            return None
        from stgraph.tasks.saving import save_recognition

        save_recognition(self, folder, facts)
        return folder

    def forward(self, batch: SkeletonGraph) -> Tensor:
        """Logits [B, C] of a batch as it was read, by the network that predicts."""
        return self.network(self.prepare(batch))

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

    def answers(self, batch: SkeletonGraph) -> list[Tensor]:
        """Logits [B, C] that training compares with the labels, one loss each."""
        return [self.model(batch)]

    # --- training ---------------------------------------------------------------------------------
    def setup(self, stage: str) -> None:
        if stage == "fit" and self.class_weight == "balanced":
            labels = self.trainer.datamodule.train_labels  # type: ignore[attr-defined]
            self.loss_weight = class_weights(labels, self.num_classes).to(self.device)

    def training_step(self, batch: SkeletonGraph, batch_idx: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.step_seed(batch_idx, 1))
        batch = self.prepare(batch, generator, train=True)
        answers = self.answers(batch)
        has_pose = batch.poses_per_recording > 0
        if not bool(has_pose.any()):
            # every parameter takes part, or other processes would wait for its gradient
            nothing = torch.stack([logits.sum() * 0.0 for logits in answers]).sum()
            return sum((p.sum() * 0.0 for p in self.model.parameters()), nothing)
        y = batch.y[has_pose]
        loss = torch.stack([self.loss(logits[has_pose], y) for logits in answers]).sum()
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
