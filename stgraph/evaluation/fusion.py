"""A second model that has a say beside a network when it is tested."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from stgraph.evaluation.comparison_sets import ComparisonSets
from stgraph.evaluation.controls import LogisticRegressionOfStatistics
from stgraph.evaluation.statistics import rich_motion_statistics
from stgraph.tasks import Predictions

__all__ = ["FUSIONS", "companion", "fuse"]

#: Names of what :func:`companion` knows.
FUSIONS = ("none", "statistics")


def companion(
    name: str, sets: ComparisonSets, refit: bool = False
) -> Callable[[Any, int], Tensor] | None:
    """A model of the recordings that networks of a comparison see, fitted once for all runs.

    Args:
        name: ``"none"``, or ``"statistics"``: logistic regression on motion statistics, whose
            strength the validation recordings choose.
        sets: The recordings.
        refit: Train on training and validation recordings.

    Returns:
        Function of recordings and of the number C of classes to logarithms of probabilities
        [B, C]; None for ``"none"``.

    Raises:
        ValueError: if the name is unknown.
    """
    if name not in FUSIONS:
        raise ValueError(f"unknown fusion {name!r}; known are {', '.join(FUSIONS)}")
    if name == "none":
        return None
    if (name, refit) not in sets.companions:
        train, val = sets.prepared["train"], sets.prepared["val"]
        sets.companions[name, refit] = LogisticRegressionOfStatistics(
            train, val, rich_motion_statistics, refit=refit
        )
    model: LogisticRegressionOfStatistics = sets.companions[name, refit]
    return model.log_probabilities


def fuse(predictions: Predictions, log_probabilities: Tensor) -> Predictions:
    """Two models with equal weight: their mean logarithms of probabilities in place of logits."""
    own = predictions.logits.log_softmax(dim=1)
    return predictions._replace(logits=(own + log_probabilities) / 2)
