"""The task of predicting how people go on moving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from stgraph.metrics import MPJPE
from stgraph.nn import MotionPredictor, PretrainedMixin, body_frame, last_seen
from stgraph.skeleton import SkeletonGraph
from stgraph.tasks.base import TrainingTask, Transform
from stgraph.tasks.limits import check_limits
from stgraph.tasks.motion_windows import MotionWindows, cut_windows

#: Millimetres in a metre.
MILLIMETRES = 1000.0
PARTS = {"val": "validation", "test": "test"}
LOSSES = ("mse", "distance")
#: The recipe of Hi-TRS (supplement 2): 25 epochs in batches of 128.
RECIPE: dict[str, Any] = {
    "optimizer": "adam",
    "lr": 1e-4,
    "weight_decay": 0.0,
    "schedule": "steps",
    "milestones": (20,),
    "gamma": 0.5,
    "schedule_by_epoch": True,
}


class MotionPrediction(TrainingTask):
    r"""Trains and tests a network that predicts the poses after those that it observes.

    A training step draws one stretch of each track; validation and test take stretches at a fixed
    distance. Only joints count that are found in a pose that exists and were seen in the stretch.
    By default trained as Hi-TRS is: Adam at 1e-4, halved at epoch 20 of 25, in batches of 128, to
    the least mean squared error, with dropout of 0.5 in the decoder.

    Args:
        model: The network.
        num_observed: Poses of a stretch.
        num_future: Number H of poses to predict.
        stride: Poses from one stretch of a track to the next in validation and test.
        unit: What one unit of the recordings is in the unit of the figures; by default metres
            become millimetres.
        loss: ``"mse"``: mean squared error of the coordinates, as published; ``"distance"``: mean
            distance of the joints, which is what the figures are. Both in body sizes where the
            network has them.
        augment: Applied to training recordings before they are cut.
        **settings: Optimiser and schedule, see :class:`~stgraph.tasks.TrainingTask`.

    Raises:
        ValueError: if a name or a number is out of range.
    """

    figures = ("val/loss", "val/mpjpe")
    default_figure = "val/mpjpe"

    def __init__(
        self,
        model: MotionPredictor,
        *,
        num_observed: int = 10,
        num_future: int = 25,
        stride: int = 5,
        unit: float = MILLIMETRES,
        loss: str = "mse",
        augment: Transform | None = None,
        **settings: Any,
    ) -> None:
        if not isinstance(model, MotionPredictor):
            raise TypeError(
                "'MotionPrediction' expected a MotionPredictor(encoder, decoder) "
                f"(got {type(model).__name__})"
            )
        for name in ("transform", "before"):
            if settings.get(name) is not None:
                raise ValueError(
                    f"'MotionPrediction' takes no {name!r}, which might show the future to the "
                    "encoder; give the MotionPredictor a transform"
                )
        if loss not in LOSSES:
            raise ValueError(f"unknown loss {loss!r}; known are {', '.join(LOSSES)}")
        more = {
            "num_observed": num_observed,
            "num_future": num_future,
            "stride": stride,
            "unit": unit,
            "loss": loss,
        }
        check_limits(more, "'MotionPrediction' expected ")
        super().__init__(augment=augment, more=more, **{**RECIPE, **settings})
        self.model = model
        self.num_observed, self.num_future, self.stride = num_observed, num_future, stride
        self.unit = unit
        self.train_loss = MeanMetric(nan_strategy="disable")  # a diverged training has to show
        # a resumed epoch reports the mean of all of its steps
        self.train_loss.persistent(True)
        self.val_loss = MeanMetric(nan_strategy="disable")
        self.test_loss = MeanMetric(nan_strategy="disable")
        self.val_mpjpe = MPJPE(num_future, unit)
        self.test_mpjpe = MPJPE(num_future, unit)

    # --- what it computes -------------------------------------------------------------------------
    @property
    def network(self) -> nn.Module:
        """The network that predicts."""
        return self.model

    def shared_buffers(self) -> Any:
        """Statistics of the network."""
        return self.model.buffers()

    def forward(self, batch: SkeletonGraph, num_future: int | None = None) -> Tensor:
        """The poses after recordings of one track each, [W, H, V, D]."""
        batch = self._as_precise_as_the_network(batch)
        return self.model(batch, self.num_future if num_future is None else num_future)

    def loss(self, prediction: Tensor, windows: MotionWindows) -> Tensor:
        """The mean over the joints that count; 0 where none does."""
        observed = windows.observed
        size = body_frame(observed, last_seen(observed), self.model.normalise).size
        error = (prediction - windows.target) / size[:, None, None, None]
        error = torch.where(windows.valid[..., None], error, 0.0)
        if self.settings["loss"] == "mse":
            total = error.square().mean(dim=-1).sum()
        else:
            # the root has no slope at 0
            total = (error.square().sum(dim=-1) + 1e-12).sqrt()
            total = torch.where(windows.valid, total, 0.0).sum()
        return total / windows.valid.sum().clamp(min=1)

    # --- training ---------------------------------------------------------------------------------
    def training_step(self, batch: SkeletonGraph, batch_idx: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.step_seed(batch_idx, 1))
        batch = self.prepare(batch, generator, train=True)
        windows = cut_windows(batch, self.num_observed, self.num_future, None, generator)
        count = windows.valid.sum()
        if not int(count):
            # every parameter takes part, or other processes would wait for its gradient
            anchor = batch.pos.new_zeros(())
            return sum((p.sum() * 0.0 for p in self.model.parameters()), anchor)
        loss = self.loss(self.model(windows.observed, self.num_future), windows)
        self.train_loss.update(loss.detach(), count)
        return loss

    def on_train_epoch_end(self) -> None:
        if not self.train_loss.update_called:
            raise ValueError(
                "'MotionPrediction' found no training track longer than the "
                f"{self.num_observed} poses that it observes; observe fewer (num_observed)"
            )
        self.log("train/loss", self.train_loss.compute(), sync_dist=True)
        self.train_loss.reset()

    # --- validation and test ----------------------------------------------------------------------
    def validation_step(self, batch: SkeletonGraph, batch_idx: int) -> None:
        self._evaluate(batch, self.val_mpjpe, self.val_loss)

    def test_step(self, batch: SkeletonGraph, batch_idx: int) -> None:
        self._evaluate(batch, self.test_mpjpe, self.test_loss)

    def _evaluate(self, batch: SkeletonGraph, metric: MPJPE, loss: MeanMetric) -> None:
        batch = self.prepare(batch)
        windows = cut_windows(batch, self.num_observed, self.num_future, self.stride)
        count = windows.valid.sum()
        prediction = windows.target  # nothing, if there is no window
        if len(prediction):
            prediction = self.model(windows.observed, self.num_future)
        metric.update(prediction, windows.target, windows.valid)
        if len(prediction):
            loss.update(self.loss(prediction, windows), count)

    def on_validation_epoch_end(self) -> None:
        self._report("val", self.val_mpjpe, self.val_loss)

    def on_test_epoch_end(self) -> None:
        self._report("test", self.test_mpjpe, self.test_loss)

    def _report(self, part: str, metric: MPJPE, loss: MeanMetric) -> None:
        figure = metric.compute()
        if bool(figure.isnan()):
            raise ValueError(
                f"'MotionPrediction' found no {PARTS[part]} track longer than the "
                f"{self.num_observed} poses that it observes; observe fewer (num_observed), or "
                "leave the part out"
            )
        self.log(f"{part}/mpjpe", figure, sync_dist=True)
        self.log(f"{part}/loss", loss.compute(), sync_dist=True)
        metric.reset()
        loss.reset()

    def save(self, folder: Path, facts: dict[str, Any] | None) -> Path | None:
        """Writes encoder, decoder and task, see :func:`~stgraph.tasks.save_prediction`."""
        parts = (self.model.encoder, self.model.decoder)
        if not all(isinstance(part, PretrainedMixin) for part in parts):
            return None
        from stgraph.tasks.saving_prediction import save_prediction

        save_prediction(self, folder, facts)
        return folder
