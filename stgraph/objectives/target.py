"""What a masked autoencoder has to fill in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from stgraph.nn import Tokens, token_values
from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import seen

NORMALISATIONS = ("none", "token")


class TargetValues(NamedTuple):
    """The answer for each token.

    Attributes:
        value: [K, l, C]; 0 where there is none.
        valid: Where there is an answer, bool [K, l].
    """

    value: Tensor
    valid: Tensor


class Target(Protocol):
    """A function of a batch and its tokens to the answers."""

    def __call__(self, batch: SkeletonGraph, tokens: Tokens) -> TargetValues: ...

    def size(self, patch_size: int, num_dims: int) -> int:
        """Numbers to predict for each token."""


def token_moments(target: TargetValues, eps: float = 1e-6) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the valid numbers of each token, [K, 1, 1] each."""
    value, valid = target
    weight = valid[:, :, None].to(value.dtype).expand_as(value).flatten(1)
    flat = value.flatten(1)
    count = weight.sum(dim=1, keepdim=True)
    mean = (flat * weight).sum(dim=1, keepdim=True) / count.clamp(min=1)
    centred = (flat - mean) * weight
    variance = centred.square().sum(dim=1, keepdim=True) / (count - 1).clamp(min=1)
    return mean[:, :, None], (variance + eps).sqrt()[:, :, None]


def normalise_tokens(target: TargetValues, eps: float = 1e-6) -> TargetValues:
    r"""Each token less its mean, over its deviation, counted over all of its valid numbers.

    .. math::
        \frac{t - \bar{t}}{\sqrt{\operatorname{var}(t) + \epsilon}}

    with the unbiased variance; a constant token becomes 0.
    """
    value, valid = target
    mean, deviation = token_moments(target, eps)
    return TargetValues(torch.where(valid[:, :, None], (value - mean) / deviation, 0.0), valid)


class _NodeTarget(ABC):
    """Base of targets that are numbers of nodes.

    Args:
        normalise: ``"token"``: each token less its mean, over its deviation; ``"none"``.
    """

    def __init__(self, normalise: str) -> None:
        if normalise not in NORMALISATIONS:
            raise ValueError(
                f"unknown normalisation {normalise!r}; known are {', '.join(NORMALISATIONS)}"
            )
        self.normalise = normalise

    def size(self, patch_size: int, num_dims: int) -> int:
        """Numbers to predict for each token, l * D."""
        return patch_size * num_dims

    def __call__(self, batch: SkeletonGraph, tokens: Tokens) -> TargetValues:
        target = self._raw(batch, tokens)
        return normalise_tokens(target) if self.normalise == "token" else target

    def positions(self, values: Tensor, batch: SkeletonGraph, tokens: Tokens) -> Tensor:
        """Where a prediction puts the joints, to look at: [N, D]; others stay where they are.

        What the target leaves out is taken from the truth: mean and deviation of a normalised
        token, and where a motion begins.

        Args:
            values: Predictions, [K, l, D].
            batch: What the target is taken of.
            tokens: The K tokens.
        """
        target = self._raw(batch, tokens)
        if self.normalise == "token":
            mean, deviation = token_moments(target)
            values = values * deviation + mean
        return self._placed(values, target.valid, batch, tokens)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({arguments})"

    @abstractmethod
    def _raw(self, batch: SkeletonGraph, tokens: Tokens) -> TargetValues:
        """The answers before normalisation."""

    @abstractmethod
    def _placed(
        self, values: Tensor, valid: Tensor, batch: SkeletonGraph, tokens: Tokens
    ) -> Tensor:
        """Positions [N, D] by answers that are not normalised."""

    def _of_nodes(self, value: Tensor, exists: Tensor, tokens: Tokens) -> TargetValues:
        valid = tokens.found & exists[tokens.node]
        return TargetValues(torch.where(valid[:, :, None], token_values(value, tokens), 0.0), valid)


class Coordinates(_NodeTarget):
    """The positions themselves.

    Args:
        normalise: ``"token"``: each token less its mean, over its deviation; ``"none"``.
    """

    def __init__(self, normalise: str = "none") -> None:
        super().__init__(normalise)

    def _raw(self, batch: SkeletonGraph, tokens: Tokens) -> TargetValues:
        return self._of_nodes(batch.pos, seen(batch), tokens)

    def _placed(
        self, values: Tensor, valid: Tensor, batch: SkeletonGraph, tokens: Tokens
    ) -> Tensor:
        return batch.pos.index_put((tokens.node[valid],), values[valid].to(batch.pos.dtype))


class Motion(_NodeTarget):
    r"""Displacements within a track, from `"Masked Motion Predictors are Strong 3D Action
    Representation Learners" <https://arxiv.org/abs/2308.07092>`_.

    .. math::
        m_i(t) = x_i(t + s) - x_i(t)

    Args:
        stride: Poses s from one to the other: 1 in MAMP's code, the length of a token in the text
            of STARS.
        normalise: ``"token"``: each token less its mean, over its deviation; ``"none"``.
        keep_ends: The last s poses of a track move by 0, as published; else they ask for nothing.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(self, stride: int = 1, normalise: str = "token", keep_ends: bool = False) -> None:
        super().__init__(normalise)
        if stride < 1:
            raise ValueError(f"'Motion' expected a stride of at least 1 (got {stride})")
        self.stride = stride
        self.keep_ends = keep_ends

    def _raw(self, batch: SkeletonGraph, tokens: Tokens) -> TargetValues:
        later, inner = self._later(batch)
        found = seen(batch)
        exists = found & found[later]
        if not self.keep_ends:
            exists = exists & inner
        return self._of_nodes(batch.pos[later] - batch.pos, exists, tokens)

    def _later(self, batch: SkeletonGraph) -> tuple[Tensor, Tensor]:
        """The node of the same joint one stride later, itself at the end, and whether there is."""
        track = batch.track
        ahead = torch.arange(batch.num_poses, device=track.device) + self.stride
        inner = ahead < batch.num_poses
        ahead = torch.where(inner, ahead, 0)
        inner = inner & (track[ahead] == track)
        counts = batch.joints_per_pose
        start = counts.cumsum(0) - counts
        pose = batch.pose
        later = start[ahead][pose] + batch.joint
        later = torch.where(inner[pose], later, torch.arange(len(pose), device=track.device))
        return later, inner[pose]

    def _placed(
        self, values: Tensor, valid: Tensor, batch: SkeletonGraph, tokens: Tokens
    ) -> Tensor:
        # steps within a token follow each other; a stride beyond it starts from the truth
        pos, (later, inner) = batch.pos.clone(), self._later(batch)
        length = tokens.node.size(1)
        for i in range(length):
            within = i + self.stride < length
            if within or self.stride >= length:
                node = tokens.node[:, i]
                moved = valid[:, i] & inner[node]
                begin = (pos if within else batch.pos)[node]
                pos[later[node[moved]]] = (begin + values[:, i].to(pos.dtype))[moved]
        return pos


class Bones(_NodeTarget):
    """Child less parent; roots ask for nothing.

    Args:
        normalise: ``"token"``: each token less its mean, over its deviation; ``"none"``.
    """

    def __init__(self, normalise: str = "none") -> None:
        super().__init__(normalise)

    def _raw(self, batch: SkeletonGraph, tokens: Tokens) -> TargetValues:
        node, child = self._parents(batch)
        found = seen(batch)
        return self._of_nodes(batch.pos - batch.pos[node], found & found[node] & child, tokens)

    def _parents(self, batch: SkeletonGraph) -> tuple[Tensor, Tensor]:
        """Node of each node's parent, a root's its own, and whether it has one."""
        counts = batch.joints_per_pose
        start = (counts.cumsum(0) - counts)[batch.pose]
        layouts = list(dict.fromkeys(batch.layouts))
        base = torch.tensor([0, *(layout.num_joints for layout in layouts)]).cumsum(0)
        parents = torch.cat([torch.tensor(layout.parents) for layout in layouts])
        kind = torch.tensor([layouts.index(layout) for layout in batch.layouts])
        row = base.to(start.device)[kind.to(start.device)[batch.pose_batch]][batch.pose]
        parent = parents.to(start.device)[row + batch.joint]
        return start + parent, parent != batch.joint

    def _placed(
        self, values: Tensor, valid: Tensor, batch: SkeletonGraph, tokens: Tokens
    ) -> Tensor:
        # from the root outwards: after as many rounds as the longest chain everything stands
        pos, (parent, _) = batch.pos.clone(), self._parents(batch)
        node, values = tokens.node[valid], values[valid].to(pos.dtype)
        for _ in range(max(layout.num_joints for layout in batch.layouts)):
            placed = pos.index_put((node,), pos[parent[node]] + values)
            if torch.equal(placed, pos):
                break
            pos = placed
        return pos
