"""The smaller network that is left when what is zero has gone."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from stgraph.nn import (
    STGCN,
    FrameClassifier,
    MotionPredictor,
    STGraphConv,
    idle_types,
    living_channels,
    with_channels,
    without_types,
)
from stgraph.nn.remaking import remade
from stgraph.nn.shrinking import inner_groups
from stgraph.sparsity.assembly import SparseAssembly
from stgraph.sparsity.edges import prune_edges
from stgraph.sparsity.learned_edges import learned_edges
from stgraph.sparsity.masking import bake_masks, has_masks


@torch.no_grad()
def compress(model: nn.Module) -> Any:
    """A new network of the same class without what is zero: edges that no unit weighs, types of
    edges that nothing is sent along, channels and branches that are silenced.

    In eval mode it gives what the network gives. Masks are applied first. Single weights that are
    zero stay where they are: they cost room on disk alone, which ``save_pretrained(pack=True)``
    saves, and arithmetic as before.

    Args:
        model: An encoder; or a :class:`SparseAssembly`, a :class:`~stgraph.nn.FrameClassifier` or a
            :class:`~stgraph.nn.MotionPredictor`, whose encoders lose what they do not return. It
            is left as it is.

    Raises:
        TypeError: if the network does not say which channels can be left out.
    """
    plain = bake_masks(copy.deepcopy(model)) if has_masks(model) else model
    if isinstance(plain, SparseAssembly):
        members = [_encoder_within(member) for member in plain.members]
        return remade(plain, _states("members", nn.ModuleList(members)), members=members)
    if isinstance(plain, FrameClassifier):
        encoder = _encoder_within(plain.encoder)
        return remade(plain, _states("encoder", encoder), encoder=encoder)
    if isinstance(plain, MotionPredictor):
        predictor = plain if plain is not model else copy.deepcopy(plain)
        predictor.encoder = _encoder_within(predictor.encoder)
        return predictor
    smaller = _without_idle_edges(plain)
    return with_channels(smaller, living_channels(smaller))


def _encoder_within(encoder: nn.Module) -> Any:
    """An encoder that still returns all channels to the network around it."""
    smaller = _without_idle_edges(encoder)
    alive, within = living_channels(smaller), [group.name for group in inner_groups(smaller)]
    return with_channels(smaller, {name: alive[name] for name in within})


def _states(name: str, part: nn.Module) -> dict[str, Tensor]:
    return {f"{name}.{key}": value for key, value in part.state_dict().items()}


def _without_idle_edges(model: nn.Module) -> nn.Module:
    if not isinstance(model, STGCN) or model.layout is None:
        return model
    if not all(isinstance(block.spatial.conv, STGraphConv) for block in model.blocks):
        return model  # layers that make their edges of the data send along edges of weight zero
    used = (learned_edges(model, "compress").values != 0).any(dim=0).cpu()
    smaller = model if bool(used.all()) else prune_edges(model, keep=used, floor=0)
    types = idle_types(smaller)
    if 0 < len(types) < smaller.num_types:
        return without_types(smaller, types)
    return smaller
