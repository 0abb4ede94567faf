"""Sequences with two of their parts exchanged."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def swap_far(length: Tensor, draw: Tensor) -> tuple[Tensor, Tensor]:
    """Two parts of each sequence that are at least two places apart; of two parts, both.

    Args:
        length: Parts of each sequence, int64 [S].
        draw: Uniform in [0, 1), [S].

    Returns:
        The earlier and the later one, int64 [S] each; 0 and 0 where there are fewer than two parts.
    """
    rows = (length - 2).clamp(min=1)  # the earlier one is below this
    pairs = rows * (rows + 1) // 2
    k = (draw.double() * pairs).long().minimum(pairs - 1)
    # rows shrink by one pair each; count from the shortest
    t = (((8 * k + 1).double().sqrt() - 1) / 2).long()
    t = torch.where(t * (t + 1) // 2 > k, t - 1, t)
    early = rows - 1 - t
    late = early + 2 + (k - t * (t + 1) // 2)
    two = length == 2
    late = torch.where(two, 1, late)
    few = length < 2
    return torch.where(two | few, 0, early), torch.where(few, 0, late)


def order_loss(logits: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of telling true sequences (class 1) from altered ones (class 0).

    Args:
        logits: Of the S true sequences, then of the S altered ones, [2 S, 2].
        valid: Which sequences count, bool [S].

    Returns:
        The mean loss over those that count, and the share told right; 0 where none counts.
    """
    s = valid.numel()
    label = torch.arange(2 * s, device=logits.device).lt(s).long()
    weight = valid.repeat(2).to(logits.dtype)
    losses = F.cross_entropy(logits, label, reduction="none") * weight
    right = (logits.argmax(dim=1) == label).to(logits.dtype) * weight
    total = weight.sum().clamp(min=1)
    return losses.sum() / total, (right.sum() / total).detach()
