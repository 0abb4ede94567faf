"""Rows of all processes that train together."""

from __future__ import annotations

import torch
from torch import Tensor, distributed


def num_processes() -> int:
    """Number of processes that train together."""
    running = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if running else 1


def gather_rows(x: Tensor) -> tuple[Tensor, int]:
    """The rows of all processes, in the order of their ranks, with gradients.

    Args:
        x: Rows of this process, [B, ...]; B may differ between processes.

    Returns:
        All rows, and the number of the first that is of this process.
    """
    world = num_processes()
    if world == 1:
        return x, 0
    size = torch.tensor([len(x)], device=x.device)
    sizes = [torch.zeros_like(size) for _ in range(world)]
    distributed.all_gather(sizes, size)
    counts = [int(s) for s in sizes]
    most = max(counts)
    padded = torch.cat([x, x.new_zeros(most - len(x), *x.shape[1:])])
    if x.requires_grad:
        from torch.distributed.nn.functional import all_gather

        parts = all_gather(padded)
    else:
        parts = [torch.empty_like(padded) for _ in range(world)]
        distributed.all_gather(parts, padded)
    rows = torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])
    return rows, sum(counts[: distributed.get_rank()])
