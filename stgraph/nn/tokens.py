"""Space-time tokens: one joint over a few consecutive poses."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from stgraph.ops import person_slots
from stgraph.skeleton import SkeletonGraph, SkeletonLayout


class Tokens(NamedTuple):
    """The tokens of a batch, ordered by track, then time, then joint; tensors only.

    A token is one joint in a patch, that is in up to ``l`` consecutive poses of a track. The last
    patch of a track may be shorter. Tokens whose joint is found in none of their poses do not
    exist.

    Attributes:
        node: Node of each pose of each token, int64 [K, l]; where the patch is shorter, its last.
        found: Whether there is a pose and the joint was found in it, bool [K, l].
        site: Row of each token's joint in a table of the joints of :func:`distinct_layouts`, one
            layout after the other, int64 [K].
        time: Begin of each token since its track's first frame, in patches, float32 [K].
        before: Token of the same joint one patch earlier in the track, -1 where none exists,
            int64 [K].
        track: Track of each token, int64 [K].
        length: Tokens of each track, int64 [M]; 0 for one without a found joint.
        person: Person of each track, counted through the batch, int64 [M].
        recording: Recording of each track, int64 [M].
        every_recording: 0...B-1.
    """

    node: Tensor
    found: Tensor
    site: Tensor
    time: Tensor
    before: Tensor
    track: Tensor
    length: Tensor
    person: Tensor
    recording: Tensor
    every_recording: Tensor

    @property
    def num_tokens(self) -> int:
        """Number K of tokens."""
        return self.site.numel()

    @property
    def batch(self) -> Tensor:
        """Recording of each token, int64 [K]."""
        return self.recording[self.track]


def distinct_layouts(batch: SkeletonGraph) -> list[SkeletonLayout]:
    """The layouts of a batch, each once."""
    return list(dict.fromkeys(batch.layouts))


def check_batch(batch: object) -> None:
    """Refuses what is no recording.

    Raises:
        TypeError: saying what an encoder takes.
    """
    if not isinstance(batch, SkeletonGraph):
        raise TypeError(
            "an encoder expected a SkeletonGraph or a Batch of them, for instance "
            "SkeletonGraph.from_dense(poses, layout=...) or Batch.from_data_list(graphs) "
            f"(got {type(batch).__name__})"
        )


def check_joints(layout: SkeletonLayout | None, batch: SkeletonGraph, who: str) -> None:
    """Refuses recordings of other joints than those that a network is bound to.

    Args:
        layout: What the network is bound to; None: nothing.
        batch: Recordings.
        who: Class of the network, for the message.

    Raises:
        ValueError: naming the first joint that differs.
    """
    for other in distinct_layouts(batch) if layout is not None else ():
        conflict = layout.joint_conflict(other)  # type: ignore[union-attr]
        if conflict is not None:
            raise ValueError(
                f"this {who} is bound to layout {layout.name!r} and "  # type: ignore[union-attr]
                f"got {other.name!r} ({conflict}); convert the recordings, or build it with "
                "layout=None for any layout"
            )


def make_tokens(batch: SkeletonGraph, patch_size: int) -> Tokens:
    """Cuts every track of a batch into tokens.

    Args:
        batch: One recording or several, also of mixed layouts.
        patch_size: Consecutive poses of a token, l.

    Raises:
        ValueError: if ``patch_size`` is below 1.
    """
    if patch_size < 1:
        raise ValueError(f"'make_tokens' expected a patch size of at least 1 (got {patch_size})")
    device = batch.pos.device
    b = batch.num_recordings
    slot, persons = person_slots(batch.track_batch, batch.person, b)

    # patches of each track
    length = batch.track_length
    patches = (length + patch_size - 1) // patch_size
    total = int(patches.sum())
    track = torch.arange(length.numel(), device=device).repeat_interleave(patches)
    number = torch.arange(total, device=device) - (patches.cumsum(0) - patches)[track]
    first = batch.first_pose[track] + number * patch_size

    # joints of each patch
    layouts = distinct_layouts(batch)
    kind = torch.tensor([layouts.index(layout) for layout in batch.layouts], device=device)
    sizes = torch.tensor([layout.num_joints for layout in layouts], device=device)
    base = sizes.cumsum(0) - sizes
    kind_of_patch = kind[batch.track_batch[track]]
    joints = sizes[kind_of_patch]
    ends = joints.cumsum(0)
    count = int(ends[-1]) if total else 0
    patch = torch.arange(total, device=device).repeat_interleave(joints, output_size=count)
    joint = torch.arange(count, device=device) - (ends - joints)[patch]

    counts = batch.joints_per_pose
    node_start = counts.cumsum(0) - counts
    step = torch.arange(patch_size, device=device)
    left = (length[track] - number * patch_size - 1)[patch][:, None]
    node = node_start[first[patch][:, None] + torch.minimum(step, left)] + joint[:, None]
    found = step <= left
    score = getattr(batch, "score", None)
    if score is not None:
        found = found & (score[node] > 0)

    index = torch.arange(count, device=device)
    before = torch.where(number[patch] > 0, index - joints[patch], -1)
    exists = found.any(dim=1)
    if not bool(exists.all()):
        renamed = torch.where(exists, exists.cumsum(0) - 1, -1)
        before = torch.where(before >= 0, renamed[before], -1)
    owner = track[patch][exists]
    return Tokens(
        node[exists],
        found[exists],
        (base[kind_of_patch][patch] + joint)[exists],
        number[patch].float()[exists],
        before[exists],
        owner,
        torch.bincount(owner, minlength=length.numel()),
        (persons.cumsum(0) - persons)[batch.track_batch] + slot,
        batch.track_batch,
        torch.arange(b, device=device),
    )


def take_tokens(tokens: Tokens, keep: Tensor) -> Tokens:
    """Some of the tokens, in their order.

    Args:
        tokens: K tokens.
        keep: Which to take, bool [K].

    Returns:
        Their ``before`` is that among all tokens.
    """
    track = tokens.track[keep]
    return tokens._replace(
        node=tokens.node[keep],
        found=tokens.found[keep],
        site=tokens.site[keep],
        time=tokens.time[keep],
        before=tokens.before[keep],
        track=track,
        length=torch.bincount(track, minlength=tokens.length.numel()),
    )


def token_values(values: Tensor, tokens: Tokens) -> Tensor:
    """What nodes hold, token by token; 0 where a token has no pose or its joint is missing.

    Args:
        values: Of every node, [N, C].
        tokens: K tokens of l poses.

    Returns:
        [K, l, C].
    """
    rows = values.index_select(0, tokens.node.flatten())
    rows = rows.view(*tokens.node.shape, values.size(1))
    return torch.where(tokens.found[:, :, None], rows, torch.zeros_like(rows))
