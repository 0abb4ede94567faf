"""What a masked-pose task does to joints: replace, confuse, keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from stgraph.nn import Tokens, make_tokens
from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import with_nodes


class Corrupted(NamedTuple):
    """Joints that were chosen, by what was done to them.

    Attributes:
        chosen: Which joints a task asks for, bool [K].
        replaced: Which of them hold a constant, bool [K].
        other: Joint whose values each one holds, its own number unless confused, int64 [K].
    """

    chosen: Tensor
    replaced: Tensor
    other: Tensor


class PoseCorruption:
    """Chooses joints one by one and replaces most of them, from `"Hierarchically Self-Supervised
    Transformer for Human Skeleton Representation Learning" <https://arxiv.org/abs/2207.09644>`_.

    Args:
        ratio: Probability that a joint is chosen.
        replaced: Share of the chosen ones that hold ``value`` instead of what they were.
        confused: Share of them that hold what a joint of another pose of the track holds; the
            others are kept.
        value: The constant.

    Raises:
        ValueError: if a share is out of range.
    """

    def __init__(
        self, ratio: float = 0.15, replaced: float = 0.8, confused: float = 0.1, value: float = 1.0
    ) -> None:
        if not 0 <= ratio <= 1:
            raise ValueError(f"'PoseCorruption' expected a ratio in [0, 1] (got {ratio})")
        if min(replaced, confused) < 0 or replaced + confused > 1:
            raise ValueError(
                "'PoseCorruption' expected shares that add up to at most 1 "
                f"(got {replaced} and {confused})"
            )
        self.ratio, self.replaced, self.confused, self.value = ratio, replaced, confused, value

    def __repr__(self) -> str:
        return (
            f"PoseCorruption(ratio={self.ratio}, replaced={self.replaced}, "
            f"confused={self.confused}, value={self.value})"
        )

    def draw(
        self, batch: SkeletonGraph, tokens: Tokens, generator: torch.Generator | None = None
    ) -> Corrupted:
        """What happens to each joint.

        Args:
            batch: Recordings.
            tokens: Their joints, as tokens of one pose.
            generator: Draws.
        """
        device = "cpu" if generator is None else generator.device
        u = torch.rand(4, tokens.num_tokens, generator=generator, device=device)
        u = u.to(tokens.node.device)
        chosen = u[0] < self.ratio
        replaced = chosen & (u[1] < self.replaced)
        confused = chosen & (u[1] >= 1 - self.confused)
        # a joint of another pose of the track
        pose = batch.pose[tokens.node[:, 0]]
        found = torch.bincount(pose, minlength=batch.num_poses)
        length = batch.track_length[tokens.track]
        start = batch.first_pose[tokens.track]
        ahead = 1 + (u[2] * (length - 1)).long().clamp(max=length - 2)
        elsewhere = start + (pose - start + ahead) % length
        confused &= (length > 1) & (found[elsewhere] > 0)
        first = found.cumsum(0) - found
        pick = (u[3] * found[elsewhere]).long().minimum(found[elsewhere] - 1).clamp(min=0)
        own = torch.arange(tokens.num_tokens, device=pose.device)
        other = torch.where(confused, first[elsewhere] + pick, own)
        return Corrupted(chosen, replaced, other)

    def __call__(
        self,
        batch: SkeletonGraph,
        generator: torch.Generator | None = None,
        transform: Callable[[SkeletonGraph], SkeletonGraph] | None = None,
    ) -> SkeletonGraph:
        """The batch with chosen joints corrupted.

        It has two more attributes of nodes: ``node_chosen``, and ``node_truth``, what each holds
        without corruption.

        Args:
            batch: Recordings.
            generator: Draws.
            transform: Applied while replaced and confused joints are missing, so that nothing that
                is computed of several joints (streams, normalisation) tells what they were.
        """
        tokens = make_tokens(batch, 1)
        chosen, replaced, other = self.draw(batch, tokens, generator)
        node = tokens.node[:, 0]
        gone = replaced | (other != torch.arange(len(node), device=node.device))
        truth = batch if transform is None else transform(batch)
        seen = truth if transform is None else transform(_without(batch, node[gone]))
        name = "x" if "x" in truth else "pos"
        values = seen[name].clone()
        values[node[replaced]] = self.value
        confused = gone & ~replaced
        values[node[confused]] = truth[name][node[other[confused]]]
        marks = torch.zeros(values.size(0), dtype=torch.bool, device=values.device)
        marks[node[chosen]] = True
        more = {name: values, "node_chosen": marks, "node_truth": truth[name]}
        if "score" in batch:
            more["score"] = truth.score
        elif "score" in seen:
            more["score"] = torch.ones_like(seen.score)
        return with_nodes(seen, **more)


def _without(batch: SkeletonGraph, node: Tensor) -> SkeletonGraph:
    """The batch in which some nodes are missing."""
    score = getattr(batch, "score", None)
    score = batch.pos.new_ones(batch.pos.size(0)) if score is None else score.clone()
    pos = batch.pos.clone()
    score[node], pos[node] = 0.0, 0.0
    return with_nodes(batch, pos=pos, score=score)
