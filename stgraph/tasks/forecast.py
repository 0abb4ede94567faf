"""What a trained network, or a baseline, predicts, and how far it is off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from stgraph.io import StoreLoader
from stgraph.metrics import MPJPE
from stgraph.nn import last_seen
from stgraph.skeleton import SkeletonGraph
from stgraph.tasks.data import as_source
from stgraph.tasks.motion_windows import cut_windows, last_stretches
from stgraph.tasks.prediction import MILLIMETRES, MotionPrediction

#: Called with recordings of one track each and a number H of poses; gives [W, H, V, D].
Forecaster = Callable[[SkeletonGraph, int], Tensor]


class HorizonError(NamedTuple):
    """How far predictions are off at one horizon, or over all.

    Attributes:
        frames: Poses after the last observed one; None: the mean over all of them.
        ms: The same in milliseconds; None where the frame rate is unknown, or not one.
        mpjpe: Mean distance of the joints; NaN if none counts.
        windows: Stretches with a joint that counts.
        recordings: Recordings with such a stretch.
    """

    frames: int | None
    ms: float | None
    mpjpe: float
    windows: int
    recordings: int


def predict_motion(
    task_or_model: MotionPrediction | Forecaster,
    recording: SkeletonGraph,
    num_future: int | None = None,
    *,
    num_observed: int | None = None,
) -> SkeletonGraph:
    """How the people of a recording go on moving, in evaluation mode.

    Each person's last track goes on; frame numbers go on with it. Joints that were not seen in the
    observed poses have score 0.

    Args:
        task_or_model: A :class:`MotionPrediction`, a :class:`~stgraph.nn.MotionPredictor`, or a
            function such as :func:`~stgraph.nn.zero_velocity`.
        recording: One recording.
        num_future: Number of poses; by default that of the task, else 25.
        num_observed: Last poses to look at; by default those of the task, else 10.

    Returns:
        The poses to come, on the CPU.

    Raises:
        ValueError: if it is a batch of several, or a number is below 1.
    """
    future = getattr(task_or_model, "num_future", 25) if num_future is None else num_future
    number = getattr(task_or_model, "num_observed", 10) if num_observed is None else num_observed
    if future < 1:
        raise ValueError(f"'predict_motion' expected num_future >= 1 (got {future})")
    observed = last_stretches(recording, number)
    about: dict[str, Any] = {"layout": recording.layouts[0], "fps": getattr(recording, "fps", None)}
    m, v = observed.num_tracks, recording.num_joints
    if not m:
        return SkeletonGraph(recording.pos.new_zeros(0, v, recording.num_dims), **about)
    with _evaluating(task_or_model) as device, torch.inference_mode():
        pos = task_or_model(observed.to(device), future).float().cpu()
    pos = pos.clone()  # of inference mode
    observed = observed.to("cpu")
    known = last_seen(observed).known[:, None].expand(-1, future, -1)
    if not bool(known.all()):
        pos = torch.where(known[..., None], pos, 0.0)
        about["score"] = known.flatten().float()
    end = observed.frame[observed.first_pose + observed.track_length - 1]
    return SkeletonGraph(
        pos.reshape(m * future, v, -1),
        frame=(end[:, None] + torch.arange(1, future + 1)).flatten(),
        track_length=[future] * m,
        person=observed.person,
        **about,
    )


def evaluate_motion(
    task_or_model: MotionPrediction | Forecaster,
    dataset: Any,
    *,
    num_observed: int | None = None,
    num_future: int | None = None,
    horizons: Sequence[int] | None = None,
    stride: int | None = None,
    unit: float | None = None,
    batch_size: int = 64,
) -> list[HorizonError]:
    """How far predictions are off, by the time that they look ahead.

    Args:
        task_or_model: As :func:`predict_motion` takes it.
        dataset: A data set, a store, or a list of graphs.
        num_observed: Poses of a stretch; by default those of the task, else 10.
        num_future: Poses to predict; by default those of the task, else 25.
        horizons: Those of them to tell of, counted from 1; by default all.
        stride: Poses from one stretch of a track to the next; by default that of the task, else 5.
        unit: See :class:`MotionPrediction`; by default that of the task, else metres become
            millimetres.
        batch_size: Recordings at a time; the result does not depend on it.

    Returns:
        One for each horizon, then the mean over all predicted poses.

    Raises:
        TypeError: if ``dataset`` is something else.
        ValueError: if it is empty, no track is long enough, or a horizon is none of the poses.
    """
    own = task_or_model
    observe = getattr(own, "num_observed", 10) if num_observed is None else num_observed
    future = getattr(own, "num_future", 25) if num_future is None else num_future
    step = getattr(own, "stride", 5) if stride is None else stride
    factor = getattr(own, "unit", MILLIMETRES) if unit is None else unit
    horizons = range(1, future + 1) if horizons is None else horizons
    strange = [h for h in horizons if not 1 <= h <= future]
    if strange:
        raise ValueError(
            f"'evaluate_motion' expected horizons within 1...{future} poses (got {strange[0]})"
        )
    source = as_source(dataset, "dataset")
    metric = MPJPE(future, factor)
    windows_at = torch.zeros(future + 1, dtype=torch.long)
    recordings_at = torch.zeros(future + 1, dtype=torch.long)
    rates: set[float] = set()
    with _evaluating(own) as device, torch.inference_mode():
        for batch in StoreLoader(source, batch_size):
            rates |= set(batch.fps.tolist()) if "fps" in batch else {0.0}
            windows = cut_windows(batch, observe, future, step)
            if not len(windows.target):
                continue
            pos = own(windows.observed.to(device), future).cpu()
            metric.update(pos, windows.target, windows.valid)
            counts = windows.valid.any(dim=2)
            counts = torch.cat([counts, counts.any(dim=1, keepdim=True)], dim=1)
            windows_at += counts.sum(dim=0)
            here = torch.zeros(batch.num_recordings, future + 1, dtype=torch.long)
            recordings_at += (here.index_add(0, windows.recording, counts.long()) > 0).sum(dim=0)
    if not int(windows_at[-1]):
        raise ValueError(
            f"'evaluate_motion' found no track longer than the {observe} poses that are observed"
        )
    fps = rates.pop() if len(rates) == 1 else 0.0
    each = metric.per_horizon().tolist()
    return [
        HorizonError(
            h,
            1000.0 * h / fps if fps else None,
            each[h - 1],
            int(windows_at[h - 1]),
            int(recordings_at[h - 1]),
        )
        for h in horizons
    ] + [HorizonError(None, None, float(metric.compute()), *_last(windows_at, recordings_at))]


def _last(*counts: Tensor) -> list[int]:
    return [int(count[-1]) for count in counts]


@contextmanager
def _evaluating(model: Any) -> Iterator[torch.device]:
    """Evaluation mode for a while, where there is one; gives the device."""
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    training = [each.training for each in modules]
    device = next((p.device for each in modules[:1] for p in each.parameters()), None)
    for each in modules:
        each.training = False
    try:
        yield torch.device("cpu") if device is None else device
    finally:
        for each, mode in zip(modules, training, strict=True):
            each.training = mode
