"""The task of learning an encoder without labels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from stgraph.nn import PretrainedMixin
from stgraph.objectives import MaskTokens
from stgraph.skeleton import SkeletonGraph
from stgraph.tasks.base import TrainingTask, Transform


class Pretraining(TrainingTask):
    """Trains the encoder of an objective on recordings whose labels it never reads.

    Args:
        objective: A module with an ``encoder``; called as ``objective(batch, generator)``, it gives
            a loss and figures to log (:class:`~stgraph.objectives.ObjectiveOutput`). If it has
            ``after_step()``, that is called after every step of the optimiser; likewise
            ``set_epoch(epoch)`` before every epoch. If it has ``encoders`` (by name), all of them
            are saved.
        transform: See :class:`~stgraph.tasks.TrainingTask`, as all options not named here. What
            must not see hidden joints belongs into the objective.
        augment: Likewise.
        clip_each: Greatest norm of the gradient of each parameter by itself, as STARS clips.
        **settings: Optimiser and schedule.

    Raises:
        ValueError: if a name or a number is out of range.
    """

    def __init__(
        self,
        objective: nn.Module,
        *,
        transform: Transform | None = None,
        augment: Transform | None = None,
        clip_each: float | None = None,
        **settings: Any,
    ) -> None:
        more = {"clip_each": clip_each}
        super().__init__(transform=transform, augment=augment, more=more, **settings)
        self.objective: Any = objective
        self.train_figures: Any = nn.ModuleDict()
        names = ("loss", *getattr(objective, "log_names", ()))
        self.figures = ("val/loss", *(f"train/{name}" for name in names[1:]))
        for name in names:
            metric = MeanMetric(nan_strategy="disable")
            metric.persistent(True)  # a resumed epoch reports the mean of all of its steps
            self.train_figures[name] = metric
        self.val_loss = MeanMetric(nan_strategy="disable")

    @property
    def network(self) -> nn.Module:
        """The encoder."""
        encoder = self.objective.encoder
        return encoder.encoder if isinstance(encoder, MaskTokens) else encoder

    def trained_modules(self) -> Iterable[nn.Module]:
        """Encoder and heads."""
        return [self.objective]

    def shared_buffers(self) -> Iterable[Tensor]:
        """Statistics of encoder and heads."""
        return self.objective.buffers()

    def forward(self, batch: SkeletonGraph) -> Tensor:
        """Embeddings [B, D] of a batch as it was read."""
        return self.network(self.prepare(batch))

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        if hasattr(self.objective, "set_epoch"):
            self.objective.set_epoch(self.current_epoch)

    def training_step(self, batch: SkeletonGraph, batch_idx: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.step_seed(batch_idx, 1))
        batch = self.prepare(batch, generator, train=True)
        output = self.objective(batch, generator)
        size = batch.num_recordings
        for name, value in (("loss", output.loss), *output.logs.items()):
            if name in self.train_figures:
                self.train_figures[name].update(value.detach(), size)
        return output.loss

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        if self.settings["clip_each"] is not None:
            for parameter in self.objective.parameters():
                if parameter.grad is not None:
                    nn.utils.clip_grad_norm_([parameter], self.settings["clip_each"])

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        after = getattr(self.objective, "after_step", None)
        if after is not None:
            after()

    def on_train_epoch_end(self) -> None:
        for name, metric in self.train_figures.items():
            if metric.update_called:
                self.log(f"train/{name}", metric.compute(), sync_dist=True)
            metric.reset()

    def validation_step(self, batch: SkeletonGraph, batch_idx: int) -> None:
        # the same draw in every epoch, so that epochs compare
        generator = torch.Generator().manual_seed(batch_idx)
        output = self.objective(self.prepare(batch), generator)
        self.val_loss.update(output.loss, batch.num_recordings)

    def on_validation_epoch_end(self) -> None:
        self.log("val/loss", self.val_loss.compute(), sync_dist=True)
        self.val_loss.reset()

    def save(self, folder: Path, facts: dict[str, Any] | None) -> Path | None:
        """Writes the encoder."""
        if not isinstance(self.network, PretrainedMixin):
            return None
        from stgraph.tasks.saving import save_pretraining

        save_pretraining(self, folder, facts)
        return folder
