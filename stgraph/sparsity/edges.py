"""Edges: which ones a network uses, and the network without the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from stgraph.nn.remaking import remade
from stgraph.skeleton import Partition, SkeletonGraph
from stgraph.sparsity.learned_edges import (
    classification_loss,
    edge_parameters,
    judged,
    learned_edges,
)

Loss = Callable[[nn.Module, SkeletonGraph], Tensor]

EDGE_SCORES = ("importance", "gradient")


class EdgeScores(NamedTuple):
    """One score for each typed edge of a network.

    Attributes:
        edges: The edges, by the joint numbers of the layout.
        score: At least 0, [E].
        unit_score: The same in each unit, [U, E]; ``score`` is their mean.
    """

    edges: Partition
    score: Tensor
    unit_score: Tensor


def edge_scores(
    model: nn.Module,
    by: str = "importance",
    batch: SkeletonGraph | None = None,
    loss: Loss | None = None,
) -> EdgeScores:
    r"""How much a network uses each edge of its graph.

    Units whose graph convolution is followed by a batch norm do not feel a common factor of their
    weights, so sizes of weights mean something within a unit alone. By importance, a unit therefore
    gives each edge its share, and the score is the mean over the U units,

    .. math::
        s_e = \frac{1}{U} \sum_u \frac{|a_{ue}|}{\sum_f |a_{uf}|},

    with :math:`a_{ue}` the importance times the partition's weight, or the entry of a learned
    adjacency (there every pair of joints of every type is an edge); scores sum to 1. By gradient it
    is what the loss would change to first order if the edge were cut,
    :math:`|a_{ue} \, \partial L / \partial a_{ue}|`, in the units of the loss.

    Args:
        model: An :class:`~stgraph.nn.STGCN` or :class:`~stgraph.nn.STGCNPlusPlus` that is bound to
            a layout.
        by: ``"importance"`` or ``"gradient"``.
        batch: Recordings, for ``by="gradient"``.
        loss: Called as ``loss(model, batch)``, in eval mode; by default the mean cross-entropy.

    Raises:
        TypeError: if the network has no typed edges.
        ValueError: if ``by`` is unknown, a batch is missing, or the network makes its edges of the
            data (CTR-GCN).

    Source:
        The second is the first-order term of `"Importance Estimation for Neural Network Pruning"
        <https://arxiv.org/abs/1906.10771>`_ (without the square).
    """
    if by not in EDGE_SCORES:
        raise ValueError(f"unknown edge score {by!r}; known are {', '.join(EDGE_SCORES)}")
    found = learned_edges(model, "edge_scores")
    values = found.values.detach().abs()
    if by == "importance":
        total = values.sum(dim=1, keepdim=True)
        unit = values / total.clamp(min=torch.finfo(values.dtype).tiny)
    else:
        if batch is None:
            raise ValueError("by='gradient' needs recordings: edge_scores(model, batch=...)")
        unit = values * _gradient(model, batch, loss or classification_loss).abs()
    return EdgeScores(found.edges, unit.mean(dim=0).cpu(), unit.cpu())


def _gradient(model: nn.Module, batch: SkeletonGraph, loss: Loss) -> Tensor:
    """Gradient of the loss with respect to the weight of each edge in each unit, [U, E]."""
    network: Any = model
    if not edge_parameters(network):
        # the same network with a factor of one for each edge
        network = _with_importance(network)
    parameters = edge_parameters(network)
    asked = [parameter.requires_grad for parameter in parameters]
    try:
        for parameter in parameters:
            parameter.requires_grad_(True)
        with judged(network):
            grads = torch.autograd.grad(loss(network, batch), parameters, allow_unused=True)
    finally:
        for parameter, before in zip(parameters, asked, strict=True):
            parameter.requires_grad_(before)
    rows = []
    for parameter, grad in zip(parameters, grads, strict=True):
        rows.append(torch.zeros_like(parameter).flatten() if grad is None else grad.flatten())
    found = torch.stack(rows)
    if network.blocks[0].spatial.importance is not None:
        # of a factor: the weight that it multiplies is taken out again
        weight = network.partition_of(network.layout).edge_weight.to(found)
        found = torch.where(weight != 0, found / weight, 0.0)
    return found


def _with_importance(model: Any) -> Any:
    ones = torch.ones(model.partition_of(model.layout).num_edges)
    state = {f"blocks.{i}.spatial.importance": ones for i in range(len(model.blocks))}
    changes = {"adaptive": "importance", "partition": model.partition_of(model.layout)}
    return remade(model, state, **changes)


def edge_penalty(model: nn.Module) -> Tensor:
    """The mean size of the weights that a network has learned for its edges, to add to a loss.

    Its gradient draws every factor of importance (every entry of a learned adjacency) towards the
    value at which the edge is gone, equally fast from near and far: with it, edges end up near zero
    or in use. It is the L1 norm of what :func:`edge_scores` scores, divided by units and edges.

    Args:
        model: An :class:`~stgraph.nn.STGCN` or :class:`~stgraph.nn.STGCNPlusPlus`.

    Returns:
        A scalar with a gradient.

    Raises:
        TypeError: if the network has no typed edges.
        ValueError: if it learns nothing of them.
    """
    found = learned_edges(model, "edge_penalty")
    if not found.parameters:
        raise ValueError(
            "'edge_penalty' expected a network that learns weights of its edges; build it with "
            "edge_importance=True or adaptive='init'"
        )
    return found.values.abs().mean()


@torch.no_grad()
def prune_edges(
    model: nn.Module,
    sparsity: float | None = None,
    keep: Tensor | None = None,
    *,
    scores: EdgeScores | None = None,
    floor: int = 1,
) -> Any:
    """A new network whose graph has the best edges alone.

    It equals the old one with the other edges at weight zero. All units share one set of edges;
    each keeps its own weights for them: factors of importance follow their edges, and a learned
    adjacency [K, V, V] becomes a list of edges whose factors are the learned entries. The network
    is an ordinary one with ``adaptive="importance"`` and a finished partition, so it trains on,
    saves and loads. What is saved is the sum over the edges: much of a unit with a learned
    adjacency on a large batch, little of one on the few edges of a skeleton, where
    :func:`prune_joints` saves more.

    Args:
        model: An :class:`~stgraph.nn.STGCN` or :class:`~stgraph.nn.STGCNPlusPlus` that is bound to
            a layout; it is left as it is.
        sparsity: Share of the edges to cut, in [0, 1).
        keep: Which edges to keep instead, bool [E] in the order of ``edge_scores(model).edges``.
        scores: Says which edges are the best; by default :func:`edge_scores`.
        floor: So many incoming edges every joint keeps (as far as it has them), or its features
            would be a constant; 0 to allow that.

    Raises:
        TypeError: if the network has no typed edges.
        ValueError: if an argument is out of range, or the floor cannot be kept.
    """
    found, network = learned_edges(model, "prune_edges"), cast(Any, model)
    edges = found.edges
    if (sparsity is None) == (keep is None):
        raise ValueError("'prune_edges' expected a 'sparsity' or which edges to 'keep', not both")
    if sparsity is not None:
        score = edge_scores(model) if scores is None else scores
        if score.score.shape != edges.edge_type.shape:
            raise ValueError(
                f"'prune_edges' expected scores of this network's {edges.num_edges} edges (got "
                f"{score.score.numel()}); score it again"
            )
        keep = best_edges(edges, score.score, sparsity, floor)
    else:
        assert keep is not None
        keep = keep.cpu()
        if keep.dtype != torch.bool or keep.shape != edges.edge_type.shape:
            raise ValueError(
                f"'prune_edges' expected 'keep' as bool [{edges.num_edges}], one an edge of "
                f"edge_scores(model).edges (got {keep.dtype} {list(keep.shape)})"
            )
        check_fed(network.layout.joints, edges, edges.subset(keep), floor)
    changes: dict[str, Any] = {"partition": edges.subset(keep)}
    state = {}
    if found.parameters:
        changes["adaptive"] = "importance"
        kept = keep.to(found.values.device)
        for i, (block, values) in enumerate(zip(network.blocks, found.values, strict=True)):
            factors = values if block.spatial.importance is None else block.spatial.importance
            state[f"blocks.{i}.spatial.importance"] = factors[kept]
    return remade(model, state, **changes)


def best_edges(edges: Partition, score: Tensor, sparsity: float, floor: int = 1) -> Tensor:
    """The best edges of a partition, of which every joint receives some.

    Args:
        edges: The edges.
        score: [E].
        sparsity: Share of the edges to cut, in [0, 1).
        floor: So many incoming edges every joint keeps, as far as it has them.

    Returns:
        bool [E]; the number of edges kept is rounded to the nearest one.

    Raises:
        ValueError: if the share is out of range, or leaves less than the floor.
    """
    if not 0 <= sparsity < 1:
        raise ValueError(f"a sparsity lies in [0, 1) (got {sparsity})")
    if floor < 0:
        raise ValueError(f"'floor' is a number of edges, at least 0 (got {floor})")
    total = edges.num_edges
    wanted = max(round((1 - sparsity) * total), 1)
    order = score.argsort(descending=True, stable=True)
    # rank of each edge among those that arrive at its target
    rank = torch.empty(total, dtype=torch.long)
    seen = [0] * edges.num_joints
    for edge, target in zip(order.tolist(), edges.edge_index[1][order].tolist(), strict=True):
        rank[edge] = seen[target]
        seen[target] += 1
    keep = rank < floor
    needed = int(keep.sum())
    if needed > wanted:
        raise ValueError(
            f"a sparsity of {sparsity:g} leaves {wanted} of {total} edges, and {needed} are needed "
            f"to leave every joint {floor}; cut at most {1 - needed / total:.2f}, or say floor=0"
        )
    others = order[~keep[order]]
    keep[others[: wanted - needed]] = True
    return keep


def check_fed(
    names: tuple[str, ...],
    before: Partition,
    after: Partition,
    floor: int,
    of: Sequence[int] | None = None,
) -> None:
    """Refuses edges that leave a joint with fewer incoming ones than it had, below the floor.

    Args:
        names: Of the joints.
        before: All edges.
        after: Those that are kept.
        floor: So many incoming edges a joint should have.
        of: The joints to look at; by default all.

    Raises:
        ValueError: names the joints.
    """
    had, has = (
        torch.bincount(part.edge_index[1], minlength=len(names)) for part in (before, after)
    )
    too_few = (has < had.clamp(max=floor)).tolist()
    hungry = [names[j] for j in (range(len(names)) if of is None else of) if too_few[j]]
    if hungry:
        raise ValueError(
            f"fewer than {floor} edges would arrive at {', '.join(hungry)}; keep another one that "
            "does, with the joint that it comes from, or say floor=0"
        )
