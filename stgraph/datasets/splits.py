"""Which recordings belong to which part: pure functions of labels and groups."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["hold_out", "hold_out_groups", "partition_groups"]


def hold_out(y: Tensor, fraction: float, seed: int = 0) -> Tensor:
    """A random part of the recordings with the classes in proportion.

    Args:
        y: Class numbers, int64 [R].
        fraction: Share to hold out of each class, rounded; between 0 and 1.
        seed: Decides which.

    Returns:
        Mask of the held-out recordings, bool [R].

    Raises:
        ValueError: if `fraction` is not between 0 and 1.
    """
    _check_fraction(fraction)
    generator = torch.Generator().manual_seed(seed)
    held = torch.zeros(y.numel(), dtype=torch.bool)
    for label in y.unique().tolist():
        members = (y == label).nonzero().flatten()
        order = torch.randperm(members.numel(), generator=generator)
        held[members[order[: round(fraction * members.numel())]]] = True
    return held


def hold_out_groups(
    y: Tensor, groups: Sequence[object], fraction: float, seed: int = 0, trials: int = 64
) -> Tensor:
    """Whole groups (subjects, pairs, videos) held out, with the classes near their proportion.

    Of `trials` seeded draws of groups, the one whose class counts are nearest to `fraction` of each
    class; at least one group is held out and one is kept.

    Args:
        y: Class numbers, int64 [R].
        groups: Group of each recording, of length R.
        fraction: Share to hold out, between 0 and 1.
        seed: Decides the draws.
        trials: Number of draws to choose from.

    Returns:
        Mask of the held-out recordings, bool [R].

    Raises:
        ValueError: if `fraction` is not between 0 and 1, or there are fewer than two groups.
    """
    _check_fraction(fraction)
    names = sorted(set(groups), key=str)
    if len(names) < 2:
        raise ValueError(f"expected at least two groups to hold one out (got {len(names)})")
    number = {name: i for i, name in enumerate(names)}
    group = torch.tensor([number[name] for name in groups])
    labels, kind = y.unique(return_inverse=True)
    table = torch.zeros(len(names), labels.numel())
    table.index_put_((group, kind), torch.ones(y.numel()), accumulate=True)
    wanted = table.sum(0) * fraction
    generator = torch.Generator().manual_seed(seed)
    best, chosen = float("inf"), torch.zeros(0, dtype=torch.long)
    for _ in range(trials):
        order = torch.randperm(len(names), generator=generator)
        counts = table[order].cumsum(0)[:-1]
        cost = (counts - wanted).square().sum(1)
        size = int(cost.argmin())
        if float(cost[size]) < best:
            best, chosen = float(cost[size]), order[: size + 1]
    return torch.isin(group, chosen)


def partition_groups(
    y: Tensor, groups: Sequence[object], shares: Sequence[float], seed: int = 0
) -> Tensor:
    """Every group goes to one of several parts, the groups of each class in the given shares.

    Args:
        y: Class numbers, int64 [R]; a group has one class.
        groups: Group of each recording, of length R.
        shares: Share of the groups of a class in each part; they sum to 1.
        seed: Decides which.

    Returns:
        Part of each recording, int64 [R].
    """
    names = sorted(set(groups), key=str)
    number = {name: i for i, name in enumerate(names)}
    group = torch.tensor([number[name] for name in groups])
    label = torch.zeros(len(names), dtype=torch.long).scatter_(0, group, y)
    generator = torch.Generator().manual_seed(seed)
    part = torch.zeros(len(names), dtype=torch.long)
    ends = torch.tensor(shares, dtype=torch.float64).cumsum(0)
    for kind in label.unique().tolist():
        members = (label == kind).nonzero().flatten()
        order = members[torch.randperm(members.numel(), generator=generator)]
        bounds = (ends * members.numel()).round().long()
        part[order] = torch.bucketize(torch.arange(members.numel()), bounds, right=True)
    return part[group]


def _check_fraction(fraction: float) -> None:
    if not 0 < fraction < 1:
        raise ValueError(f"expected a fraction between 0 and 1 (got {fraction})")
