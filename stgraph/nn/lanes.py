"""Nodes in the order that layers take, and back."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from stgraph.nn.plan import EncoderPlan, lane_order
from stgraph.skeleton import SkeletonGraph


class Lanes(NamedTuple):
    """Where the nodes of a batch lie among the lanes of an encoder.

    Attributes:
        num_joints: Joints of a pose; 1 in a batch of mixed layouts, whose nodes share one lane.
        order: Node at each place of that lane, int64 [N]; None if all poses have the same joints.
    """

    num_joints: int
    order: Tensor | None

    def enter(self, x: Tensor) -> Tensor:
        """What nodes hold, [N, C] or [N], as [V, P, C] or [V, P] (mixed layouts: [1, N, ...])."""
        if self.order is not None:
            return x.index_select(0, self.order)[None]
        return x.unflatten(0, (-1, self.num_joints)).transpose(0, 1)

    def leave(self, x: Tensor) -> Tensor:
        """[V, P, C] as [N, C]."""
        if self.order is None:
            return x.transpose(0, 1).flatten(0, 1)
        out = torch.empty_like(x[0])
        out[self.order] = x[0]
        return out

    def stretched(self, x: Tensor, plan: EncoderPlan) -> Tensor:
        """[V, P', C] after strides as [V, P, C]: poses that were left out as the one before.

        Args:
            x: What an encoder's core gave.
            plan: Its plan.
        """
        remaining = plan.pose if self.order is None else self._place[plan.pose]
        total = plan.temporal[0].track.numel()
        if remaining.numel() == total:
            return x
        kept = torch.zeros(total, dtype=torch.long, device=x.device)
        kept[remaining] = 1
        return x.index_select(1, kept.cumsum(0) - 1)

    @property
    def _place(self) -> Tensor:
        assert self.order is not None
        place = torch.empty_like(self.order)
        place[self.order] = torch.arange(self.order.numel(), device=self.order.device)
        return place


def make_lanes(batch: SkeletonGraph, folded: bool | None = None) -> Lanes:
    """The lanes of a batch.

    Args:
        batch: Of one layout or several.
        folded: Whether an encoder folds it, one lane a joint; by default where layouts are not
            mixed.
    """
    if not batch.is_mixed if folded is None else folded:
        return Lanes(batch.num_joints, None)
    counts = torch.tensor([layout.num_joints for layout in batch.layouts])
    joints = counts.to(batch.pos.device)[batch.track_batch]
    return Lanes(1, lane_order(batch, joints))


def node_features(batch: SkeletonGraph) -> Tensor:
    """What of the nodes enters a network: ``batch.x``, or positions, 0 where a joint is missing.

    Args:
        batch: Recordings.

    Returns:
        [N, C].
    """
    x = getattr(batch, "x", None)
    if x is not None:
        return x
    score = getattr(batch, "score", None)
    if score is None:
        return batch.pos
    # law 6: whatever a file holds where nothing was found has no influence
    return torch.where(score[:, None] > 0, batch.pos, torch.zeros_like(batch.pos))
