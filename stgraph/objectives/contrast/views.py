"""Views: what a contrast shows of a recording."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

import torch

from stgraph.skeleton import SkeletonGraph

#: A transform of batches; one that takes a ``generator`` is called with it, others draw from
#: torch's own.
View = Callable[..., SkeletonGraph]


def apply_view(
    view: View | None, batch: SkeletonGraph, generator: torch.Generator | None = None
) -> SkeletonGraph:
    """A batch as a view shows it.

    Args:
        view: The view; None: the batch as it is.
        batch: Recordings.
        generator: Source of the view's draws, if it takes one.
    """
    if view is None:
        return batch
    if "generator" in inspect.signature(getattr(view, "forward", view)).parameters:
        return view(batch, generator=generator)
    return view(batch)


def two_views(
    batch: SkeletonGraph, views: Sequence[View] | None, generator: torch.Generator | None
) -> tuple[SkeletonGraph, SkeletonGraph]:
    """A batch twice, each through its view."""
    if views is None:
        return batch, batch
    first, second = views
    return apply_view(first, batch, generator), apply_view(second, batch, generator)
