"""Encoder and decoder that predict how people go on moving."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from stgraph.nn.motion import (
    body_frame,
    check_one_track_each,
    last_seen,
    recent_motion,
)
from stgraph.skeleton import SkeletonGraph


class MotionContext(NamedTuple):
    """What a decoder of motion works with, as seen from the body; tensors only.

    Attributes:
        start: Where each joint was last seen, [W, V, D]; 0 where it never was.
        known: Whether it was, bool [W, V].
        embedding: Of each track, [W, C].
        recent: The last displacements from pose to pose, the latest first, [W, V, K, D].
        nodes: Embeddings of each joint, mean over the poses and the last, [W, V, 2 C'];
            None unless the decoder asks.
    """

    start: Tensor
    known: Tensor
    embedding: Tensor
    recent: Tensor
    nodes: Tensor | None


class MotionPredictor(nn.Module):
    r"""Predicts the poses that follow a track: an encoder looks back, a decoder goes on.

    Encoder and decoder see positions relative to the body at the end of the track, in its size; so
    a prediction moves with the person and does not depend on units. Missing joints have no part
    in it; a joint goes on from where it was last seen, and one that never was has no prediction.

    Args:
        encoder: Gives an embedding a recording, by ``embed(batch)`` or called with a batch; for a
            decoder that asks for nodes also ``nodes(batch)``.
        decoder: Is called with a :class:`MotionContext` and a number H of poses, and gives
            [W, H, V, D]. Has ``layout``, ``num_dims``, ``needs_nodes`` and ``num_recent`` (number
            of displacements), such as :class:`RecurrentDecoder` and :class:`GraphDecoder`.
        normalise: ``"body"``; ``"root"``: without the size; ``"none"``: positions as they are read,
            as in published recipes.
        transform: Makes what the encoder alone sees, such as a stream, from the observed poses.

    Shapes:
        - **input:** a batch of W recordings of one track each, and the number H of poses
        - **output:** :math:`(W, H, V, D)`, in the unit of the recordings

    Raises:
        ValueError: if a recording has not one track, or the joints are not those of the decoder.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        normalise: str = "body",
        transform: Callable[[SkeletonGraph], SkeletonGraph] | None = None,
    ) -> None:
        super().__init__()
        self.encoder: Any = encoder
        self.decoder: Any = decoder
        self.normalise = normalise
        self.transform = transform

    @property
    def layout(self) -> Any:
        """The joints."""
        return self.decoder.layout

    def forward(self, batch: SkeletonGraph, num_future: int) -> Tensor:
        check_one_track_each(batch, type(self).__name__)
        self._check_joints(batch)
        if num_future < 1:
            raise ValueError(f"'{type(self).__name__}' expected num_future >= 1 (got {num_future})")
        seen = last_seen(batch)
        frame = body_frame(batch, seen, self.normalise)
        batch = _moved(batch, frame.enter(batch.folded("pos"), batch.track))
        return frame.leave(self.decoder(self.context(batch), num_future))

    def _check_joints(self, batch: SkeletonGraph) -> None:
        who, layout = type(self.decoder).__name__, self.decoder.layout
        for other in dict.fromkeys(batch.layouts):
            conflict = layout.joint_conflict(other)
            if conflict is not None:
                raise ValueError(
                    f"this {who} is bound to layout {layout.name!r} and got {other.name!r} "
                    f"({conflict}); convert the recordings, or train one for these joints"
                )
        if batch.num_dims != self.decoder.num_dims:
            raise ValueError(
                f"this {who} predicts {self.decoder.num_dims} coordinates of a joint and got "
                f"recordings of {batch.num_dims}"
            )

    def context(self, batch: SkeletonGraph) -> MotionContext:
        """What the decoder works with, of recordings of one track each, as seen from the body."""
        seen = last_seen(batch)
        input = batch if self.transform is None else self.transform(batch)
        embed = getattr(self.encoder, "embed", self.encoder)
        nodes = _summary(self.encoder, input) if self.decoder.needs_nodes else None
        recent = recent_motion(batch, self.decoder.num_recent)
        return MotionContext(seen.pos, seen.known, embed(input), recent, nodes)

    def layers(self) -> list[list[nn.Parameter]]:
        """Parameters of the encoder from input to output."""
        return self.encoder.layers()

    def permute_joints(self, perm: Sequence[int]) -> MotionPredictor:
        """The same network for a layout whose new joint i is the old ``perm[i]``, in place."""
        self.encoder.permute_joints(perm)
        self.decoder.permute_joints(perm)
        return self


def _moved(batch: SkeletonGraph, pos: Tensor) -> SkeletonGraph:
    """The recordings with other positions [P, V, D]; those of missing joints are 0."""
    out = batch.__copy__()
    found = batch.folded_score() > 0
    out.pos = torch.where(found[..., None], pos, 0.0).flatten(0, 1)
    return out


def _summary(encoder: Any, batch: SkeletonGraph) -> Tensor:
    """Mean and last embedding of each joint over the poses in which it is found, [M, V, 2 C]."""
    x, pose = encoder.nodes(batch)[:2]
    found = (batch.folded_score() > 0)[pose]
    if x.size(1) != found.size(1):
        raise ValueError(
            f"a decoder of joints expected embeddings of all {found.size(1)} joints (got "
            f"{x.size(1)}); use an encoder without 'joints', or the recurrent decoder"
        )
    track, m = batch.track[pose], batch.num_tracks
    total = x.new_zeros(m, *x.shape[1:]).index_add(0, track, x * found[..., None])
    count = x.new_zeros(m, x.size(1)).index_add(0, track, found.to(x.dtype))
    mean = total / count.clamp(min=1)[..., None]
    number = torch.where(found, torch.arange(len(x), device=x.device)[:, None], -1)
    last = torch.full((m, x.size(1)), -1, device=x.device)
    last = last.scatter_reduce(0, track[:, None].expand_as(number), number, "amax")
    joint = torch.arange(x.size(1), device=x.device)
    latest = torch.where((last >= 0)[..., None], x[last.clamp(min=0), joint], 0.0)
    return torch.cat([mean, latest], dim=2)
