"""Which class is taken for which."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from stgraph.metrics.checks import check_predictions

__all__ = ["ConfusionMatrix", "confusion_matrix"]


def confusion_matrix(
    logits: Tensor,
    y: Tensor,
    num_classes: int | None = None,
    has_pose: Tensor | None = None,
    *,
    missing_column: bool = False,
) -> Tensor:
    """How often class i (row) was taken for class j (column).

    Args:
        logits: [n, C].
        y: Class numbers, int64 [n].
        num_classes: Number of rows and columns; C by default.
        has_pose: Whether each recording has a pose, bool [n]; by default all.
        missing_column: Append a column with the recordings without a pose and those whose logits
            are no numbers, so that rows sum to the sizes of the classes. Without it they are in no
            cell.

    Returns:
        Counts, int64 [C, C], or [C, C + 1] with ``missing_column``.

    Raises:
        ValueError: if the shapes contradict each other or a class is out of range.
    """
    logits, y, has_pose = check_predictions(logits, y, has_pose)
    size = logits.size(1) if num_classes is None else num_classes
    if size < logits.size(1):
        raise ValueError(f"expected at least {logits.size(1)} classes (got {size})")
    guess = logits.argmax(dim=1).masked_fill(~has_pose, size)
    cells = torch.bincount(y * (size + 1) + guess, minlength=size * (size + 1))
    table = cells.view(size, size + 1)
    return table if missing_column else table[:, :size].contiguous()


class ConfusionMatrix(Metric):
    """:func:`confusion_matrix` over all recordings of all batches and processes.

    Args:
        num_classes: Number C of classes.
        missing_column: Append a column with the recordings without a pose.
    """

    full_state_update = False
    is_differentiable = False
    table: Tensor

    def __init__(self, num_classes: int, missing_column: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.missing_column = missing_column
        zeros = torch.zeros(num_classes, num_classes + 1, dtype=torch.long)
        self.add_state("table", zeros, dist_reduce_fx="sum")

    def update(self, logits: Tensor, y: Tensor, has_pose: Tensor | None = None) -> None:
        """Takes the predictions of a batch."""
        self.table += confusion_matrix(logits, y, self.num_classes, has_pose, missing_column=True)

    def compute(self) -> Tensor:
        """The counts so far."""
        return self.table if self.missing_column else self.table[:, : self.num_classes]
