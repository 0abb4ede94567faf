"""What strategies that choose what to hide have in common: an exact share of every recording."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from stgraph.nn import Tokens
from stgraph.ops import top_k_of_group
from stgraph.skeleton import SkeletonGraph

ROUNDINGS = ("nearest", "keep_floor")
GROUPS = ("recording", "person")

#: A function of a batch, its tokens and a generator to what is hidden, bool [K].
MaskingFunction = Callable[[SkeletonGraph, Tokens, torch.Generator | None], Tensor]


def number_hidden(size: Tensor, ratio: float, rounding: str = "nearest") -> Tensor:
    r"""How many of a group to hide; one always stays.

    Args:
        size: Members of each group, int64 [G].
        ratio: Share to hide, in 0...1.
        rounding: ``"nearest"``; or ``"keep_floor"``, which keeps
            :math:`\lfloor n (1 - r) \rfloor` in floating point, as MAMP's code does (74 of 750 at
            0.9).

    Returns:
        int64 [G].
    """
    if rounding == "keep_floor":
        hidden = size - (size.double() * (1 - ratio)).long()
    else:
        hidden = (size.double() * ratio + 0.5).long()
    return hidden.minimum((size - 1).clamp(min=0))


class Masking(ABC):
    """A strategy that hides tokens; ``masking(batch, tokens, generator)`` gives what is hidden.

    A subclass overrides :meth:`units`, which says what is hidden as a whole. Of each recording an
    exact share of its units is hidden, whatever its length, and one always stays. A strategy of
    your own may also be any function with the arguments of a call.

    Args:
        ratio: Share of the units to hide, in 0...1.
        group: The share is exact in each ``"recording"``, or in each ``"person"`` (as published).
        rounding: See :func:`number_hidden`.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(self, ratio: float, group: str = "recording", rounding: str = "nearest") -> None:
        if not 0 <= ratio <= 1:
            raise ValueError(f"'{type(self).__name__}' expected a ratio in 0...1 (got {ratio})")
        if group not in GROUPS:
            raise ValueError(f"unknown group {group!r}; known are {', '.join(GROUPS)}")
        if rounding not in ROUNDINGS:
            raise ValueError(f"unknown rounding {rounding!r}; known are {', '.join(ROUNDINGS)}")
        self.ratio, self.group, self.rounding = ratio, group, rounding

    @abstractmethod
    def units(self, batch: SkeletonGraph, tokens: Tokens) -> Tensor:
        """What is hidden as a whole with each token: a number from 0, or -1 for never, int64 [K].

        Tokens of different groups are different units, also where their numbers are equal.
        """

    def weights(self, batch: SkeletonGraph, tokens: Tokens) -> Tensor | None:
        """Logarithm of how likely each token is to be hidden, [K]; None: all alike."""
        return None

    def __call__(
        self, batch: SkeletonGraph, tokens: Tokens, generator: torch.Generator | None = None
    ) -> Tensor:
        """What is hidden, bool [K]."""
        units = self.units(batch, tokens)
        out = torch.zeros_like(units, dtype=torch.bool)
        choice = units >= 0
        if not bool(choice.any()):
            return out
        units, group = units[choice], self.groups(tokens)[choice]
        span = units.max() + 1
        pairs, unit = (group * span + units).unique(return_inverse=True)
        group_of_unit = pairs // span
        device = "cpu" if generator is None else generator.device
        noise = torch.rand(pairs.numel(), generator=generator, device=device).to(group.device)
        weights = self.weights(batch, tokens)
        if weights is not None:
            blank = weights.new_zeros(pairs.shape)
            heaviest = blank.scatter_reduce(0, unit, weights[choice], "amax", include_self=False)
            noise = gumbel_noise(heaviest, noise)
        size = torch.bincount(group_of_unit)
        hidden = number_hidden(size, self.ratio, self.rounding)
        out[choice] = top_k_of_group(noise, group_of_unit, hidden)[unit]
        return out

    def groups(self, tokens: Tokens) -> Tensor:
        """Recording or person of each token, int64 [K]."""
        return tokens.batch if self.group == "recording" else tokens.person[tokens.track]

    def __repr__(self) -> str:
        own = {k: v for k, v in vars(self).items() if not k.startswith("_")}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in own.items())})"


def gumbel_noise(log_weight: Tensor, uniform: Tensor) -> Tensor:
    r"""Weights disturbed so that their greatest k are a draw of k without replacement.

    .. math::
        \log \pi - \log(-\log u)

    from `"Stochastic Beams and Where to Find Them" <https://arxiv.org/abs/1903.06059>`_.

    Args:
        log_weight: [n].
        uniform: Uniform draws in [0, 1), [n].
    """
    return log_weight - torch.log(-torch.log(uniform + 1e-10) + 1e-10)
