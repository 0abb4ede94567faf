"""Scores that decide together what is kept."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

SCOPES = ("global", "layer")


def threshold(scores: Tensor, sparsity: float) -> Tensor:
    """The least score that is kept: the k-th smallest of n, k = 1 + round(sparsity (n - 1))."""
    return scores.kthvalue(1 + round(sparsity * (scores.numel() - 1))).values


class ScorePool:
    """Turns scores into masks: what is at least the threshold is kept.

    Masks are worked out when a score or the sparsity has changed, and remembered.

    Args:
        scores: One tensor of scores for each mask.
        scope: ``"global"``: one threshold for all; ``"layer"``: one for each tensor.
        floor: Share of the entries that each tensor keeps in any case, and at least one of them;
            None: a tensor may be emptied.
        always_at_zero: Which tensors have the threshold 0 instead, whatever the sparsity: as the
            published code treats convolutions of shortcuts.
    """

    def __init__(
        self,
        scores: Sequence[nn.Parameter],
        scope: str = "global",
        floor: float | None = 0.01,
        always_at_zero: Sequence[bool] | None = None,
    ) -> None:
        if scope not in SCOPES:
            raise ValueError(f"unknown scope {scope!r}; known are {', '.join(SCOPES)}")
        if floor is not None and not 0 <= floor < 1:
            raise ValueError(f"'floor' is a share of a layer's entries in [0, 1) (got {floor})")
        self.scores = list(scores)
        self.scope, self.floor = scope, floor
        self.always_at_zero = list(always_at_zero or [False] * len(self.scores))
        self.sparsity = 0.0
        self._key: tuple[object, ...] = ()
        self._masks: list[Tensor] = []

    @torch.no_grad()
    def masks_at(self, sparsity: float) -> list[Tensor]:
        """Which entries are kept at a given sparsity."""
        ranked = [self._ranked(score.detach()) for score in self.scores]
        together = threshold(torch.cat(ranked), sparsity) if self.scope == "global" else None
        masks = []
        for score, ranks, at_zero in zip(self.scores, ranked, self.always_at_zero, strict=True):
            if at_zero:
                masks.append(score >= 0)
                continue
            least = threshold(ranks, sparsity) if together is None else together
            masks.append((ranks >= least).view(score.shape))
        return masks

    def _ranked(self, score: Tensor) -> Tensor:
        """Scores, flat, with those of the floor above all others."""
        score = score.flatten()
        if self.floor is None:
            return score
        kept = max(1, math.ceil(self.floor * score.numel()))
        return score.index_fill(0, score.topk(kept).indices, math.inf)

    def masks(self) -> list[Tensor]:
        """Which entries are kept at the present sparsity."""
        changes = tuple((s._version, s.data_ptr(), s.device) for s in self.scores)
        key = (self.sparsity, changes)
        if key != self._key:
            self._masks, self._key = self.masks_at(self.sparsity), key
        return self._masks
