"""Classes by nearest neighbours among embeddings."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from stgraph.evaluation.controls import NO_POSE
from stgraph.evaluation.features import Features

__all__ = ["TIES", "nearest_neighbours", "vote", "weighted_vote"]

#: What decides between classes with equally many votes.
TIES = ("label", "nearest", "similarity")
_CHUNK = 4096


def _neighbours(bank: Tensor, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Similarity and row of the k most similar rows, the best first: two [n, k]."""
    bank = F.normalize(bank.double(), dim=1)
    similar, index = [], []
    for part in F.normalize(query.double(), dim=1).split(_CHUNK):
        # a stable sort: of equally similar rows the earlier comes first
        order = (part @ bank.T).sort(dim=1, descending=True, stable=True)
        similar.append(order.values[:, :k])
        index.append(order.indices[:, :k])
    return torch.cat(similar), torch.cat(index)


def nearest_neighbours(train: Features, test: Features, k: int = 1, ties: str = "label") -> Tensor:
    """The class that most of the k nearest training recordings have, by cosine similarity.

    Recordings without a pose are nobody's neighbour, and have no class.

    Args:
        train: The bank.
        test: What to classify.
        k: Number of neighbours.
        ties: What decides between classes with equally many votes: ``"label"``: the smaller class
            number, as scikit-learn and the code of STARS have it; ``"nearest"``: the class of the
            nearest of these neighbours; ``"similarity"``: the greatest sum of similarities.

    Returns:
        int64 [n]; -1 for a recording without a pose.

    Raises:
        ValueError: if ``ties`` is unknown, or the bank has fewer recordings than k.
    """
    bank = train.take(train.has_pose)
    if len(bank.y) < k:
        raise ValueError(f"{k} neighbours need as many recordings (got {len(bank.y)})")
    similar, index = _neighbours(bank.x, test.x, k)
    predicted = vote(bank.y[index], similar, ties)
    return torch.where(test.has_pose, predicted, NO_POSE)


def vote(labels: Tensor, similarity: Tensor, ties: str = "label") -> Tensor:
    """The most frequent class of each row, int64 [n].

    Args:
        labels: Classes of the neighbours, the nearest first, int64 [n, k].
        similarity: Their similarities, [n, k].
        ties: See :func:`nearest_neighbours`.

    Raises:
        ValueError: if ``ties`` is unknown.
    """
    if ties not in TIES:
        raise ValueError(f"unknown ties {ties!r}; known are {', '.join(TIES)}")
    classes = int(labels.max()) + 1
    count = F.one_hot(labels, classes).sum(dim=1)  # [n, classes]
    leading = count == count.amax(dim=1, keepdim=True)
    if ties == "label":
        return leading.int().argmax(dim=1)
    if ties == "nearest":
        first = leading.gather(1, labels).int().argmax(dim=1, keepdim=True)
        return labels.gather(1, first)[:, 0]
    total = similarity.new_zeros(count.shape).scatter_add(1, labels, similarity)
    return torch.where(leading, total, float("-inf")).argmax(dim=1)


def weighted_vote(train: Features, test: Features, k: int = 10, temperature: float = 0.1) -> Tensor:
    r"""Votes of the k nearest training recordings, weighted by :math:`\exp(s / T)`.

    Args:
        train: The bank.
        test: What to classify.
        k: Number of neighbours.
        temperature: T.

    Returns:
        Sums of weights of every class, float64 [n, classes].
    """
    bank = train.take(train.has_pose)
    similar, index = _neighbours(bank.x, test.x, k)
    labels = bank.y[index]
    scores = similar.new_zeros(len(labels), int(bank.y.max()) + 1)
    return scores.scatter_add(1, labels, (similar / temperature).exp())
