"""Functions of rows that belong to groups of different sizes."""

from __future__ import annotations

import torch
from torch import Tensor


def rank_in_group(value: Tensor, group: Tensor, num_groups: int) -> Tensor:
    """Place of each row among the rows of its group, the greatest value first.

    Args:
        value: [N]; of equal values the earlier row comes first.
        group: Group of each row, int64 [N].
        num_groups: G.

    Returns:
        int64 [N], from 0.
    """
    order = value.argsort(descending=True, stable=True)
    order = order[group[order].argsort(stable=True)]
    count = torch.bincount(group, minlength=num_groups)
    first = (count.cumsum(0) - count)[group[order]]
    rank = torch.empty_like(group)
    rank[order] = torch.arange(group.numel(), device=group.device) - first
    return rank


def top_k_of_group(value: Tensor, group: Tensor, k: Tensor) -> Tensor:
    """Whether each row is among the k greatest of its group.

    Args:
        value: [N].
        group: Group of each row, int64 [N].
        k: How many to choose of each group, int64 [G]; of a smaller group all are.

    Returns:
        bool [N].
    """
    return rank_in_group(value, group, k.numel()) < k[group]


def log_softmax_of_group(value: Tensor, group: Tensor, num_groups: int) -> Tensor:
    """Logarithms of the softmax within each group, [N].

    Args:
        value: [N].
        group: Group of each row, int64 [N].
        num_groups: G.
    """
    high = max_of_group(value, group, num_groups)
    shifted = value - high[group]
    total = value.new_zeros(num_groups).index_add(0, group, shifted.exp())
    return shifted - total.log()[group]


def max_of_group(value: Tensor, group: Tensor, num_groups: int) -> Tensor:
    """Greatest value of each group, [G]; 0 for one without rows."""
    return value.new_zeros(num_groups).scatter_reduce(0, group, value, "amax", include_self=False)


def mean_of_group(value: Tensor, group: Tensor, num_groups: int) -> Tensor:
    """Mean of the rows of each group, [G, C]; 0 for one without rows.

    Args:
        value: [N, C].
        group: Group of each row, int64 [N].
        num_groups: G.
    """
    total = value.new_zeros(num_groups, value.size(1)).index_add(0, group, value)
    count = torch.bincount(group, minlength=num_groups).clamp(min=1)
    return total / count[:, None].to(value.dtype)
