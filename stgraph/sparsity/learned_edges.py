"""The edges of a network with what each of its units has learned of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from stgraph.nn import STGCN, Edges
from stgraph.skeleton import Partition, SkeletonGraph


class LearnedEdges(NamedTuple):
    """Typed edges that all units share, and the weights with which each unit uses them.

    Attributes:
        edges: The edges, by the joint numbers of the network's layout; of a learned adjacency every
            pair of joints of every type.
        values: [U, E], one row a unit, on the graph of autograd.
        parameters: What values are made of, one a unit; empty if nothing of the edges is learned.
    """

    edges: Partition
    values: Tensor
    parameters: list[nn.Parameter]


def learned_edges(model: nn.Module, who: str) -> LearnedEdges:
    """The edges of a network and their weights in each unit.

    Args:
        model: An STGCN or one of its kin, bound to a layout.
        who: Named in errors.

    Raises:
        TypeError: if the network has no typed edges that could be scored.
        ValueError: if it is bound to no layout, or makes its edges of the data.
    """
    check_has_edges(model, who)
    network: Any = model
    if any(block.spatial.per_track for block in network.blocks):
        raise ValueError(
            f"{who!r} knows no edges of a {type(model).__name__}: its layer refines every pair of "
            "joints from the data, so a learned entry does not say what goes along an edge, and "
            "all pairs are computed anyway; use prune_joints, or an STGCN with adaptive='init'"
        )
    inside = network.kept
    partition = network.partition_of(network.layout)
    shared = partition if inside is None else partition.among(inside.cpu())
    device = next(model.parameters()).device
    edges = Edges(
        shared.edge_index.to(device), shared.edge_type.to(device), shared.edge_weight.to(device)
    )
    values = []
    for block in network.blocks:
        index, kind, weight = block.spatial.weighted_edges(edges)
        values.append(weight)
    index, kind = index.cpu(), kind.cpu()
    if inside is not None:
        index = inside.cpu()[index]
    if network.blocks[0].spatial.adjacency is None:
        fixed = partition
    else:
        # what units have learned lies in their values
        fixed = Partition(
            index, kind, torch.ones(len(kind)), shared.num_types, partition.num_joints
        )
    return LearnedEdges(fixed, torch.stack(values), edge_parameters(network))


def check_has_edges(model: nn.Module, who: str) -> None:
    """Refuses networks without typed edges of one layout.

    Raises:
        TypeError: if the network is no STGCN.
        ValueError: if it is bound to no layout.
    """
    if not isinstance(model, STGCN):
        inner = getattr(model, "encoder", None)
        if isinstance(inner, STGCN):
            remedy = "give it the encoder inside (.encoder)"
        elif hasattr(model, "_partitions"):
            remedy = "its bones carry no learned importance; use an STGCN, which learns one"
        else:
            remedy = "it has no typed edges; use an STGCN, whose edges have learned weights"
        raise TypeError(
            f"{who!r} expected an STGCN or its kin (got {type(model).__name__}): {remedy}"
        )
    if model.layout is None:
        raise ValueError(
            f"{who!r} expected a network bound to a layout, since edges of any layout are none in "
            "particular; build it with layout=..."
        )


def edge_parameters(network: Any) -> list[nn.Parameter]:
    """What each unit has learned of its edges: importance or adjacency; empty if nothing."""
    spatial = [block.spatial for block in network.blocks]
    found = [s.importance if s.adjacency is None else s.adjacency for s in spatial]
    return [parameter for parameter in found if parameter is not None]


@contextmanager
def judged(model: nn.Module) -> Iterator[None]:
    """The network in eval mode; afterwards every part of it is in the mode it was in."""
    before = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for part, training in before:
            part.training = training


def classification_loss(model: nn.Module, batch: SkeletonGraph) -> Tensor:
    """Mean cross-entropy of a network's logits with the classes of a batch.

    Raises:
        ValueError: if the network has no classes, or the recordings none.
    """
    if getattr(model, "num_classes", None) is None or getattr(batch, "y", None) is None:
        raise ValueError(
            "a score by cross-entropy needs a network with 'num_classes' and recordings with 'y'; "
            "give another 'loss', a function of (model, batch)"
        )
    return nn.functional.cross_entropy(model(batch), batch.y)
