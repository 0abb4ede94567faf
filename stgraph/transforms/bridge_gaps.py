"""Tracks of one person joined over the frames in which nobody saw them."""

from __future__ import annotations

import torch
from torch import Tensor

from stgraph.skeleton import SkeletonGraph
from stgraph.transforms.base import SkeletonTransform, by_layout, with_nodes
from stgraph.transforms.fill_missing import fill_in_time

#: Most frames that the bridges of one recording may have, nearly three hours of a video.
MOST_FILLED = 250_000


class BridgeGaps(SkeletonTransform):
    """Joins the tracks of a person, filling the frames between them with new poses.

    Run it on recordings as read: it counts on frame numbers that rise by one within a track.
    Tracks of a recording come out ordered by person, then time. A recording whose bridges have
    more than 250,000 frames is refused: its frame numbers will be time stamps.

    Args:
        max_gap: Most frames a bridge may have; longer gaps stay. By default any number.
        fill: ``"missing"``: poses of score 0, whose joints have no position; ``"interpolate"``:
            joints that both ends of the gap show are interpolated.
        score: Score of an interpolated joint.

    Raises:
        ValueError: if ``fill`` is unknown.
    """

    def __init__(
        self, max_gap: int | None = None, fill: str = "missing", score: float = 0.1
    ) -> None:
        if fill not in ("missing", "interpolate"):
            raise ValueError(
                f"'BridgeGaps' expected fill='missing' or 'interpolate' (got {fill!r})"
            )
        self.max_gap = max_gap
        self.fill = fill
        self.score = score

    def forward(self, data: SkeletonGraph) -> SkeletonGraph:
        """A copy with fewer, longer tracks.

        Raises:
            ValueError: if the bridges of a recording have too many frames.
        """
        if not data.num_tracks:
            return data.__copy__()
        order, joined, gap = self._plan(data)
        _check_filled(data, gap, data.track_batch[order])
        length = data.track_length[order]
        size = length + gap
        track = torch.arange(len(order), device=order.device).repeat_interleave(size)
        nth = torch.arange(len(track), device=order.device) - (size.cumsum(0) - size)[track]
        new = nth >= length[track]
        within = torch.minimum(nth, length[track] - 1)
        index = data.first_pose[order][track] + within
        group = (~joined).long().cumsum(0) - 1
        track_length = torch.zeros_like(size).index_add_(0, group, size)
        out = data.take_poses(index, track_length[: int(group[-1]) + 1], order[~joined])
        out.frame = data.frame[index] + (nth - within)

        score = getattr(out, "score", None)
        score = out.pos.new_ones(out.pos.size(0)) if score is None else score
        blank = new[out.pose]
        out = with_nodes(
            out,
            pos=out.pos.masked_fill(blank[:, None], 0.0),
            score=score.masked_fill(blank, 0.0),
        )
        return self._interpolated(out, new) if self.fill == "interpolate" else out

    def _plan(self, data: SkeletonGraph) -> tuple[Tensor, Tensor, Tensor]:
        """Tracks in order, whether each goes on from the one before, frames missing after each."""
        first = data.frame[data.first_pose]
        last = data.frame[data.track_length.cumsum(0) - 1]
        order = torch.arange(data.num_tracks, device=first.device)
        for key in (first, data.person, data.track_batch):
            order = order[key[order].argsort(stable=True)]
        joined = torch.zeros_like(order, dtype=torch.bool)
        gap = torch.zeros_like(order)
        for key in (data.person, data.track_batch):
            same = key[order[1:]] == key[order[:-1]]
            joined[1:] = same if key is data.person else joined[1:] & same
        between = first[order[1:]] - last[order[:-1]] - 1
        joined[1:] &= between >= 0
        if self.max_gap is not None:
            joined[1:] &= between <= self.max_gap
        gap[:-1] = torch.where(joined[1:], between, torch.zeros_like(between))
        return order, joined, gap

    def _interpolated(self, data: SkeletonGraph, new: Tensor) -> SkeletonGraph:
        pos, score = data.pos.clone(), data.score.clone()
        track = data.track
        for layout, node, pose, _ in by_layout(data):
            old_pos = data.pos[node].view(-1, layout.num_joints, data.pos.size(1))
            old_score = data.score[node].view(-1, layout.num_joints)
            # only the poses next to a gap may lend their joints, and only poses of a gap borrow
            filled, guess = fill_in_time(
                old_pos, old_score, data.frame[pose], track[pose], self.score
            )
            ends = _gap_ends(old_score > 0, new[pose])
            use = new[pose][:, None] & ends
            pos[node] = torch.where(use[..., None], filled, old_pos).flatten(0, 1)
            score[node] = torch.where(use, guess, old_score).flatten()
        return with_nodes(data, pos=pos, score=score)


def _check_filled(data: SkeletonGraph, gap: Tensor, recording: Tensor) -> None:
    """Refuses to fill so many frames that only time stamps can be meant."""
    # as fractions, for the sum of time stamps may not be an int64
    filled = torch.zeros(data.num_recordings, dtype=torch.float64, device=gap.device)
    filled = filled.index_add_(0, recording, gap.double())
    if float(filled.max()) > MOST_FILLED:
        worst = int(filled.argmax())
        name = getattr(data, "name", None)
        name = name[worst] if isinstance(name, list) else name
        raise ValueError(
            f"'BridgeGaps' expected at most {MOST_FILLED:,} frames to fill in a recording (got "
            f"{float(filled.max()):,.0f} in {'recording ' + str(worst) if name is None else name}"
            "). Are the frame numbers time stamps? Number the frames, or set max_gap"
        )


def _gap_ends(exists: Tensor, new: Tensor) -> Tensor:
    """Whether both poses at the ends of each new pose's gap show a joint, bool [P, V]."""
    poses = torch.arange(len(new), device=new.device)
    before = torch.where(new, 0, poses).cummax(dim=0).values
    after = torch.where(new, len(new) - 1, poses).flip(0).cummin(dim=0).values.flip(0)
    return exists[before] & exists[after]
