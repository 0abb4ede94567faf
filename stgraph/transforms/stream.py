"""The four streams of skeleton recognition, and their kin."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import SkeletonTransform, by_layout, with_nodes

STREAMS = (
    "joint",
    "bone",
    "relative",
    "joint_motion",
    "bone_motion",
    "relative_motion",
    "centred_motion",
)


def last_poses(track_length: Tensor, num_poses: int) -> Tensor:
    """Whether each pose is the last of its track, bool [P]."""
    last = torch.zeros(num_poses, dtype=torch.bool, device=track_length.device)
    last[track_length.cumsum(0) - 1] = True
    return last


def bone(
    x: Tensor, score: Tensor, parents: Sequence[int] | Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Child less parent; 0 where either is missing and at a root.

    Args:
        x: Positions [P, V, C].
        score: [P, V].
        parents: Parent of each joint, [V]; a root is its own.

    Returns:
        Bones [P, V, C], whether both ends are seen [P, V], and the mean of both scores [P, V].
    """
    parent = torch.as_tensor(parents, device=x.device)
    exists = (score > 0) & (score > 0)[:, parent]
    value = torch.where(exists[..., None], x - x[:, parent], torch.zeros_like(x))
    return value, exists, (score + score[:, parent]) / 2


def relative(x: Tensor, exists: Tensor) -> Tensor:
    """Position less the mean of the joints that are seen of the pose; 0 where missing.

    Args:
        x: Positions [P, V, C].
        exists: Whether a joint is seen, bool [P, V].
    """
    seen = exists[..., None]
    middle = (x * seen).sum(dim=1, keepdim=True) / seen.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.where(seen, x - middle, torch.zeros_like(x))


def motion(
    x: Tensor, exists: Tensor, score: Tensor, track_length: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Next pose less this one; 0 where either is missing and at the last pose of a track.

    Args:
        x: Positions or bones [P, V, C].
        exists: Whether an entry of ``x`` is real, bool [P, V].
        score: [P, V].
        track_length: Poses of each track, int64 [M].

    Returns:
        Motions [P, V, C], whether both poses are seen [P, V], and the mean of both scores, 0 at
        the last pose of a track [P, V].
    """
    inner = ~last_poses(track_length, x.size(0))[:, None]
    both = exists & exists.roll(-1, 0) & inner
    value = torch.where(both[..., None], x.roll(-1, 0) - x, torch.zeros_like(x))
    mean = torch.where(inner, (score + score.roll(-1, 0)) / 2, torch.zeros_like(score))
    return value, both, mean


def centred_motion(
    x: Tensor, exists: Tensor, score: Tensor, track_length: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """This pose less the mean of the poses before and after; 0 at both ends of a track.

    Arguments and results as in :func:`motion`, the score being the mean of all three.
    """
    last = last_poses(track_length, x.size(0))
    first = last.roll(1, 0)
    inner = ~(last | first)[:, None]
    before, after = (x.roll(1, 0), x.roll(-1, 0))
    all_three = exists & exists.roll(1, 0) & exists.roll(-1, 0) & inner
    value = torch.where(all_three[..., None], x - 0.5 * after - 0.5 * before, torch.zeros_like(x))
    mean = (score + score.roll(1, 0) + score.roll(-1, 0)) / 3
    return value, all_three, torch.where(inner, mean, torch.zeros_like(score))


def make_stream(
    name: str, pos: Tensor, score: Tensor, parents: Sequence[int], track_length: Tensor
) -> tuple[Tensor, Tensor]:
    """One stream by its name.

    Args:
        name: One of :data:`STREAMS`.
        pos: [P, V, C].
        score: [P, V].
        parents: Parent of each joint.
        track_length: Poses of each track.

    Returns:
        The stream [P, V, C] and its scores [P, V].
    """
    exists = score > 0
    x = torch.where(exists[..., None], pos, torch.zeros_like(pos))
    if name.startswith("bone"):
        x, exists, score = bone(x, score, parents)
    elif name.startswith("relative"):
        x = relative(x, exists)
    if name.endswith("_motion"):
        move = centred_motion if name == "centred_motion" else motion
        x, exists, score = move(x, exists, score, track_length)
    return x, score


class Stream(SkeletonTransform):
    r"""Sets ``x`` to a stream of ``pos``; the last transform before an encoder.

    With parent :math:`\pi(i)`, the seen joints :math:`S` of a pose and times within a track,

    .. math::
        b_i = p_i - p_{\pi(i)}, \qquad r_i = p_i - \tfrac{1}{|S|} \sum_{j \in S} p_j, \qquad
        m_i(t) = x_i(t+1) - x_i(t),

    and likewise the motions of bones and of relative positions. Roots have no bone and the last
    pose of a track no motion: both are 0, as is every value that a missing joint (score 0) has a
    part in. ``centred_motion`` is the motion of the two-stream ST-GCN,
    :math:`x(t) - \tfrac12 x(t+1) - \tfrac12 x(t-1)`.

    Args:
        stream: ``"joint"``, ``"bone"``, ``"relative"``, ``"joint_motion"``, ``"bone_motion"``,
            ``"relative_motion"`` or ``"centred_motion"``; several give their channels side by side.
        score: Append the score as a channel: of a bone the mean of its two joints', of a motion
            the mean of its two poses' (PYSKL's rule).

    Shapes:
        - **output:** ``x`` [P*V, C] with C the coordinates, plus one with ``score``, for each
          stream; units as ``pos``.

    Raises:
        ValueError: if a stream is unknown.
    """

    def __init__(self, stream: str | Sequence[str] = "joint", score: bool = False) -> None:
        self.stream = stream
        self.score = score
        self.names = (stream,) if isinstance(stream, str) else tuple(stream)
        unknown = [name for name in self.names if name not in STREAMS]
        if unknown or not self.names:
            raise ValueError(f"'Stream' knows {', '.join(STREAMS)} (got {stream!r})")

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy with ``x``."""
        channels = (data.pos.size(1) + self.score) * len(self.names)
        x = data.pos.new_zeros(data.pos.size(0), channels)
        whole_score = getattr(data, "score", None)
        if whole_score is None:
            whole_score = data.pos.new_ones(data.pos.size(0))
        for layout, node, _, track_length in by_layout(data):
            pos = data.pos[node].view(-1, layout.num_joints, data.pos.size(1))
            score = whole_score[node].view(-1, layout.num_joints)
            parts = []
            for name in self.names:
                value, value_score = make_stream(name, pos, score, layout.parents, track_length)
                parts += [value, value_score[..., None]] if self.score else [value]
            x[node] = torch.cat(parts, dim=-1).flatten(0, 1)
        return with_nodes(data, x=x)
