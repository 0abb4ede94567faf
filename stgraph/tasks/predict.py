"""Predictions and figures of a trained network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch_geometric.transforms import Compose

from stgraph.io import StoreLoader
from stgraph.metrics import mean_class_accuracy, top_k_accuracy
from stgraph.tasks.data import as_source
from stgraph.tasks.recognition import Recognition


class Predictions(NamedTuple):
    """Predictions of recordings, in their order.

    Attributes:
        logits: [n, C].
        y: Class numbers, int64 [n]; -1 where there are none.
        has_pose: Whether there was anything to look at, bool [n].
    """

    logits: Tensor
    y: Tensor
    has_pose: Tensor


def predict_logits(
    task_or_model: Recognition | nn.Module,
    dataset: Any,
    *,
    batch_size: int = 64,
    transform: Callable[..., Any] | None = None,
) -> Predictions:
    """What a network says about every recording, in evaluation mode.

    Args:
        task_or_model: A :class:`Recognition` (its transform applies, and the average of its weights
            if it has one), or a network that takes a batch and returns logits.
        dataset: A data set, a store, or a list of graphs.
        batch_size: Recordings at a time; the result does not depend on it.
        transform: Applied to each batch, before the task's own.

    Returns:
        On the CPU.

    Raises:
        TypeError: if ``dataset`` is something else.
        ValueError: if it is empty.
    """
    forward: Any = task_or_model
    steps = [] if transform is None else [transform]
    if isinstance(task_or_model, Recognition):
        # not in `forward`: whether a pose is left is asked after all transforms
        forward = task_or_model.network
        steps.append(task_or_model.prepare)
    seen = Compose(steps) if steps else None
    return Predictions(*outputs_of(task_or_model, forward, dataset, batch_size, seen))


def outputs_of(
    module: nn.Module,
    forward: Callable[[Any], Tensor],
    dataset: Any,
    batch_size: int = 64,
    transform: Callable[..., Any] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """What a function of batches gives for every recording, in evaluation mode.

    Args:
        module: What ``forward`` computes with; its modes come back as they were.
        forward: Gives a row a recording.
        dataset: A data set, a store, or a list of graphs.
        batch_size: Recordings at a time.
        transform: Applied to each batch.

    Returns:
        Rows [n, D], classes [n] (-1 where there are none), and whether there was a pose [n]; all
        on the CPU.

    Raises:
        TypeError: if ``dataset`` is something else.
        ValueError: if it is empty.
    """
    source = as_source(dataset, "dataset")
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    training = {each: each.training for each in module.modules()}
    module.eval()
    try:
        with torch.inference_mode():
            for batch in StoreLoader(source, batch_size):
                y = getattr(batch, "y", None)
                if y is None:
                    y = torch.full((batch.num_recordings,), -1)
                batch = batch.to(device)
                if transform is not None:
                    batch = transform(batch)
                rows = forward(batch)
                has_pose = batch.poses_per_recording > 0
                parts.append((rows.float().cpu(), y.cpu(), has_pose.cpu()))
    finally:
        for each, mode in training.items():
            each.training = mode
    rows, y, has_pose = (torch.cat(column).clone() for column in zip(*parts, strict=True))
    return rows, y, has_pose


def predict_views(
    task_or_model: Recognition | nn.Module,
    dataset: Any,
    views: Sequence[Callable[..., Any] | None],
    *,
    batch_size: int = 64,
) -> Predictions:
    """What a network says on average about several views of every recording.

    Args:
        task_or_model: See :func:`predict_logits`.
        dataset: See :func:`predict_logits`.
        views: For each view a transform of batches, or None for the recordings as they are.
        batch_size: Recordings at a time.

    Returns:
        Logarithms of the mean probabilities in place of logits; on the CPU.

    Raises:
        TypeError: if ``dataset`` is something else.
        ValueError: if it is empty, or there is no view.
    """
    if not views:
        raise ValueError("'predict_views' expected at least one view")
    found = [
        predict_logits(task_or_model, dataset, batch_size=batch_size, transform=view)
        for view in views
    ]
    if len(found) == 1:
        return found[0]
    mean = torch.stack([logits.log_softmax(dim=1) for logits, _, _ in found]).logsumexp(dim=0)
    return found[0]._replace(logits=mean - math.log(len(found)))


def evaluate_recognition(
    task_or_model: Recognition | nn.Module,
    dataset: Any,
    *,
    batch_size: int = 64,
    transform: Callable[..., Any] | None = None,
) -> dict[str, float]:
    """Figures of a network on labelled recordings.

    Arguments as :func:`predict_logits`.

    Returns:
        ``top1``, ``top5`` and ``mean_class`` as fractions, the number ``n`` of recordings, and
        ``n_no_pose`` of those without a pose, which count as wrong.
    """
    logits, y, has_pose = predict_logits(
        task_or_model, dataset, batch_size=batch_size, transform=transform
    )
    return {
        "top1": float(top_k_accuracy(logits, y, 1, has_pose)),
        "top5": float(top_k_accuracy(logits, y, 5, has_pose)),
        "mean_class": float(mean_class_accuracy(logits, y, has_pose)),
        "n": y.numel(),
        "n_no_pose": int((~has_pose).sum()),
    }
