"""Parts of labelled recordings that protocols draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from stgraph.tasks import StoreSubset
from stgraph.tasks.data import source_labels

__all__ = ["hold_out_classes", "labelled_subset", "without_classes"]


def labelled_subset(y: Tensor, share: float, seed: int = 0) -> Tensor:
    """A share of each class, at least one recording of it: semi-supervised subsets.

    Args:
        y: Classes, int64 [n]; -1 is no class, and never drawn.
        share: Of each class, in (0, 1]; rounded.
        seed: Of the draw. Of one seed, a smaller share lies within a larger one.

    Returns:
        Numbers of the recordings, ascending.

    Raises:
        ValueError: if the share is out of range.
    """
    if not 0 < share <= 1:
        raise ValueError(f"'labelled_subset' expected a share in (0, 1] (got {share})")
    generator = torch.Generator().manual_seed(seed)
    chosen = []
    for label in y.unique().tolist():
        mine = (y == label).nonzero().flatten()
        order = mine[torch.randperm(len(mine), generator=generator)]
        if label >= 0:
            chosen.append(order[: max(round(len(mine) * share), 1)])
    return torch.cat(chosen).sort().values if chosen else y[:0]


def hold_out_classes(num_classes: int, share: float = 1 / 3, seed: int = 0) -> Sequence[int]:
    """Classes that pre-training must not see, for few-shot protocols.

    Args:
        num_classes: Number of classes.
        share: Share of them to hold out, rounded.
        seed: Of the draw.

    Returns:
        Their numbers, ascending.
    """
    order = torch.randperm(num_classes, generator=torch.Generator().manual_seed(seed))
    return sorted(order[: round(num_classes * share)].tolist())


def without_classes(source: Any, classes: Sequence[int]) -> StoreSubset:
    """The recordings of a source that are of other classes.

    Args:
        source: A data set or a part of a store.
        classes: Numbers of the classes to leave out.

    Raises:
        ValueError: if a class does not occur, or nothing is left.
    """
    y = source_labels(source)
    missing = sorted(set(classes) - set(y.tolist()))
    if missing:
        raise ValueError(f"there is no recording of the classes {missing} to leave out")
    keep = ~torch.isin(y, torch.tensor(list(classes)))
    if not bool(keep.any()):
        raise ValueError("without these classes no recording is left")
    return StoreSubset(source, keep.nonzero().flatten())
