"""Shares of recordings that are recognised."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from stgraph.metrics.checks import check_predictions

__all__ = ["MeanClassAccuracy", "TopKAccuracy", "mean_class_accuracy", "top_k_accuracy"]


def top_k_hits(logits: Tensor, y: Tensor, k: int, has_pose: Tensor | None = None) -> Tensor:
    """Whether the class of each recording is among its ``k`` greatest logits, bool [n].

    Args:
        logits: [n, C].
        y: Class numbers, int64 [n].
        k: Number of guesses; more than C are C.
        has_pose: Whether there was anything to recognise, bool [n]; the others are wrong.

    Raises:
        ValueError: if the shapes contradict each other, a class is out of range or ``k`` < 1.
    """
    logits, y, has_pose = check_predictions(logits, y, has_pose)
    if k < 1:
        raise ValueError(f"'top_k_accuracy' expected k >= 1 (got {k})")
    guesses = logits.topk(min(k, logits.size(1)), dim=1).indices
    return (guesses == y[:, None]).any(dim=1) & has_pose


def top_k_accuracy(logits: Tensor, y: Tensor, k: int = 1, has_pose: Tensor | None = None) -> Tensor:
    r"""Share of all recordings whose class is among the ``k`` greatest logits.

    .. math::
        \frac{1}{n} \sum_{i=1}^{n} \mathbb{1}[y_i \in \mathrm{top}_k(z_i)]

    A recording without a pose counts as wrong, as does one whose logits are no numbers, and n stays
    the number of all.

    Args:
        logits: [n, C]; probabilities do as well.
        y: Class numbers, int64 [n].
        k: Number of guesses; more than C are C.
        has_pose: Whether each recording has a pose, bool [n]; by default all.

    Returns:
        A fraction 0...1; NaN if n is 0.

    Raises:
        ValueError: if the shapes contradict each other, a class is out of range or ``k`` < 1.
    """
    return top_k_hits(logits, y, k, has_pose).double().mean().float()


def mean_class_accuracy(logits: Tensor, y: Tensor, has_pose: Tensor | None = None) -> Tensor:
    r"""Mean over the classes that occur of the share of their recordings that is recognised.

    .. math::
        \frac{1}{|\mathcal{C}|} \sum_{c \in \mathcal{C}} \frac{1}{n_c}
        \sum_{i: y_i = c} \mathbb{1}[\arg\max z_i = c]

    Arguments, errors and the rule about missing poses as in :func:`top_k_accuracy`.
    """
    hits = top_k_hits(logits, y, 1, has_pose)
    size = logits.size(1)
    return _mean_recall(_count(y, size, hits), _count(y, size))


def _count(y: Tensor, size: int, keep: Tensor | None = None) -> Tensor:
    """Number of recordings of each class, int64 [size]."""
    weight = torch.ones_like(y) if keep is None else keep.long()
    return torch.zeros(size, dtype=torch.long, device=y.device).index_add_(0, y, weight)


def _mean_recall(hits: Tensor, total: Tensor) -> Tensor:
    found = total > 0
    return (hits[found].double() / total[found]).mean().float()


class TopKAccuracy(Metric):
    """:func:`top_k_accuracy` over all recordings of all batches and processes.

    Args:
        k: Number of guesses.
    """

    full_state_update = False
    higher_is_better = True
    is_differentiable = False
    hits: Tensor
    total: Tensor

    def __init__(self, k: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.k = k
        self.add_state("hits", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("total", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, logits: Tensor, y: Tensor, has_pose: Tensor | None = None) -> None:
        """Takes the predictions of a batch, as :func:`top_k_accuracy` does."""
        self.hits += top_k_hits(logits, y, self.k, has_pose).sum()
        self.total += y.numel()

    def compute(self) -> Tensor:
        """The share so far."""
        return (self.hits.double() / self.total).float()


class MeanClassAccuracy(Metric):
    """:func:`mean_class_accuracy` over all recordings of all batches and processes.

    Args:
        num_classes: Number C of classes.
    """

    full_state_update = False
    higher_is_better = True
    is_differentiable = False
    hits: Tensor
    total: Tensor

    def __init__(self, num_classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes
        zeros = torch.zeros(num_classes, dtype=torch.long)
        self.add_state("hits", zeros.clone(), dist_reduce_fx="sum")
        self.add_state("total", zeros.clone(), dist_reduce_fx="sum")

    def update(self, logits: Tensor, y: Tensor, has_pose: Tensor | None = None) -> None:
        """Takes the predictions of a batch, as :func:`mean_class_accuracy` does."""
        hits = top_k_hits(logits, y, 1, has_pose)
        self.hits += _count(y, self.num_classes, hits)
        self.total += _count(y, self.num_classes)

    def compute(self) -> Tensor:
        """The mean so far."""
        return _mean_recall(self.hits, self.total)
