"""Centring on a joint."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import (
    SkeletonTransform,
    by_layout,
    joint_numbers,
    mean_of,
    node_recording,
    seen,
    with_positions,
)


def pose_centre(pos: Tensor, score: Tensor, joints: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Mean of those of some joints that are seen in each pose.

    Args:
        pos: [P, V, D].
        score: [P, V].
        joints: Joint numbers.

    Returns:
        Centres [P, D], and whether any of the joints is seen [P].
    """
    joints = list(joints)
    weight = (score[:, joints] > 0).to(pos.dtype)
    count = weight.sum(dim=1)
    centre = (pos[:, joints] * weight[..., None]).sum(dim=1) / count.clamp(min=1)[:, None]
    return centre, count > 0


def nearest_known(known: Tensor, track: Tensor) -> Tensor:
    """For each pose the last pose of its track up to it that is known, else the next, else -1.

    Args:
        known: bool [P].
        track: Track of each pose, ascending, int64 [P].
    """
    poses = torch.arange(len(known), device=known.device)
    if not len(known):
        return poses
    before = torch.where(known, poses, -1).cummax(dim=0).values
    after = torch.where(known, poses, len(known)).flip(0).cummin(dim=0).values.flip(0)
    has_before = (before >= 0) & (track[before.clamp(min=0)] == track)
    after_in = after.clamp(max=len(known) - 1)
    has_after = (after < len(known)) & (track[after_in] == track)
    return torch.where(has_before, before, torch.where(has_after, after_in, -1))


def first_known(
    known: Tensor, frame: Tensor, person: Tensor, recording: Tensor, size: int
) -> Tensor:
    """The earliest known pose of the lowest person of each recording, int64 [size]; -1 if none.

    Args:
        known: bool [P].
        frame: Frame number of each pose.
        person: Person of each pose.
        recording: Recording of each pose.
        size: Number of recordings.
    """
    candidate = known.nonzero().flatten()
    for key in (frame, person, recording):
        candidate = candidate[key[candidate].argsort(stable=True)]
    first = torch.full((size,), -1, dtype=torch.long, device=known.device)
    rows = recording[candidate]
    leads = torch.ones_like(rows, dtype=torch.bool)
    leads[1:] = rows[1:] != rows[:-1]
    first[rows[leads]] = candidate[leads]
    return first


class CenterJoint(SkeletonTransform):
    """Subtracts the position of a joint, or the mean of several.

    Missing joints have no part in it: the mean is over the joints that are seen; a pose in which
    none of them is seen takes the centre of the pose before it in its track, else of the next one,
    else the mean of all joints that it does show.

    Args:
        joint: Number, name or canonical name of a joint, or several; by default the layout's
            centre.
        of: ``"pose"``: every pose has its own centre. ``"first"``: a recording's first pose
            centres all its poses (the first in which the joint is seen, of the person with the
            lowest number: CTR-GCN's origin on NTU and NW-UCLA).

    Raises:
        ValueError: if ``of`` is unknown, the layout has no such joint, or no joint is given and
            the layout has no centre.
    """

    def __init__(
        self, joint: int | str | Sequence[int | str] | None = None, of: str = "pose"
    ) -> None:
        if of not in ("pose", "first"):
            raise ValueError(f"'CenterJoint' expected of='pose' or 'first' (got {of!r})")
        self.joint = joint
        self.of = of

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy with centred positions."""
        centre = data.pos.new_zeros(data.num_poses, data.pos.size(1))
        spread = torch.zeros_like(centre)
        known = torch.zeros(data.num_poses, dtype=torch.bool, device=centre.device)
        score = getattr(data, "score", None)
        score = data.pos.new_ones(data.pos.size(0)) if score is None else score
        for layout, node, pose, _ in by_layout(data):
            joints = layout.centre if self.joint is None else joint_numbers(layout, self.joint)
            if not joints:
                raise ValueError(
                    f"'CenterJoint' expected a joint, since layout {layout.name!r} has no centre"
                )
            pos = data.pos[node].view(-1, layout.num_joints, data.pos.size(1))
            here = score[node].view(-1, layout.num_joints)
            centre[pose], known[pose] = pose_centre(pos, here, joints)
            spread[pose] = pose_centre(pos, here, range(layout.num_joints))[0]
        recording = data.pose_batch
        if self.of == "pose":
            source = nearest_known(known, data.track)
            centre = torch.where((source >= 0)[:, None], centre[source], spread)
        else:
            first = first_known(
                known, data.frame, data.person[data.track], recording, data.num_recordings
            )
            nodes = node_recording(data)
            fallback = mean_of(data.pos, nodes, data.num_recordings, seen(data))
            origin = centre[first] if len(centre) else fallback
            centre = torch.where((first >= 0)[:, None], origin, fallback)[recording]
        return with_positions(data, data.pos - centre[data.pose])
