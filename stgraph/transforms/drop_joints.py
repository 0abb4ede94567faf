"""Joints made missing."""

from __future__ import annotations

import torch

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import SkeletonTransform, node_recording, with_nodes


class DropJoints(SkeletonTransform):
    """Makes joints missing at random: their score and position become 0.

    Args:
        p: Probability with which a joint is dropped.
        per: ``"pose"``: every joint of every pose has its own draw, as a detector's misses.
            ``"recording"``: a joint is gone in all poses of a recording, as behind a table.
        generator: Source of the draws.

    Raises:
        ValueError: if ``per`` is unknown or ``p`` is not within [0, 1].
    """

    def __init__(
        self, p: float, per: str = "pose", generator: torch.Generator | None = None
    ) -> None:
        if per not in ("pose", "recording") or not 0 <= p <= 1:
            raise ValueError(
                f"'DropJoints' expected p within [0, 1] and per='pose' or 'recording' "
                f"(got {p}, {per!r})"
            )
        self.p = p
        self.per = per
        self.generator = generator

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy with fewer joints seen."""
        device = "cpu" if self.generator is None else self.generator.device
        nodes = data.pos.size(0)
        if self.per == "pose":
            draws = torch.rand(nodes, generator=self.generator, device=device)
            gone = draws.to(data.pos.device) < self.p
        else:
            size = (data.num_recordings, max(layout.num_joints for layout in data.layouts))
            draws = torch.rand(size, generator=self.generator, device=device)
            gone = draws.to(data.pos.device)[node_recording(data), data.joint] < self.p
        score = getattr(data, "score", None)
        score = data.pos.new_ones(nodes) if score is None else score
        return with_nodes(
            data,
            pos=data.pos.masked_fill(gone[:, None], 0.0),
            score=score.masked_fill(gone, 0.0),
        )
