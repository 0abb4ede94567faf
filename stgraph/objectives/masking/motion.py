"""MAMP's masking: what moves is hidden rather than what rests."""

from __future__ import annotations

import torch
from torch import Tensor

from stgraph.nn import Tokens, token_values
from stgraph.objectives.masking.random import RandomTokens
from stgraph.ops import log_softmax_of_group, max_of_group
from stgraph.skeleton import SkeletonGraph


class MotionAware(RandomTokens):
    r"""Hides single tokens, rather those that move: MAMP's masking.

    .. math::
        \pi = \operatorname{softmax}\!\left(\frac{I}{\tau \max I}\right), \qquad
        \text{hidden} = \operatorname{top\text{-}k}(\log \pi + g), \quad g \sim \text{Gumbel}

    with the motion intensity I of :func:`motion_intensity` and its maximum over the group.

    Args:
        ratio: Share of the tokens to hide.
        temperature: :math:`\tau`; small: only what moves is hidden.
        group: See :class:`Masking`; ``"person"`` in MAMP's code.
        rounding: See :func:`number_hidden`; ``"keep_floor"`` in MAMP's code.

    Raises:
        ValueError: if the temperature is not above 0.
    """

    def __init__(
        self,
        ratio: float = 0.9,
        temperature: float = 0.8,
        group: str = "recording",
        rounding: str = "nearest",
    ) -> None:
        super().__init__(ratio, group, rounding)
        if not temperature > 0:
            raise ValueError(f"'MotionAware' expected a temperature above 0 (got {temperature})")
        self.temperature = temperature

    def weights(self, batch: SkeletonGraph, tokens: Tokens) -> Tensor:
        group = self.groups(tokens)
        count = int(group.max()) + 1 if tokens.num_tokens else 0
        return log_masking_probability(
            motion_intensity(batch.pos, tokens), group, count, self.temperature
        )


def motion_intensity(pos: Tensor, tokens: Tokens) -> Tensor:
    """Mean absolute difference between a token and the one before it of the same joint, [K].

    Only what was found in both counts; a track's first token has the intensity of its second.

    Args:
        pos: Coordinates of the nodes, [N, D].
        tokens: K tokens.
    """
    values = token_values(pos, tokens)
    has, before = tokens.before >= 0, tokens.before.clamp(min=0)
    both = has[:, None] & tokens.found & tokens.found[before]
    change = ((values - values[before]).abs().mean(dim=2) * both).sum(dim=1)
    intensity = change / both.sum(dim=1).clamp(min=1)
    after = torch.full_like(tokens.before, -1)
    after[before[has]] = has.nonzero().flatten()
    first = ~has & (after >= 0)
    return torch.where(first, intensity[after.clamp(min=0)], intensity)


def log_masking_probability(
    intensity: Tensor, group: Tensor, num_groups: int, temperature: float
) -> Tensor:
    """Logarithm of the share of each token's motion in its group, see :class:`MotionAware`, [K]."""
    highest = max_of_group(intensity, group, num_groups)
    scaled = intensity / (highest * temperature + 1e-10)[group]
    return log_softmax_of_group(scaled, group, num_groups)
