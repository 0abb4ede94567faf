"""PYSKL's normalisation of 3-D skeletons."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import (
    SkeletonTransform,
    by_layout,
    groups,
    joint_numbers,
    keep_poses,
    node_recording,
    seen,
    with_positions,
)
from stgraph.transforms.center_joint import first_known
from stgraph.transforms.rotations import align_direction
from stgraph.transforms.segments import keep_shown_segments


def person_of_pose(data: SkeletonGraph) -> tuple[Tensor, Tensor]:
    """Number of each pose's person among all of the batch, [P], and that person's recording."""
    owner, of_track = groups(data.track_batch, data.person)
    return of_track[data.track], owner


def best_person(value: Tensor, recording: Tensor, size: int) -> Tensor:
    """The person with the greatest value in each recording, the first of equals, [size]; else -1.

    Args:
        value: [n], one a person; persons of a recording in the order of their numbers.
        recording: Recording of each person, ascending, int64 [n].
        size: Number of recordings.
    """
    order = (-value).argsort(stable=True)
    order = order[recording[order].argsort(stable=True)]
    rows = recording[order]
    leads = torch.ones_like(rows, dtype=torch.bool)
    leads[1:] = rows[1:] != rows[:-1]
    best = torch.full((size,), -1, dtype=torch.long, device=value.device)
    best[rows[leads]] = order[leads]
    return best


def joint_positions(data: SkeletonGraph, counts: Tensor, joints: Sequence[int | str]) -> Tensor:
    """Positions of some joints in the first pose that shows them all, [B, k, D]; 0 if none does.

    Args:
        data: Recording or batch.
        counts: Which poses come into question, bool [P].
        joints: k joints by number, name or canonical name.
    """
    pos = data.pos.new_zeros(data.num_poses, len(joints), data.pos.size(1))
    known, exists = counts.clone(), seen(data)
    for layout, node, pose, _ in by_layout(data):
        numbers = joint_numbers(layout, joints)
        pos[pose] = data.pos[node].view(-1, layout.num_joints, data.pos.size(1))[:, numbers]
        known[pose] &= exists[node].view(-1, layout.num_joints)[:, numbers].all(dim=1)
    person = data.person[data.track]
    first = first_known(known, data.frame, person, data.pose_batch, data.num_recordings)
    result = pos.new_zeros(data.num_recordings, *pos.shape[1:])
    result[first >= 0] = pos[first[first >= 0]]
    return result


class PreNormalise3D(SkeletonTransform):
    """Moves a recording to its main person's first pose and turns it upright, facing along y.

    The main person has the most poses (of equals, the lowest number). Frames without the main
    person are dropped; what is kept of the others may fall into several tracks. In the first pose
    of the main person that shows the joints in question, ``centre`` is subtracted from
    everybody, the spine turns onto z, then the line of the shoulders onto x.

    Args:
        centre: Number, name or canonical name of the joint at the new origin.
        spine: Joints at the lower and upper end of the spine; ``None`` leaves the recording as it
            stands.
        shoulders: Right and left shoulder.
        drop_frames: Drop the frames without the main person.

    Raises:
        ValueError: if the layout has no such joints.

    Source: PYSKL's ``PreNormalize3D``.
    """

    def __init__(
        self,
        centre: int | str = "spine",
        spine: tuple[int | str, int | str] | None = ("pelvis", "spine"),
        shoulders: tuple[int | str, int | str] = ("right_shoulder", "left_shoulder"),
        drop_frames: bool = True,
    ) -> None:
        self.centre = centre
        self.spine = spine
        self.shoulders = shoulders
        self.drop_frames = drop_frames

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy, moved and turned."""
        if data.pos.size(1) != 3:
            raise ValueError(f"'PreNormalise3D' expected 3-D positions (got {data.pos.size(1)}-D)")
        size = data.num_recordings
        person, owner = person_of_pose(data)
        poses = torch.bincount(person, minlength=len(owner))
        main = best_person(poses, owner, size)
        is_main = person == main[data.pose_batch]
        if self.drop_frames:
            frames, of_pose = groups(data.pose_batch, data.frame)
            kept = torch.zeros(len(frames), dtype=torch.bool, device=of_pose.device)
            kept[of_pose[is_main]] = True
            keep = kept[of_pose]
            data = keep_shown_segments(data, keep_poses(data, keep))
            is_main = is_main[keep]
        centre = joint_positions(data, is_main, [self.centre])
        pos = data.pos - centre[node_recording(data), 0]
        if self.spine is not None:
            ends = joint_positions(data, is_main, self.spine)
            upright = align_direction(ends[:, 1] - ends[:, 0], axis=2)
            ends = joint_positions(data, is_main, self.shoulders)
            across = (upright @ (ends[:, 0] - ends[:, 1]).unsqueeze(-1)).squeeze(-1)
            matrix = align_direction(across, axis=0) @ upright
            pos = (matrix[node_recording(data)] @ pos.unsqueeze(-1)).squeeze(-1)
        return with_positions(data, pos)
