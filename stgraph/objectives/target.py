"""What a masked autoencoder has to fill in."""

from __future__ import annotations

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


def normalise_tokens(target: TargetValues, eps: float = 1e-6) -> TargetValues:
    r"""Each token less its mean, over its deviation, counted over all of its valid numbers.

    .. math::
        \frac{t - \bar{t}}{\sqrt{\operatorname{var}(t) + \epsilon}}

    with the unbiased variance; a constant token becomes 0.
    """
    value, valid = target
    weight = valid[:, :, None].to(value.dtype).expand_as(value).flatten(1)
    flat = value.flatten(1)
    count = weight.sum(dim=1, keepdim=True)
    mean = (flat * weight).sum(dim=1, keepdim=True) / count.clamp(min=1)
    centred = (flat - mean) * weight
    variance = centred.square().sum(dim=1, keepdim=True) / (count - 1).clamp(min=1)
    return TargetValues((centred / (variance + eps).sqrt()).view_as(value), valid)


class _NodeTarget:
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

    def _of_nodes(self, value: Tensor, exists: Tensor, tokens: Tokens) -> TargetValues:
        valid = tokens.found & exists[tokens.node]
        value = torch.where(valid[:, :, None], token_values(value, tokens), 0.0)
        target = TargetValues(value, valid)
        return normalise_tokens(target) if self.normalise == "token" else target


class Coordinates(_NodeTarget):
    """The positions themselves.

    Args:
        normalise: ``"token"``: each token less its mean, over its deviation; ``"none"``.
    """

    def __init__(self, normalise: str = "none") -> None:
        super().__init__(normalise)

    def __call__(self, batch: SkeletonGraph, tokens: Tokens) -> TargetValues:
        return self._of_nodes(batch.pos, seen(batch), tokens)


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

    def __call__(self, batch: SkeletonGraph, tokens: Tokens) -> TargetValues:
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
        found = seen(batch)
        exists = found & found[later]
        if not self.keep_ends:
            exists = exists & inner[pose]
        return self._of_nodes(batch.pos[later] - batch.pos, exists, tokens)


class Bones(_NodeTarget):
    """Child less parent; roots ask for nothing.

    Args:
        normalise: ``"token"``: each token less its mean, over its deviation; ``"none"``.
    """

    def __init__(self, normalise: str = "none") -> None:
        super().__init__(normalise)

    def __call__(self, batch: SkeletonGraph, tokens: Tokens) -> TargetValues:
        counts = batch.joints_per_pose
        start = (counts.cumsum(0) - counts)[batch.pose]
        layouts = list(dict.fromkeys(batch.layouts))
        base = torch.tensor([0, *(layout.num_joints for layout in layouts)]).cumsum(0)
        parents = torch.cat([torch.tensor(layout.parents) for layout in layouts])
        kind = torch.tensor([layouts.index(layout) for layout in batch.layouts])
        row = base.to(start.device)[kind.to(start.device)[batch.pose_batch]][batch.pose]
        parent = parents.to(start.device)[row + batch.joint]
        node = start + parent
        found = seen(batch)
        exists = found & found[node] & (parent != batch.joint)
        return self._of_nodes(batch.pos - batch.pos[node], exists, tokens)
