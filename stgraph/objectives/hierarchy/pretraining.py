"""Several levels of an encoder pre-trained at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from stgraph.objectives.hierarchy.corruption import PoseCorruption
from stgraph.objectives.output import ObjectiveOutput
from stgraph.skeleton import SkeletonGraph


class HierarchicalPretraining(nn.Module):
    r"""Corrupts poses and sums the losses of tasks on the levels of an encoder, from
    `"Hierarchically Self-Supervised Transformer for Human Skeleton Representation Learning"
    <https://arxiv.org/abs/2207.09644>`_.

    All tasks see the corrupted poses. Every track is a sample of its own.

    Args:
        encoder: Has ``levels_of(batch)``, such as :class:`~stgraph.nn.HiTRS`.
        tasks: By name; each is called with the levels and a generator and gives an
            :class:`~stgraph.objectives.ObjectiveOutput`.
        weights: Of their losses; 1 by default, as published.
        corruption: What happens to joints.
        transform: Streams and normalisation, applied while replaced joints are missing.

    Raises:
        ValueError: if there is no task, or a weight is of none.
    """

    def __init__(
        self,
        encoder: nn.Module,
        tasks: Mapping[str, nn.Module],
        weights: Mapping[str, float] | None = None,
        corruption: PoseCorruption | None = None,
        transform: Callable[[SkeletonGraph], SkeletonGraph] | None = None,
    ) -> None:
        super().__init__()
        if not tasks:
            raise ValueError("'HierarchicalPretraining' expected at least one task")
        weights = {} if weights is None else dict(weights)
        strange = sorted(set(weights) - set(tasks))
        if strange:
            raise ValueError(
                f"weights of {', '.join(strange)}, which are no tasks here; those are "
                f"{', '.join(tasks)}"
            )
        self.encoder: Any = encoder
        self.tasks = nn.ModuleDict(tasks)
        self.weights = {name: float(weights.get(name, 1.0)) for name in tasks}
        self.corruption = PoseCorruption() if corruption is None else corruption
        self.transform = transform
        #: Figures of an output besides its loss.
        self.log_names = tuple(
            log for task in self.tasks.values() for log in getattr(task, "log_names", ())
        )

    def forward(
        self, batch: SkeletonGraph, generator: torch.Generator | None = None
    ) -> ObjectiveOutput:
        """The weighted sum of the losses of one draw.

        Args:
            batch: Recordings.
            generator: Draws.
        """
        corrupted = self.corruption(batch, generator, self.transform)
        return self.score(self.encoder.levels_of(corrupted), generator)

    def score(self, levels: Any, generator: torch.Generator | None = None) -> ObjectiveOutput:
        """The weighted sum of the losses of given levels."""
        outputs = {name: task(levels, generator) for name, task in self.tasks.items()}
        terms = [self.weights[name] * output.loss for name, output in outputs.items()]
        logs = {log: value for output in outputs.values() for log, value in output.logs.items()}
        return ObjectiveOutput(torch.stack(terms).sum(), logs)
