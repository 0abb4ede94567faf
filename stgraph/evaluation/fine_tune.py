"""Fine-tuning a pre-trained encoder, or the same network from scratch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from stgraph.nn import STRL, PretrainedMixin, SkeletonGIN
from stgraph.tasks import (
    FitResult,
    Recognition,
    SkeletonDataModule,
    fit_task,
)

__all__ = ["fine_tune", "with_classifier"]


def with_classifier(
    encoder: nn.Module, num_classes: int, fresh: bool = False, **changes: Any
) -> nn.Module:
    """A network of an encoder's form and weights with a new classifier.

    Args:
        encoder: Of :mod:`stgraph.nn`, with or without a classifier; stays as it is. A
            :class:`~stgraph.nn.SkeletonGIN` becomes the encoder of a :class:`~stgraph.nn.STRL`.
        num_classes: Number of classes.
        fresh: New weights throughout: the network from scratch.
        **changes: Arguments of its constructor to use instead (``drop_path``, ``head``, ...).

    Raises:
        ValueError: if the encoder cannot be built from its configuration.
    """
    if isinstance(encoder, SkeletonGIN):
        own = SkeletonGIN(**encoder.config) if fresh else encoder
        return STRL(own, num_classes, **changes)
    if not isinstance(encoder, PretrainedMixin):
        raise ValueError(
            f"'with_classifier' expected an encoder of stgraph.nn (got {type(encoder).__name__})"
        )
    network: Any = type(encoder)(**{**encoder.config, "num_classes": num_classes, **changes})
    if not fresh:
        state = {k: v for k, v in encoder.state_dict().items() if not k.startswith("head.")}
        wrong = network.load_state_dict(state, strict=False)
        strange = [*wrong.unexpected_keys, *(k for k in wrong.missing_keys if "head." not in k)]
        if strange:
            raise ValueError(f"the encoder and its network differ in {', '.join(strange)}")
    return network


def fine_tune(
    encoder: nn.Module,
    train: Any,
    val: Any = None,
    *,
    num_classes: int | None = None,
    fresh: bool = False,
    transform: Callable[..., Any] | None = None,
    augment: Callable[..., Any] | None = None,
    epochs: int = 100,
    batch_size: int = 48,
    lr: float = 3e-4,
    min_lr: float = 1e-5,
    warmup_epochs: float = 5,
    weight_decay: float = 0.05,
    layer_decay: float | None = 0.8,
    drop_path: float | None = 0.3,
    label_smoothing: float = 0.1,
    gradient_clip: float | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    progress: bool = False,
    network: dict[str, Any] | None = None,
    **settings: Any,
) -> tuple[Recognition, FitResult]:
    """Trains the whole network of a pre-trained encoder on labelled recordings.

    The defaults are the recipe of MAMP and STARS: AdamW, 5 epochs of warm-up, cosine, layer decay
    0.8, drop path 0.3, label smoothing 0.1.

    Args:
        encoder: See :func:`with_classifier`; stays as it is.
        train: Labelled training recordings.
        val: Labelled recordings that choose the epoch; without them the last epoch counts. Take
            them out of the training part.
        num_classes: Number of classes; by default what the training recordings say.
        fresh: From scratch, for comparison.
        transform: Applied to every batch, as in pre-training.
        augment: Applied to training batches.
        epochs: Passes over the training recordings.
        batch_size: Recordings of a step.
        lr: Highest learning rate.
        min_lr: Where the cosine ends.
        warmup_epochs: Epochs of warm-up; at most a tenth of all.
        weight_decay: Weight decay; biases and norms are spared.
        layer_decay: Factor of the learning rates towards the input; None: all alike.
        drop_path: Of networks that have it; None: as the encoder.
        label_smoothing: Share of the target that is spread over all classes.
        gradient_clip: Greatest norm of the gradient.
        seed: Of new weights, order, augmentation and dropout.
        out: Folder of the run; None keeps everything in memory.
        progress: Show a line an epoch.
        network: Further arguments of the network.
        **settings: Further options of :class:`~stgraph.tasks.Recognition`.

    Returns:
        The trained task and what its training gave.
    """
    data = SkeletonDataModule(train, val, batch_size=batch_size)
    classes = data.num_classes if num_classes is None else num_classes
    changes = dict(network or {})
    if drop_path is not None and "drop_path" in getattr(encoder, "config", {}):
        changes.setdefault("drop_path", drop_path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = with_classifier(encoder, classes, fresh, **changes)
    task = Recognition(
        model,
        classes,
        class_names=data.class_names,
        transform=transform,
        augment=augment,
        label_smoothing=label_smoothing,
        **{
            "optimizer": "adamw",
            "lr": lr,
            "min_lr": min_lr,
            "warmup_epochs": min(warmup_epochs, epochs / 10),
            "weight_decay": weight_decay,
            "decay_norm_and_bias": False,
            "layer_decay": None if fresh else layer_decay,
            **settings,
        },
    )
    result = fit_task(
        task,
        data,
        max_epochs=epochs,
        seed=seed,
        out=out,
        gradient_clip=gradient_clip,
        progress=progress,
    )
    return task, result
