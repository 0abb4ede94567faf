"""Joints: which ones a network uses, and the network that looks at no others."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from stgraph.nn import STGCN, JointNorm
from stgraph.nn.lanes import node_features
from stgraph.nn.remaking import remade
from stgraph.skeleton import SkeletonGraph
from stgraph.sparsity.edges import EdgeScores, Loss, check_fed, edge_scores
from stgraph.sparsity.learned_edges import check_has_edges, classification_loss, judged

JOINT_SCORES = ("edges", "occlusion")


def joint_scores(
    model: nn.Module,
    by: str = "edges",
    batch: SkeletonGraph | None = None,
    loss: Loss | None = None,
    *,
    scores: EdgeScores | None = None,
) -> Tensor:
    """How much a network uses each joint of its layout.

    By edges: the sum of the scores of the edges that leave a joint, its own included: how much
    the network listens to it. By occlusion: how much worse a loss gets when what the joint says is
    replaced by its mean over the poses of the batch in which it is found, in every pose in which it
    is found. The mean tells the network nothing about the recording and is near what it knows,
    where a zero would be a joint at the origin; it may be below 0, where a joint misleads.

    Args:
        model: An :class:`~stgraph.nn.STGCN` or one of its kin, bound to a layout; for
            ``by="occlusion"`` CTR-GCN too.
        by: ``"edges"`` or ``"occlusion"``.
        batch: Recordings of the layout, for ``by="occlusion"``. In ``batch.x`` the features of
            nodes are replaced as they are: a bone's is that of its end.
        loss: Called as ``loss(model, batch)``, in eval mode; by default the mean cross-entropy. For
            a score in accuracy give its negative.
        scores: Of the edges; by default :func:`edge_scores`.

    Returns:
        [V], 0 for joints that the network does not look at.

    Raises:
        TypeError: if the network has no typed edges.
        ValueError: if ``by`` is unknown, or the recordings are missing or of other joints.
    """
    if by not in JOINT_SCORES:
        raise ValueError(f"unknown joint score {by!r}; known are {', '.join(JOINT_SCORES)}")
    if by == "edges":
        scores = edge_scores(model) if scores is None else scores
        blank = scores.score.new_zeros(scores.edges.num_joints)
        return blank.index_add(0, scores.edges.edge_index[0], scores.score)
    check_has_edges(model, "joint_scores")
    network = cast(STGCN, model)
    assert network.layout is not None
    if batch is None:
        raise ValueError("by='occlusion' needs recordings: joint_scores(model, batch=...)")
    conflicts = [network.layout.joint_conflict(layout) for layout in set(batch.layouts)]
    if any(conflicts):
        raise ValueError(
            f"'joint_scores' expected recordings of layout {network.layout.name!r} (got "
            f"{batch.layouts[0].name!r}: {next(c for c in conflicts if c)})"
        )
    return _occlusion(network, batch, loss or classification_loss)


@torch.no_grad()
def _occlusion(network: STGCN, batch: SkeletonGraph, loss: Loss) -> Tensor:
    assert network.layout is not None
    v = network.layout.num_joints
    x = node_features(batch).view(batch.num_poses, v, -1)
    found = batch.folded_score()[..., None] > 0
    mean = (x * found).sum(dim=0) / found.sum(dim=0).clamp(min=1)
    out = torch.zeros(v, dtype=torch.float64)
    with judged(network):
        before = loss(network, batch)
        joints = range(v) if network.kept is None else network.kept.tolist()
        for joint in joints:
            hidden = x.clone()
            hidden[:, joint] = torch.where(found[:, joint], mean[joint], x[:, joint])
            occluded = copy.copy(batch)
            occluded.x = hidden.flatten(0, 1)
            out[joint] = float(loss(network, occluded) - before)
    return out.to(x.dtype)


@torch.no_grad()
def prune_joints(model: nn.Module, keep: Sequence[str], *, floor: int = 1) -> Any:
    """A new network that looks at some joints alone, and still takes the same recordings.

    Nothing is computed for the others. In eval mode, node embeddings equal those of the old network
    in which all edges from and to the removed joints have weight zero; the embedding of a recording
    is their mean over the kept joints alone. (In training mode batch norms have statistics of fewer
    joints.) Edges between kept joints stay with their weights and with what was learned of them; no
    edge is added where a joint between two others is gone.

    Args:
        model: An :class:`~stgraph.nn.STGCN` or one of its kin, bound to a layout; it is left as
            it is.
        keep: Names of the joints to keep, own or canonical.
        floor: So many incoming edges every kept joint has afterwards (as far as it had them);
            0 to allow joints without any.

    Raises:
        TypeError: if the network has no typed edges.
        ValueError: if a joint is unknown or gone already, or left without edges.
    """
    check_has_edges(model, "prune_joints")
    old = cast(Any, model)
    layout = old.layout
    if isinstance(keep, str):
        raise ValueError(f"'keep' expected a list of names (got {keep!r}); write [{keep!r}]")
    numbers = sorted({layout.index(name) for name in keep})
    looked_at = torch.arange(layout.num_joints) if old.kept is None else old.kept.cpu()
    gone = [layout.joints[j] for j in numbers if j not in looked_at.tolist()]
    if gone or not numbers:
        raise ValueError(
            f"'prune_joints' expected joints that the network looks at (got {gone or 'none'})"
        )
    names = [layout.joints[j] for j in numbers]
    # places of the kept joints among those that parameters are bound to now
    places = torch.searchsorted(looked_at, torch.tensor(numbers))
    whole = old.partition_of(layout)
    stay = torch.isin(whole.edge_index, torch.tensor(numbers)).all(dim=0)
    if old.blocks[0].spatial.adjacency is None:  # which joins any two of them
        check_fed(layout.joints, whole, whole.subset(stay), floor, of=numbers)
    return remade(model, _sliced(old, places, stay), joints=names, partition=whole.subset(stay))


def _sliced(old: Any, places: Tensor, stay: Tensor) -> dict[str, Tensor]:
    """The parameters that are bound to joints or edges, for some of them."""
    state: dict[str, Tensor] = {}
    if isinstance(old.data_norm, JointNorm):
        for name in ("weight", "bias", "running_mean", "running_var"):
            tensor = getattr(old.data_norm, name)
            state[f"data_norm.{name}"] = old.data_norm.of_joints(tensor, places)
    for i, block in enumerate(old.blocks):
        importance, adjacency = block.spatial.importance, block.spatial.adjacency
        if importance is not None:
            state[f"blocks.{i}.spatial.importance"] = importance[stay.to(importance.device)]
        if adjacency is not None:
            at = places.to(adjacency.device)
            state[f"blocks.{i}.spatial.adjacency"] = adjacency[:, at][:, :, at]
    return state
