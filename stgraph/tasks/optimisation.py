"""Optimisers and schedules of the papers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

OPTIMISERS = ("sgd", "adam", "adamw")
SCHEDULES = ("cosine", "linear", "steps", "constant")


def learning_rate_factor(
    progress: float,
    *,
    total: float,
    schedule: str = "cosine",
    milestones: Sequence[float] = (),
    gamma: float = 0.1,
    warmup: float = 0.0,
    floor: float = 0.0,
    unit: float = 1.0,
) -> float:
    r"""The learning rate at a moment of training, as a share of the highest one.

    Warm-up is linear, :math:`(p + u) / w` with progress p and unit u, so that the first rate is
    not 0. Then ``"cosine"`` falls from 1 to the floor over what remains,
    :math:`f + (1 - f)(1 + \cos(\pi (p - w) / (T - w))) / 2`; ``"linear"`` falls evenly to it;
    ``"steps"`` multiplies by ``gamma`` at each milestone; ``"constant"`` stays 1.

    Args:
        progress: What has passed, in epochs.
        total: The whole, in epochs.
        schedule: ``"cosine"``, ``"linear"``, ``"steps"`` or ``"constant"``.
        milestones: Epochs at which ``"steps"`` falls.
        gamma: Factor of each fall.
        warmup: Epochs of warm-up.
        floor: Smallest share of ``"cosine"`` and ``"linear"``.
        unit: Epochs between two changes of the rate: 1, or one over the steps of an epoch.

    Raises:
        ValueError: if the schedule is unknown.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"unknown schedule {schedule!r}; known are {', '.join(SCHEDULES)}")
    if progress < warmup:
        return min((progress + unit) / warmup, 1.0)
    if schedule == "steps":
        passed = sum(progress >= milestone - 1e-9 for milestone in milestones)
        return float(gamma**passed)
    share = min((progress - warmup) / max(total - warmup, 1e-9), 1.0)
    if schedule == "cosine":
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * share))
    if schedule == "linear":
        return floor + (1 - floor) * (1 - share)
    return 1.0


def _factor_of_step(step: int, *, steps_per_epoch: int, by_epoch: bool, **options: Any) -> float:
    progress = step / steps_per_epoch
    unit = 1.0 / steps_per_epoch
    if by_epoch:
        progress, unit = float(math.floor(progress + 1e-9)), 1.0
    return learning_rate_factor(progress, unit=unit, **options)


def make_schedule(
    optimizer: torch.optim.Optimizer,
    *,
    steps_per_epoch: int,
    by_epoch: bool = False,
    **options: Any,
) -> LambdaLR:
    """A scheduler to step after every training step.

    Args:
        optimizer: Has the highest learning rate.
        steps_per_epoch: Training steps of an epoch.
        by_epoch: Change the rate between epochs only, as many papers do.
        **options: Of :func:`learning_rate_factor`.
    """
    factor: Callable[[int], float] = partial(
        _factor_of_step, steps_per_epoch=max(steps_per_epoch, 1), by_epoch=by_epoch, **options
    )
    return LambdaLR(optimizer, factor)


def parameter_groups(
    modules: Iterable[nn.Module], weight_decay: float, decay_norm_and_bias: bool = True
) -> list[dict[str, Any]]:
    """Parameters by whether weight decay applies to them.

    Args:
        modules: Their parameters that are trained are taken, each once.
        weight_decay: Of the parameters that it applies to.
        decay_norm_and_bias: Whether it applies to all, as in the published recipes; otherwise it
            spares vectors and scalars: biases and the scales of norms.
    """
    seen: set[int] = set()
    decayed: list[Tensor] = []
    spared: list[Tensor] = []
    for module in modules:
        for parameter in module.parameters():
            if parameter.requires_grad and id(parameter) not in seen:
                seen.add(id(parameter))
                keep = decay_norm_and_bias or parameter.dim() > 1
                (decayed if keep else spared).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def layer_decay_groups(
    layers: Sequence[Iterable[Tensor]],
    heads: Iterable[Tensor],
    lr: float,
    decay: float,
    weight_decay: float,
    decay_norm_and_bias: bool = True,
    first_tuned: int = 0,
) -> list[dict[str, Any]]:
    r"""Parameters with learning rates that fall towards the input.

    .. math::
        \eta_i = \eta \, \alpha^{L - 1 - i}

    for layer i of L, from `"BEiT" <https://arxiv.org/abs/2106.08254>`_. In a transformer of N
    blocks layer 0 embeds, block i is layer i + 1 and has :math:`\alpha^{N - i}`, and the last norm
    is layer N + 1 and has the full rate, as in MAMP and STARS.

    Args:
        layers: Parameters of each layer of the encoder, from input to output.
        heads: Parameters of what stands on it; at the full rate.
        lr: Highest learning rate.
        decay: :math:`\alpha`; 1: the same rate for all.
        weight_decay: Of the parameters that it applies to.
        decay_norm_and_bias: See :func:`parameter_groups`.
        first_tuned: Layers before this one stay as they are.
    """
    groups = []
    scaled = [(decay ** (len(layers) - 1 - i), layers[i]) for i in range(first_tuned, len(layers))]
    for scale, parameters in (*scaled, (1.0, heads)):
        trained = [p for p in parameters if p.requires_grad]
        for matrices in (True, False):
            chosen = [p for p in trained if (p.dim() > 1) is matrices]
            spared = not (matrices or decay_norm_and_bias)
            if chosen:
                rate = 0.0 if spared else weight_decay
                groups.append({"params": chosen, "lr": lr * scale, "weight_decay": rate})
    return groups


def make_optimizer(
    groups: list[dict[str, Any]],
    name: str = "sgd",
    *,
    lr: float = 0.1,
    momentum: float = 0.9,
    nesterov: bool = True,
    betas: tuple[float, float] = (0.9, 0.999),
) -> torch.optim.Optimizer:
    """An optimiser by its name.

    Args:
        groups: Of :func:`parameter_groups`.
        name: ``"sgd"``, ``"adam"`` or ``"adamw"``.
        lr: Highest learning rate.
        momentum: Of SGD.
        nesterov: Of SGD; without momentum there is none.
        betas: Of Adam and AdamW.

    Raises:
        ValueError: if the name is unknown.
    """
    if name == "sgd":
        return torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=nesterov and momentum > 0)
    if name == "adam":
        return torch.optim.Adam(groups, lr=lr, betas=betas)
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=lr, betas=betas)
    raise ValueError(f"unknown optimizer {name!r}; known are {', '.join(OPTIMISERS)}")


def class_weights(y: Tensor, num_classes: int) -> Tensor:
    r"""Weights that make classes count alike, :math:`w_c = n / (|\mathcal{C}| n_c)`.

    Args:
        y: Class numbers of the training recordings, int64 [n].
        num_classes: Number C of classes.

    Returns:
        float32 [C]; 0 for a class that does not occur, and 1 in the mean over recordings.
    """
    count = torch.bincount(y, minlength=num_classes).float()
    found = count > 0
    weight = y.numel() / (found.sum() * count.clamp(min=1))
    return weight * found


def average_weights(
    averaged: Sequence[Tensor], current: Sequence[Tensor], number: Tensor | int, decay: float
) -> None:
    """One step of an exponential moving average, in place.

    Early on the decay is :math:`(1 + n) / (10 + n)`, so that the first weights are soon forgotten.
    Whole numbers (counters) are copied.

    Args:
        averaged: The averages.
        current: The weights.
        number: Number n of steps before this one.
        decay: Share of the old average that stays.
    """
    decay = min(decay, (1 + float(number)) / (10 + float(number)))
    for old, new in zip(averaged, current, strict=True):
        if torch.is_floating_point(old):
            old.lerp_(new, 1 - decay)
        else:
            old.copy_(new)
