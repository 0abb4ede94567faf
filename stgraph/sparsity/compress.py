"""The smaller network that is left when what is zero has gone."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from stgraph.nn import (
    STGCN,
    STGraphConv,
    idle_types,
    living_channels,
    with_channels,
    without_types,
)
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
        model: An encoder, or a :class:`SparseAssembly`, each of whose members is made smaller; it
            is left as it is.

    Raises:
        TypeError: if the network does not say which channels can be left out.
    """
    plain = bake_masks(copy.deepcopy(model)) if has_masks(model) else model
    if isinstance(plain, SparseAssembly):
        return _assembly(plain)
    smaller: Any = plain
    if isinstance(smaller, STGCN) and smaller.layout is not None:
        smaller = _without_idle_edges(smaller)
    return with_channels(smaller, living_channels(smaller))


def _without_idle_edges(model: STGCN) -> STGCN:
    if not all(isinstance(block.spatial.conv, STGraphConv) for block in model.blocks):
        return model  # layers that make their edges of the data send along edges of weight zero
    used = (learned_edges(model, "compress").values != 0).any(dim=0).cpu()
    smaller = model if bool(used.all()) else prune_edges(model, keep=used, floor=0)
    types = idle_types(smaller)
    if 0 < len(types) < smaller.num_types:
        return without_types(smaller, types)
    return smaller


def _assembly(model: SparseAssembly) -> SparseAssembly:
    members = [compress(member) for member in model.members]
    config = {key: value for key, value in model.config.items() if key != "members"}
    with torch.random.fork_rng(devices=[]):
        new = SparseAssembly(members, **config)
    held = {f"members.{i}.": member.state_dict() for i, member in enumerate(members)}
    state = {k: v for k, v in model.state_dict().items() if not k.startswith("members.")}
    state |= {prefix + k: v for prefix, part in held.items() for k, v in part.items()}
    new.load_state_dict(state)
    return new.to(next(model.parameters())).train(model.training)
