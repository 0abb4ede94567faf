"""Masks over the parameters of a network, learned or fixed, as parametrizations of torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from stgraph.nn import ChannelSlice
from stgraph.sparsity.prunable import rows_of
from stgraph.sparsity.score_pool import ScorePool


class LearnedMask(nn.Module):
    r"""Multiplies a parameter by a mask that follows scores, straight through.

    .. math:: \hat W = W \odot m, \quad
        \frac{\partial L}{\partial S} = \frac{\partial L}{\partial \hat W} \odot W, \quad
        \frac{\partial L}{\partial W} = \frac{\partial L}{\partial \hat W} \odot m

    The scores of what is cut keep their gradient, so that it can come back.

    Args:
        pool: Decides what is kept.
        place: Which of its masks this one is.
        slice: Where the channels of the mask lie in the parameter; None: one score an entry.
    """

    row: Tensor
    channel: Tensor

    def __init__(self, pool: ScorePool, place: int, slice: ChannelSlice | None = None) -> None:
        super().__init__()
        self.score = pool.scores[place]
        self.pool, self.place = pool, place
        self.axis = None if slice is None else slice.axis
        if slice is not None:
            row, channel = rows_of(slice, self.score.numel())
            self.register_buffer("row", row, persistent=False)
            self.register_buffer("channel", channel, persistent=False)

    def forward(self, weight: Tensor) -> Tensor:
        """The masked parameter."""
        mask = self.pool.masks()[self.place].to(weight.dtype)
        mask = mask + (self.score - self.score.detach())
        if self.axis is None:
            return weight * mask
        rows = mask.new_ones(weight.size(self.axis)).index_copy(0, self.row, mask[self.channel])
        return weight * rows.view(-1, *(1 for _ in range(weight.dim() - 1 - self.axis)))


class FixedMask(nn.Module):
    """Multiplies a parameter by a mask that stays as it is.

    Args:
        mask: Which entries are kept, bool, in the parameter's shape.
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask.clone())

    def forward(self, weight: Tensor) -> Tensor:
        """The masked parameter."""
        return weight * self.mask


def apply_masks(model: nn.Module, masks: Mapping[str, Tensor]) -> nn.Module:
    """Lets parameters of a network, by their names, be zero wherever a mask is False, in place.

    Training goes on below the masks; :func:`bake_masks` makes a plain network of it.

    Raises:
        ValueError: if a name is no parameter of the network, or a mask has another shape.
    """
    parameters = dict(model.named_parameters())
    for name, mask in masks.items():
        if name not in parameters:
            raise ValueError(f"{type(model).__name__} has no parameter {name!r} to mask")
        if mask.shape != parameters[name].shape:
            raise ValueError(
                f"the mask of {name!r} has the shape {list(mask.shape)} and the parameter "
                f"{list(parameters[name].shape)}"
            )
    for name, mask in masks.items():
        owner, _, leaf = name.rpartition(".")
        keep = FixedMask(mask.bool().to(parameters[name].device))
        parametrize.register_parametrization(model.get_submodule(owner), leaf, keep, unsafe=True)
    return model


@torch.no_grad()
def bake_masks(model: nn.Module) -> nn.Module:
    """Writes zeros where masks cut and takes the masks away, in place: a plain network again."""
    for module in list(model.modules()):
        if not parametrize.is_parametrized(module):
            continue
        layers: Any = module.parametrizations
        ours = [leaf for leaf, masks in layers.items() if _is_mask(masks)]
        if len(ours) < len(layers):
            for leaf in ours:
                parametrize.remove_parametrizations(module, leaf, leave_parametrized=True)
            continue
        values = {leaf: getattr(module, leaf).detach().clone() for leaf in ours}
        trained = {leaf: layers[leaf].original.requires_grad for leaf in ours}
        # torch would take the properties off the class, which copies of the module share
        module.__class__ = type(module).__bases__[0]
        del module.parametrizations
        for leaf, value in values.items():
            module.register_parameter(leaf, nn.Parameter(value, requires_grad=trained[leaf]))
    return model


def has_masks(model: nn.Module) -> bool:
    """Whether any parameter of a network has a mask."""
    return any(isinstance(module, LearnedMask | FixedMask) for module in model.modules())


def _is_mask(layers: Any) -> bool:
    return any(isinstance(layer, LearnedMask | FixedMask) for layer in layers)
