"""The same network with fewer types of edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch

from stgraph.nn.channels import ChannelGroup, ChannelSlice, channels_of
from stgraph.nn.models.stgcn import STGCN
from stgraph.nn.remaking import remade
from stgraph.nn.shrinking import cut
from stgraph.skeleton import Partition

Model = TypeVar("Model", bound=STGCN)


def idle_types(model: STGCN) -> list[int]:
    """Types that no unit sends anything along: they have no edge and, where a unit has learned an
    adjacency, nothing in it.

    Factors of edges are not asked: a type whose edges are all multiplied by zero still has edges.
    Layers that refine the adjacency by what they see (:class:`CTRGraphConv`) are never idle where
    it is learned, since there it lies between any two joints.

    Raises:
        ValueError: if the network is not bound to a layout.
    """
    idle = torch.ones(model.num_types, dtype=torch.bool)
    partition = _partition(model)
    for block in model.blocks:
        learned = block.spatial.adjacency
        if learned is None or block.spatial.adaptive == "offset":
            has_edge = torch.zeros(model.num_types, dtype=torch.bool)
            has_edge[partition.edge_type] = True
            idle &= ~has_edge
        if learned is not None:
            refines = getattr(block.spatial.conv, "per_track", False)
            idle &= (learned.detach().flatten(1) == 0).all(dim=1).cpu() & (not refines)
    return idle.nonzero().flatten().tolist()


def without_types(model: Model, types: Sequence[int] | None = None) -> Model:
    """A network of the same class without some types of edges, and without their weights.

    It gives what the network gives if nothing is sent along these types: their edges are gone, or
    their factors or learned adjacency are zero (with a layer that multiplies what an edge carries
    by its weight, as :class:`STGraphConv` does; :class:`CTRGraphConv` sends along an edge of weight
    zero). Factors of other edges stay theirs.

    Args:
        model: A network on a layout.
        types: Types that go; by default :func:`idle_types`.

    Raises:
        ValueError: if the network is not bound to a layout, a layer does not say where the weights
            of a type lie, there is no such type, or none would be left.
    """
    partition = _partition(model)
    types = list(idle_types(model) if types is None else types)
    smaller = partition.without_types(types)
    gone = torch.zeros(model.num_types, dtype=torch.bool)
    gone[types] = True
    stays = ~gone[partition.edge_type]
    groups, chosen = [], {}
    for i, block in enumerate(model.blocks):
        name = f"blocks.{i}.spatial"
        slices = channels_of(block.spatial.conv, f"{name}.conv").types
        if slices is None:
            raise ValueError(
                f"the layer {type(block.spatial.conv).__name__} of unit {i} does not say where "
                "the weights of an edge type lie (LayerChannels.types), or has one that counts "
                "without an edge, as AdaptiveGraphConv's biases do"
            )
        if block.spatial.adjacency is not None:
            slices += (ChannelSlice(f"{name}.adjacency"),)
        groups.append(ChannelGroup(name, model.num_types, (), slices))
        chosen[name] = ~gone
        if block.spatial.importance is not None:
            edges = (ChannelSlice(f"{name}.importance"),)
            groups.append(ChannelGroup(f"{name}.importance", len(stays), (), edges))
            chosen[f"{name}.importance"] = stays
    return remade(model, cut(model.state_dict(), groups, chosen), partition=smaller)


def _partition(model: STGCN) -> Partition:
    if model.layout is None:
        raise ValueError(
            "a network for any layout makes its types of edges of each; build it with a layout to "
            "leave out types"
        )
    return model.partition_of(model.layout)
