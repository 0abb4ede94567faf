"""One embedding a pose, from any encoder."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from stgraph.skeleton import SkeletonGraph


def pose_channels(encoder: nn.Module) -> int:
    """Channels of :func:`embed_poses`."""
    return int(getattr(encoder, "pose_channels", encoder.out_channels))  # type: ignore[arg-type]


def embed_poses(encoder: nn.Module, batch: SkeletonGraph, of: Tensor | None = None) -> Tensor:
    """An embedding of every pose of a batch, [P, D], or of some of them.

    An encoder that has ``poses(batch)`` says itself (:class:`~stgraph.nn.HiTRS`: the window around
    the pose); of another one, the mean over the joints of ``nodes(batch)``, held until the next one
    where it strides in time.

    Args:
        encoder: Of :mod:`stgraph.nn`, or one of your own with ``poses`` or ``nodes``.
        batch: Recordings.
        of: Poses to embed, int64 [P']; an encoder whose ``poses`` takes it does no other work.

    Raises:
        TypeError: if the encoder has neither.
    """
    network: Any = encoder
    if of is not None:
        if hasattr(network, "poses") and "of" in inspect.signature(network.poses).parameters:
            return network.poses(batch, of)
        return embed_poses(encoder, batch)[of]
    if not batch.num_poses:
        anchor = sum(p.sum() * 0.0 for p in encoder.parameters())
        return batch.pos.new_zeros(0, pose_channels(encoder)) + anchor
    if hasattr(network, "poses"):
        return network.poses(batch)
    if not hasattr(network, "nodes"):
        raise TypeError(
            f"a {type(encoder).__name__} gives no embeddings of poses: it has neither 'poses' nor "
            "'nodes'"
        )
    x, pose = network.nodes(batch)[:2]
    if x.dim() == 2:  # mixed layouts: one row a node
        owner, pose = batch.pose[pose].unique(return_inverse=True)[::-1]
        count = torch.bincount(owner)[:, None]
        x = x.new_zeros(pose.numel(), x.size(1)).index_add(0, owner, x) / count
    else:
        x = x.mean(dim=1)
    order = pose.argsort()
    pose, x = pose[order], x[order]
    every = torch.arange(batch.num_poses, device=pose.device)
    held = (torch.searchsorted(pose, every, right=True) - 1).clamp(min=0)
    track = batch.track
    own = (track[pose[held]] == track) & (pose[held] <= every)
    return torch.where(own[:, None], x[held], torch.zeros_like(x[:1]))
