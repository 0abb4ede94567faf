"""Lottery tickets: sparse networks found by training, pruning and starting over."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from stgraph.sparsity.masking import apply_masks, bake_masks
from stgraph.sparsity.prunable import prunable_weights
from stgraph.sparsity.score_pool import ScorePool

Masks = dict[str, Tensor]


class Ticket(NamedTuple):
    """A round of iterative pruning.

    Attributes:
        sparsity: Share of the prunable entries that its masks cut.
        masks: Which entries are there, bool, by the name of the weight.
        model: The network that was trained with them, plain, with zeros where it is cut.
        wanted: The sparsity that was asked for, if this is one of those.
    """

    sparsity: float
    masks: Masks
    model: nn.Module
    wanted: float | None


@torch.no_grad()
def magnitude_masks(
    model: nn.Module,
    sparsity: float,
    *,
    within: Mapping[str, Tensor] | None = None,
    scope: str = "global",
    floor: float | None = 0.01,
    include: str | None = None,
    exclude: str | None = None,
) -> Masks:
    """Keeps the weights that are largest in absolute value.

    Args:
        model: A trained network.
        sparsity: Share of all prunable entries that is cut.
        within: Masks whose cut entries stay cut.
        scope: ``"global"`` or ``"layer"``, see :class:`ScorePool`.
        floor: Share of its entries that every layer keeps in any case.
        include: See :func:`prunable_weights`.
        exclude: Likewise.
    """
    weights = prunable_weights(model, include, exclude)
    sizes = []
    for weight in weights:
        size = weight.magnitude()
        if within is not None:
            size = torch.where(within[weight.name], size, -1.0)
        sizes.append(nn.Parameter(size, requires_grad=False))
    masks = ScorePool(sizes, scope, floor).masks_at(sparsity)
    if within is not None:
        masks = [mask & within[weight.name] for mask, weight in zip(masks, weights, strict=True)]
    return {weight.name: mask for weight, mask in zip(weights, masks, strict=True)}


def random_masks(masks: Mapping[str, Tensor], generator: torch.Generator | None = None) -> Masks:
    """Masks that keep as many entries of each weight as the given ones, at random: a control."""
    shuffled = {}
    for name, mask in masks.items():
        order = torch.randperm(mask.numel(), generator=generator).to(mask.device)
        shuffled[name] = mask.flatten()[order].view(mask.shape)
    return shuffled


def sparsity_of(masks: Mapping[str, Tensor]) -> float:
    """Share of the entries that masks cut."""
    total = sum(mask.numel() for mask in masks.values())
    return 1 - sum(int(mask.sum()) for mask in masks.values()) / total


def pruning_rounds(sparsities: Sequence[float], rate: float) -> list[float]:
    """Sparsity of each round: a share ``rate`` of what is left is cut, and no wish is passed over.

    Raises:
        ValueError: if a share is out of range.
    """
    if not 0 < rate < 1:
        raise ValueError(f"'rate' is a share of what is left, between 0 and 1 (got {rate})")
    if not sparsities or not all(0 < s < 1 for s in sparsities):
        raise ValueError(f"sparsities are shares between 0 and 1 (got {list(sparsities)})")
    rounds: list[float] = []
    left = 1.0
    for wanted in sorted(set(sparsities)):
        steps = math.ceil(math.log((1 - wanted) / left) / math.log(1 - rate) - 1e-9)
        factor = ((1 - wanted) / left) ** (1 / steps)
        rounds += [1 - left * factor**step for step in range(1, steps)]
        rounds.append(wanted)
        left = 1 - wanted
    return rounds


def find_tickets(
    initial: nn.Module,
    train: Callable[[nn.Module], object],
    sparsities: Sequence[float],
    *,
    rate: float = 0.2,
    rewind: nn.Module | None = None,
    scope: str = "global",
    floor: float | None = 0.01,
    include: str | None = None,
    exclude: str | None = None,
) -> Iterator[Ticket]:
    r"""Iterative magnitude pruning with rewinding, from `"The Lottery Ticket Hypothesis"
    <https://arxiv.org/abs/1803.03635>`_ and `"Linear Mode Connectivity and the Lottery Ticket
    Hypothesis" <https://arxiv.org/abs/1912.05671>`_.

    The network is trained; a share of the weights that are left, the smallest, is cut; the others
    go back to what they were at the beginning; and again. The first ticket is the dense network.

    Args:
        initial: The network before training; it is not changed.
        train: Trains a network in place, the same way every time.
        sparsities: Those that are asked for; rounds in between are yielded too.
        rate: Share of what is left that a round cuts at most.
        rewind: The network at an early epoch, to go back to that instead of ``initial``.
        scope: ``"global"`` or ``"layer"``.
        floor: Share of its entries that every layer keeps in any case.
        include: See :func:`prunable_weights`.
        exclude: Likewise.

    Raises:
        ValueError: if a share is out of range.
    """
    start = initial if rewind is None else rewind
    model = copy.deepcopy(initial)
    names = prunable_weights(model, include, exclude)
    train(model)
    everything = {w.name: torch.ones(w.size, dtype=torch.bool) for w in names}
    masks: Masks = everything
    yield Ticket(0.0, masks, model, None)
    for sparsity in pruning_rounds(sparsities, rate):
        masks = magnitude_masks(
            model,
            sparsity,
            within=masks,
            scope=scope,
            floor=floor,
            include=include,
            exclude=exclude,
        )
        model = apply_masks(copy.deepcopy(start), masks)
        train(model)
        bake_masks(model)
        yield Ticket(sparsity_of(masks), masks, model, sparsity if sparsity in sparsities else None)
