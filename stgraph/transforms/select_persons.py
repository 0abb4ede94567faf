"""The people who matter most."""

from __future__ import annotations

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import SkeletonTransform, seen
from stgraph.transforms.pre_normalise_3d import person_of_pose
from stgraph.transforms.segments import keep_shown_segments
from stgraph.transforms.stream import last_poses


def pose_motion(data: SkeletonGraph) -> Tensor:
    """Distance that the joints of each pose move to the next pose of the track, summed, [P].

    Joints that one of the two poses does not show do not count.
    """
    pose = data.pose
    counts = data.joints_per_pose
    inner = ~last_poses(data.track_length, data.num_poses)
    node = torch.arange(data.pos.size(0), device=pose.device)
    following = torch.where(inner[pose], node + counts[pose], node)
    exists = seen(data)
    step = (data.pos[following] - data.pos).norm(dim=1) * (exists & exists[following])
    return data.pos.new_zeros(data.num_poses).index_add_(0, pose, step)


class SelectPersons(SkeletonTransform):
    """Keeps the ``number`` people of each recording who move most, or are seen best or longest.

    Of equals the one with the lower number stays.

    Args:
        number: How many people to keep.
        by: ``"motion"`` (path length of all joints), ``"score"`` (sum of all scores) or
            ``"length"`` (number of poses).

    Raises:
        ValueError: if ``by`` is unknown or ``number`` is not positive.
    """

    def __init__(self, number: int = 1, by: str = "motion") -> None:
        if by not in ("motion", "score", "length") or number < 1:
            raise ValueError(
                "'SelectPersons' expected a positive number and by='motion', 'score' or "
                f"'length' (got {number}, {by!r})"
            )
        self.number = number
        self.by = by

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy with fewer tracks; actions in which nobody is left are gone."""
        person, recording = person_of_pose(data)
        if self.by == "motion":
            value = pose_motion(data)
        elif self.by == "score":
            score = getattr(data, "score", None)
            score = torch.ones_like(data.pos[:, 0]) if score is None else score
            value = data.pos.new_zeros(data.num_poses).index_add_(0, data.pose, score)
        else:
            value = data.pos.new_ones(data.num_poses)
        total = value.new_zeros(len(recording)).index_add_(0, person, value)
        order = (-total).argsort(stable=True)
        order = order[recording[order].argsort(stable=True)]
        count = torch.bincount(recording, minlength=data.num_recordings)
        rank = torch.arange(len(order), device=order.device)
        rank = rank - (count.cumsum(0) - count)[recording[order]]
        chosen = torch.zeros(len(order), dtype=torch.bool, device=order.device)
        chosen[order[rank < self.number]] = True
        track_person = person[data.first_pose]
        track = chosen[track_person].nonzero().flatten()
        index = chosen[person].nonzero().flatten()
        out = data.take_poses(index, data.track_length[track], track)
        return keep_shown_segments(data, out)
