"""Index arithmetic of ragged batches, and PyG's bookkeeping of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch

from stgraph.skeleton import SkeletonGraph

__all__ = ["make_batch", "ranges"]


def make_batch(order: Sequence[str], values: dict[str, Any], slices: dict[str, Tensor]) -> Batch:
    """A PyG batch from joined attributes, with the bookkeeping of ``Batch.from_data_list``."""
    batch: Any = Batch(_base_cls=SkeletonGraph)  # type: ignore[call-arg]
    count = len(values["layout"])
    increments: dict[str, Tensor | None] = {}
    for key in order:
        batch[key] = values[key]
        increments[key] = None
        if isinstance(values[key], Tensor):
            increments[key] = torch.zeros(count, dtype=torch.long)
    nodes = slices["pos"]
    batch.batch = torch.arange(count).repeat_interleave(nodes.diff())
    batch.ptr = nodes.clone()
    batch._num_graphs = count
    batch._slice_dict = dict(slices)
    batch._inc_dict = increments
    return batch


def ranges(start: Tensor, size: Tensor, ends: Tensor) -> Tensor:
    """The numbers start[0], start[0] + 1, ... (size[0] of them), start[1], ...

    Args:
        start: First number of each range, int64 [R].
        size: Count of each range, int64 [R].
        ends: 0 and the running sum of the counts, int64 [R+1].
    """
    total = int(ends[-1])
    shift = (start - ends[:-1]).repeat_interleave(size, output_size=total)
    return shift + torch.arange(total)
