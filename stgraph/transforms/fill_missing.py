"""Missing joints guessed from their past and future."""

from __future__ import annotations

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import SkeletonTransform, by_layout, with_nodes


def neighbours_in_time(exists: Tensor, track: Tensor) -> tuple[Tensor, Tensor]:
    """The last pose up to each pose and the first from it on in which a joint is seen.

    Args:
        exists: bool [P, V].
        track: Track of each pose, ascending, int64 [P].

    Returns:
        Pose numbers [P, V] before and after, within the track; -1 where there is none.
    """
    num_poses = len(track)
    poses = torch.arange(num_poses, device=track.device)[:, None].expand_as(exists)
    if not num_poses:
        return poses, poses
    before = torch.where(exists, poses, -1).cummax(dim=0).values
    after = torch.where(exists, poses, num_poses).flip(0).cummin(dim=0).values.flip(0)
    same_before = (before >= 0) & (track[before.clamp(min=0)] == track[:, None])
    inside = after.clamp(max=num_poses - 1)
    same_after = (after < num_poses) & (track[inside] == track[:, None])
    return torch.where(same_before, before, -1), torch.where(same_after, inside, -1)


def fill_in_time(
    pos: Tensor,
    score: Tensor,
    frame: Tensor,
    track: Tensor,
    guess_score: float,
    max_gap: int | None = None,
    hold: bool = False,
) -> tuple[Tensor, Tensor]:
    """Positions of missing joints, interpolated linearly between the poses that show them.

    Args:
        pos: [P, V, D].
        score: [P, V].
        frame: Frame number of each pose, [P].
        track: Track of each pose, [P].
        guess_score: Score of a guess.
        max_gap: Longest gap that is filled, in frames.
        hold: Also hold the first and last position before and after them.

    Returns:
        Positions and scores.
    """
    missing = score <= 0
    before, after = neighbours_in_time(~missing, track)
    a, b = before.clamp(min=0), after.clamp(min=0)
    joint = torch.arange(pos.size(1), device=pos.device).expand_as(a)
    span = (frame[b] - frame[a]).clamp(min=1)
    weight = ((frame[:, None] - frame[a]) / span).to(pos.dtype)[..., None]
    between = pos[a, joint] * (1 - weight) + pos[b, joint] * weight
    guess = missing & (before >= 0) & (after >= 0)
    if hold:
        only = missing & ((before >= 0) ^ (after >= 0))
        held = torch.where((before >= 0)[..., None], pos[a, joint], pos[b, joint])
        between = torch.where(only[..., None], held, between)
    if max_gap is not None:
        guess = guess & (span - 1 <= max_gap)
    if hold:
        nearest = torch.where(before >= 0, frame[:, None] - frame[a], frame[b] - frame[:, None])
        guess = guess | (only & (nearest <= max_gap) if max_gap is not None else only)
    filled = torch.where(guess[..., None], between, pos)
    return filled, torch.where(guess, torch.full_like(score, guess_score), score)


class FillMissing(SkeletonTransform):
    """Guesses the position of missing joints by interpolation in time within their track.

    Args:
        max_gap: Longest gap that is filled, in frames; by default any.
        hold: Also hold a joint's first and last position to the ends of the track.
        score: Score of a guessed position: small, yet above 0, for it is one.

    Raises:
        ValueError: if the score is not above 0.
    """

    def __init__(self, max_gap: int | None = None, hold: bool = False, score: float = 0.1) -> None:
        if score <= 0:
            raise ValueError(f"'FillMissing' expected a score above 0 (got {score})")
        self.max_gap = max_gap
        self.hold = hold
        self.score = score

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy with fewer missing joints."""
        if getattr(data, "score", None) is None:
            return data.__copy__()
        pos, score = data.pos.clone(), data.score.clone()
        track = data.track
        for layout, node, pose, _ in by_layout(data):
            new_pos, new_score = fill_in_time(
                data.pos[node].view(-1, layout.num_joints, data.pos.size(1)),
                data.score[node].view(-1, layout.num_joints),
                data.frame[pose],
                track[pose],
                self.score,
                self.max_gap,
                self.hold,
            )
            pos[node], score[node] = new_pos.flatten(0, 1), new_score.flatten()
        return with_nodes(data, pos=pos, score=score)
